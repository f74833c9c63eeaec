// SPDX-License-Identifier: Apache-2.0

package query_test

import (
	"context"
	"errors"
	"math/bits"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/history"
	"github.com/aurigraph/aurigraph/internal/query"
)

var errBroken = errors.New("broken")

// follow follows events until the test's end or stop, and returns what it saw so far.
type follower struct {
	events []query.Events
	end    chan error
	stop   context.CancelFunc
}

func (w *world) follow(t *testing.T, from chain.Height, account chain.AccountNo, asset chain.AssetNo, each func(query.Events) error) *follower {
	ctx, cancel := context.WithCancel(context.Background())
	f := &follower{end: make(chan error, 1), stop: cancel}
	t.Cleanup(cancel)
	go func() {
		f.end <- w.FollowEvents(ctx, from, account, asset, func(e query.Events) error {
			f.events = append(f.events, e)
			if each != nil {
				return each(e)
			}
			return nil
		})
	}()
	return f
}

// ended stops a follower, which must end with the context.
func (f *follower) ended(t *testing.T) {
	t.Helper()
	f.stop()
	if err := <-f.end; !errors.Is(err, context.Canceled) {
		t.Errorf("it ended with %v", err)
	}
}

// heights are those at which transfers came, once each.
func (f *follower) heights() (out []chain.Height) {
	for _, e := range f.events {
		if len(e.Transfers) > 0 && (len(out) == 0 || out[len(out)-1] != e.Height) {
			out = append(out, e.Height)
		}
	}
	return out
}

func TestFollowEvents(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		var at []chain.Height
		work := func() {
			at = append(at, w.Batch(pay(house, alice, gold, 1), pay(alice, bob, silver, 1)).Location.Height)
		}
		for range 3 {
			work()
		}
		synctest.Wait() // a block is there a moment before the feed tells of it
		first, middle, live := w.follow(t, 1, 0, 0, nil), w.follow(t, at[1], 0, 0, nil), w.follow(t, 0, 0, 0, nil)
		later := w.follow(t, at[2]+200, 0, 0, nil)
		ofBob, ofGold, ofNobody := w.follow(t, 1, bob, 0, nil), w.follow(t, 1, 0, gold, nil), w.follow(t, 1, carol, gold, nil)
		synctest.Wait()
		for range 3 {
			work()
		}
		synctest.Wait()
		for name, c := range map[string]struct {
			f       *follower
			want    []chain.Height
			perItem int
		}{
			"from the first": {first, at, 2}, "from the middle": {middle, at[1:], 2}, "from now on": {live, at[3:], 2},
			"of bob": {ofBob, at, 1}, "of gold": {ofGold, at, 1}, "of nobody": {ofNobody, nil, 0}, "from later": {later, nil, 0},
		} {
			if got := c.f.heights(); !slices.Equal(got, c.want) {
				t.Errorf("%s: heights %v, must be %v", name, got, c.want)
			}
			for _, e := range c.f.events {
				if len(e.Transfers) != c.perItem && len(e.Transfers) != 0 || e.GapFrom != 0 || e.TimeUs == 0 {
					t.Errorf("%s: %+v", name, e)
				}
			}
			c.f.ended(t)
		}
	})
}

// A reader that stalls delays nobody, misses nothing and goes on where it was.
func TestSlowFollower(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		gate := make(chan struct{})
		slow := w.follow(t, 1, 0, 0, func(query.Events) error { <-gate; return nil })
		fast := w.follow(t, 1, 0, 0, nil)
		var at []chain.Height
		for range 20 {
			at = append(at, w.Batch(pay(house, alice, gold, 1)).Location.Height)
		}
		synctest.Wait()
		if !slices.Equal(fast.heights(), at) || len(slow.events) != 1 {
			t.Errorf("the fast one saw %v of %v, the slow one %d", fast.heights(), at, len(slow.events))
		}
		close(gate)
		synctest.Wait()
		if !slices.Equal(slow.heights(), at) {
			t.Errorf("the slow one saw %v of %v", slow.heights(), at)
		}
		fast.ended(t)
		slow.ended(t)
	})
}

