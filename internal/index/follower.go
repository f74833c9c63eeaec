// SPDX-License-Identifier: Apache-2.0

package index

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/history"
)

// Bounds of a group, and of the follower's work, for an engine in this process (Embedded).
const (
	GroupItemsMax  = 4096
	GroupBlocksMax = 256
	DutyRest       = 4
	DutyRestBusy   = 19
)

// retryDelay is how long the follower waits after a group could not be written for now.
const retryDelay = 5 * time.Second

// Follower feeds an index from the certified chain. Run is its only goroutine; the other methods may be called beside it,
// but for Decided.
type Follower struct {
	source  Source
	to      Writer
	pace    Pace
	rate    int // rows a second at most
	base    chain.Height
	start   Position     // of the index when the follower was made
	decided chain.Height // the chain will reach it; 0: not told
	onRetry func(error)

	head   atomic.Uint64
	done   atomic.Uint64 // newest height in the index as a whole
	arrive atomic.Uint64 // items published since the start
	behind atomic.Int64  // items certified and not indexed, exact once Run has counted those of before the start
	wake   chan struct{}
	group  Group
}

// NewFollower makes a follower of a chain that has reached head; it reads s and writes to w, at most rowsPerSecondMax rows a
// second. With a head that the index has as a whole, nothing of before is counted: what comes later is, as it is published.
func NewFollower(s Source, w Writer, head chain.Height, rowsPerSecondMax int, r prometheus.Registerer) *Follower {
	f := &Follower{source: s, to: w, pace: w.Pace(), rate: max(1, rowsPerSecondMax), base: head, start: w.Position(), onRetry: func(error) {}, wake: make(chan struct{}, 1)}
	f.head.Store(uint64(head))
	f.done.Store(uint64(f.start.Complete()))
	r.MustRegister(
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "aurigraph_index_lag_rows", Help: "Certified legs and transactions that are not indexed yet."},
			func() float64 { return float64(f.LagRows()) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "aurigraph_index_lag_blocks", Help: "Certified blocks that are not indexed yet."},
			func() float64 { return float64(f.lagBlocks()) }),
	)
	return f
}

// Decided says up to which height the chain was decided when the node started: an index that knows more is of another
// chain. It is called before Run. A follower that is not told finds that out when the chain gets there.
func (f *Follower) Decided(h chain.Height) { f.decided = h }

// OnRetry sets who is told why a group could not be written for now, as on a full disk. It is called before Run.
func (f *Follower) OnRetry(tell func(error)) { f.onRetry = tell }

