// SPDX-License-Identifier: Apache-2.0

package upstream

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// crew is a group of n members, all reached, at a time of its own.
type crew struct {
	group
	t    testing.TB
	now  time.Duration
	down map[int]bool
}

func newCrew(t testing.TB, n int) *crew {
	cfg := Config{}
	cfg.setDefaults()
	c := &crew{group: newGroup(&cfg), t: t, down: map[int]bool{}}
	for range n {
		c.members = append(c.members, &health{})
	}
	return c
}

func (c *crew) pickFor(key uint32, t trying, done *tried) int {
	return c.pick(key, c.now, t, done, func(i int) bool { return !c.down[i] })
}

// at sends one attempt to a member and ends it.
func (c *crew) at(i int, o outcome) news {
	c.t.Helper()
	round, _, ok := c.breaker.permit(c.now)
	if !ok {
		c.t.Fatal("the breaker is open")
	}
	p := c.begin(i, c.now, triesAtOnce)
	p.breaker = round
	return c.settle(p, o, c.now)
}

func (c *crew) times(n, i int, o outcome) (said news) {
	c.t.Helper()
	for range n {
		said |= c.at(i, o)
	}
	return said
}

func TestPickSticks(t *testing.T) {
	c := newCrew(t, 4)
	for key := range uint32(8) {
		if at := c.pickFor(key, triesAtOnce, &tried{}); at != int(key%4) {
			t.Errorf("key %d falls on %d", key, at)
		}
	}
	for _, x := range []struct {
		name string
		set  func(*crew, *tried)
		want int
	}{
		{"not reached", func(c *crew, _ *tried) { c.down[1] = true }, 2},
		{"it failed this call", func(c *crew, d *tried) { d[0] = c.members[1] }, 2},
		{"left out", func(c *crew, _ *tried) { c.times(3, 1, faulty) }, 2},
		{"all others are down", func(c *crew, d *tried) { c.down[0], c.down[2], c.down[3], d[0] = true, true, true, c.members[1] }, 1},
		{"all others are down, it is left out", func(c *crew, _ *tried) { c.times(3, 1, faulty); c.down[0], c.down[2], c.down[3] = true, true, true }, 1},
		{"rather one that failed this call than one left out", func(c *crew, d *tried) {
			c.times(3, 1, faulty)
			c.down[0], c.down[3], d[0] = true, true, c.members[2]
		}, 2},
		{"nobody", func(c *crew, _ *tried) { c.down[0], c.down[1], c.down[2], c.down[3] = true, true, true, true }, -1},
	} {
		c, done := newCrew(t, 4), &tried{}
		x.set(c, done)
		if at := c.pickFor(1, triesAtOnce, done); at != x.want {
			t.Errorf("%s: %d, want %d", x.name, at, x.want)
		}
	}
}

func TestLeftOut(t *testing.T) {
	c := newCrew(t, 4)
	if c.times(2, 0, faulty) != nothing || c.at(0, well) != nothing || c.times(2, 0, faulty) != nothing {
		t.Error("three in a row are needed")
	}
	if c.at(0, neutral) != nothing {
		t.Error("who left says nothing")
	}
	if c.at(0, faulty) != leftOut {
		t.Error("the third one in a row")
	}
	if c.times(3, 1, faulty) != leftOut {
		t.Error("another one")
	}
	if c.times(10, 2, faulty)&leftOut != 0 {
		t.Error("half of them stay")
	}
	one := newCrew(t, 1)
	if one.times(20, 0, faulty)&leftOut != 0 {
		t.Error("the last one stays")
	}
}

// TestOutlier leaves a validator out that fails some calls among many, if the others do not.
func TestOutlier(t *testing.T) {
	for _, x := range []struct {
		own, peers counted
		want       bool
	}{
		{counted{100, 30}, counted{300, 3}, true},
		{counted{100, 30}, counted{300, 60}, false}, // they fail as well
		{counted{100, 10}, counted{300, 0}, false},  // too few
		{counted{10, 9}, counted{300, 0}, false},    // it is early
		{counted{100, 90}, counted{10, 0}, false},   // nothing to compare with
		{counted{20, 4}, counted{20, 0}, true},
	} {
		cfg := Config{}
		cfg.setDefaults()
		if outlier(cfg.Ejection, x.own, x.peers) != x.want {
			t.Errorf("%+v among %+v: want %v", x.own, x.peers, x.want)
		}
	}
	c := newCrew(t, 3)
	c.times(50, 1, well)
	c.times(50, 2, well)
	for faults := 1; ; faults++ {
		c.times(2, 0, well)
		if c.at(0, faulty) == leftOut {
			break
		}
		if faults > 10 {
			t.Fatal("a third of its calls fail, and it is asked on")
		}
	}
}

