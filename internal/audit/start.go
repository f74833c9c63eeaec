// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/checkpoint"
	"github.com/aurigraph/aurigraph/internal/commit"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/ledger"
	"github.com/aurigraph/aurigraph/internal/node"
	"github.com/aurigraph/aurigraph/internal/seglog"
)

// start is where re-execution begins.
type start struct {
	base  chain.Height
	state *node.State // nil if nothing can be executed
	whole bool        // the lane is there from its first entry
}

// retained is how far back the logs reach.
type retained struct {
	segment  uint64       // the lane's oldest segment; 1 if it is empty
	proposal chain.Height // the oldest proposal of the ordering log; 0 if it holds none, or cannot be used
}

// findStart takes the genesis, or the anchor that is the floor of retention: from there everything must be retained. What
// lies before it is being let go; a crash may have left some of it.
func (a *audit) findStart(ctx context.Context, sound soundness) (start, error) {
	a.checkCertified()
	if !sound.lane || !sound.order {
		return start{base: a.head}, nil
	}
	var err error
	if a.order, err = a.openOrder(ctx); err != nil {
		return start{}, err
	}
	r, err := a.retained()
	if err != nil {
		return start{}, err
	}
	floor := a.floor()
	switch {
	case floor.Height == 0 && (r.segment > 1 || r.proposal > 1):
		a.problem(a.cfg.Data("checkpoints"), "", "the lane begins with segment %d and the ordering log with height %d, and no checkpoint says that anything was let go: nothing can be executed again", r.segment, r.proposal)
		return start{base: a.head}, nil
	case floor.Height == 0:
		return a.startAtGenesis(), nil
	}
	for _, c := range a.checkpoints {
		if c.anchor && c.meta.Height == floor.Height {
			return a.startAtFloor(c, r)
		}
	}
	a.problem(a.cfg.Data("checkpoints"), at(floor.Height), "the anchor from which everything is retained is missing: nothing can be executed again")
	return start{base: a.head}, nil
}

// floor is the highest one that a sound checkpoint names.
func (a *audit) floor() commit.Floor {
	var highest commit.Floor
	for _, c := range a.checkpoints {
		if c.floor.Height > highest.Height {
			highest = c.floor
		}
	}
	return highest
}

func (a *audit) startAtGenesis() start {
	state, err := node.GenesisState(a.genesis)
	if err != nil {
		a.problem(a.cfg.Path(a.cfg.Genesis), "", "%v", err)
		return start{base: a.head}
	}
	return start{state: state, whole: true}
}

// startAtFloor wants the logs to reach back to the anchor.
func (a *audit) startAtFloor(c held, r retained) (start, error) {
	first := max(c.lane.Pos.Segment, 1) // a state of a peer may be ahead of all that is in the log
	if first < r.segment || c.meta.Height+1 < r.proposal {
		a.problem(c.path, at(c.meta.Height), "everything from this anchor must be retained, but the lane begins with segment %d and the ordering log with height %d: nothing can be executed again", r.segment, r.proposal)
		return start{base: a.head}, nil
	}
	if first > r.segment {
		a.note("the lane's segments %d to %d lie before height %d, from which everything is retained: the node has not let go of them yet", r.segment, first-1, c.meta.Height)
	}
	return a.startAt(c)
}

func (a *audit) retained() (retained, error) {
	r := retained{segment: 1}
	lane, err := seglog.OpenReader(nil, a.cfg.Data("lane"))
	if err != nil {
		return r, err
	}
	if segments := lane.Segments(); len(segments) > 0 {
		r.segment = segments[0].Number
	}
	if a.order != nil {
		r.proposal = a.order.oldest
	}
	return r, lane.Close()
}

// startAt loads an anchor.
func (a *audit) startAt(c held) (start, error) {
	checkpoints, err := checkpoint.Open(a.cfg.Data("checkpoints"), readOnly{}, checkpoint.Config{Chain: a.genesis.Chain})
	if err != nil {
		return start{}, err
	}
	loaded, _, err := checkpoints.LoadVerified(func(m checkpoint.Meta) bool { return m.Height == c.meta.Height && m.Root == c.meta.Root })
	if err != nil {
		a.problem(c.path, at(c.meta.Height), "%v", err)
		return start{base: a.head}, nil
	}
	state, err := node.StateAt(a.genesis, a.store, loaded)
	if err != nil {
		a.problem(c.path, at(c.meta.Height), "%v", err)
		return start{base: a.head}, nil
	}
	a.checkLanePosition(c, state)
	a.report.FromHeight = state.Height
	return start{base: state.Height, state: state}, nil
}