// Publish says that a block is certified and readable. It never blocks. Heights come in order.
func (f *Follower) Publish(header *chain.ExecutedHeader) {
	if header.Height <= f.base {
		return // counted by Run
	}
	missing := f.missingOf(header)
	f.arrive.Add(missing)
	f.behind.Add(int64(missing))
	f.head.Store(uint64(header.Height))
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

// missingOf is the number of a block's items that were not indexed when the follower was made. The index may have been ahead
// of the chain then: a power cut takes the newest blocks from the block store, and they are executed again.
func (f *Follower) missingOf(header *chain.ExecutedHeader) uint64 {
	switch h := header.Height; {
	case h < f.start.Height:
		return 0
	case h == f.start.Height:
		return itemsOf(header, f.start.Batch)
	default:
		return itemsOf(header, 0)
	}
}

// Height is the newest published height that is in the index as a whole.
func (f *Follower) Height() chain.Height {
	return chain.Height(min(f.done.Load(), f.head.Load()))
}

func (f *Follower) lagBlocks() uint64 {
	head := f.head.Load()
	return head - min(head, f.done.Load())
}

// LagRows is how many certified legs and single transactions are not indexed yet.
func (f *Follower) LagRows() uint64 { return uint64(max(0, f.behind.Load())) }

func itemsOf(h *chain.ExecutedHeader, from uint32) (n uint64) {
	for i := int(from); i < len(h.Batches); i++ {
		n += uint64(h.Batches[i].Legs)
	}
	return n
}

// Run follows until ctx ends (nil) or the index cannot be written. What may pass, as a full disk, it waits for. The chain never waits for it, and it may be run again
// with the next start of the node. The index of another chain is a Conflict.
func (f *Follower) Run(ctx context.Context) error {
	known := f.start.Complete()
	if f.start.Batch > 0 {
		known++
	}
	if f.decided != 0 && known > f.decided {
		return foreign("the index knows block %d, the chain was decided up to %d", known, f.decided)
	}
	if err := f.countOld(ctx); err != nil {
		return ended(ctx, err)
	}
	for err := f.sameChain(ctx); err != nil; err = f.sameChain(ctx) {
		if f.waitOut(ctx, err) != nil {
			return ended(ctx, err)
		}
	}
	for seen := f.arrive.Load(); f.wait(ctx, f.to.Position().Height) == nil; {
		begin := time.Now()
		if err := f.step(); err != nil {
			if f.waitOut(ctx, err) != nil {
				return ended(ctx, err)
			}
			continue
		}
		rows, arrived := len(f.group.Rows), f.arrive.Load()
		if f.rest(ctx, time.Since(begin), rows, arrived-seen > uint64(2*rows)) != nil {
			return nil
		}
		seen = arrived
	}
	return nil
}

// waitOut waits for what passes, as a full disk, and returns what does not.
func (f *Follower) waitOut(ctx context.Context, err error) error {
	if !fault.Is(err, fault.Unavailable) && !fault.Is(err, fault.TryLater) {
		return err
	}
	f.onRetry(err)
	return f.pause(ctx, retryDelay)
}

// wait returns once the chain has reached a height, or ctx's error.
func (f *Follower) wait(ctx context.Context, h chain.Height) error {
	for chain.Height(f.head.Load()) < h {
		select {
		case <-f.wake:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return ctx.Err()
}

// sameChain waits until the chain has what the index has, and compares the newest block, and the newest transfer if it is of
// a block whose end is to come.
func (f *Follower) sameChain(ctx context.Context) error {
	newest, err := f.to.Newest()
	if err != nil {
		return err
	}
	if err := f.wait(ctx, newest.Height); err != nil {
		return err
	}
	if err := f.sameBlock(newest); err != nil {
		return err
	}
	last, err := f.to.Last()
	if err != nil || last == nil || last.Height != f.start.Height {
		return err
	}
	if err := f.wait(ctx, last.Height); err != nil {
		return err
	}
	return f.sameTransfer(last)
}

func (f *Follower) sameBlock(newest Block) error {
	if newest.Height == 0 {
		return nil
	}
	_, hash, err := f.source.Header(newest.Height)
	if fault.Is(err, fault.Pruned) {
		return nil // nobody can tell
	}
	if err == nil && hash != newest.Hash {
		err = foreign("block %d is %s in the index, and %s on the chain", newest.Height, newest.Hash, hash)
	}
	return err
}

// sameTransfer compares a transfer with what stands in its place on the chain, if it can still be read.
func (f *Follower) sameTransfer(have *history.Transfer) error {
	header, _, err := f.source.Header(have.Height)
	if err != nil {
		return err
	}
	same := false
	err = f.source.BatchTransfers(header, have.Index, func(t *history.Transfer) error {
		same = same || *t == *have
		return nil
	})
	switch {
	case fault.Is(err, fault.Pruned):
		return nil
	case fault.Is(err, fault.NotFound), err == nil && !same:
		return foreign("batch %d of block %d is another one in the index than on the chain", have.Index, have.Height)
	}
	return err
}

func foreign(format string, args ...any) error {
	return fault.New(fault.Conflict, format+": delete the index's folder and start again", args...)
}

func ended(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// rest pauses after work, so that the follower keeps to the engine's pace and to its rate: an engine in this process takes at most a
// fifth of one core, and under a load that it cannot keep up with anyway it yields to the doors and takes a twentieth.
func (f *Follower) rest(ctx context.Context, worked time.Duration, rows int, outgrown bool) error {
	full := rows >= f.pace.GroupItems
	duty := time.Duration(f.pace.Rest)
	if full && outgrown {
		duty = time.Duration(f.pace.RestBusy)
	}
	d := max(duty*worked, time.Duration(rows)*time.Second/time.Duration(f.rate)-worked)
	if !full {
		d = max(d, f.pace.Apart-worked)
	}
	return f.pause(ctx, d)
}

func (f *Follower) pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// countOld counts what was certified before this start and is not indexed.
func (f *Follower) countOld(ctx context.Context) error {
	const headersAtOnce = 1024
	at := f.to.Position()
	for at.Height <= f.base {
		begin := time.Now()
		to := min(at.Height+headersAtOnce, f.base+1)
		n, err := f.itemsBetween(at, to)
		if err != nil {
			return err
		}
		f.behind.Add(int64(n))
		at = Position{Height: to}
		if at.Height > f.base {
			break
		}
		if err := f.pause(ctx, time.Duration(f.pace.Rest)*time.Since(begin)); err != nil {
			return err
		}
	}
	return nil
}

func (f *Follower) itemsBetween(from Position, to chain.Height) (n uint64, err error) {
	for at := from; at.Height < to; at = (Position{Height: at.Height + 1}) {
		header, _, err := f.source.Header(at.Height)
		if fault.Is(err, fault.Pruned) {
			continue // nobody can tell what was in it, so it was not counted either
		}
		if err != nil {
			return 0, err
		}
		n += itemsOf(header, at.Batch)
	}
	return n, nil
}
