// SPDX-License-Identifier: Apache-2.0

package upstream

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// steps draws times that grow, most of them within a window.
func steps(t *rapid.T) time.Duration {
	return time.Duration(rapid.OneOf(rapid.Int64Range(0, int64(2*slotLength)), rapid.Int64Range(0, int64(2*WindowLength))).Draw(t, "step"))
}

// TestWindowCounts compares a window with a list of all that it was told.
func TestWindowCounts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		type event struct {
			slot int64
			counted
		}
		var w window
		var told []event
		now := time.Duration(0)
		for range rapid.IntRange(1, 60).Draw(t, "events") {
			now += steps(t)
			c := counted{calls: rapid.IntRange(0, 3).Draw(t, "calls"), hits: rapid.IntRange(0, 3).Draw(t, "hits")}
			w.add(now, c)
			told = append(told, event{int64(now / slotLength), c})
			var want counted
			for _, e := range told {
				if e.slot > int64(now/slotLength)-slots {
					want = want.plus(e.counted)
				}
			}
			if have := w.sum(now); have != want {
				t.Fatalf("%+v, want %+v", have, want)
			}
		}
	})
}

func TestWindowGoesBack(t *testing.T) {
	var w window
	w.add(5*time.Second, counted{calls: 1})
	w.add(4*time.Second, counted{calls: 1})
	if c := w.sum(3 * time.Second); c.calls != 2 {
		t.Errorf("%+v", c)
	}
	if c := w.sum(5*time.Second + WindowLength); c.calls != 0 {
		t.Errorf("%+v after the window", c)
	}
}

// TestBudgetHolds lets calls and retries come in any order: there are never more retries in a window than its share and the floor.
func TestBudgetHolds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := budget{cfg: BudgetConfig{Share: 0.1, Floor: 3}}
		now := time.Duration(0)
		for range rapid.IntRange(1, 300).Draw(t, "events") {
			if rapid.IntRange(0, 9).Draw(t, "moves") == 0 {
				now += steps(t)
			}
			if rapid.Bool().Draw(t, "call") {
				b.call(now)
				continue
			}
			left := b.left(now)
			if b.spend(now) != left {
				t.Fatal("what is left can be spent, and nothing else")
			}
			if c := b.window.sum(now); left && float64(c.hits) > 3+0.1*float64(c.calls) {
				t.Fatalf("%d retries of %d calls", c.hits, c.calls)
			}
		}
	})
}

func TestBudgetOfALonelyCall(t *testing.T) {
	b := budget{cfg: BudgetConfig{Share: 0.1, Floor: 3}}
	b.call(0)
	for i, want := range []bool{true, true, true, false} {
		if b.spend(0) != want {
			t.Errorf("retry %d", i)
		}
	}
	if !b.spend(WindowLength) {
		t.Error("the window is over")
	}
}
