// SPDX-License-Identifier: Apache-2.0

package migrate

import (
	"context"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/router"
)

// world is a ledger and a guard by their rules, whose sync takes time, and which fail and answer late as its random numbers say.
type world struct {
	t       *testing.T
	random  *rand.Rand
	faults  bool
	version uint64
	v10     router.Slots
	applied uint64

	guard    uint64 // version that it has followed
	closed   router.Slots
	coming   router.Slots
	sequence uint64 // of V10's newest barrier
	fenced   map[uint64]chain.Fence

	both int // times that both sides took debits of a slot, or neither had the right to
}

func newWorld(t *testing.T, seed uint64, faults bool) *world {
	w := &world{t: t, random: rand.New(rand.NewPCG(seed, 7)), faults: faults, version: 1, guard: 1, fenced: map[uint64]chain.Fence{}}
	w.v10 = set(t, span(0, chain.SlotsMax-1))
	return w
}

// pass lets what goes on by itself go on, now and then, and fails now and then.
func (w *world) pass() error {
	if w.random.IntN(3) == 0 {
		w.applied = w.sequence
	}
	if w.guard < w.version && w.random.IntN(3) == 0 {
		w.guard, w.closed = w.version, router.Slots{} // it follows all moves at once, in their order
	}
	if w.random.IntN(3) == 0 {
		w.coming = router.Slots{}
	}
	if w.faults && w.random.IntN(8) == 0 {
		return fault.New(fault.Unavailable, "away")
	}
	return nil
}

func (w *world) Homes(context.Context) (Homes, error) {
	err := w.pass()
	return Homes{Version: w.version, V10: w.v10, Applied: chain.SyncPosition{Major: w.applied}}, err
}

func (w *world) State(context.Context) (GuardState, error) {
	err := w.pass()
	return GuardState{Version: w.guard, Closed: w.closed, Coming: w.coming}, err
}

func (w *world) Fence(_ context.Context, version uint64, slots []chain.SlotRange) (*Fence, error) {
	if err := w.pass(); err != nil && w.random.IntN(2) == 0 {
		return nil, err
	}
	if version != w.guard {
		return nil, fault.New(fault.Conflict, "the guard is at version %d", w.guard)
	}
	w.sequence++
	if err := w.closed.Set(slots...); err != nil {
		w.t.Fatal(err)
	}
	f := Fence{Fence: chain.Fence{HomeVersion: version, Slots: slots, Position: chain.SyncPosition{Major: w.sequence}}}
	w.fenced[w.sequence] = f.Fence
	if w.faults && w.random.IntN(8) == 0 {
		return nil, fault.New(fault.Unavailable, "the answer was lost")
	}
	return &f, nil
}

func (w *world) Submit(_ context.Context, body chain.Body) (chain.Outcome, error) {
	if err := w.pass(); err != nil && w.random.IntN(2) == 0 {
		return 0, err
	}
	code := w.run(body)
	if w.faults && w.random.IntN(8) == 0 {
		return 0, fault.New(fault.Timeout, "the answer was lost")
	}
	return code, nil
}

func (w *world) run(body chain.Body) chain.Outcome {
	switch b := body.(type) {
	case *chain.AbortMove:
		if b.HomeVersion != w.version {
			return chain.HomesMoved
		}
		w.version++
	case *chain.MoveSlots:
		if b.HomeVersion != w.version {
			return chain.HomesMoved
		}
		if !b.ToV11 {
			w.must(w.v10.Set(b.Slots...))
			w.must(w.coming.Set(b.Slots...))
			w.version++
			return chain.OK
		}
		f, made := w.fenced[b.Position.Major]
		switch {
		case !made || f.HomeVersion != b.HomeVersion:
			return chain.BadFence
		case w.applied < b.Position.Major:
			return chain.SyncBehind
		}
		for _, r := range b.Slots {
			for slot := r.From; slot <= r.To; slot++ {
				if !w.closed.Has(slot) {
					w.both++
				}
			}
		}
		w.must(w.v10.Clear(b.Slots...))
		w.version++
	}
	return chain.OK
}

func (w *world) must(err error) {
	if err != nil {
		w.t.Fatal(err)
	}
}

// TestMoveThereAndBack moves slots to and fro, whatever fails, and never asks for what would give a slot two homes.
func TestMoveThereAndBack(t *testing.T) {
	for seed := range uint64(300) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, seed, seed > 20)
			m := New(w, w, Config{})
			slots := set(t, span(100, 199), span(7000, 7000))
			for i := range 4 {
				ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
				g := Goal{ToV11: i%2 == 0, Slots: slots}
				if _, err := m.Move(ctx, g); err != nil {
					t.Fatalf("seed %d, move %d: %v", seed, i, err)
				}
				cancel()
				if w.v10.Has(150) == g.ToV11 || w.v10.Has(7000) == g.ToV11 || !w.v10.Has(99) || w.guard != w.version {
					t.Fatalf("seed %d, move %d: it says done, and nothing is", seed, i)
				}
				if w.random.IntN(2) == 0 {
					m = New(w, w, Config{}) // another controller, who knows nothing
				}
			}
			if w.both > 0 {
				t.Errorf("seed %d: %d slots moved without being closed", seed, w.both)
			}
		})
	}
}

// TestAbort opens what was closed when the sync did not come.
func TestAbort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, false)
		m := New(stuck{w}, w, Config{})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := m.Move(ctx, Goal{ToV11: true, Slots: set(t, span(1, 9))})
		if !fault.Is(err, fault.Timeout) || fault.ReasonOf(err) != ReasonFenced {
			t.Fatalf("%v, want a timeout that says that slots are closed", err)
		}
		if err := m.Abort(t.Context()); err != nil {
			t.Fatal(err)
		}
		if w.closed != (router.Slots{}) || w.version != 2 || !w.v10.Has(5) {
			t.Errorf("version %d, closed %v", w.version, w.closed.Ranges())
		}
		if err := m.Abort(t.Context()); err != nil || w.version != 2 {
			t.Errorf("an abort of nothing: %v, version %d", err, w.version)
		}
	})
}

// stuck is a ledger whose sync does not go on.
type stuck struct{ *world }

func (s stuck) Homes(ctx context.Context) (Homes, error) {
	h, err := s.world.Homes(ctx)
	h.Applied = chain.SyncPosition{}
	return h, err
}

// TestMoveRefused ends at once where asking again does not help.
func TestMoveRefused(t *testing.T) {
	for _, code := range []chain.Outcome{chain.NotAuthorized, chain.FrozenSlot, chain.InboxClosed, chain.LimitReached} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, 1, false)
			w.must(w.v10.Clear(span(5, 5)))
			m := New(refusing{w, code}, w, Config{})
			if _, err := m.Move(t.Context(), Goal{Slots: set(t, span(5, 5))}); !fault.Is(err, fault.Refused) || fault.ReasonOf(err) != code.String() {
				t.Errorf("%v: %v", code, err)
			}
		})
	}
}

type refusing struct {
	*world
	code chain.Outcome
}

func (r refusing) Submit(context.Context, chain.Body) (chain.Outcome, error) { return r.code, nil }
