// SPDX-License-Identifier: Apache-2.0

package reverse

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// tick is a step of the world: a block, and a look at V10.
const tick = 200 * time.Millisecond

// world is a V10 that applies so many legs a second, behind clients who offer more than it can.
type world struct {
	w        *Window
	now      time.Duration
	height   uint64
	capacity func(now time.Duration) float64
	silent   func(now time.Duration) bool // V10 is not heard
	offered  float64                      // a second
	size     uint64                       // of an admission
	others   uint64                       // legs a block that other nodes let in
	late     int                          // blocks that are counted late
	blocks   []block                      // executed, not applied
	uncount  []block
	budget   float64
	done     float64 // of the first block
	admitted uint64
	applied  uint64
	refused  int
}

func (x *world) step() {
	x.now += tick
	x.budget += x.offered * tick.Seconds()
	own := uint64(0)
	for x.budget >= float64(x.size) {
		x.budget -= float64(x.size)
		if x.w.Admit(x.size, x.now) {
			own += x.size
		} else {
			x.refused++
		}
	}
	x.height++
	b := block{x.height, own + x.others, x.now}
	x.w.Settled(own, x.height)
	x.admitted += b.legs
	x.blocks, x.uncount = append(x.blocks, b), append(x.uncount, b)
	for len(x.uncount) > x.late {
		x.w.Executed(x.uncount[0].height, x.uncount[0].legs, x.now)
		x.uncount = x.uncount[1:]
	}
	x.apply()
}

// apply has V10 apply whole blocks.
func (x *world) apply() {
	x.done += x.capacity(x.now) * tick.Seconds()
	at := x.height - uint64(len(x.blocks))
	for len(x.blocks) > 0 && x.done >= float64(x.blocks[0].legs) {
		x.done -= float64(x.blocks[0].legs)
		x.applied += x.blocks[0].legs
		at, x.blocks = x.blocks[0].height, x.blocks[1:]
	}
	if len(x.blocks) == 0 {
		x.done = 0
	}
	if x.silent == nil || !x.silent(x.now) {
		x.w.Applied(at, x.now)
	}
}

func (x *world) run(d time.Duration) {
	for end := x.now + d; x.now < end; {
		x.step()
	}
}

func (x *world) owed() uint64 { return x.admitted - x.applied }

func steady(perSecond float64) func(time.Duration) float64 {
	return func(time.Duration) float64 { return perSecond }
}

// TestFollowsV10: whatever V10 can do, what is let in follows it, and stays within the time that is allowed.
func TestFollowsV10(t *testing.T) {
	for _, c := range []struct {
		perSecond float64
		size      uint64
		others    uint64
		late      int
	}{
		{300, 1, 0, 0}, {2000, 1, 0, 0}, {2000, 100, 100, 0}, {20_000, 1, 0, 5}, {20_000, 5000, 0, 0}, {5000, 7, 300, 3}, {60, 800, 0, 0},
	} {
		t.Run(fmt.Sprintf("%.0f a second by %d", c.perSecond, c.size), func(t *testing.T) {
			x := &world{w: New(Config{}), capacity: steady(c.perSecond), offered: 3 * c.perSecond, size: c.size, others: c.others, late: c.late}
			x.run(2 * time.Minute)
			begin, applied := x.admitted, x.applied
			x.run(time.Minute)
			one := float64(c.size) / 60 // more or less
			if got := float64(x.admitted-begin) / 60; got > 1.1*c.perSecond+one || got < 0.9*c.perSecond-one {
				t.Errorf("%.0f a second are let in", got)
			}
			if got := float64(x.applied-applied) / 60; got < 0.9*c.perSecond-one {
				t.Errorf("V10 has %.0f a second to do: it starves", got)
			}
			if most := max(1.3*c.perSecond*10, LegsMinDefault) + float64(c.size); float64(x.owed()) > most {
				t.Errorf("V10 is %d behind, at most %.0f", x.owed(), most)
			}
			if x.refused == 0 {
				t.Error("nothing was refused")
			}
		})
	}
}

// TestNeverFasterThanV10: over any time, what is let in is at most what V10 applied, the window, half of the rate, and an admission of each.
func TestNeverFasterThanV10(t *testing.T) {
	for seed := range uint64(50) {
		r := rand.New(rand.NewPCG(seed, 1))
		fast, pulse := 200+r.Float64()*20_000, 1+r.IntN(20)
		x := &world{
			w: New(Config{}), offered: fast * (0.5 + 3*r.Float64()), size: 1 + r.Uint64N(2000),
			capacity: func(now time.Duration) float64 {
				if int(now/time.Second)%pulse == 0 || pulse < 3 {
					return fast
				}
				return 0
			},
			silent: func(now time.Duration) bool { return int(now/(10*time.Second))%5 == 4 },
		}
		type moment struct {
			admitted, applied, window uint64
			perSecond                 float64
		}
		var all []moment
		for range 600 {
			x.step()
			all = append(all, moment{x.admitted, x.applied, x.w.Limit(), x.w.PerSecond()})
		}
		for i := range all {
			window, spare := all[i].window, all[i].perSecond
			for j := i + 1; j < len(all); j++ {
				window, spare = max(window, all[j].window), max(spare, all[j].perSecond)
				half := uint64(spare / spareShare * (float64(j-i)*tick.Seconds() + 1))
				if got, most := all[j].admitted-all[i].admitted, all[j].applied-all[i].applied+window+half+2*x.size; got > most {
					t.Fatalf("seed %d: between looks %d and %d %d were let in, at most %d", seed, i, j, got, most)
				}
			}
		}
	}
}