// A block of many transfers comes in pieces of its height, and a long silence is told.
func TestEventsInPieces(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		legs := make([]chain.Leg, 2*query.TransfersPerEventsMax+1)
		for i := range legs {
			legs[i] = pay(house, alice, gold, 1)
		}
		f := w.follow(t, 1, 0, 0, nil)
		h := w.Batch(legs...).Location.Height
		exact := w.Batch(legs[:query.TransfersPerEventsMax]...).Location.Height
		synctest.Wait()
		var sizes []int
		for _, e := range f.events {
			for _, tr := range e.Transfers {
				if tr.Height != e.Height {
					t.Fatalf("a transfer of %d in events of %d", tr.Height, e.Height)
				}
			}
			if e.Height == h || e.Height == exact {
				sizes = append(sizes, len(e.Transfers))
			}
		}
		if !slices.Equal(sizes, []int{query.TransfersPerEventsMax, query.TransfersPerEventsMax, 1, query.TransfersPerEventsMax}) {
			t.Errorf("pieces of %v", sizes)
		}
		f.ended(t)

		silent := w.follow(t, 0, carol, 0, nil)
		for len(silent.events) == 0 && w.Loop.Height() < 5*query.QuietBlocksMax {
			w.Batch(pay(house, alice, gold, 1))
			synctest.Wait()
		}
		if len(silent.events) != 1 || len(silent.events[0].Transfers) != 0 || silent.events[0].Height < query.QuietBlocksMax {
			t.Errorf("in a long silence: %+v", silent.events)
		}
		silent.ended(t)
	})
}

// What retention removed is told once, with the first block that is there, and nothing behind it is missed.
func TestEventsOverAGap(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.fill(60)
		w.Settle()
		w.fill(2)
		w.Recycle(1)
		synctest.Wait()
		oldest, err := w.History.Retained(1, w.Loop.Height())
		if err != nil || oldest == 1 {
			t.Fatal(oldest, err)
		}
		reads := 0
		w.Query = query.New(query.Parts{Feed: w.hub, History: history.New(w.Store, func(l chain.Location) ([]byte, error) {
			reads++
			return w.History.Payload(l)
		})})
		f := w.follow(t, 1, 0, 0, nil)
		synctest.Wait()
		if most := 2*bits.Len(uint(w.Loop.Height())) + 5; reads > most {
			t.Errorf("a gap of %d heights took %d reads, %d are enough", oldest-1, reads, most)
		}
		last := w.Batch(pay(house, alice, gold, 1)).Location.Height
		synctest.Wait()
		if len(f.events) == 0 || f.events[0].GapFrom != 1 || f.events[0].Height != oldest {
			t.Fatalf("the first events are of %d after a gap from %d; the oldest is %d", f.events[0].Height, f.events[0].GapFrom, oldest)
		}
		for _, e := range f.events[1:] {
			if e.GapFrom != 0 {
				t.Errorf("the gap is told again at %d", e.Height)
			}
		}
		if at := f.heights(); at[len(at)-1] != last {
			t.Errorf("heights %v, must end with %d", at, last)
		}
		f.ended(t)
	})
}

// A follower that retention overtakes inside a block is told of a gap that begins with that block.
func TestOvertakenInsideABlock(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		legs := make([]chain.Leg, query.TransfersPerEventsMax-1)
		for i := range legs {
			legs[i] = pay(house, alice, gold, 1)
		}
		h := w.Batch(legs...).Location.Height
		w.fill(10)
		f := w.follow(t, h, 0, 0, func(e query.Events) error {
			if e.Height == h {
				w.Recycle(1)
			}
			return nil
		})
		synctest.Wait()
		if len(f.events) < 2 || f.events[0].Height != h || f.events[1].GapFrom != h+1 {
			t.Errorf("%d events, the second after a gap from %d; the first block is %d", len(f.events), f.events[1].GapFrom, h)
		}
		f.ended(t)
	})
}

func TestFollowBlocks(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.Batch(pay(house, alice, gold, 1))
		w.Settle()
		var seen []chain.Height
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		err := w.FollowBlocks(ctx, 1, func(b *query.Block) error { seen = append(seen, b.Header.Height); return nil })
		if !errors.Is(err, context.DeadlineExceeded) || len(seen) != int(w.Loop.Height()) || seen[0] != 1 {
			t.Errorf("%v, %v", seen, err)
		}
		if err := w.FollowBlocks(t.Context(), 1, func(*query.Block) error { return errBroken }); err != errBroken {
			t.Error(err)
		}
		if err := w.FollowEvents(t.Context(), 1, 0, 0, func(query.Events) error { return errBroken }); err != errBroken {
			t.Error(err)
		}
	})
}

// A follower does not go on over a block that it cannot read.
func TestFollowBrokenHistory(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.Batch(pay(house, alice, gold, 1))
		q := query.New(query.Parts{Feed: w.hub, History: history.New(w.Store, func(chain.Location) ([]byte, error) { return nil, errBroken })})
		if err := q.FollowEvents(t.Context(), 1, 0, 0, func(query.Events) error { return nil }); !errors.Is(err, errBroken) {
			t.Error(err)
		}
		if err := w.Store.Close(); err != nil {
			t.Error(err)
		}
		for name, err := range map[string]error{
			"blocks": q.FollowBlocks(t.Context(), 1, nil), "events": q.FollowEvents(t.Context(), 1, 0, 0, nil),
		} {
			want(t, name, err, fault.Unavailable, "")
		}
	})
}
