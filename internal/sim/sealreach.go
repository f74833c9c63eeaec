// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"context"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/order/raft"
	"github.com/aurigraph/aurigraph/internal/pages"
	"github.com/aurigraph/aurigraph/internal/seal"
	"github.com/aurigraph/aurigraph/internal/seglog"
)

// target is where a node brings its state instead of ordering: to the end of its epoch, with the members of the next and what the seal means.
type target struct {
	epoch   chain.Epoch // that ends
	last    seal.Point
	through []seal.Point // what its history must pass
	next    *chain.Membership
	verdict chain.Verdict
	end     *chain.ProvedHandover // it is decided; nil: a plan asks for it
}

func (t *target) same(o *target) bool {
	return t.epoch == o.epoch && t.last == o.last && t.verdict == o.verdict && codec.MembershipHash(t.next) == codec.MembershipHash(o.next)
}

// reached is what became of a target.
type reached struct {
	seal.Prepared
	err   error
	lanes []uint64 // executed in each, before the next members were set
}

// beginSealing does at a start what an epoch's end asks for.
func (n *replica) beginSealing() {
	switch {
	case !n.up:
	case n.halted == epochMissed:
		n.fetchState(n.lastPoint().Height, false)
	case n.target != nil:
		n.beginReplay()
	}
}

// beginReplay lets the node execute what its ordering log holds up to the target, decided or not: that the last header is the
// target's says that it was right.
func (n *replica) beginReplay() {
	n.decided = nil
	log, err := raft.ReadHistory(timeless, n.orders, n.raftGenesis(), raft.Start{Height: n.machine.Height(), Fetched: n.fetchedHeight()})
	if err == nil {
		err = log.Each(timeless, func(_ seglog.Pos, p *chain.Proposal) error {
			if p.Height > n.machine.Height() && p.Height <= n.target.last.Height {
				n.decided = append(n.decided, p)
			}
			return nil
		})
	}
	if err != nil {
		n.cannotReach("the ordering log: %v", err)
		return
	}
	if have := n.machine.Height() + chain.Height(len(n.decided)); have != n.target.last.Height {
		n.cannotReach("state and log lead to height %d", have)
		return
	}
	n.arrive()
}

// Scan reads the log's records, oldest first. It is what package raft reads a stopped node's log with.
func (l *wal) Scan(_ context.Context, _ seglog.Pos, fn func(seglog.Pos, seglog.Record) error) error {
	for i := range l.records[:l.durable] {
		r := &l.records[i]
		if err := fn(r.at, seglog.Record{Kind: r.kind, Meta: r.meta, Payload: r.payload}); err != nil {
			return err
		}
	}
	return nil
}

// arrive ends a replay that is at its target.
func (n *replica) arrive() {
	switch {
	case n.target == nil || n.reached != nil || !n.up || n.halted != "":
		return
	case n.target.end != nil && n.target.verdict == chain.VerdictNone:
		n.arriveAtChange()
		return
	case n.machine.Height() != n.target.last.Height:
		return
	}
	for _, p := range append(n.target.through[:len(n.target.through):len(n.target.through)], n.target.last) {
		if got := n.replayedHash(p.Height); got != p.Header {
			n.cannotReach("header %d is %s here, not %s", p.Height, got, p.Header)
			return
		}
	}
	header := codec.AppendHeader(nil, n.replayedHeader(n.target.last.Height))
	r := &reached{Prepared: seal.Prepared{Header: header}}
	r.lanes = n.lanesNow()
	verdict := n.target.verdict
	if n.bug() == bugVerdictForgotten {
		verdict = chain.VerdictUnchanged
	}
	if err := n.ledger.ApplySeal(n.target.next, verdict); err != nil {
		n.cannotReach("%v", err)
		return
	}
	sn := n.space.Snapshot()
	defer sn.Release()
	n.reached, r.Root, r.HomeVersion = r, n.tree.Update(sn), n.ledger.SealedVersion(n.target.verdict)
	n.w.check.reaches(n)
	if n.target.end != nil {
		n.endEpoch(sn)
	}
}

// laneExecuted is the sequence up to which a lane is executed in the node's state.
func (n *replica) laneExecuted(v chain.ValidatorNo) uint64 {
	switch {
	case n.ending != nil && int(v) < len(n.ending.lanes):
		return n.ending.lanes[v]
	case n.reached != nil && int(v) < len(n.reached.lanes):
		return n.reached.lanes[v]
	}
	_, sequence, _ := n.ledger.Lane(v)
	return sequence
}

// cannotReach ends a replay whose history is another one. If the seal is decided, the node takes a peer's state.
func (n *replica) cannotReach(format string, args ...any) {
	if n.reached != nil || !n.up {
		return
	}
	n.reached = &reached{err: fault.Reasoned(fault.Conflict, "other_history", format, args...)}
	n.decided = nil
	if n.target.end != nil && !n.losesPower() {
		if n.target.end.Verdict != chain.VerdictNone {
			n.w.see(seenSealMissed, 1)
		}
		n.missed = n.epoch
		n.restart()
	}
}

// replayedHeader is a header of the history that led to the state, nil if it is not here.
func (n *replica) replayedHeader(h chain.Height) *chain.ExecutedHeader {
	if x := n.results[h]; x != nil {
		return x.header
	}
	return n.blocks.headers[h]
}

func (n *replica) replayedHash(h chain.Height) chain.Hash {
	x := n.replayedHeader(h)
	if x == nil {
		return chain.Hash{}
	}
	return codec.HeaderHash(x)
}

// endEpoch stores the blocks that a seal made final, and makes the state a checkpoint that the next epoch begins with.
func (n *replica) endEpoch(sn *pages.Snapshot) {
	end := n.target.end
	if n.reached.Root != end.Root || n.reached.HomeVersion != end.HomeVersion {
		n.reached = nil
		n.cannotReach("the state has another root than the seal says")
		return
	}
	for h := n.blocks.head + 1; h <= end.Height; h++ {
		x := n.results[h]
		delete(n.results, h)
		n.w.see(seenUncertified, 1)
		if n.bug() == bugSealedUnstored {
			n.blocks.skip(x)
			continue
		}
		n.blocks.put(x)
		n.w.check.provedBy(n, x)
	}
	c := &checkpoint{height: end.Height, end: end, headers: []*chain.ExecutedHeader{n.replayedHeader(end.Height)}, sections: copySections(sn), history: n.blocks.history(end.Height)}
	n.writeCheckpoint(c, func() {
		if !n.losesPower() {
			n.restart()
		}
	})
	n.losesPower()
}

// provedByEnd reports whether a peer's checkpoint is the state that the handover begins the next epoch with, which ended this
// node's.
func (n *replica) provedByEnd(c *checkpoint) bool {
	end := n.endOf(c.end.Next.Epoch - 1)
	if end == nil || len(c.headers) != 1 || c.height != end.Height || codec.HeaderHash(c.headers[0]) != end.Header || !chainedDown(c.headers[0], c.history) {
		return false
	}
	c.end = end
	_, tree, l, err := restore(n.w, c.sections)
	return err == nil && tree.Root() == end.Root && l.Height() == c.height
}
