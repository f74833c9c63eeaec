// SPDX-License-Identifier: Apache-2.0

package syncload

import (
	"bytes"
	"context"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/loadgen"
	v10 "github.com/aurigraph/aurigraph/internal/v10"
)

// Bounds of measuring latency.
const (
	singlesMax = 4096                   // requests under way, each way
	samplesMax = 256                    // samples under way, each way
	sampleNap  = 4 * time.Millisecond   // between two reads of a sample, and at least
	napShare   = 20                     // this part of how long it has waited: samples must not become a load of their own
	sampleMax  = 20 * time.Second       // after which a sample is given up; at rest it is lost or not
	warmFirst  = 12 * time.Second       // of the first load, not measured: a broker that has just been started compiles itself meanwhile
	warmLength = 4 * time.Second        // of each later one
	gracePause = 500 * time.Millisecond // for what is on its way when the load has ended
)

// latencies is what the phase came to, for one way: from origin to the other ledger.
type latencies struct {
	acks   times // of requests, from when they were due
	read   times // from the answer until a client read the payment
	missed int
	told   map[uint64]time.Duration  // by V10's change log, by sequence
	topics map[arrival]time.Duration // on the topics, in order; nil: they were not read
	begin  time.Duration
	end    time.Duration
}

// latency measures single payments at the wanted rate: of each ledger's clients alone, and of both at once.
func (r *run) latency(ctx context.Context) error {
	r.say("paying %d a second at V10, at V11 and at both, %.0f s each; %d a second are read by clients", r.cfg.Rate, r.cfg.Duration.Seconds(), r.cfg.sampleRate())
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
	used, err := r.usage()
	if err != nil {
		return err
	}
	unix.Sync() // what was written before, such as this program, is not to be flushed beside the ledgers' logs
	var alone, together [sides]*latencies
	for _, phase := range []struct {
		at   []Side
		warm time.Duration
		ways *[sides]*latencies
	}{{both[:1], warmFirst, &alone}, {both[1:], warmLength, &alone}, {both[:], warmLength, &together}} {
		if err := r.phase(ctx, phase.at, phase.warm, phase.ways); err != nil {
			return err
		}
	}
	if err := r.report.spent(r, used, func(p *ProcessReport) *float64 { return &p.CoresLatency }); err != nil {
		return err
	}
	if err := first(log.stop(), hops.stop()); err != nil {
		return err
	}
	for s, way := range alone {
		way.told, way.topics = log.told, hops.arrived[s]
		r.report.took(Side(s), way)
	}
	r.report.ways = alone
	r.report.tookTogether(together)
	return nil
}

// phase measures payments at some ledgers' doors, after a while of the same load that is not measured.
func (r *run) phase(ctx context.Context, at []Side, warm time.Duration, into *[sides]*latencies) error {
	if _, err := r.singles(ctx, at, warm, 0); err != nil {
		return err
	}
	track := r.track(ctx)
	ways, err := r.singles(ctx, at, r.cfg.Duration, r.cfg.sampleRate())
	points, untracked := track()
	if err != nil || untracked != nil {
		return first(err, untracked)
	}
	if err := r.inStep(ctx); err != nil {
		return err
	}
	step := stepOf(at, r.cfg.Rate, 1, points, ways[at[0]].begin, ways[at[0]].end)
	step.DrainedS = (r.since() - ways[at[0]].end).Seconds()
	r.report.Steps = append(r.report.Steps, step)
	for _, side := range at {
		into[side] = ways[side]
	}
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

// singles pays at some ledgers' doors at once, and samples so many of the payments a second at each.
func (r *run) singles(ctx context.Context, at []Side, length time.Duration, samples int) (ways [sides]*latencies, err error) {
	all, ctx := errgroup.WithContext(ctx)
	for _, side := range at {
		way := &latencies{begin: r.since()}
		ways[side] = way
		due := loadgen.Arrivals(r.cfg.Seed+uint64(side), float64(r.cfg.Rate-samples), length)
		all.Go(func() error {
			return paced(ctx, due, singlesMax, func(i int, dueAt time.Time) {
				_, _, err := r.pay(side, i, r.drawn[side].payment())
				if r.unsure.note(err); err == nil {
					way.acks.note(time.Since(dueAt))
				}
				if side == at[0] && i%100 == 0 {
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
	for _, side := range at {
		ways[side].end = r.since()
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
	payees := r.sampled[side]
	r.sampled[side] += len(due)
	return paced(ctx, due, samplesMax, func(i int, dueAt time.Time) {
		p := r.drawn[side].payment()
		p.To = r.accounts.payee(side, payees+i)
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

// arrival is a payment on a ledger.
type arrival struct {
	origin Side
	id     v10.TxID
}

// tailing reads V10's change log while it is written, and notes when it tells of each batch.
type tailing struct {
	told   map[uint64]time.Duration // by sequence
	cancel func()
	ended  chan error
	err    error
}

func (r *run) tail(ctx context.Context) (*tailing, error) {
	since, err := r.port.head(ctx)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	t := &tailing{told: map[uint64]time.Duration{}, cancel: cancel, ended: make(chan error, 1)}
	go func() {
		t.ended <- readLines(ctx, r.target.Changes, since, func(line []byte, at position) (bool, error) {
			if !bytes.HasPrefix(line, []byte(headBegin)) { // where the log ends is told as often as somebody asks
				t.told[at.sequence] = r.since()
			}
			return true, nil
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
			at, known := way.told[r.rows[arrival{side, id}]]
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
