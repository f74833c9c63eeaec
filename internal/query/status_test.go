// SPDX-License-Identifier: Apache-2.0

package query_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/history"
	"github.com/aurigraph/aurigraph/internal/ledger"
	"github.com/aurigraph/aurigraph/internal/query"
)

func TestStatus(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		s, err := w.Status(t.Context())
		if err != nil || s.Height != 0 || s.OldestPayload != 0 || s.Accounts != 6 || s.Assets != 2 || s.TimeUs != 1 || s.HomeVersion != 1 {
			t.Errorf("at genesis: %+v %v", s, err)
		}
		r := w.open(3)
		w.Settle()
		s, err = w.Status(t.Context())
		if s.Executed != s.Height || s.Order.Decided != s.Height || s.Order.Logged != s.Height {
			t.Errorf("what is certified was not decided and executed before: %+v", s)
		}
		if err != nil || s.Height != w.Loop.Height() || s.Accounts != 9 || s.TimeUs <= 1 || s.Height <= r.Location.Height || s.OldestPayload != 1 {
			t.Errorf("%+v %v", s, err)
		}
		w.halted = true
		if s, err = w.Status(t.Context()); err != nil || s.Accounts != 9 || s.OldestPayload != 1 || !s.Halted {
			t.Errorf("halted: %+v %v", s, err)
		}
	})
}

// slowState is a State whose views answer as a test says.
type slowState struct {
	query.State
	view func(ctx context.Context, read func(*ledger.Ledger)) (chain.Height, error)
}

func (s *slowState) View(ctx context.Context, read func(*ledger.Ledger)) (chain.Height, error) {
	return s.view(ctx, read)
}

// A status is answered whatever becomes of the ledger: with the counts that were certified last, and soon.
func TestStatusWaitsForNobody(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		state := &slowState{State: w.Loop, view: w.Loop.View}
		q := query.New(query.Parts{History: w.History, State: state, Status: func() query.Status { return query.Status{Height: w.Loop.Height()} }})
		ask := func() *query.Status {
			t.Helper()
			begin := time.Now()
			s, err := q.Status(t.Context())
			if took := time.Since(begin); err != nil || took > time.Second {
				t.Fatalf("%v after %s", err, took)
			}
			return s
		}
		if s := ask(); s.Accounts != 6 {
			t.Errorf("%+v", s)
		}
		w.open(3)
		w.Settle()
		never := func(ctx context.Context, read func(*ledger.Ledger)) (chain.Height, error) {
			if _, err := w.Loop.View(ctx, read); err != nil { // the state is seen, and never certified
				return 0, err
			}
			<-ctx.Done()
			return 0, ctx.Err()
		}
		for name, view := range map[string]func(context.Context, func(*ledger.Ledger)) (chain.Height, error){
			"nothing is certified": never,
			"readers wait": func(context.Context, func(*ledger.Ledger)) (chain.Height, error) {
				return 0, fault.Reasoned(fault.TryLater, "readers_full", "full")
			},
			"the writer ended": func(context.Context, func(*ledger.Ledger)) (chain.Height, error) {
				return 0, fault.Reasoned(fault.Unavailable, "stopping", "ended")
			},
		} {
			state.view = view
			if s := ask(); s.Accounts != 6 || s.Height != w.Loop.Height() {
				t.Errorf("%s: %+v", name, s)
			}
		}
		state.view = w.Loop.View
		if s := ask(); s.Accounts != 9 {
			t.Errorf("%+v", s)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := q.Status(ctx); !errors.Is(err, context.Canceled) {
			t.Error("nobody waits for the answer any more", err)
		}
	})
}

// fill fills lane segments.
func (w *world) fill(batches int) {
	legs := make([]chain.Leg, 1000)
	for i := range legs {
		legs[i] = pay(house, alice, gold, 1)
	}
	for range batches {
		w.Batch(legs...)
	}
}

// The oldest height with payloads follows retention, a second late at most, and costs a look-up a second.
func TestOldestPayload(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		reads := 0
		h := history.New(w.Store, func(l chain.Location) ([]byte, error) {
			reads++
			return w.History.Payload(l)
		})
		q := query.New(query.Parts{History: h, State: w.Loop, Status: func() query.Status { return query.Status{Height: w.Loop.Height()} }})
		oldest := func() chain.Height {
			t.Helper()
			s, err := q.Status(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			return s.OldestPayload
		}
		for keep := range 3 {
			w.fill(10)
			w.Recycle(3 - keep)
			<-time.After(time.Second)
			at := oldest()
			if err := w.History.Transfers(at, func(*history.Transfer) error { return nil }); err != nil {
				t.Errorf("height %d is said to be the oldest: %v", at, err)
			}
			if want, err := w.History.Retained(1, w.Loop.Height()); err != nil || at != want || at < 2 {
				t.Errorf("the oldest is said to be %d, is %d, %v", at, want, err)
			}
		}
		before, was := reads, oldest()
		w.fill(10)
		w.Recycle(1)
		for range 1000 {
			if at := oldest(); at != was {
				t.Fatalf("%d was %d", at, was)
			}
		}
		if reads != before {
			t.Errorf("1,000 answers within a moment read %d payloads", reads-before)
		}
		<-time.After(time.Second)
		if oldest() <= was {
			t.Error("retention is not seen a second later")
		}
		before = reads
		<-time.After(time.Second)
		oldest()
		if reads-before > 2 {
			t.Errorf("when nothing moved, an answer read %d payloads", reads-before)
		}
	})
}

// A block store that is damaged leaves the status as it is.
func TestOldestPayloadUnknown(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.Batch(pay(house, alice, gold, 1))
		broken := error(nil)
		h := history.New(w.Store, func(chain.Location) ([]byte, error) { return nil, broken })
		q := query.New(query.Parts{History: h, State: w.Loop, Status: func() query.Status { return query.Status{Height: w.Loop.Height()} }})
		for i, err := range []error{errBroken, nil, errBroken} {
			broken = err
			s, statusErr := q.Status(t.Context())
			if want := chain.Height(min(i, 1)); statusErr != nil || s.OldestPayload != want {
				t.Errorf("%v: %d, %v", err, s.OldestPayload, statusErr)
			}
			<-time.After(time.Second)
		}
	})
}

// A status is certified as any other answer: it waits for no height above the one that it says.
func TestStatusHeight(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.Batch(pay(house, alice, gold, 1))
		q := query.New(query.Parts{History: w.History, State: w.Loop, Status: func() query.Status { return query.Status{} }})
		s, err := q.Status(t.Context())
		if err != nil || s.Height == 0 || s.Height > w.Loop.Height() {
			t.Errorf("%+v %v", s, err)
		}
		at, err := w.Loop.View(t.Context(), func(l *ledger.Ledger) {
			if s.TimeUs != l.TimeUs() {
				t.Errorf("time %d is not %d", s.TimeUs, l.TimeUs())
			}
		})
		if err != nil || at != s.Height {
			t.Errorf("height %d is not %d, %v", s.Height, at, err)
		}
	})
}
