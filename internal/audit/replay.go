// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"golang.org/x/sync/errgroup"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/commit"
	"github.com/aurigraph/aurigraph/internal/exec"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/lane"
	"github.com/aurigraph/aurigraph/internal/node"
	"github.com/aurigraph/aurigraph/internal/order/solo"
	"github.com/aurigraph/aurigraph/internal/seglog"
	"github.com/aurigraph/aurigraph/internal/store"
)

// replayer executes the ordering log again. It is driven by one goroutine, beside which the lane is read ahead.
type replayer struct {
	*audit
	*feed
	ctx   context.Context
	state *node.State
	keys  *keyring
	link  link
	order orderLog

	base    chain.Height // the state that it began with
	reached chain.Height // newest height that came out as stored
	stopped bool         // something did not: nothing more is executed
	changes store.Changes
	due     map[chain.Height][]held // checkpoints that were not passed yet
}

// orderLog is where the walk through the ordering log stands.
type orderLog struct {
	height chain.Height
	timeUs uint64
	any    bool
}

// replay executes what is retained, and returns the height up to which everything came out as stored.
func (a *audit) replay(ctx context.Context, s start) (reached chain.Height, err error) {
	group, ctx := errgroup.WithContext(ctx)
	r := &replayer{
		audit: a, feed: newFeed(), ctx: ctx, state: s.state, keys: newKeyring(s.state.Ledger, s.base),
		link: newLink(s), base: s.base, reached: s.base, due: map[chain.Height][]held{},
	}
	for _, c := range a.checkpoints {
		r.due[c.meta.Height] = append(r.due[c.meta.Height], c)
	}
	r.passCheckpoints(s.base, s.state.Tree.Root(), s.state.Lane)
	group.Go(func() error { return r.corruptIsProblem(r.read(ctx, a.cfg.Data("lane")), "lane") })
	group.Go(func() error { return r.run() })
	err = group.Wait()
	r.close()
	a.decided = r.order.height
	return r.reached, err
}

// corruptIsProblem turns what a log's reader found wrong with the content into a problem.
func (r *replayer) corruptIsProblem(err error, folder string) error {
	if fault.Is(err, fault.Corrupt) || fault.Is(err, fault.Invalid) {
		r.problem(r.cfg.Data(folder), "", "%v", err)
		return nil
	}
	return err
}

func (r *replayer) run() error {
	defer r.drain()
	log, err := seglog.OpenReader(nil, r.cfg.Data("order"))
	if err != nil {
		return err
	}
	err = log.Scan(r.ctx, seglog.Pos{}, func(pos seglog.Pos, rec seglog.Record) error {
		p, err := solo.ParseRecord(rec)
		if err != nil {
			return err
		}
		return r.proposal(p, fmt.Sprintf("segment %d, byte %d", pos.Segment, pos.Offset))
	})
	if err := r.corruptIsProblem(errors.Join(err, log.Close()), "order"); err != nil {
		return err
	}
	if err := r.ctx.Err(); err != nil {
		return err
	}
	r.end()
	return nil
}

// drain takes what is left of the lane: all its entries are checked, also those that were never ordered.
func (r *replayer) drain() {
	for e := range r.entries {
		r.see(e)
		if !r.stopped {
			r.sign(e, r.head+1)
		}
		e.buffer.Release()
	}
}

// end checks what can be said when every height was executed.
func (r *replayer) end() {
	if !r.stopped && r.reached < r.head {
		r.problem(r.cfg.Data("order"), at(r.reached), "the log ends here, but height %d was published", r.head)
		return
	}
	if r.stopped {
		return
	}
	r.recount(r.reached)
	for h, list := range r.due {
		for _, c := range list {
			if h > r.base {
				r.problem(c.path, at(h), "no state root was due at this height")
			}
		}
	}
}

func (r *replayer) recount(h chain.Height) {
	if err := r.state.Ledger.Recount(); err != nil {
		r.wrong(h, "conservation is broken: %v", err)
	}
}

// stop reports why a height did not come out as stored. All later ones stand on it.
func (r *replayer) stop(h chain.Height, format string, args ...any) {
	r.wrong(h, format, args...)
	r.note("execution stopped at height %d of %d: the rows of later heights were not compared", h, r.head)
	r.stopped = true
}

