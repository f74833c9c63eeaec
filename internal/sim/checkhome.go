// SPDX-License-Identifier: Apache-2.0

package sim

import "github.com/aurigraph/aurigraph/internal/chain"

// owns checks who owns which slots in the state that a node begins an epoch with, or ends it: V10 those of the genesis, and all once a seal
// said so, by versions that the handovers name.
func (c *checker) owns(n *replica, e chain.Epoch) {
	version, all := uint64(1), false
	for _, p := range c.epochs {
		if p.Next.Epoch > e || p.Verdict != chain.VerdictToV10 {
			continue
		}
		version, all = version+1, true
		made, ok := n.ledger.HomeMove(version)
		if p.HomeVersion != version || !ok || !made.Tx.IsZero() || made.Height != p.Height {
			c.w.fail(checkHomes, "the seal at height %d makes version %d of the home table by what validators signed; in node %d's state version %d was made at height %d by %s",
				p.Height, p.HomeVersion, n.no, version, made.Height, made.Tx)
			return
		}
	}
	if n.ledger.HomeVersion() != version {
		c.w.fail(checkHomes, "node %d has version %d of the home table in epoch %d, and %d were made", n.no, n.ledger.HomeVersion(), e, version)
		return
	}
	for slot := range uint16(chain.SlotNone) {
		if is := n.ledger.OwnedByV10(slot); is != (all || slot < slotsOfV10) {
			c.w.fail(checkHomes, "in node %d's state of epoch %d V10 owns slot %d: %v", n.no, e, slot, is)
			return
		}
	}
}
