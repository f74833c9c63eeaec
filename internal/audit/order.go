// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/config"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/order/raft"
	"github.com/aurigraph/aurigraph/internal/order/solo"
	"github.com/aurigraph/aurigraph/internal/seglog"
	"github.com/aurigraph/aurigraph/internal/store"
)

// orderLog is what an engine left on the disk.
type orderLog struct {
	name   string // of its folder
	reader *seglog.Reader
	// oldest is the height of the oldest proposal that the log can hold; 0 if it holds nothing, or begins with its epoch.
	oldest chain.Height
	each   func(context.Context, func(seglog.Pos, *chain.Proposal) error) error
}

// decidesOnce reports whether the engine decides each entry once, in its lane's order, and nothing that is not on this disk.
// Among several validators an entry may be decided again after a change of leader, or too early by a leader that lies.
func (a *audit) decidesOnce() bool { return a.cfg.Order.Engine == config.EngineSolo }

// openOrder opens the ordering log of the engine that the settings name. A log that its engine cannot read is a problem,
// and nil.
func (a *audit) openOrder(ctx context.Context) (*orderLog, error) {
	folder, ok := a.presentOrder()
	if !ok {
		return nil, nil
	}
	reader, err := seglog.OpenReader(nil, a.cfg.Data(folder.name))
	if err != nil {
		return nil, err
	}
	o := &orderLog{name: folder.name, reader: reader}
	if a.decidesOnce() {
		err = o.openSolo(ctx)
	} else {
		err = o.openRaft(ctx, a.orderBase(folder.epoch), raft.Start{Height: a.head, Fetched: a.adopted.height})
	}
	if err != nil {
		return nil, errors.Join(a.corruptIsProblem(err, folder.name), reader.Close())
	}
	return o, nil
}

// presentOrder is the ordering log of the epoch in which the next height is. Until the node has been opened again behind an
// epoch's end, there is the log of the epoch that ended.
func (a *audit) presentOrder() (orderFolder, bool) {
	last := a.orders[len(a.orders)-1]
	if next := a.epochs.EpochOf(a.head + 1); last.epoch != next && last.epoch != a.epochs.EpochOf(a.head) {
		a.problem(a.cfg.Data(last.name), "", "it is the ordering log of epoch %d, the chain is in epoch %d", last.epoch, next)
		return last, false
	}
	return last, true
}

// orderBase is what the ordering log of an epoch begins with.
func (a *audit) orderBase(e chain.Epoch) raft.Genesis {
	var g raft.Genesis
	g.Height, g.TimeUs = a.beforeEpoch(e)
	for _, m := range a.epochs.At(e).Membership().Members {
		g.Voters = append(g.Voters, m.No)
	}
	return g
}

func (o *orderLog) openSolo(ctx context.Context) error {
	o.each = func(ctx context.Context, fn func(seglog.Pos, *chain.Proposal) error) error {
		return o.reader.Scan(ctx, seglog.Pos{}, func(pos seglog.Pos, rec seglog.Record) error {
			p, err := solo.ParseRecord(rec)
			if err != nil {
				return err
			}
			return fn(pos, p)
		})
	}
	stop := errors.New("seen")
	err := o.each(ctx, func(_ seglog.Pos, p *chain.Proposal) error {
		o.oldest = p.Height
		return stop
	})
	if errors.Is(err, stop) {
		return nil
	}
	return err
}

func (o *orderLog) openRaft(ctx context.Context, first raft.Genesis, host raft.Start) error {
	h, err := raft.ReadHistory(ctx, o.reader, first, host)
	if err != nil {
		return err
	}
	o.each = h.Each
	if h.After() > first.Height {
		o.oldest = h.After() + 1
	}
	return nil
}

// corruptIsProblem turns what a log's reader found wrong with the content into a problem.
func (a *audit) corruptIsProblem(err error, folder string) error {
	if fault.Is(err, fault.Corrupt) || fault.Is(err, fault.Invalid) {
		a.problem(a.cfg.Data(folder), "", "%v", err)
		return nil
	}
	return err
}

// orderWalk goes through the ordering log once all that was published is executed.
type orderWalk struct {
	*replayer
	height chain.Height
	timeUs uint64
	any    bool
}

// checkOrder compares the ordering log with the published proposals. Behind them follow those that will be executed when
// the node starts; of several validators they may not be decided.
func (r *replayer) checkOrder() error {
	if r.order == nil {
		return nil
	}
	w := &orderWalk{replayer: r}
	err := r.order.each(r.ctx, w.proposal)
	if r.ctx.Err() != nil {
		return r.ctx.Err()
	}
	if err := r.corruptIsProblem(err, r.order.name); err != nil {
		return err
	}
	if w.height < r.head && r.head > r.adopted.height {
		r.problem(r.cfg.Data(r.order.name), at(w.height), "the log ends here, but height %d was published", r.head)
	}
	r.decided = w.height
	return nil
}

func (w *orderWalk) proposal(pos seglog.Pos, p *chain.Proposal) error {
	where := fmt.Sprintf("segment %d, byte %d", pos.Segment, pos.Offset)
	follows := !w.any || p.Height == w.height+1 && p.TimeUs > w.timeUs
	if !follows {
		w.problem(w.cfg.Data(w.order.name), where, "height %d at time %d follows height %d at time %d", p.Height, p.TimeUs, w.height, w.timeUs)
	}
	w.height, w.timeUs, w.any = p.Height, p.TimeUs, true
	switch {
	case p.Height <= w.head:
		w.compareProposal(p, where)
	case w.decidesOnce() && follows && !w.stopped:
		return w.unpublished(p)
	}
	return nil
}

func (w *orderWalk) compareProposal(p *chain.Proposal, where string) {
	stored, err := store.ReadProposal(w.store, p.Height)
	if err == nil && !bytes.Equal(stored, codec.AppendProposal(nil, p)) {
		w.problem(w.cfg.Data(w.order.name), where, "the proposal of height %d is not the one in the block store", p.Height)
	}
}

// unpublished is for a proposal that was decided and not published when the node ended: it will be executed when it
// starts, so its entries must be there.
func (w *orderWalk) unpublished(p *chain.Proposal) error {
	for i, digest := range p.Entries {
		e, err := w.await(digest, false)
		if err != nil {
			return err
		}
		if e == nil {
			w.stop(p.Height, "entry %d of the block, %s, is not on the lane", i, digest)
			return nil
		}
		if err := w.load(e); err != nil {
			return err
		}
		w.sign(e, p.Height)
		w.drop(e)
	}
	return nil
}

// closeOrder closes the ordering log.
func (a *audit) closeOrder() {
	if a.order != nil {
		_ = a.order.reader.Close() // it was only read
	}
}
