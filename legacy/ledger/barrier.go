// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"context"

	"github.com/aurigraph/aurigraph/internal/fault"
	v10 "github.com/aurigraph/aurigraph/internal/v10"
	"github.com/aurigraph/aurigraph/legacy/store"
)

// Barrier is a write that changes no balance. A guard's ends what was let through before it: each order's generation is compared with
// Totals.Guard in the step that executes it (rounding.add), so that what waited meanwhile is refused. Other barriers are marks in the
// log and end nothing.
type Barrier struct {
	Generation uint64 // handed out once, from 1
	Guard      uint64 // of the newest barrier of a guard before this one, 0 if there was none
	Position   store.Position
	Ms         uint64
}

type barrierRow struct {
	Ms uint64 `json:"ms"`
}

// Barrier hands out the next generation, durably and as a change of the log, and returns its place there. The errors are those of Submit.
func (l *Ledger) Barrier(ctx context.Context) (Barrier, error) {
	return l.barrier(ctx, func(*Totals) error { return nil })
}

// GuardBarrier is Barrier for a guard: from now on only orders of its generation are executed.
func (l *Ledger) GuardBarrier(ctx context.Context) (Barrier, error) {
	return l.barrier(ctx, func(t *Totals) error {
		t.Guard = t.Generation
		return nil
	})
}

// GuardBarrierAfter is GuardBarrier for a guard that goes on. Conflict: it is not the newest any more, and nothing was written.
func (l *Ledger) GuardBarrierAfter(ctx context.Context, own uint64) (Barrier, error) {
	return l.barrier(ctx, func(t *Totals) error {
		if t.Guard != own {
			return fault.Reasoned(fault.Conflict, v10.ReasonOldGeneration, "the newest guard has generation %d, not %d", t.Guard, own)
		}
		t.Guard = t.Generation
		return nil
	})
}

// barrier writes a barrier; more sees the totals with its generation, and may refuse it.
func (l *Ledger) barrier(ctx context.Context, more func(*Totals) error) (Barrier, error) {
	var b Barrier
	w := &write{into: func(r *rounding) error {
		r.totals.Generation++
		b.Generation, b.Guard, b.Ms = r.totals.Generation, r.totals.Guard, r.totals.Ms
		r.put(store.Meta, numbered(byGeneration, b.Generation), encodeRow(barrierRow{b.Ms}))
		return more(&r.totals)
	}}
	if err := l.exclusively(ctx, w); err != nil {
		return Barrier{}, err // the loop may still be at it
	}
	b.Position = w.at
	return b, nil
}

// errOldGeneration refuses an order without a trace: nothing of it is executed, and its key stays unused.
var errOldGeneration = fault.Reasoned(fault.Conflict, v10.ReasonOldGeneration, v10.TextOldGeneration)
