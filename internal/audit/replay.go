// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"context"
	"errors"

	"golang.org/x/sync/errgroup"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/commit"
	"github.com/aurigraph/aurigraph/internal/exec"
	"github.com/aurigraph/aurigraph/internal/lane"
	"github.com/aurigraph/aurigraph/internal/node"
	"github.com/aurigraph/aurigraph/internal/seglog"
	"github.com/aurigraph/aurigraph/internal/store"
)

// replayer executes the decided proposals again. It is driven by one goroutine, beside which the lanes are read ahead.
type replayer struct {
	*audit
	*feed
	ctx    context.Context
	state  *node.State
	epoch  chain.Epoch // of the state
	keys   *keyring
	link   link
	reach  reach
	hold   hold
	recent recent
	seen   uint64 // number of the newest record read

	base    chain.Height // the state that it began with
	reached chain.Height // newest height that came out as stored
	stopped bool         // something did not: nothing more is executed
	changes store.Changes
	due     map[chain.Height][]held // checkpoints that were not passed yet
}

// replay executes what is retained, and returns the height up to which everything came out as stored.
func (a *audit) replay(ctx context.Context, s start) (reached chain.Height, err error) {
	log, err := seglog.OpenReader(nil, a.cfg.Data("lane"))
	if err != nil {
		return s.base, err
	}
	group, ctx := errgroup.WithContext(ctx)
	r := a.newReplayer(ctx, s, log)
	group.Go(func() error { return r.corruptIsProblem(r.readAll(ctx), "lane") })
	group.Go(func() error { return r.run() })
	err = group.Wait()
	r.close()
	return r.reached, errors.Join(err, log.Close())
}

func (a *audit) newReplayer(ctx context.Context, s start, log *seglog.Reader) *replayer {
	r := &replayer{
		audit: a, feed: newFeed(log), ctx: ctx, state: s.state, epoch: s.state.Ledger.Membership().Epoch, keys: newKeyring(s.state.Ledger, s.base),
		link: newLink(s, a.self), hold: newHold(a.heldBytesMax), recent: newRecent(), base: s.base, reached: s.base, due: map[chain.Height][]held{},
	}
	r.reach = newReach(s.state.Lane.Pos, r.executed)
	r.link.adopted = a.adopted.height > 0 && s.base == a.adopted.height
	for _, c := range a.checkpoints {
		r.due[c.meta.Height] = append(r.due[c.meta.Height], c)
	}
	return r
}

func (r *replayer) run() error {
	defer r.drain()
	if err := r.passCheckpoints(r.base, r.state.Tree.Root()); err != nil {
		return err
	}
	for h := r.base + 1; h <= r.head && !r.stopped; h++ {
		if h%progressHeights == 0 || h == r.head {
			r.progress(StageExecute, int64(h-r.base), int64(r.head-r.base))
		}
		if err := r.height(h); err != nil {
			return err
		}
	}
	if err := r.checkOrder(); err != nil {
		return err
	}
	r.end()
	return nil
}

// drain takes what is left of the log: all entries are checked, also those that were never ordered.
func (r *replayer) drain() {
	for _, e := range r.hold.byDigest {
		if !r.stopped && r.ctx.Err() == nil {
			r.signHeld(e)
		}
		e.release()
	}
	for e := range r.entries {
		r.see(e)
		if !r.stopped {
			r.sign(e, r.head+1)
		}
		e.release()
	}
	for _, e := range r.reach.unpaid() {
		if r.ctx.Err() == nil {
			r.problemAt(e, "it is not executed in the state that execution begins with, which has all up to record %d, and lies nowhere behind that", r.reach.start.Seq)
		}
	}
}

