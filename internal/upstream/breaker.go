// SPDX-License-Identifier: Apache-2.0

package upstream

import "time"

// outcome is what an attempt says of the validator.
type outcome uint8

const (
	neutral outcome = iota // nothing: the caller ended it
	well                   // it answered, if only with a refusal
	faulty                 // it did not do its work
)

type breakerState uint8

const (
	closed breakerState = iota
	open
	halfOpen
)

// probeWait is how long who finds all probes under way is asked to wait.
const probeWait = time.Second

// breaker decides whether a group is called at all. It does not count: who owns it says when there are too many faults.
type breaker struct {
	cfg       BreakerConfig
	state     breakerState
	until     time.Duration // while open
	length    time.Duration // of the last opening; 0 after it was closed by successes
	probes    int           // in flight while half-open
	successes int
	round     uint64 // of the state: what began in another one says nothing
}

func (b *breaker) enter(s breakerState) {
	b.state, b.probes, b.successes = s, 0, 0
	b.round++
}

// permit lets an attempt begin, or says how long to wait. Every permit is settled.
func (b *breaker) permit(now time.Duration) (round uint64, wait time.Duration, ok bool) {
	if b.state == open && now >= b.until {
		b.enter(halfOpen)
	}
	switch b.state {
	case open:
		return 0, b.until - now, false
	case halfOpen:
		if b.probes >= b.cfg.ProbesMax {
			return 0, probeWait, false
		}
		b.probes++
	case closed:
	}
	return b.round, 0, true
}

// trip opens it.
func (b *breaker) trip(now time.Duration) {
	b.length = min(max(b.cfg.OpenMin, 2*b.length), b.cfg.OpenMax)
	b.until = now + b.length
	b.enter(open)
}

// settle takes how an attempt ended, and reports whether that closed or opened the breaker.
func (b *breaker) settle(round uint64, o outcome, now time.Duration) (changed bool) {
	if round != b.round || b.state != halfOpen {
		return false
	}
	b.probes--
	switch o {
	case faulty:
		b.trip(now)
		return true
	case well:
		if b.successes++; b.successes >= b.cfg.ProbesMax {
			b.enter(closed)
			b.length = 0
			return true
		}
	case neutral:
	}
	return false
}