// TestTrial lets a validator come back: one call tries it, and its pauses double.
func TestTrial(t *testing.T) {
	c := newCrew(t, 3)
	c.times(3, 0, faulty)
	pause := c.ejection.PauseMin
	for round := range 6 {
		c.now += pause - 1
		if at := c.pickFor(0, triesAtOnce, &tried{}); at != 1 {
			t.Fatalf("round %d: asked too early", round)
		}
		c.now++
		if c.pickFor(0, triesNever, &tried{}) != 1 || c.pickFor(0, triesLate, &tried{}) != 1 {
			t.Fatal("a call that cannot be sent again does not try it")
		}
		if at := c.pickFor(0, triesAtOnce, &tried{}); at != 0 {
			t.Fatalf("round %d: it is not tried", round)
		}
		p := c.begin(0, c.now, triesAtOnce)
		if at := c.pickFor(0, triesAtOnce, &tried{}); at != 1 {
			t.Fatal("one call tries it, not two")
		}
		c.settle(p, neutral, c.now)
		if at := c.pickFor(0, triesAtOnce, &tried{}); at != 0 {
			t.Fatal("who left did not try it")
		}
		c.settle(c.begin(0, c.now, triesAtOnce), faulty, c.now)
		pause = min(2*pause, c.ejection.PauseMax)
		if c.members[0].until-c.now != pause {
			t.Fatalf("round %d: out for %s, want %s", round, c.members[0].until-c.now, pause)
		}
	}
	c.now += pause + c.ejection.PauseMin
	if c.pickFor(0, triesLate, &tried{}) != 0 {
		t.Error("after a while any call tries it")
	}
	if c.settle(c.begin(0, c.now, triesLate), well, c.now) != back {
		t.Error("it is back")
	}
	if c.times(3, 0, faulty) != leftOut || c.members[0].until-c.now != c.ejection.PauseMax {
		t.Error("who comes back and fails at once goes on doubling")
	}
	c.now += c.ejection.PauseMax
	c.at(0, well)
	c.now += c.ejection.PauseMax + 1
	if c.times(3, 0, faulty) != leftOut || c.members[0].until-c.now != c.ejection.PauseMin {
		t.Errorf("who was well for long begins anew")
	}
}

// TestLateResults lets what began before a validator was left out end after it came back.
func TestLateResults(t *testing.T) {
	c := newCrew(t, 2)
	var old []permit
	for range 50 {
		old = append(old, c.begin(0, c.now, triesAtOnce))
	}
	c.times(3, 0, faulty)
	if c.settle(old[0], well, c.now) != nothing || !c.members[0].out {
		t.Error("an answer to a question from before does not bring it back")
	}
	c.now += c.ejection.PauseMin
	if c.at(0, well) != back {
		t.Error("it is back")
	}
	for _, p := range old[1:] {
		if c.settle(p, faulty, c.now) != nothing {
			t.Fatal("it is left out for what was before")
		}
	}
}

// TestBreakerIsOfTheGroup opens when all fail, and not for one validator, however much that fails.
func TestBreakerIsOfTheGroup(t *testing.T) {
	c := newCrew(t, 4)
	for range 100 {
		c.times(1, 1, well)
	}
	var hung []permit
	for range 500 {
		p := c.begin(0, c.now, triesAtOnce)
		p.breaker = c.breaker.round
		hung = append(hung, p)
	}
	for _, p := range hung {
		if c.settle(p, faulty, c.now)&breakerOpened != 0 {
			t.Fatal("one hung validator stops the group")
		}
	}
	said := nothing
	for i := 0; said&breakerOpened == 0; i++ {
		if i > 1000 {
			t.Fatal("all fail, and the group goes on")
		}
		said |= c.at(1+i%3, faulty)
	}
	round, wait, ok := c.breaker.permit(c.now)
	if ok || round != 0 || wait != c.breaker.cfg.OpenMin {
		t.Error("it is not open")
	}
	c.now += wait
	if said := c.times(2, 3, well); said != nothing {
		t.Errorf("%v after two", said)
	}
	if said := c.at(3, well); said != breakerClosed {
		t.Errorf("%v after three", said)
	}
	if c.at(3, faulty)&breakerOpened != 0 {
		t.Error("what was before it closed counts")
	}
}

