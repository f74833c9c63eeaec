// SPDX-License-Identifier: Apache-2.0

package upstream

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/obs"
)

// lane is a group with its lock and its bulkhead.
type lane struct {
	name    Group
	limits  Limits
	places  chan struct{} // one for each call of Do under way
	waiting atomic.Int64  // for a place; as many as there are places

	mu         sync.Mutex
	group      group        // guarded by mu
	validators []*validator // guarded by mu; the group's members, in their order
}

func newLane(name Group, cfg *Config) *lane {
	l := &lane{name: name, limits: cfg.limits(name), group: newGroup(cfg)}
	l.places = make(chan struct{}, l.limits.InFlightMax)
	return l
}

// enter takes a place, for which it may wait a little.
func (l *lane) enter(ctx context.Context) error {
	select {
	case l.places <- struct{}{}:
		return nil
	default:
	}
	if l.limits.WaitMax > 0 && l.waiting.Add(1) <= int64(cap(l.places)) {
		defer l.waiting.Add(-1)
		timer := time.NewTimer(l.limits.WaitMax)
		defer timer.Stop()
		select {
		case l.places <- struct{}{}:
			return nil
		case <-ctx.Done():
		case <-timer.C:
		}
	} else if l.limits.WaitMax > 0 {
		l.waiting.Add(-1)
	}
	return refuse(fault.TryLater, ReasonBusy, probeWait, "%d calls that %s are under way: nothing was done, send it again in a moment", cap(l.places), l.name)
}

func (l *lane) leave() { <-l.places }

// attempt is one that may begin.
type attempt struct {
	permit
	conn *Conn
	cut  bool // the budget has room for another one after it
}

// begin picks who is asked. A refusal says that nobody is.
func (l *lane) begin(key uint32, now time.Duration, t trying, done *tried) (attempt, *refusal) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var round uint64
	if t != triesNever {
		var wait time.Duration
		var ok bool
		if round, wait, ok = l.group.breaker.permit(now); !ok {
			return attempt{}, refuse(fault.Unavailable, ReasonFailing, wait, "the validators fail the calls of group %s, which rests: nothing was done, send it again later", l.name)
		}
	}
	var conn *Conn
	at := l.group.pick(key, now, t, done, func(i int) bool {
		c := l.validators[i].ready(key / uint32(len(l.validators)))
		if c != nil { // the last one that is reached is the one picked
			conn = c
		}
		return c != nil
	})
	if at < 0 {
		l.group.breaker.settle(round, neutral, now)
		return attempt{}, refuse(fault.Unavailable, ReasonNoValidator, probeWait, "no validator is reached: ask a validator itself, or try again in a moment")
	}
	a := attempt{permit: l.group.begin(at, now, t), conn: conn, cut: l.group.budget.left(now)}
	a.breaker = round
	return a, nil
}

// call counts a call against which retries are counted.
func (l *lane) call(now time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.group.budget.call(now)
}

func (l *lane) spend(now time.Duration) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.group.budget.spend(now)
}

// settle takes how an attempt ended, and tells who looks after the network what it changed.
func (p *Pool) settle(l *lane, a permit, conn *Conn, o outcome) {
	now := p.now()
	l.mu.Lock()
	said := l.group.settle(a, o, now)
	opened := l.group.breaker.length
	paused := a.member.until - now
	l.mu.Unlock()
	p.metrics.ended(l.name, o)
	if said == nothing {
		return
	}
	log := p.parts.Log.With(obs.KeyComponent, "upstream", obs.KeyKind, string(l.name))
	if said&leftOut != 0 {
		p.metrics.leftOut.WithLabelValues(string(l.name), conn.Address()).Inc()
		log.Warn("a validator fails calls and is left out for a while: look at its log", obs.KeyAddress, conn.Address(), obs.KeySeconds, paused.Seconds())
	}
	if said&back != 0 {
		log.Info("a validator that was left out answers again", obs.KeyAddress, conn.Address())
	}
	if said&breakerOpened != 0 {
		p.metrics.opened.WithLabelValues(string(l.name)).Inc()
		log.Warn("too many calls fail at all validators: the group rests", obs.KeySeconds, opened.Seconds())
	}
	if said&breakerClosed != 0 {
		log.Info("the group's calls are answered again")
	}
}

// Note counts how a call at one of Reached ended, and how long it took.
func (p *Pool) Note(ctx context.Context, c *Conn, g Group, took time.Duration, err error) {
	l := p.lanes[g]
	l.mu.Lock()
	h := c.of.health[g]
	a := permit{member: h, round: h.round}
	l.mu.Unlock()
	p.settle(l, a, c, judge(err, ctx.Err(), took >= AttemptMin).outcome)
}
