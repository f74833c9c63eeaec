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

// Bounds of a group, and of the follower's work. A group ends with the batch that reaches GroupRowsMax, so it has fewer than
// GroupRowsMax + chain.BatchLegsMax rows.
const (
	GroupRowsMax   = 4096
	GroupBlocksMax = 256
	DutyRest       = 4 // after working for t the follower rests for at least DutyRest*t
)

// Follower feeds an index from the certified chain. Run is its only goroutine; the other methods may be called beside it.
type Follower struct {
	history *history.History
	to      Writer
	rate    int // rows a second at most
	base    chain.Height

	head   atomic.Uint64
	done   atomic.Uint64 // newest height in the index as a whole
	behind atomic.Int64  // items certified and not indexed, exact once Run has counted those of before the start
	wake   chan struct{}
	group  Group
}

// NewFollower makes a follower of a chain that has reached head; it reads history and writes to w, at most rowsPerSecondMax
// rows a second.
func NewFollower(h *history.History, w Writer, head chain.Height, rowsPerSecondMax int, r prometheus.Registerer) *Follower {
	f := &Follower{history: h, to: w, rate: max(1, rowsPerSecondMax), base: head, wake: make(chan struct{}, 1)}
	f.head.Store(uint64(head))
	f.done.Store(uint64(w.Position().Complete()))
	r.MustRegister(
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "aurigraph_index_lag_rows", Help: "Certified legs and transactions that are not indexed yet."},
			func() float64 { return float64(f.LagRows()) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "aurigraph_index_lag_blocks", Help: "Certified blocks that are not indexed yet."},
			func() float64 { return float64(f.head.Load()) - float64(f.done.Load()) }),
	)
	return f
}

// Publish says that a block is certified and readable. It never blocks. Heights come in order.
func (f *Follower) Publish(header *chain.ExecutedHeader) {
	if header.Height <= f.base {
		return // counted by Run
	}
	f.behind.Add(int64(itemsOf(header, 0)))
	f.head.Store(uint64(header.Height))
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

// Height is the newest height that is in the index as a whole.
func (f *Follower) Height() chain.Height { return chain.Height(f.done.Load()) }

// LagRows is how many certified legs and single transactions are not indexed yet.
func (f *Follower) LagRows() uint64 { return uint64(max(0, f.behind.Load())) }

func itemsOf(h *chain.ExecutedHeader, from uint32) (n uint64) {
	for i := int(from); i < len(h.Batches); i++ {
		n += uint64(h.Batches[i].Legs)
	}
	return n
}

// Run follows until ctx ends (nil) or the index cannot be written. The chain never waits for it, and it may be run again
// with the next start of the node.
func (f *Follower) Run(ctx context.Context) error {
	if at := f.to.Position(); at.Complete() > f.base {
		return fault.New(fault.Conflict, "the index knows block %d, the chain ends at %d: delete the index's folder and start again", at.Complete(), f.base)
	}
	if err := f.countOld(ctx); err != nil {
		return ended(ctx, err)
	}
	for {
		if f.to.Position().Height > chain.Height(f.head.Load()) {
			select {
			case <-f.wake:
				continue
			case <-ctx.Done():
				return nil
			}
		}
		begin := time.Now()
		if err := f.step(); err != nil {
			return ended(ctx, err)
		}
		if err := f.rest(ctx, time.Since(begin), len(f.group.Rows)); err != nil {
			return nil
		}
	}
}

func ended(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// rest pauses after work, so that the follower takes at most a fifth of one core and keeps its rate.
func (f *Follower) rest(ctx context.Context, worked time.Duration, rows int) error {
	pause := max(DutyRest*worked, time.Duration(rows)*time.Second/time.Duration(f.rate)-worked)
	t := time.NewTimer(pause)
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
		if err := f.rest(ctx, time.Since(begin), 0); err != nil {
			return err
		}
	}
	return nil
}

func (f *Follower) itemsBetween(from Position, to chain.Height) (n uint64, err error) {
	for at := from; at.Height < to; at = (Position{Height: at.Height + 1}) {
		header, _, err := f.history.Header(at.Height)
		if err != nil {
			return 0, err
		}
		n += itemsOf(header, at.Batch)
	}
	return n, nil
}

// step writes one group. There is something to write.
func (f *Follower) step() error {
	f.group.reset(f.to.Position())
	items, err := f.gather()
	if fault.Is(err, fault.Pruned) {
		f.group.Rows = f.group.Rows[:f.rowsBefore(f.group.Next)]
		var skipped uint64
		skipped, err = f.jump()
		items += skipped
	}
	if err != nil {
		return err
	}
	if err := f.to.Apply(&f.group); err != nil {
		return err
	}
	f.behind.Add(-int64(items))
	f.done.Store(uint64(f.group.Next.Complete()))
	return nil
}

// rowsBefore is the number of the group's rows that lie before a position.
func (f *Follower) rowsBefore(p Position) int {
	n := len(f.group.Rows)
	for n > 0 && !(Position{f.group.Rows[n-1].Height, f.group.Rows[n-1].Index}).Less(p) {
		n--
	}
	return n
}

// gather reads batches into the group until it is full or the chain ends.
func (f *Follower) gather() (items uint64, err error) {
	g, head := &f.group, chain.Height(f.head.Load())
	for g.Next.Height <= head && len(g.Blocks) < GroupBlocksMax {
		header, hash, err := f.history.Header(g.Next.Height)
		if err != nil {
			return items, err
		}
		for int(g.Next.Batch) < len(header.Batches) {
			if len(g.Rows) >= GroupRowsMax {
				return items, nil
			}
			if err := f.history.BatchTransfers(header, g.Next.Batch, func(t *history.Transfer) error {
				g.Rows = append(g.Rows, *t)
				return nil
			}); err != nil {
				return items, err
			}
			items += uint64(header.Batches[g.Next.Batch].Legs)
			g.Next.Batch++
		}
		g.Blocks = append(g.Blocks, Block{Height: header.Height, Hash: hash, TimeUs: header.TimeUs, Items: itemsOf(header, 0)})
		g.Next = Position{Height: g.Next.Height + 1}
	}
	return items, nil
}

// jump records that the payloads from the group's end on are gone, up to the first block that is whole.
func (f *Follower) jump() (items uint64, err error) {
	g := &f.group
	to, err := f.history.Retained(g.Next.Height, chain.Height(f.head.Load()))
	if err != nil {
		return 0, err
	}
	// A payload that was gone a moment ago stays gone: the block that lacked it cannot be whole.
	to = max(to, g.Next.Height+1)
	if items, err = f.itemsBetween(g.Next, to); err != nil {
		return 0, err
	}
	g.Gaps = append(g.Gaps, Gap{From: g.Next, To: to})
	g.Next = Position{Height: to}
	return items, nil
}
