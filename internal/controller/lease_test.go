// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/journal"
	"github.com/aurigraph/aurigraph/internal/migration"
)

// link is how a controller reaches the journal: it may be cut, at a moment too.
type link struct {
	journal.Journal

	mu     sync.Mutex
	cut    bool
	append func(when string, e *migration.Entry) // "before" and "after" an entry is made
	terms  []uint64                              // of the entries that were made
	leases []uint64                              // that were given, a renewal of one is the same
}

func (l *link) down() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.cut {
		return fault.New(fault.Unavailable, "the journal is not reached")
	}
	return nil
}

func (l *link) sever() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cut = true
}

// has are the terms of the entries that it has made, and of the leases that it got.
func (l *link) has() (terms, leases []uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.terms), slices.Clone(l.leases)
}

func (l *link) Read(ctx context.Context, seq uint64) ([]migration.Entry, error) {
	if err := l.down(); err != nil {
		return nil, err
	}
	return l.Journal.Read(ctx, seq)
}

func (l *link) Append(ctx context.Context, seq, term uint64, e migration.Entry) (migration.Entry, error) {
	tell := func(when string) {
		if l.append != nil {
			l.append(when, &e)
		}
	}
	tell("before")
	if err := l.down(); err != nil {
		return e, err
	}
	made, err := l.Journal.Append(ctx, seq, term, e)
	if err == nil {
		l.mu.Lock()
		l.terms = append(l.terms, term)
		l.mu.Unlock()
		tell("after")
	}
	return made, err
}

func (l *link) Lease(ctx context.Context, holder string, length time.Duration) (uint64, error) {
	if err := l.down(); err != nil {
		return 0, err
	}
	term, err := l.Journal.Lease(ctx, holder, length)
	l.mu.Lock()
	defer l.mu.Unlock()
	if n := len(l.leases); err == nil && (n == 0 || l.leases[n-1] != term) {
		l.leases = append(l.leases, term)
	}
	return term, err
}

func (l *link) Release(ctx context.Context, term uint64) error {
	if err := l.down(); err != nil {
		return err
	}
	return l.Journal.Release(ctx, term)
}

func (l *link) SaveSnapshot(ctx context.Context, term uint64, text []byte) error {
	if err := l.down(); err != nil {
		return err
	}
	return l.Journal.SaveSnapshot(ctx, term, text)
}

// TestKilledAtEachEntry kills who drives before and after each entry that it makes, and starts another one: the migration goes to its end, and nothing is
// written twice.
func TestKilledAtEachEntry(t *testing.T) {
	for _, when := range []string{"before", "after"} {
		t.Run(when, func(t *testing.T) {
			onStage(t, func(s *stage) {
				over, done := context.WithCancel(s.Context())
				var lives sync.WaitGroup
				lives.Go(func() { s.livesAndDies(over, when) })
				s.begin(planText)
				s.answers()
				done()
				lives.Wait()
				state := s.state()
				if state.AutoRollbacks > 0 || state.GoodDrills() != 1 || state.Closed == nil || state.Archived == nil {
					s.Errorf("it ends as %+v", state)
				}
				if steps := s.count(migration.KindStep); steps != 3 {
					s.Errorf("%d steps were begun, want 3", steps)
				}
			})
		})
	}
}

func (s *stage) count(k migration.Kind) (n int) {
	s.Helper()
	entries, err := s.journal.Read(s.Context(), 0)
	if err != nil {
		s.Fatal(err)
	}
	for _, e := range entries {
		if e.Kind == k {
			n++
		}
	}
	return n
}

// livesAndDies runs one controller after the other. Each is killed at its first entry after a second of life, or at the first one of all if that is made.
func (s *stage) livesAndDies(over context.Context, when string) {
	for life := 0; over.Err() == nil; life++ {
		ctx, kill := context.WithCancel(over)
		l := &link{Journal: s.journal}
		entries := 0
		l.append = func(w string, _ *migration.Entry) {
			if w != when {
				return
			}
			if entries++; when == "after" || entries == 2 { // one that never made an entry would never come on
				l.sever()
				kill()
			}
		}
		if err := Run(ctx, Config{Journal: l, World: s.world, Holder: "the same", Lease: time.Second}); err != nil {
			s.Error(err)
		}
		kill()
	}
}

// half is the world as one of several controllers has it.
type half struct {
	*world
	mu   sync.Mutex
	acts []time.Time // begins and ends of moves
}

func (h *half) moves() []time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.acts)
}

func (h *half) Weigh(ctx context.Context, bp int, named []chain.SlotRange) error {
	note := func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.acts = append(h.acts, time.Now())
	}
	note()
	defer note()
	return h.world.Weigh(ctx, bp, named)
}

