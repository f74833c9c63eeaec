// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/checkpoint"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/node"
	"github.com/aurigraph/aurigraph/internal/order/solo"
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
	proposal chain.Height // the oldest proposal of the ordering log; 0 if it is empty
}

// findStart takes the lowest state after which both logs are complete: the genesis, or an anchor. That is where the node
// stopped to recycle, so no segment may lie before it.
func (a *audit) findStart(ctx context.Context, sound soundness) (start, error) {
	a.checkCertified()
	if !sound.lane || !sound.order {
		return start{base: a.head}, nil
	}
	r, err := a.retained(ctx)
	if err != nil {
		return start{}, err
	}
	if r.segment == 1 && r.proposal <= 1 {
		state, err := node.GenesisState(a.genesis)
		if err != nil {
			a.problem(a.cfg.Path(a.cfg.Genesis), "", "%v", err)
			return start{base: a.head}, nil
		}
		return start{state: state, whole: true}, nil
	}
	for _, c := range a.checkpoints {
		if !c.anchor {
			continue
		}
		if c.lane.Pos.Segment < r.segment || c.meta.Height+1 < r.proposal {
			// A node removes the anchor first, then what lies before the next one.
			a.problem(c.path, at(c.meta.Height), "this anchor stands, but what is to be executed after it is gone: the lane begins with segment %d, the ordering log with height %d", r.segment, r.proposal)
			continue
		}
		if c.lane.Pos.Segment > r.segment {
			a.problem(a.cfg.Data("checkpoints"), at(c.meta.Height), "this is the oldest anchor after which all is retained, but it lies in segment %d and the lane begins with segment %d: the anchor there is missing", c.lane.Pos.Segment, r.segment)
		}
		return a.startAt(c)
	}
	a.problem(a.cfg.Data("checkpoints"), "", "the lane begins with segment %d and the ordering log with height %d, and no anchor lies there: nothing can be executed again", r.segment, r.proposal)
	return start{base: a.head}, nil
}

func (a *audit) retained(ctx context.Context) (retained, error) {
	r := retained{segment: 1}
	lane, err := seglog.OpenReader(nil, a.cfg.Data("lane"))
	if err != nil {
		return r, err
	}
	if segments := lane.Segments(); len(segments) > 0 {
		r.segment = segments[0].Number
	}
	if err := lane.Close(); err != nil {
		return r, err
	}
	order, err := seglog.OpenReader(nil, a.cfg.Data("order"))
	if err != nil {
		return r, err
	}
	stop := errors.New("seen")
	err = order.Scan(ctx, seglog.Pos{}, func(_ seglog.Pos, rec seglog.Record) error {
		p, err := solo.ParseRecord(rec)
		if err != nil {
			return stop // the replay says so
		}
		r.proposal = p.Height
		return stop
	})
	if errors.Is(err, stop) {
		err = nil
	}
	return r, errors.Join(err, order.Close())
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

// checkLanePosition compares what a checkpoint says about the lane with the state in it.
func (a *audit) checkLanePosition(c held, state *node.State) {
	if _, sequence, tip := state.Ledger.Lane(0); sequence != c.lane.Sequence || tip != c.lane.Tip {
		a.problem(c.path, at(c.meta.Height), "it names lane entry %d, its state ends with entry %d", c.lane.Sequence, sequence)
	}
}

// checkCertified wants the root of every checkpoint in the header that owes it: a node writes no other. Those without are
// not used.
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
	header, err := a.readHeader(h)
	switch {
	case m.Chain != a.genesis.Chain:
		return fmt.Sprintf("it is of chain %d", m.Chain)
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
