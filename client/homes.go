// SPDX-License-Identifier: Apache-2.0

package client

import (
	"context"
	"math"

	ledgerv1 "github.com/aurigraph/aurigraph/gen/aurigraph/ledger/v1"
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// Homes is the home table as of Height, and who may change it: which ledger may debit which accounts of V10's.
type Homes struct {
	Height  Height // certified
	Version uint64
	V10     []SlotRange // slots that V10 owns, in order
	Mover   KeyNo       // key that may move slots; 0: governance alone
	Guard   [32]byte    // Ed25519 key whose fences count; zero: none was named
	Closed  bool        // the migration is over (CloseMigration): V10 owns nothing, and nothing moves any more
}

// HomeMove is what made a version of the home table, proved by its receipt, or by the handover of the seal that made it.
type HomeMove struct {
	Version uint64
	Height  Height
	ToV11   bool        // of a move
	Aborted bool        // it moved nothing: fences of earlier versions are of no use from then on
	Closed  bool        // it ended the migration: no version follows
	Sealed  bool        // behind Height a seal gave V10 all slots that it did not own; no transaction did
	Slots   []SlotRange // none of a close
}

// Homes reads the home table. It is the node's word.
func (c *Client) Homes(ctx context.Context) (*Homes, error) {
	a, err := read(ctx, c, c.ledger.GetHomes, &ledgerv1.GetHomesRequest{})
	if err != nil {
		return nil, err
	}
	h := &Homes{Height: Height(a.Height), Version: a.Version, Mover: KeyNo(a.Mover), Closed: a.Closed}
	if len(a.Guard) != 0 && copy(h.Guard[:], a.Guard) != len(a.Guard) {
		return nil, fault.Reasoned(fault.Corrupt, "answer_malformed", "the node's answer has a guard's key of %d bytes", len(a.Guard))
	}
	for _, r := range a.V10 {
		if r.From > r.To || r.To > math.MaxUint16 {
			return nil, fault.Reasoned(fault.Corrupt, "answer_malformed", "the node's answer has slots %d to %d", r.From, r.To)
		}
		h.V10 = append(h.V10, SlotRange{From: uint16(r.From), To: uint16(r.To)})
	}
	return h, nil
}

// HomeMove reads what made a version of the home table, 2 or more, and verifies it: the transaction is in a certified block, was executed
// with the outcome ok, and was made for the version before; or a quorum of an epoch's validators sealed it with that version. So whoever
// begins with the table of a version that he trusts, and follows the versions one by one, has the table that the validators certified.
// NotFound: that version was not made yet. Denied: the client has no Trust.
func (c *Client) HomeMove(ctx context.Context, version uint64) (*HomeMove, error) {
	if c.verifier == nil {
		return nil, fault.New(fault.Denied, "a move of slots is believed with its proof only: the client needs a Trust")
	}
	a, err := read(ctx, c, c.ledger.GetHomeMove, &ledgerv1.GetHomeMoveRequest{Version: version})
	if err != nil {
		return nil, err
	}
	if len(a.Transaction) == 0 {
		return c.sealedMove(ctx, version)
	}
	var id Hash
	if err := putHash(&id, a.Transaction); err != nil {
		return nil, err
	}
	t, err := c.Transaction(ctx, id, true)
	if err != nil {
		return nil, err
	}
	return homeMoveOf(t, version)
}

// sealedMove finds the seal that made a version. The node's word is not needed for it: the handovers say so, from the genesis on.
func (c *Client) sealedMove(ctx context.Context, version uint64) (m *HomeMove, err error) {
	err = c.prove(ctx, func(v *Verifier) error {
		end, ok := v.history.SealedHomes(version)
		if !ok {
			return unproved(ReasonUnknownEpoch, "no handover up to epoch %d made version %d of the home table", v.Epoch(), version)
		}
		m = &HomeMove{Version: version, Height: end.Height, Sealed: true, Slots: []SlotRange{{From: 0, To: chain.SlotNone - 1}}}
		return nil
	})
	return m, err
}

func homeMoveOf(t *Transaction, version uint64) (*HomeMove, error) {
	lies := func(text string) error {
		return fault.Reasoned(fault.Corrupt, "answer_malformed", "the node says that %s made version %d of the home table, but %s", Hash(t.ID), version, text)
	}
	switch {
	case !t.Verified:
		return nil, lies("does not prove it")
	case t.Leg || len(t.Bytes) == 0:
		return nil, fault.Reasoned(fault.Pruned, "pruned", "the node has not kept the transaction that made version %d of the home table: ask one that keeps more", version)
	case t.Outcome != chain.OK:
		return nil, lies("that was refused")
	}
	tx, _, err := codec.DecodeSignedTx(t.Bytes)
	if err != nil {
		return nil, err
	}
	m := &HomeMove{Version: version, Height: t.Height}
	var before uint64
	switch b := tx.Body.(type) {
	case *chain.MoveSlots:
		before, m.ToV11, m.Slots = b.HomeVersion, b.ToV11, b.Slots
	case *chain.AbortMove:
		before, m.Aborted, m.Slots = b.HomeVersion, true, b.Slots
	case *chain.CloseMigration:
		before, m.Closed = b.HomeVersion, true
	default:
		return nil, lies("that moves no slots")
	}
	if before+1 != version {
		return nil, lies("that was made for another version")
	}
	return m, nil
}
