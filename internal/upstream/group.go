// SPDX-License-Identifier: Apache-2.0

package upstream

import "time"

// group decides for one group of calls who is called, and whether at all. It has no clock and no lock.
type group struct {
	ejection EjectionConfig
	breaker  breaker
	budget   budget
	members  []*health
}

func newGroup(cfg *Config) group {
	return group{ejection: cfg.Ejection, breaker: breaker{cfg: cfg.Breaker, round: 1}, budget: budget{cfg: cfg.Budget}}
}

// permit is an attempt that may begin.
type permit struct {
	member  *health
	breaker uint64 // round of the breaker; 0 for what it was not asked for
	round   uint64 // of the member
	trial   bool
}

// tried is who failed a call already.
type tried [AttemptsMax]*health

func (t *tried) has(h *health) bool {
	for _, x := range t {
		if x == h {
			return true
		}
	}
	return false
}

// pick chooses a member for a key: the first one from the key's place on that is reached and well; else one that has failed this
// call; else one that is left out. What lives long tries nobody that is on trial. -1: none is reached.
func (g *group) pick(key uint32, now time.Duration, t trying, done *tried, reached func(i int) bool) int {
	best, is := -1, standsOut
	n := len(g.members)
	for i := range n {
		at := (int(key%uint32(n)) + i) % n
		h := g.members[at]
		s := h.standing(g.ejection, now, t)
		if s == standsWell && done.has(h) {
			s = standsTried
		}
		if (best >= 0 && s >= is) || !reached(at) {
			continue
		}
		if best, is = at, s; s == standsWell {
			break
		}
	}
	return best
}

// begin makes the permit of a member that was picked.
func (g *group) begin(at int, now time.Duration, t trying) permit {
	h := g.members[at]
	p := permit{member: h, round: h.round}
	if h.onTrial(g.ejection, now, t) {
		h.trial, p.trial = true, true
	}
	return p
}

// news is what a settled attempt changed.
type news uint8

const (
	nothing news = 0
	leftOut news = 1 << iota // the member
	back                     // the member
	breakerOpened
	breakerClosed
)

// settle takes how an attempt ended. A result counts in the round in which it began.
func (g *group) settle(p permit, o outcome, now time.Duration) news {
	said := g.settleMember(p, o, now)
	switch {
	case p.breaker == 0:
	case g.breaker.settle(p.breaker, o, now):
		if g.breaker.state == open {
			return said | breakerOpened
		}
		for _, h := range g.members {
			h.window = window{}
		}
		return said | breakerClosed
	case o == faulty && g.breaker.state == closed && g.failing(now):
		g.breaker.trip(now)
		return said | breakerOpened
	}
	return said
}

func (g *group) settleMember(p permit, o outcome, now time.Duration) news {
	h := p.member
	if p.round != h.round {
		return nothing
	}
	if p.trial {
		h.trial = false
	}
	switch {
	case o == neutral:
	case o == well && h.out:
		h.takeBack(now)
		return back
	case o == well:
		h.failures = 0
		h.window.add(now, counted{calls: 1})
	case h.out:
		if now >= h.until {
			h.leaveOut(g.ejection, now)
		}
	default:
		h.failures++
		h.window.add(now, counted{calls: 1, hits: 1})
		if g.mustLeave(h, now) {
			h.leaveOut(g.ejection, now)
			return leftOut
		}
	}
	return nothing
}

// mustLeave reports whether a member is left out from now on. Half of them stay, whatever they do: if more fail, it is not the
// validators, and the breaker's matter.
func (g *group) mustLeave(h *health, now time.Duration) bool {
	outside, peers := 0, counted{}
	for _, m := range g.members {
		switch {
		case m.out:
			outside++
		case m != h:
			peers = peers.plus(m.window.sum(now))
		}
	}
	if 2*(outside+1) > len(g.members) {
		return false
	}
	return h.failures >= g.ejection.FailuresMax || outlier(g.ejection, h.window.sum(now), peers)
}

// failing reports whether too many attempts ended in a fault at those that are not left out: the window of who is out is empty.
func (g *group) failing(now time.Duration) bool {
	var all counted
	for _, h := range g.members {
		all = all.plus(h.window.sum(now))
	}
	return all.calls >= g.breaker.cfg.SamplesMin && all.share() > g.breaker.cfg.ShareMax
}