// TestTwoControllers: one drives and the other waits. When the first is cut off from the journal it stops what is under way, and the other goes on.
func TestTwoControllers(t *testing.T) {
	onStage(t, func(s *stage) {
		a, b := &link{Journal: s.journal}, &link{Journal: s.journal}
		atA, atB := &half{world: s.world}, &half{world: s.world}
		stopA := s.drive("a", a, atA)
		await(s.Context(), nil, time.Second)
		stopB := s.drive("b", b, atB)
		defer stopB()
		s.begin(planText)
		s.until("a move", func() bool { return s.world.now() > 0 })
		if terms, leases := b.has(); len(atB.moves()) > 0 || len(terms)+len(leases) > 0 {
			s.Error("both drive")
		}
		s.until("a long one", func() bool { return s.world.now() > 300 })
		a.sever()
		s.until("the other one", func() bool { terms, _ := b.has(); return len(terms) > 0 })
		stopA()
		s.untilAt(2500)
		ofA, ofB := atA.moves(), atB.moves()
		if lastA := ofA[len(ofA)-1]; len(ofA)%2 != 0 || len(ofB) == 0 || ofB[0].Before(lastA) {
			s.Errorf("a moved at %v, b at %v", ofA, ofB)
		}
		first, _ := a.has()
		second, _ := b.has()
		if slices.Max(first) >= slices.Min(second) {
			s.Errorf("terms %v and then %v", first, second)
		}
	})
}

// TestLeaseOutlastsAWindow: who drives keeps the lease also where a window is longer than it.
func TestLeaseOutlastsAWindow(t *testing.T) {
	onStage(t, func(s *stage) {
		a, b := &link{Journal: s.journal}, &link{Journal: s.journal}
		stopA := s.drive("a", a, s.world)
		defer stopA()
		await(s.Context(), nil, time.Second)
		stopB := s.drive("b", b, &half{world: s.world})
		defer stopB()
		s.begin(strings.Replace(planText, "window_ms: 100", "window_ms: 30000", 1))
		await(s.Context(), nil, 10*time.Minute)
		_, ofA := a.has()
		if _, ofB := b.has(); len(ofA) != 1 || len(ofB) > 0 {
			s.Errorf("a drives and answers, and the lease changes hands: %v and %v", ofA, ofB)
		}
	})
}

// TestRenewedLate: who was asleep while its lease ran out does not go on as if nothing had been: it begins anew, under a new term.
func TestRenewedLate(t *testing.T) {
	onStage(t, func(s *stage) {
		var asleep atomic.Bool
		s.world.looks = func() {
			if asleep.CompareAndSwap(true, false) {
				await(context.Background(), nil, 5*LeaseDefault)
			}
		}
		l := &link{Journal: s.journal}
		stop := s.drive("a", l, s.world)
		s.begin(planText)
		s.untilAt(2500)
		asleep.Store(true)
		await(s.Context(), nil, 6*LeaseDefault)
		before, err := ReadJudge(s.Context(), s.journal)
		if err != nil {
			s.Fatal(err)
		}
		await(s.Context(), nil, 10*time.Second) // nothing is to be written but evidence
		after, err := ReadJudge(s.Context(), s.journal)
		if err != nil || after.Analysis == nil || after.Analysis.SeenMs <= before.Analysis.SeenMs {
			s.Errorf("its evidence is kept no more: %+v, %v", after, err)
		}
		s.want(migration.Entry{Kind: migration.KindRollback, Why: "no"})
		s.untilAt(0)
		stop()
		if terms, _ := l.has(); slices.Max(terms) < 2 {
			s.Errorf("it has written under the terms %v", terms)
		}
	})
}

// TestClockBehind: who takes over with a clock that is minutes behind judges from its first window on, and does not wait until its clock has caught up.
func TestClockBehind(t *testing.T) {
	onStage(t, func(s *stage) {
		stop := s.drive("a", s.journal, s.world)
		s.begin(planText)
		s.untilAt(2500) // an approval is missing, so it stays
		await(s.Context(), nil, 5*time.Second)
		stop()
		known, err := ReadJudge(s.Context(), s.journal)
		if err != nil {
			s.Fatal(err)
		}
		known.Analysis.SeenMs += 300_000
		text, err := json.Marshal(&known)
		if err != nil {
			s.Fatal(err)
		}
		if err := s.journal.SaveSnapshot(s.Context(), journal.NoTerm, text); err != nil {
			s.Fatal(err)
		}
		s.world.failing = func(int) bool { return true }
		defer s.drive("b", s.journal, s.world)()
		await(s.Context(), nil, 20*time.Second)
		if state := s.state(); state.AutoRollbacks != 1 || s.world.now() != 0 {
			s.Errorf("all requests fail for 20 s, and V11 has %d bp", s.world.now())
		}
	})
}
