// SPDX-License-Identifier: Apache-2.0

package applier

import (
	"context"
	"errors"
	"math"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// letters are a topic of dead letters whose broker may be away.
type letters struct {
	mu   sync.Mutex
	away bool
	held []Held
}

func (l *letters) comes() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.away = false
}

// list is a copy.
func (l *letters) list() []Held {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.held)
}

func (l *letters) park(_ context.Context, h *Held) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.away {
		return errors.New("no broker answers")
	}
	l.held = append(l.held, *h)
	return nil
}

// TestLetter: the letter of a held change is there when the hold is told. A broker that is away at that moment does not lose the hold;
// the letter comes when it is back, once.
func TestLetter(t *testing.T) {
	for _, away := range []bool{false, true} {
		apply(t, func(s *stand) {
			l := &letters{away: away}
			s.a.parts.Park = l.park
			s.pays("alice", "bob", 1)
			bad := s.pays("alice", "bob", 5000)
			got := s.becomes(StateHeld)
			if got.Held.Parked == away || len(l.list()) != map[bool]int{false: 1, true: 0}[away] {
				t.Fatalf("away %v: %+v, %d letters", away, got.Held, len(l.list()))
			}
			l.comes()
			<-time.After(5 * time.Second)
			synctest.Wait()
			got = s.a.Status()
			all := l.list()
			if !got.Held.Parked || len(all) != 1 || all[0].Record.Tag != bad.Tag || all[0].Tries != HoldTriesMax || all[0].Life != 1 {
				t.Errorf("away %v: %+v, %+v", away, got.Held, all)
			}
			s.w.give("treasury", "alice", 10_000)
			s.a.Retry()
			if got = s.becomes(StateApplying); got.Held != nil || s.w.balance("bob", "AUR") != chain.Units(6001) {
				t.Errorf("%+v", got)
			}
		})
	}
}

// TestHoldOutlivesApplier: an applier that is killed at any moment of a hold leaves a next one that comes to the same, and nothing behind
// the held change is made.
func TestHoldOutlivesApplier(t *testing.T) {
	for _, after := range []time.Duration{0, 10 * time.Millisecond, 50 * time.Millisecond, 200 * time.Millisecond, 3 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			s := &stand{t: t, w: newWorld(t), p: newTape(), k: syncKey(t)}
			s.pays("alice", "bob", 1)
			bad := s.pays("alice", "bob", 5000)
			s.pays("bob", "alice", 1)
			l := &letters{}
			for range 3 {
				s.a = newApplier(t, s.w, s.p)
				s.a.parts.Park = l.park
				ctx, stop := context.WithTimeout(t.Context(), after)
				must(t, s.a.Run(ctx))
				stop()
			}
			s.a = newApplier(t, s.w, s.p)
			s.a.parts.Park = l.park
			ctx, stop := context.WithCancel(t.Context())
			ended := make(chan error, 1)
			go func() { ended <- s.a.Run(ctx) }()
			got := s.becomes(StateHeld)
			if got.Held.Record.Position != bad.Position || s.w.l.Inbox().Applied != 1 {
				t.Errorf("killed after %s: %+v", after, got)
			}
			all := l.list()
			if slices.ContainsFunc(all, func(h Held) bool { return h.Record.Tag != bad.Tag }) || len(all) == 0 {
				t.Errorf("killed after %s: %d letters", after, len(all))
			}
			stop()
			must(t, <-ended)
		})
	}
}

// TestTroubleIsSaid: what a reader has trouble with is said while it tries again, and what ends session after session is said all the time, not
// only between two of them. Both are over when a session has gone on for a while.
func TestTroubleIsSaid(t *testing.T) {
	apply(t, func(s *stand) {
		never := func() bool { return false }
		s.becomes(StateApplying)
		s.p.set(fault.Reasoned(fault.Unavailable, "broker_unreachable", "nobody answers"), never)
		if got := s.becomes(StateTrouble); got.Reason != "broker_unreachable" {
			t.Errorf("%+v", got)
		}
		s.p.set(nil, never)
		if got := s.becomes(StateApplying); got.Reason != "" || got.Error != "" {
			t.Errorf("%+v", got)
		}
		s.p.set(nil, func() bool { return true })
		s.becomes(StateTrouble)
		opened := s.p.readers()
		for range 1000 {
			if got := s.a.Status(); got.State != StateTrouble || got.Reason == "" {
				t.Fatalf("%+v after %d readers", got, s.p.readers()-opened)
			}
			<-time.After(17 * time.Millisecond)
		}
		if s.p.readers() == opened {
			t.Error("nobody tried again")
		}
		s.p.set(nil, never)
		s.becomes(StateApplying)
	})
}

// TestCopying: while the initial copy is under way no reader is opened; its end lets V10's own changes in.
func TestCopying(t *testing.T) {
	apply(t, func(s *stand) {
		in := s.w.l.Inbox()
		begin := chain.SyncPosition{Minor: 1}
		s.w.govern(&chain.OpenInbox{Ledger: in.Ledger, Incarnation: [16]byte{9}, Life: 2, Institution: gateway, Key: gatewayKey, Position: begin})
		got := s.becomes(StateCopying)
		if got.Position != begin {
			t.Errorf("%+v", got)
		}
		before := s.p.readers()
		<-time.After(time.Hour)
		if s.p.readers() != before || s.a.Status().State != StateCopying {
			t.Errorf("%d readers, %+v", s.p.readers()-before, s.a.Status())
		}
		s.w.govern(&chain.SkipSync{Life: 2, Position: chain.SyncPosition{Major: 7, Minor: math.MaxUint32}, Slot: chain.SlotNone})
		s.becomes(StateTrouble) // the tape is of another life
		if s.p.readers() == before {
			t.Error("nobody reads after the copy")
		}
	})
}

// TestRate: a bound holds while it is set, and is lifted at once.
func TestRate(t *testing.T) {
	apply(t, func(s *stand) {
		s.a.Rate().Set(20)
		for range 300 {
			s.pays("alice", "bob", 1)
		}
		<-time.After(5 * time.Second)
		synctest.Wait()
		if n := s.w.l.Inbox().Applied; n < 80 || n > 125 {
			t.Errorf("%d in 5 s at 20 a second", n)
		}
		if got := s.a.Status(); got.RateMax != 20 || got.PerSecond < 10 || got.PerSecond > 25 {
			t.Errorf("%+v", got)
		}
		s.a.Rate().Set(0)
		<-time.After(time.Second)
		synctest.Wait()
		if n := s.w.l.Inbox().Applied; n != 300 {
			t.Errorf("%d after the bound was lifted", n)
		}
	})
}
