// SPDX-License-Identifier: Apache-2.0

package syncload

import (
	"context"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/loadgen"
	v10 "github.com/aurigraph/aurigraph/internal/v10"
)

// Bounds of measuring latency.
const (
	singlesMax = 4096                   // requests under way, each way
	samplesMax = 256                    // samples under way, each way
	sampleNap  = 2 * time.Millisecond   // between two reads of a sample, and at least
	napShare   = 12                     // this part of how long it has waited: slow samples must not become a load of their own
	sampleMax  = 20 * time.Second       // after which a sample is given up; at rest it is lost or not
	warmLength = 2 * time.Second        // of the same load, not measured
	gracePause = 500 * time.Millisecond // for what is on its way when the load has ended
)

// latencies is what the phase came to, for one way: from origin to the other ledger.
type latencies struct {
	acks    times // of requests, from when they were due
	read    times // from the answer until a client read the payment
	missed  int
	arrived map[arrival]time.Duration // in V10's change log
	topics  map[arrival]time.Duration // on the topics, in order; nil: they were not read
	begin   time.Duration
	end     time.Duration
}

// latency measures single payments at the wanted rate each way, both at once.
func (r *run) latency(ctx context.Context) error {
	r.say("paying %d a second each way, of which %d are read by clients, for %.0f s", r.cfg.Rate, r.cfg.sampleRate(), r.cfg.Duration.Seconds())
	log, err := r.tail(ctx)
	if err != nil {
		return err
	}
	defer log.stop()
	hops, err := r.follow(ctx)
	if err != nil {
		return err
	}
	defer hops.stop()
	if _, err := r.singles(ctx, warmLength, 0); err != nil {
		return err
	}
	used, err := r.usage()
	if err != nil {
		return err
	}
	track := r.track(ctx)
	ways, err := r.singles(ctx, r.cfg.Duration, r.cfg.sampleRate())
	points, untracked := track()
	if err != nil || untracked != nil {
		return first(err, untracked)
	}
	if err := r.report.spent(r, used, func(p *ProcessReport) *float64 { return &p.CoresLatency }); err != nil {
		return err
	}
	if err := r.inStep(ctx); err != nil {
		return err
	}
	step := stepOf(both[:], r.cfg.Rate, 1, points, ways[V10].begin, ways[V10].end)
	step.DrainedS = (r.since() - ways[V10].end).Seconds()
	r.report.Steps = append(r.report.Steps, step)
	if err := first(log.stop(), hops.stop()); err != nil {
		return err
	}
	for s, way := range ways {
		way.arrived, way.topics = log.arrived, hops.arrived[s]
		r.report.took(Side(s), way)
	}
	r.report.ways = ways
	return nil
}

func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// singles pays both ways at once, and samples so many of the payments a second.
func (r *run) singles(ctx context.Context, length time.Duration, samples int) (ways [sides]*latencies, err error) {
	all, ctx := errgroup.WithContext(ctx)
	for s := range ways {
		side, way := Side(s), &latencies{begin: r.since()}
		ways[s] = way
		due := loadgen.Arrivals(r.cfg.Seed+uint64(s), float64(r.cfg.Rate-samples), length)
		all.Go(func() error {
			return paced(ctx, due, singlesMax, func(i int, dueAt time.Time) {
				_, _, err := r.pay(side, i, r.drawn[side].payment())
				if r.unsure.note(err); err == nil {
					way.acks.note(time.Since(dueAt))
				}
				if side == V10 && i%100 == 0 {
					r.progress.Show("paying", int64(i), int64(len(due)))
				}
			})
		})
		if samples == 0 {
			continue
		}
		when := loadgen.Steps(float64(samples), length)
		all.Go(func() error { return r.samples(ctx, side, way, when) })
	}
	err = all.Wait()
	for _, way := range ways {
		way.end = r.since()
	}
	return ways, err
}

// pay makes a payment and notes its answer.
func (r *run) pay(side Side, i int, p Payment) (v10.TxID, time.Duration, error) {
	id, err := r.doors[side].pay(i, p)
	at := r.since()
	if err == nil {
		r.book.Ack(side, id, p, at)
	}
	return id, at, err
}

// samples makes payments to accounts that nobody else pays, and reads these on the other side until they show it.
func (r *run) samples(ctx context.Context, side Side, way *latencies, due []time.Duration) error {
	var mu sync.Mutex // guards way.missed
	return paced(ctx, due, samplesMax, func(i int, dueAt time.Time) {
		p := r.drawn[side].payment()
		p.To = r.accounts.payee(side, i)
		_, at, err := r.pay(side, i, p)
		if r.unsure.note(err); err != nil {
			return
		}
		way.acks.note(time.Since(dueAt))
		seen, err := r.seen(ctx, side.Other(), i, p)
		if err != nil {
			mu.Lock()
			defer mu.Unlock()
			way.missed++
			return
		}
		way.read.note(max(0, seen-at))
	})
}

// seen reads a payee's balance until the payment is in it, and returns when that was.
func (r *run) seen(ctx context.Context, side Side, i int, p Payment) (time.Duration, error) {
	begin := r.since()
	for r.since() < begin+sampleMax && ctx.Err() == nil {
		units, err := r.doors[side].balance(i, p.To)
		if err != nil {
			return 0, err
		}
		if units == onceUnits+uint64(p.Units) {
			return r.since(), nil
		}
		nap(max(sampleNap, (r.since()-begin)/napShare))
	}
	return 0, fault.New(fault.Timeout, "%s does not show a payment after %s", side, sampleMax)
}

// arrival is a payment in V10's change log.
type arrival struct {
	origin Side
	id     v10.TxID
}

// tailing reads V10's change log while it is written, and notes when payments come.
type tailing struct {
	arrived map[arrival]time.Duration
	cancel  func()
	ended   chan error
	err     error
}

func (r *run) tail(ctx context.Context) (*tailing, error) {
	since, err := r.port.head(ctx)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	t := &tailing{arrived: map[arrival]time.Duration{}, cancel: cancel, ended: make(chan error, 1)}
	go func() {
		t.ended <- readLog(ctx, r.target.Changes, since, func(l *logLine, _ position) (bool, error) {
			at := r.since()
			return true, l.payments(func(m made) {
				t.arrived[arrival{m.origin, m.id}] = at
			})
		})
	}()
	return t, nil
}

// stop ends it; what it noted is whole then.
func (t *tailing) stop() error {
	if t.cancel == nil {
		return t.err
	}
	t.cancel()
	t.cancel = nil
	if err := <-t.ended; err != context.Canceled {
		t.err = err
	}
	return t.err
}

// through is when payments of a way were on a ledger, as that itself says, from their answer on: on the other one they were applied, on
// their own their log or their block told of them. heights are the blocks of V11 that have V10's payments.
func (r *run) through(side, on Side, way *latencies, heights map[v10.TxID]chain.Height) []time.Duration {
	return r.book.latencies(side, way.begin, way.end, func(id v10.TxID) (time.Duration, bool) {
		if on == V10 {
			at, known := way.arrived[arrival{side, id}]
			return at, known
		}
		height, known := id.Height, true
		if side == V10 {
			height, known = heights[id]
		}
		if !known {
			return 0, false
		}
		return r.v11.heard.of(height)
	})
}
