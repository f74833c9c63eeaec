// SPDX-License-Identifier: Apache-2.0

package loadgen

import (
	"context"
	"slices"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/store"
)

// measure says what the times and answers of a run come to. The load has ended.
func (c *catchUp) measure() {
	r, at := c.report, c.at
	r.FallenNode = c.network.Nodes[c.fallen].ID
	down, back := at.started.Sub(at.killed).Seconds(), at.back.Sub(at.started).Seconds()
	r.DownS, r.CatchUpS = down, back
	r.BlocksPerS, r.TimesRealTime = float64(r.BehindBlocks)/down, (down+back)/back
	r.FinalityMs = CatchUpFinality{Before: c.load.finality(at.begun, at.killed), Down: c.load.finality(at.killed, at.started), During: c.load.finality(at.started, at.back)}
	if r.FinalityMs.Before.P99 > 0 {
		r.P99Ratio = r.FinalityMs.During.P99 / r.FinalityMs.Before.P99
	}
	r.Kept, r.Acks, r.Refusals = c.load.perSecond(at.started, at.back), len(c.load.answers), c.load.refusals
}

// peaks reads how much memory the nodes used while one caught up.
func (c *catchUp) peaks(context.Context) error {
	for i, n := range c.network.Nodes {
		u, err := usageOf(n.PID)
		if err != nil {
			return err
		}
		c.report.RSSMBMax = max(c.report.RSSMBMax, u.rssMaxMB)
		if i == c.fallen {
			c.report.RSSMBCatchingUp = u.rssMaxMB
		}
	}
	return nil
}

// readDisks proves the stopped nodes: roots, money, and that each batch that was acknowledged is there.
func (c *catchUp) readDisks() (err error) {
	r := c.report
	if r.RootsEqual, err = sameHeaders(c.network.Nodes); err != nil {
		return err
	}
	r.Conserved = true
	for i, n := range c.network.Nodes {
		d, err := readBack(n.Dir, c.bench.issued)
		if err != nil {
			return err
		}
		r.RootsEqual, r.Conserved = r.RootsEqual && d.rootEqual, r.Conserved && d.conserved
		r.Nodes = append(r.Nodes, NodeReport{ID: n.ID, Dir: n.Dir})
		found, lost, adopted, err := onDisk(n.Dir, c.load.answers)
		if err != nil {
			return err
		}
		r.LostAcks = max(r.LostAcks, lost)
		if i == c.fallen {
			r.FoundOnFallen, r.StateHeight, r.StateTaken = found, adopted, adopted > c.own
		}
	}
	return nil
}

// onDisk counts the batches that a stopped node's store knows, and those that it should know and does not. adopted is the height
// of the newest state that it took from a peer.
func onDisk(dir string, acked []answered) (found, lost int, adopted chain.Height, err error) {
	err = withStore(dir, func(s store.Store) error {
		a, err := store.ReadAdopted(s)
		if err != nil && !fault.Is(err, fault.NotFound) {
			return err
		}
		adopted = a.Height
		first, err := store.ReadBatchesFrom(s)
		if err != nil {
			return err
		}
		kept := slices.DeleteFunc(slices.Clone(acked), func(b answered) bool { return b.height < first })
		for i := range kept {
			_, err := store.ReadBatch(s, kept[i].id)
			switch {
			case err == nil:
				found++
			case fault.Is(err, fault.NotFound) || fault.Is(err, fault.Pruned):
				lost++
			default:
				return err
			}
		}
		return nil
	})
	return found, lost, adopted, err
}