// end checks what can be said when every height was executed.
func (r *replayer) end() {
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

// height executes what was decided for a height, and compares it with what was certified.
func (r *replayer) height(h chain.Height) error {
	p, err := r.readProposal(h)
	if err != nil {
		r.stop(h, "there is no proposal to execute: %v", err)
		return nil
	}
	raw, err := store.ReadHeader(r.store, h)
	if err != nil {
		r.stop(h, "there is no header to compare with: %v", err)
		return nil
	}
	header, err := codec.DecodeHeader(raw)
	if err != nil {
		r.stop(h, "%v", err)
		return nil
	}
	entries, err := r.take(p, header)
	if err != nil || r.stopped {
		return err
	}
	return r.execute(p, entries, raw)
}

func (a *audit) readProposal(h chain.Height) (*chain.Proposal, error) {
	raw, err := store.ReadProposal(a.store, h)
	if err != nil {
		return nil, err
	}
	return codec.DecodeProposal(raw)
}

func (r *replayer) execute(p *chain.Proposal, entries []*entry, raw []byte) error {
	payloads := make([]exec.Payload, len(entries))
	for i, e := range entries {
		payloads[i] = exec.Payload{Entry: e.Entry, Digest: e.Digest, Bytes: e.Payload(), Executed: e.Executed}
	}
	ex, err := r.state.Machine.Run(p, payloads)
	if err != nil {
		r.stop(p.Height, "it cannot be executed: %v", err)
		return nil
	}
	if r.decidesOnce() && ex.PassedOver > 0 {
		r.stop(p.Height, "%d entries of the block do not follow in their lane", ex.PassedOver)
		return nil
	}
	if ex.Ends {
		r.state.Machine.End(ex, r.hash())
	}
	followed := make([]*entry, len(ex.Batches))
	for i := range followed {
		followed[i] = entries[ex.Batches[i].Place]
		r.sign(followed[i], p.Height)
	}
	if !r.sameHeader(ex, raw) {
		return nil
	}
	r.keys.add(p.Height, ex.Keys)
	r.report.Legs += ex.LegsOK
	r.reached = p.Height
	r.expectRows(p, followed, ex)
	r.advance(followed)
	switch end, ends := r.endAt(p.Height); {
	case ex.Ends && !ends:
		r.stop(p.Height, "the block ends its epoch, and there is no handover to the next one")
		return nil
	case ends:
		return r.nextEpoch(&end, ex)
	case ex.RootDue:
		return r.root(p.Height)
	}
	return nil
}

// expectRows makes the rows that the block must have left behind.
func (r *replayer) expectRows(p *chain.Proposal, followed []*entry, ex *exec.Executed) {
	stored := make([]*lane.Stored, len(followed))
	for i, e := range followed {
		stored[i] = r.placed(e, p.Height, i)
	}
	r.changes.Reset()
	commit.Record(&r.changes, p, stored, ex, nil)
	_ = r.changes.Each(func(op store.Op) error { // never fails: nothing in here does
		r.rows.expect(p.Height, op.Key[0], op.Key, op.Value)
		return nil
	})
}

// root hashes the state at a height at which its root is due.
func (r *replayer) root(h chain.Height) error {
	root := r.hash()
	r.state.Machine.SetRoot(h, root)
	if len(r.due[h]) > 0 {
		r.recount(h)
	}
	return r.passCheckpoints(h, root)
}

// hash is the root of the state as it is.
func (r *replayer) hash() chain.Hash {
	sn := r.state.Space.Snapshot()
	defer sn.Release()
	return r.state.Tree.Update(sn)
}

// nextEpoch goes on in the epoch that a handover begins behind a block. A block that executed a change has made the next
// membership itself; a seal has no other trace in the chain than the handover.
func (r *replayer) nextEpoch(end *chain.Handover, ex *exec.Executed) error {
	h := ex.Header.Height
	if !ex.Ends {
		if err := r.state.Ledger.ApplySeal(&end.Next, end.Verdict); err != nil {
			r.stop(h, "the seal cannot be carried out: %v", err)
			return nil
		}
	}
	root := r.hash()
	if root != end.Root {
		r.stop(h, "executed again, epoch %d begins with a state of root %s, the handover says %s", end.Next.Epoch, root, end.Root)
		return nil
	}
	if version := r.state.Ledger.SealedVersion(end.Verdict); version != end.HomeVersion {
		r.stop(h, "executed again, the seal of epoch %d makes version %d of the home table, the handover says %d", end.Next.Epoch-1, version, end.HomeVersion)
		return nil
	}
	r.state.Machine = exec.New(r.state.Ledger, exec.Tip{
		Height: h, Hash: ex.Hash, TimeUs: ex.Header.TimeUs, LastRoot: h, LastUs: ex.Header.TimeUs, Begins: true,
	})
	r.epoch = end.Next.Epoch
	r.passVoid()
	if len(r.due[h]) > 0 {
		r.recount(h)
	}
	return r.passCheckpoints(h, root)
}
