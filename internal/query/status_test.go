// SPDX-License-Identifier: Apache-2.0

package query_test

import (
	"testing"
	"time"

	"github.com/aurigraph/aurigraph/internal/chain"
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
		if err != nil || s.Height != w.Loop.Height() || s.Accounts != 9 || s.TimeUs <= 1 || s.Height <= r.Location.Height || s.OldestPayload != 1 {
			t.Errorf("%+v %v", s, err)
		}
		w.halted = true
		if s, err = w.Status(t.Context()); err != nil || s.Accounts != 0 || s.OldestPayload != 1 || !s.Halted {
			t.Errorf("halted: %+v %v", s, err)
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