// TestSilence: with a V10 that stands still for an hour half of its rate is let in, and it catches up afterwards.
func TestSilence(t *testing.T) {
	stopped := func(now time.Duration) bool { return now > time.Minute && now < time.Hour }
	x := &world{w: New(Config{}), offered: 6000, size: 1, silent: stopped, capacity: func(now time.Duration) float64 {
		if stopped(now) {
			return 0
		}
		return 2000
	}}
	x.run(time.Minute)
	before := x.w.PerSecond()
	x.run(59*time.Minute - tick)
	if x.w.PerSecond() != before || before < 1800 || before > 2200 || float64(x.owed()) < 0.45*before*59*60 || float64(x.owed()) > 0.6*before*59*60 {
		t.Errorf("%.0f a second before, %.0f after, %d owed", before, x.w.PerSecond(), x.owed())
	}
	x.run(70 * time.Minute)
	if float64(x.owed()) > 1.3*2000*10 {
		t.Errorf("%d owed an hour after it", x.owed())
	}
}

// TestSlowsAndRecovers: V10 slows down tenfold; what is let in slows down with it, and comes back.
func TestSlowsAndRecovers(t *testing.T) {
	x := &world{w: New(Config{}), offered: 20_000, size: 10, capacity: func(now time.Duration) float64 {
		if now > 2*time.Minute && now < 10*time.Minute {
			return 500
		}
		return 5000
	}}
	for _, c := range []struct {
		until     time.Duration
		perSecond float64
	}{{2 * time.Minute, 5000}, {10 * time.Minute, 500}, {13 * time.Minute, 5000}} {
		x.run(c.until - 30*time.Second - x.now)
		begin := x.admitted
		x.run(c.until - x.now)
		if got := float64(x.admitted-begin) / 30; got > 1.3*c.perSecond || got < 0.8*c.perSecond {
			t.Errorf("until %s: %.0f a second are let in, V10 applies %.0f", c.until, got, c.perSecond)
		}
	}
}

// TestIdleIsNotSlow: little work is no sign of a slow V10, and is never refused.
func TestIdleIsNotSlow(t *testing.T) {
	x := &world{w: New(Config{}), offered: 50, size: 1, capacity: steady(5000)}
	x.run(10 * time.Minute)
	if x.w.PerSecond() != FirstDefault || x.refused > 0 {
		t.Errorf("%.0f a second, %d refused", x.w.PerSecond(), x.refused)
	}
}

func TestAccounts(t *testing.T) {
	w := New(Config{First: 10, BehindMax: time.Second, LegsMin: 100})
	if !w.Admit(1_000_000, 0) || w.Admit(1, 0) { // of any size, once
		t.Error("admission")
	}
	w.Settled(1_000_000, 0)
	if w.Owed() != 0 || !w.Admit(60, 0) || !w.Admit(60, 0) || w.Admit(1, 0) {
		t.Error("what never came to be is owed")
	}
	w.Settled(60, 5)
	w.Settled(60, 7)
	if w.Owed() != 120 {
		t.Errorf("%d owed before the blocks are counted", w.Owed())
	}
	w.Executed(5, 80, 0) // with somebody else's
	w.Executed(5, 80, 0)
	if w.Owed() != 140 {
		t.Errorf("%d owed after the first", w.Owed())
	}
	w.Executed(7, 60, 0)
	w.Applied(6, time.Second)
	w.Applied(5, time.Second) // late
	if w.Owed() != 60 {
		t.Errorf("%d owed", w.Owed())
	}
	w.Begin(6)
	w.Executed(7, 60, time.Second)
	if w.Applied(9, time.Second); w.Owed() != 0 {
		t.Errorf("%d owed at the end", w.Owed())
	}
	w.Settled(1, 3) // counted long ago
	for h := uint64(10); h < 10+2*blocksMax; h++ {
		w.Executed(h, 1, time.Second)
	}
	if len(w.blocks) != blocksMax || w.Owed() != 2*blocksMax {
		t.Errorf("%d blocks, %d owed", len(w.blocks), w.Owed())
	}
}