func TestBreaker(t *testing.T) {
	b := breaker{cfg: BreakerConfig{OpenMin: time.Second, OpenMax: 4 * time.Second, ProbesMax: 3}, round: 1}
	early, _, _ := b.permit(0)
	b.trip(0)
	if b.settle(early, faulty, 0) || b.settle(early, well, 0) {
		t.Error("what began while it was closed says nothing now")
	}
	now := time.Duration(0)
	for _, length := range []time.Duration{time.Second, 2 * time.Second, 4 * time.Second, 4 * time.Second} {
		if _, wait, ok := b.permit(now); ok || wait != length {
			t.Fatalf("open for %s, want %s", wait, length)
		}
		now += length
		var probes []uint64
		for range 3 {
			round, _, ok := b.permit(now)
			if !ok {
				t.Fatal("no probe")
			}
			probes = append(probes, round)
		}
		if _, wait, ok := b.permit(now); ok || wait != probeWait {
			t.Fatal("a fourth probe")
		}
		b.settle(probes[0], neutral, now)
		if _, _, ok := b.permit(now); !ok {
			t.Fatal("a probe that left gives its place back")
		}
		b.settle(probes[1], well, now)
		if !b.settle(probes[2], faulty, now) || b.state != open {
			t.Fatal("one fault opens it again")
		}
	}
	now += 4 * time.Second
	for i := range 3 {
		round, _, _ := b.permit(now)
		if closes := b.settle(round, well, now); closes != (i == 2) {
			t.Fatal("three successes close it")
		}
	}
	if b.trip(now); b.length != time.Second {
		t.Error("it begins anew")
	}
}

// TestGroupInvariants drives a group with anything, and looks at what must always be so.
func TestGroupInvariants(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 7).Draw(t, "members")
		cfg := Config{}
		cfg.setDefaults()
		cfg.Breaker.SamplesMin = 8
		c := &crew{group: newGroup(&cfg), down: map[int]bool{}}
		for range n {
			c.members = append(c.members, &health{})
		}
		var flying []permit
		for range rapid.IntRange(1, 200).Draw(t, "events") {
			switch rapid.IntRange(0, 5).Draw(t, "event") {
			case 0:
				c.now += time.Duration(rapid.Int64Range(0, int64(4*time.Second)).Draw(t, "step"))
			case 1:
				i := rapid.IntRange(0, n-1).Draw(t, "whose")
				c.down[i] = !c.down[i]
			case 2, 3:
				flying = c.launch(t, flying)
			default:
				if len(flying) > 0 {
					i := rapid.IntRange(0, len(flying)-1).Draw(t, "which")
					c.settle(flying[i], outcome(rapid.IntRange(0, 2).Draw(t, "outcome")), c.now)
					flying = append(flying[:i:i], flying[i+1:]...)
				}
			}
			c.holds(t, flying)
		}
	})
}

func (c *crew) launch(t *rapid.T, flying []permit) []permit {
	try := trying(rapid.IntRange(0, 2).Draw(t, "trying"))
	wasOpen, until := c.breaker.state == open, c.breaker.until
	round, _, ok := c.breaker.permit(c.now)
	if !ok {
		return flying
	}
	if wasOpen && c.now < until {
		t.Fatal("an open breaker let a call through")
	}
	at := c.pickFor(rapid.Uint32().Draw(t, "key"), try, &tried{})
	if at < 0 {
		for i := range c.members {
			if !c.down[i] {
				t.Fatalf("member %d is reached, and nobody is asked", i)
			}
		}
		c.breaker.settle(round, neutral, c.now)
		return flying
	}
	if c.down[at] {
		t.Fatal("one is asked that is not reached")
	}
	p := c.begin(at, c.now, try)
	p.breaker = round
	return append(flying, p)
}

func (c *crew) holds(t *rapid.T, flying []permit) {
	outside, probes := 0, 0
	trials := map[*health]int{}
	for _, m := range c.members {
		if m.out {
			outside++
		}
	}
	for _, p := range flying {
		if p.breaker == c.breaker.round && c.breaker.state == halfOpen {
			probes++
		}
		if p.trial && p.round == p.member.round {
			trials[p.member]++
		}
	}
	if 2*outside > len(c.members) {
		t.Fatalf("%d of %d are left out", outside, len(c.members))
	}
	if probes != c.breaker.probes || probes > c.breaker.cfg.ProbesMax {
		t.Fatalf("%d probes, counted are %d", probes, c.breaker.probes)
	}
	for _, m := range c.members {
		if trials[m] > 1 || m.trial != (trials[m] == 1) {
			t.Fatalf("%d calls try one member", trials[m])
		}
	}
}
