// SPDX-License-Identifier: Apache-2.0

package syncload

import (
	"context"
	"time"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/loadgen"
	v10 "github.com/aurigraph/aurigraph/internal/v10"
)

// Bounds of the search for the sustained rate.
const (
	bodiesPerS = 50 // requests a second
	bodiesMax  = 64 // requests under way: more than a second of them
)

// sustain searches the rate of each way alone.
func (r *run) sustain(ctx context.Context) error {
	used, err := r.usage()
	if err != nil {
		return err
	}
	for _, side := range both {
		if err := r.search(ctx, side); err != nil {
			return err
		}
	}
	return r.report.spent(r, used, func(p *ProcessReport) *float64 { return &p.CoresSustained })
}

// search offers higher and higher rates at a ledger's doors until one is not kept, and then one in between.
func (r *run) search(ctx context.Context, side Side) error {
	kept := 0
	for _, perS := range r.cfg.steps() {
		held, err := r.step(ctx, side, perS)
		if err != nil {
			return err
		}
		if held {
			kept = perS
			continue
		}
		if between := (max(kept, r.cfg.Rate) + perS) / 2; between < perS-perS/8 {
			_, err = r.step(ctx, side, between)
		}
		return err
	}
	return nil
}

// step offers a rate in bodies of many payments, and reports whether it was kept.
func (r *run) step(ctx context.Context, side Side, perS int) (bool, error) {
	payments := max(1, perS/bodiesPerS)
	r.say("offering %d a second at %s in bodies of %d, for %.0f s", perS, side, payments, r.cfg.Step.Seconds())
	track := r.track(ctx)
	begin := r.since()
	refused := r.bodies(ctx, side, perS, payments)
	end := r.since()
	points, err := track()
	if err == nil && !fault.Is(refused, fault.TryLater) {
		err = refused
	}
	if err != nil {
		return false, err
	}
	if err := r.inStep(ctx); err != nil {
		return false, err
	}
	s := stepOf([]Side{side}, perS, payments, points, begin, end)
	s.DrainedS = (r.since() - end).Seconds()
	if refused != nil {
		s.Kept, s.Note = false, refused.Error()
	}
	r.report.Steps = append(r.report.Steps, s)
	r.say("applied %.0f a second, lag p99 %.0f ms, kept: %v", s.way(side).AppliedPerS, s.way(side).LagP99Ms, s.Kept)
	return s.Kept, nil
}

// bodies pays in bodies at a ledger's doors. TryLater: it does not take the rate; what it has taken stays.
func (r *run) bodies(ctx context.Context, side Side, perS, payments int) error {
	due := loadgen.Steps(float64(perS)/float64(payments), r.cfg.Step)
	return paced(ctx, due, bodiesMax, func(i int, _ time.Time) {
		some := make([]Payment, payments)
		for k := range some {
			some[k] = r.drawn[side].payment()
		}
		err := r.doors[side].payMany(i, some, func(id v10.TxID, p Payment) { r.book.Ack(side, id, p, r.since()) })
		r.unsure.note(err)
		r.progress.Show("paying", int64(i+1), int64(len(due)))
	})
}
