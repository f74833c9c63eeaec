// SPDX-License-Identifier: Apache-2.0

package upstream

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/aurigraph/aurigraph/internal/fault"
)

// retryBase is the most that the first retry waits; each further one twice that. All waits are drawn from 0 on, so that those who
// failed together do not come back together.
const retryBase = 100 * time.Millisecond

// Do calls a validator, and others after it where the call may be sent again. do is called once for each attempt, with a context
// that ends with the attempt. Do's error is the last attempt's, or a refusal of the pool's own (Refused), which says that nothing
// was sent: Unavailable with ReasonFailing or ReasonNoValidator, TryLater with ReasonBusy or ReasonLate. A call without an answer ends as the
// statuses DeadlineExceeded or Unavailable without a word of a validator: nobody knows whether it was done.
func (p *Pool) Do(ctx context.Context, c Call, do func(ctx context.Context, conn grpc.ClientConnInterface) error) error {
	l := p.lane(c.Group)
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, l.limits.Total)
		defer cancel()
	}
	if err := l.enter(ctx); err != nil {
		return p.refused(l, err)
	}
	defer l.leave()
	l.call(p.now())
	r := run{pool: p, lane: l, call: c, do: do}
	if r.call.Attempts <= 0 || r.call.Attempts > AttemptsMax {
		r.call.Attempts = AttemptsMax
	}
	return r.attempts(ctx)
}

// lane is a group's. Groups are constants: an unknown one is a mistake in the program.
func (p *Pool) lane(g Group) *lane {
	l := p.lanes[g]
	fault.Invariant(l != nil, "no group %q of calls", g)
	return l
}

// refused counts what was not sent.
func (p *Pool) refused(l *lane, err error) error {
	var r *refusal
	if errors.As(err, &r) {
		p.metrics.refused.WithLabelValues(string(l.name), r.reason).Inc()
	}
	return err
}

// run is one call of Do.
type run struct {
	pool  *Pool
	lane  *lane
	call  Call
	do    func(ctx context.Context, conn grpc.ClientConnInterface) error
	tried tried
}

// attempts makes attempts until one is the last.
func (r *run) attempts(ctx context.Context) (last error) {
	for n := 1; ; n++ {
		if ctx.Err() != nil && last == nil {
			return r.pool.refused(r.lane, refuse(fault.TryLater, ReasonLate, 0, "the call's time was over before it could be sent: nothing was done"))
		}
		a, refusal := r.lane.begin(r.call.Key, r.pool.now(), r.trying(), &r.tried)
		if refusal != nil {
			// What an attempt ended with says more: nobody knows whether that one was carried out.
			if last == nil && r.waits(refusal) && n < r.call.Attempts && r.pause(ctx, n) {
				continue
			}
			if last == nil {
				last = r.pool.refused(r.lane, refusal)
			}
			return last
		}
		v, err := r.attempt(ctx, a, n)
		if err == nil {
			return nil
		}
		last = err
		if n >= r.call.Attempts || ctx.Err() != nil || !v.again(r.call.Retry) || !r.retry(ctx, n) {
			return last
		}
		r.tried[n-1] = a.member
	}
}

// trying is whether it may try a validator that was left out: rather one that another can be asked after.
func (r *run) trying() trying {
	if r.call.Retry == RetrySafe {
		return triesAtOnce
	}
	return triesLate
}

// waits reports whether a call that found nobody to ask may wait a little for one.
func (r *run) waits(why *refusal) bool {
	return why.reason == ReasonNoValidator && r.call.Retry != RetryNever
}

// retry takes a retry from the budget, and waits before it.
func (r *run) retry(ctx context.Context, n int) bool {
	group := string(r.lane.name)
	if !r.lane.spend(r.pool.now()) {
		r.pool.metrics.notRetried.WithLabelValues(group, notRetriedBudget).Inc()
		return false
	}
	if !r.pause(ctx, n) {
		r.pool.metrics.notRetried.WithLabelValues(group, notRetriedDeadline).Inc()
		return false
	}
	r.pool.metrics.retries.WithLabelValues(group).Inc()
	return true
}

// pause waits before the attempt after the nth; false if there is no time for it.
func (r *run) pause(ctx context.Context, n int) bool {
	wait := rand.N(retryBase << (n - 1))
	if end, ok := ctx.Deadline(); ok && r.pool.parts.Now().Add(wait).After(end) {
		return false
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// attempt is the nth one.
func (r *run) attempt(ctx context.Context, a attempt, n int) (verdict, error) {
	began := r.pool.now()
	o := neutral
	defer func() { r.pool.settle(r.lane, a.permit, a.conn, o) }() // if do panics, too
	within := ctx
	if d := r.patience(ctx, a, n); d > 0 {
		var cancel context.CancelFunc
		within, cancel = context.WithTimeout(ctx, d)
		defer cancel()
	}
	err := r.do(within, a.conn)
	v := judge(err, ctx.Err(), r.pool.now()-began >= AttemptMin || within != ctx && within.Err() != nil)
	o = v.outcome
	if status.Code(err) == codes.Canceled && ctx.Err() == nil {
		err = status.Error(codes.Unavailable, "the connection to the validator was closed before it answered")
	}
	return v, err
}

// patience bounds an attempt that another may follow; 0: all the time that is left. An attempt after which the budget has nothing
// left is not cut: it would end a call for nothing.
func (r *run) patience(ctx context.Context, a attempt, n int) time.Duration {
	if r.call.Retry != RetrySafe || n >= r.call.Attempts || !a.cut {
		return 0
	}
	if r.call.Attempt > 0 {
		return r.call.Attempt
	}
	end, ok := ctx.Deadline()
	if !ok {
		return r.lane.limits.AttemptMax
	}
	return max(AttemptMin, min(end.Sub(r.pool.parts.Now())/3, r.lane.limits.AttemptMax))
}

// Stream picks a connection for a call that lives long and is never sent again. It has no place in the bulkhead and does not ask
// the breaker. done counts how it ended, once.
func (p *Pool) Stream(ctx context.Context, c Call) (conn grpc.ClientConnInterface, done func(error), err error) {
	l := p.lane(c.Group)
	a, refusal := l.begin(c.Key, p.now(), triesNever, &tried{})
	if refusal != nil {
		return nil, nil, p.refused(l, refusal)
	}
	began := p.now()
	return a.conn, func(err error) {
		p.settle(l, a.permit, a.conn, judge(err, ctx.Err(), p.now()-began >= AttemptMin).outcome)
	}, nil
}