// proposal takes the next record of the ordering log.
func (r *replayer) proposal(p *chain.Proposal, where string) error {
	if r.order.any && (p.Height != r.order.height+1 || p.TimeUs <= r.order.timeUs) {
		r.problem(r.cfg.Data("order"), where, "height %d at time %d follows height %d at time %d", p.Height, p.TimeUs, r.order.height, r.order.timeUs)
		r.stopped = true
	}
	r.order = orderLog{p.Height, p.TimeUs, true}
	if p.Height <= r.head {
		r.compareProposal(p, where)
	}
	switch {
	case p.Height <= r.base || r.stopped:
		return nil
	case p.Height > r.head:
		return r.decided(p)
	}
	if p.Height%progressHeights == 0 || p.Height == r.head {
		r.progress(StageExecute, int64(p.Height-r.base), int64(r.head-r.base))
	}
	return r.execute(p)
}

func (r *replayer) compareProposal(p *chain.Proposal, where string) {
	stored, err := store.ReadProposal(r.store, p.Height)
	if err == nil && !bytes.Equal(stored, codec.AppendProposal(nil, p)) {
		r.problem(r.cfg.Data("order"), where, "the proposal of height %d is not the one in the block store", p.Height)
	}
}

func (r *replayer) execute(p *chain.Proposal) error {
	entries, err := r.take(p)
	defer func() {
		for _, e := range entries {
			e.buffer.Release()
		}
	}()
	if err != nil || r.stopped {
		return err
	}
	stored := make([]*lane.Stored, len(entries))
	payloads := make([]exec.Payload, len(entries))
	for i, e := range entries {
		r.sign(e, p.Height)
		stored[i] = e.Stored
		payloads[i] = exec.Payload{Entry: e.Entry, Digest: e.Digest, Bytes: e.Payload()}
	}
	ex, err := r.state.Machine.Run(p, payloads)
	if err != nil {
		r.stop(p.Height, "it cannot be executed: %v", err)
		return nil
	}
	if !r.sameHeader(ex) {
		return nil
	}
	r.keys.add(p.Height, ex.Keys)
	r.report.Legs += ex.LegsOK
	r.reached = p.Height
	r.expectRows(p, stored, ex)
	if len(entries) > 0 {
		last := entries[len(entries)-1]
		r.state.Lane = lane.Position{Sequence: last.Entry.Sequence, Tip: last.Digest, Pos: last.Pos}
	}
	if ex.RootDue {
		r.root(p.Height)
	}
	return nil
}

// expectRows makes the rows that the block must have left behind.
func (r *replayer) expectRows(p *chain.Proposal, entries []*lane.Stored, ex *exec.Executed) {
	r.changes.Reset()
	commit.Record(&r.changes, p, entries, ex, nil)
	_ = r.changes.Each(func(op store.Op) error { // never fails: nothing in here does
		r.rows.expect(p.Height, op.Key[0], op.Key, op.Value)
		return nil
	})
}

// root hashes the state at a height at which its root is due.
func (r *replayer) root(h chain.Height) {
	sn := r.state.Space.Snapshot()
	root := r.state.Tree.Update(sn)
	sn.Release()
	r.state.Machine.SetRoot(h, root)
	if len(r.due[h]) > 0 {
		r.recount(h)
	}
	r.passCheckpoints(h, root, r.state.Lane)
}

// passCheckpoints compares the checkpoints of a height with the state there.
func (r *replayer) passCheckpoints(h chain.Height, root chain.Hash, pos lane.Position) {
	for _, c := range r.due[h] {
		if c.meta.Root != root {
			r.problem(c.path, at(h), "its root is %s, executed again the state has %s", c.meta.Root, root)
		}
		if c.lane != pos {
			r.problem(c.path, at(h), "it names lane entry %d at segment %d, byte %d, execution stands at entry %d at segment %d, byte %d",
				c.lane.Sequence, c.lane.Pos.Segment, c.lane.Pos.Offset, pos.Sequence, pos.Pos.Segment, pos.Pos.Offset)
		}
	}
	delete(r.due, h)
}