// checkLanePosition compares what a checkpoint says about the own lane with the state in it.
func (a *audit) checkLanePosition(c held, state *node.State) {
	if text := a.wrongLane(c, state.Ledger); text != "" {
		a.problem(c.path, at(c.meta.Height), "%s", text)
	}
}

// wrongLane says why the own lane does not end in the state as a checkpoint's position says, or nothing. Where nobody knows
// which lane that is, one of them must.
func (a *audit) wrongLane(c held, l *ledger.Ledger) string {
	p := c.lane
	if a.beganAnew(c.meta.Height, l) {
		return "" // the position is of the lane before
	}
	if a.self != nobody {
		if _, sequence, tip := l.Lane(a.self); sequence != p.Sequence || tip != p.Tip {
			return fmt.Sprintf("it names entry %d of the own lane, %s, its state ends with entry %d, %s", p.Sequence, p.Tip, sequence, tip)
		}
		return ""
	}
	for v := range a.lanes {
		if _, sequence, tip := l.Lane(chain.ValidatorNo(v)); sequence == p.Sequence && tip == p.Tip {
			return ""
		}
	}
	return fmt.Sprintf("it names lane entry %d, %s, in its state no lane ends with that", p.Sequence, p.Tip)
}

// beganAnew reports whether the own lane begins anew with the epoch behind a height, or is no more: its owner has new keys, or
// left. Where nobody knows which lane is the own one, it may be any.
func (a *audit) beganAnew(h chain.Height, l *ledger.Ledger) bool {
	if _, ends := a.endAt(h); !ends {
		return false
	}
	epoch := l.Membership().Epoch
	for v := range chain.ValidatorNo(a.lanes) {
		if joined, _, _ := l.Lane(v); (joined == 0 || joined == epoch) && (v == a.self || a.self == nobody) {
			return true
		}
	}
	return false
}

// checkCertified wants the root of every checkpoint in the header that owes it, or in the handover if it ends an epoch: a node
// writes no other. Those without are not used.
func (a *audit) checkCertified() {
	a.buffersKeepUp()
	good := a.checkpoints[:0]
	for _, c := range a.checkpoints {
		if text := a.uncertified(c.meta); text != "" {
			a.problem(c.path, at(c.meta.Height), "%s", text)
			continue
		}
		good = append(good, c)
	}
	a.checkpoints = good
}

// uncertified says why a checkpoint's root is not one of this chain, or nothing.
func (a *audit) uncertified(m checkpoint.Meta) string {
	h := m.Height + chain.RootDelay
	header, err := a.readHeaderAhead(h)
	end, ends := a.endAt(m.Height)
	switch {
	case m.Chain != a.genesis.Chain:
		return fmt.Sprintf("it is of chain %d", m.Chain)
	case ends && m.Root == end.Root:
	case ends:
		return fmt.Sprintf("its root %s is not that of the state with which epoch %d begins: %s", m.Root, end.Next.Epoch, end.Root)
	case err != nil:
		return fmt.Sprintf("the header of height %d, which certifies its root, cannot be read: %v", h, err)
	case header.RootAt != m.Height || header.StateRoot != m.Root:
		return fmt.Sprintf("its root %s is not what header %d certifies: %s of height %d", m.Root, h, header.StateRoot, header.RootAt)
	}
	return ""
}

// readOnly is the operating system's files for a reader that must not change anything. What a checkpoint store removes
// when it opens stays where it is.
type readOnly struct{ checkpoint.OS }

// Open refuses to open for writing.
func (r readOnly) Open(path string, write bool) (checkpoint.File, error) {
	if write {
		return nil, fault.New(fault.Internal, "%s is opened for writing by a verification", filepath.Base(path))
	}
	return r.OS.Open(path, false)
}

// Remove does nothing.
func (readOnly) Remove(string) error { return nil }
