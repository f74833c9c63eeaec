// SPDX-License-Identifier: Apache-2.0

package syncload

import (
	"context"
	"slices"
	"time"

	"github.com/aurigraph/aurigraph/internal/loadgen"
)

// point is where both ways stood at a time.
type point struct {
	at      time.Duration
	head    [sides]uint64 // position of what a ledger made
	applied [sides]uint64 // position of it that the other ledger has
	acked   [sides]int    // payments that it answered
}

// trackEvery is how often it is looked where both ways stand.
const trackEvery = 40 * time.Millisecond

// track looks where both ways stand until the function that it returns is called.
func (r *run) track(ctx context.Context) func() ([]point, error) {
	ctx, stop := context.WithCancel(ctx)
	var points []point
	ended := make(chan error, 1)
	go func() {
		tick := time.NewTicker(trackEvery)
		defer tick.Stop()
		for {
			p, err := r.look(ctx)
			if err != nil {
				if ctx.Err() != nil {
					err = nil
				}
				ended <- err
				return
			}
			points = append(points, p)
			select {
			case <-tick.C:
			case <-ctx.Done():
			}
		}
	}()
	return func() ([]point, error) {
		stop()
		err := <-ended
		return points, err
	}
}

// look reads what is applied before what is made, so that what lacks is never taken for less.
func (r *run) look(ctx context.Context) (p point, err error) {
	in, err := r.v11.client.Inbox(ctx)
	if err != nil {
		return p, err
	}
	p.applied[V10] = in.Position.Major
	if p.applied[V11], err = r.port.applied(ctx); err != nil {
		return p, err
	}
	head, err := r.port.head(ctx)
	if err != nil {
		return p, err
	}
	p.at, p.head = r.since(), [sides]uint64{head.sequence, uint64(r.height())}
	for s := range p.acked {
		p.acked[s] = r.book.Acked(Side(s))
	}
	return p, nil
}

// WayReport is one way of a step.
type WayReport struct {
	AckedPerS   float64 `json:"acked_per_s"`
	AppliedPerS float64 `json:"applied_per_s"` // on the other ledger, by its position, from a second after the beginning to the end of the load
	LagP50Ms    float64 `json:"lag_p50_ms"`    // how old what the other ledger lacked was
	LagP99Ms    float64 `json:"lag_p99_ms"`
	LagMaxMs    float64 `json:"lag_max_ms"`
	GrowthMs    float64 `json:"growth_ms"` // of the median lag, from the first to the last quarter
}

// Bounds of a rate that is kept.
const (
	lagMax      = time.Second
	growthMax   = 200 * time.Millisecond
	keptShare   = 0.95 // of what is offered is answered, and applied
	settleFirst = time.Second
)

// kept reports whether a rate was kept one way.
func (w *WayReport) kept(offered float64) bool {
	return w.AckedPerS >= keptShare*offered && w.AppliedPerS >= keptShare*offered &&
		w.LagP99Ms < loadgen.Milliseconds(lagMax) && w.GrowthMs < loadgen.Milliseconds(growthMax)
}

// wayOf says how a way did between begin and end, of what was offered so many a second.
func wayOf(points []point, side Side, begin, end time.Duration) (w WayReport) {
	var lags []time.Duration
	var counted []int // payments that were applied, at least
	var inside []point
	behind := 0 // the newest point whose head the other ledger has by now
	for _, p := range points {
		for behind+1 < len(points) && points[behind+1].at <= p.at && points[behind+1].head[side] <= p.applied[side] {
			behind++
		}
		if p.at < begin+settleFirst || p.at > end {
			continue
		}
		lags = append(lags, p.at-points[behind].at)
		counted, inside = append(counted, points[behind].acked[side]), append(inside, p)
	}
	if len(inside) < 2 {
		return w
	}
	first, last := inside[0], inside[len(inside)-1]
	took := (last.at - first.at).Seconds()
	w.AckedPerS = float64(last.acked[side]-first.acked[side]) / took
	w.AppliedPerS = float64(counted[len(counted)-1]-counted[0]) / took
	w.GrowthMs = loadgen.Milliseconds(median(lags[len(lags)-max(1, len(lags)/4):]) - median(lags[:max(1, len(lags)/4)]))
	slices.Sort(lags)
	w.LagP50Ms, w.LagP99Ms = loadgen.Milliseconds(loadgen.Quantile(lags, 0.5)), loadgen.Milliseconds(loadgen.Quantile(lags, 0.99))
	w.LagMaxMs = loadgen.Milliseconds(lags[len(lags)-1])
	return w
}

func median(all []time.Duration) time.Duration {
	return loadgen.Quantile(slices.Sorted(slices.Values(all)), 0.5)
}

// StepReport is a rate that was offered at some ledgers' doors.
type StepReport struct {
	Paid        []string  `json:"paid_at"`       // at whose doors: both, or one alone
	OfferedPerS int       `json:"offered_per_s"` // at each
	Payments    int       `json:"payments_in_a_request"`
	V10ToV11    WayReport `json:"v10_to_v11"`
	V11ToV10    WayReport `json:"v11_to_v10"`
	Kept        bool      `json:"kept"`
	DrainedS    float64   `json:"drained_s"` // from the end of the load until both ledgers had everything
	Note        string    `json:"note,omitempty"`
}

func stepOf(paid []Side, perS, payments int, points []point, begin, end time.Duration) StepReport {
	s := StepReport{OfferedPerS: perS, Payments: payments, V10ToV11: wayOf(points, V10, begin, end), V11ToV10: wayOf(points, V11, begin, end), Kept: true}
	for _, side := range paid {
		s.Paid = append(s.Paid, side.String())
		s.Kept = s.Kept && s.way(side).kept(float64(perS))
	}
	return s
}

// way is that from a ledger to the other.
func (s *StepReport) way(from Side) *WayReport {
	if from == V10 {
		return &s.V10ToV11
	}
	return &s.V11ToV10
}
