// SPDX-License-Identifier: Apache-2.0

package raft

import (
	"context"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/obs"
	"github.com/aurigraph/aurigraph/internal/seglog"
)

// poolBytesMax bounds the records on their way to the disk.
const poolBytesMax = 16 << 20

// loop gives the core what happened and does what it says.
func (e *Engine) loop(ctx context.Context, group *errgroup.Group) error {
	tick := time.NewTicker(e.cfg.TickInterval)
	defer tick.Stop()
	pace := time.NewTimer(time.Hour)
	defer pace.Stop()
	var last time.Time // of the last cut
	for {
		var ticked []Input
		select {
		case <-ctx.Done():
			return nil
		case <-e.broken:
			return e.failure()
		case <-tick.C:
			ticked = []Input{Tick{}}
		case <-pace.C:
		case <-e.box.wake:
		}
		wants, err := e.step(ctx, group, append(e.box.take(), ticked...))
		for cuts := 0; err == nil && wants && cuts < e.cfg.WindowMax; cuts++ {
			// By the clock, not by a timer that runs anyway: those wake up late, and this one is mostly not needed.
			if wait := e.cfg.IntervalMin - time.Since(last); wait >= time.Microsecond {
				pace.Reset(wait)
				break
			}
			last = time.Now()
			wants, err = e.step(ctx, group, []Input{Cut{NowUs: uint64(max(0, e.cfg.Now().UnixMicro())), Most: e.cfg.burst()}})
		}
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			e.fail(err)
			return err
		}
	}
}

// step runs the core over what happened and does what it says. It reports whether the core would cut a proposal.
func (e *Engine) step(ctx context.Context, group *errgroup.Group, inputs []Input) (wants bool, err error) {
	for {
		out, led, wants, err := e.stepCore(inputs)
		if err != nil {
			return false, err
		}
		for _, s := range out.Send {
			e.cfg.Peers.Send(s.To, s.Frame)
		}
		for _, r := range out.Append {
			if err := e.append(ctx, r); err != nil {
				return false, err
			}
		}
		// Before the reader hears of them: whoever waits for a decision to offer again finds room.
		e.owed.Add(int64(-out.Own))
		taken := e.reader.put(out.Decided)
		e.report(&out, led)
		if out.Fetch != nil {
			e.fetch(ctx, group, *out.Fetch)
		}
		if taken == 0 {
			return wants, nil
		}
		inputs = []Input{Delivered{taken}}
	}
}

// stepCore is the part of step under the lock. led is the term that this node leads, 0 if none. A broken invariant stops the
// engine, not the process.
func (e *Engine) stepCore(inputs []Input) (out Output, led uint64, wants bool, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	defer func() {
		if r := recover(); r != nil {
			err = fault.New(fault.Halted, "ordering engine: %v", r)
		}
	}()
	lead, term := e.core.lead, e.core.term
	out, err = e.core.Step(inputs...)
	if e.core.lead != lead || e.core.term != term {
		e.metrics.terms.Inc()
	}
	if e.core.leading {
		led = e.core.term
	}
	return out, led, e.core.WantsCut(), err
}

func (e *Engine) report(out *Output, led uint64) {
	for _, p := range out.Decided {
		if p.Term == led { // by the clock that cut it
			e.metrics.votes.Observe(max(0, float64(e.cfg.Now().UnixMicro()-int64(p.TimeUs))/1e6))
		}
	}
	e.metrics.decided.Add(float64(len(out.Decided)))
	for _, word := range out.Refused {
		e.metrics.refused.WithLabelValues(word).Inc()
	}
	for _, o := range out.Overdue {
		e.metrics.unordered.Inc()
		if e.cfg.OnUnordered != nil {
			e.cfg.OnUnordered(o.Digest, time.Duration(o.Ticks)*e.cfg.TickInterval)
		}
	}
}

// append hands a record to the log, waiting while it has no room. Nothing is written after a record that was not.
func (e *Engine) append(ctx context.Context, r Record) error {
	buf, err := e.pool.Get(ctx, len(r.Payload))
	if err != nil {
		return err
	}
	copy(buf.Payload(), r.Payload)
	if err := buf.SetMeta(r.Kind, r.Meta); err != nil {
		buf.Release()
		return fault.Halt(err, "ordering log")
	}
	for {
		if err = e.failure(); err == nil {
			err = e.log.Append(ctx, buf, e.onLogged)
		}
		if err == nil {
			return nil
		}
		if !fault.Is(err, fault.TryLater) {
			break
		}
		select {
		case <-ctx.Done():
		case <-e.broken:
		case <-time.After(100 * time.Millisecond):
			continue
		}
		err = ctx.Err()
		break
	}
	buf.Release()
	return fault.Halt(err, "ordering log")
}

// onLogged runs on the log's writer goroutine.
func (e *Engine) onLogged(at seglog.Pos, err error) {
	if err != nil {
		e.fail(fault.Halt(err, "ordering log"))
		return
	}
	e.box.put(Appended{at})
}

// fetch lets the host get the state behind a snapshot. The core asks for one at a time.
func (e *Engine) fetch(ctx context.Context, group *errgroup.Group, ref SnapshotRef) {
	if e.cfg.FetchSnapshot == nil {
		e.metrics.refused.WithLabelValues("snapshot_unwanted").Inc()
		e.box.put(Fetched{})
		return
	}
	group.Go(func() error {
		height, err := e.cfg.FetchSnapshot(ctx, ref)
		if err != nil {
			e.cfg.Logger.Warn("no checkpoint to continue from", obs.KeyHeight, uint64(ref.Height), obs.KeyErr, err)
			e.box.put(Fetched{})
			return nil
		}
		e.reader.skipTo(height)
		e.box.put(Fetched{Height: height, OK: true})
		return nil
	})
}

// Trim lets the log forget proposals below a height, in whole segments, and never waits: what becomes free now goes at
// the next call. The host must keep a certified checkpoint at below-1 or above, for peers that are further behind.
func (e *Engine) Trim(below chain.Height) error {
	if below == 0 {
		return nil
	}
	c := Compact{Below: below}
	if e.cfg.SnapshotRef != nil {
		c.Ref = e.cfg.SnapshotRef(below - 1)
	}
	e.box.put(c)
	e.mu.Lock()
	floor := e.core.Floor()
	e.mu.Unlock()
	_, err := e.log.Recycle(floor)
	return err
}
