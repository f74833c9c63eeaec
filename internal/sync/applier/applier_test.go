// SPDX-License-Identifier: Apache-2.0

package applier

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/sync/envelope"
	v10 "github.com/aurigraph/aurigraph/internal/v10"
)

// stand is an applier that runs over a world, in a bubble of time.
type stand struct {
	t *testing.T
	w *world
	p *tape
	k *envelope.Key
	a *Applier
}

// apply runs play while an applier runs.
func apply(t *testing.T, play func(*stand)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := &stand{t: t, w: newWorld(t), p: newTape(), k: syncKey(t)}
		s.a = newApplier(t, s.w, s.p)
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- s.a.Run(ctx) }()
		play(s)
		stop()
		must(t, <-ended)
	})
}

// aDeed is one that V10 may say.
var aDeed = envelope.Deed{ID: v10.TxIDAt(1, 1, v10.LegacyPlaceMin)}

func (s *stand) say(c envelope.Change) *envelope.Record { return s.p.add(s.t, s.k, 1, false, c) }

func (s *stand) pays(from, to string, n uint64) *envelope.Record {
	return s.say(&envelope.Transfer{Deed: aDeed, From: from, To: to, Asset: "AUR", Amount: chain.Units(n)})
}

// becomes waits until the applier is in a state.
func (s *stand) becomes(want State) Status {
	s.t.Helper()
	for range 100 {
		<-time.After(100 * time.Millisecond) // of the bubble
		synctest.Wait()
		if got := s.a.Status(); got.State == want {
			return got
		}
	}
	s.t.Fatalf("never %s: %+v", want, s.a.Status())
	return Status{}
}

// TestHeldUntilRetried: a change that the ledger cannot make holds those behind it, is tried three times and then waits; a person who
// has mended what was wrong has it tried again.
func TestHeldUntilRetried(t *testing.T) {
	apply(t, func(s *stand) {
		s.pays("alice", "bob", 1)
		bad := s.pays("alice", "bob", 5000)
		s.pays("bob", "alice", 1)
		got := s.becomes(StateHeld)
		if h := got.Held; h == nil || h.Record.Position != bad.Position || h.Outcome != chain.InsufficientFunds || h.Tries != HoldTriesMax || h.Slot != chain.SlotsMax {
			t.Fatalf("%+v", got.Held)
		}
		if got.Applied != 1 || s.w.balance("bob", "AUR") != chain.Units(1001) {
			t.Errorf("applied %d, bob has %v", got.Applied, s.w.balance("bob", "AUR"))
		}
		before := s.w.batches
		<-time.After(time.Hour)
		if s.w.batches != before {
			t.Error("it was tried again without being asked")
		}
		s.w.give("treasury", "alice", 10_000)
		if !s.a.Retry() {
			t.Error("nothing to retry")
		}
		got = s.becomes(StateApplying)
		if s.w.l.Inbox().Applied != 4 || got.Held != nil || s.w.balance("bob", "AUR") != chain.Units(6000) {
			t.Errorf("%+v, bob has %v", got, s.w.balance("bob", "AUR"))
		}
		if s.a.Retry() {
			t.Error("nothing is held, and a retry was taken")
		}
	})
}

// TestHeldUntilSkipped: governance passes over a change, and the applier sees it in the inbox. What cannot be said to the ledger is held
// before it is sent, with all before it applied.
func TestHeldUntilSkipped(t *testing.T) {
	apply(t, func(s *stand) {
		s.pays("alice", "bob", 1)
		bad := s.say(&envelope.Transfer{Deed: aDeed, From: "alice", To: "bob", Asset: "AUR", Amount: chain.Units(7), Fee: chain.Units(1)})
		s.pays("bob", "alice", 2)
		got := s.becomes(StateHeld)
		if got.Held.Outcome != chain.Diverged || !strings.Contains(got.Held.Text, "fee") || s.w.l.Inbox().Applied != 1 {
			t.Fatalf("%+v %+v", got.Held, s.w.l.Inbox())
		}
		s.w.govern(&chain.SkipSync{Life: 1, Position: chain.SyncPosition(bad.Position), Tag: chain.Hash(bad.Tag), Slot: chain.SlotNone, Reason: chain.Hash{1}})
		got = s.becomes(StateApplying)
		if in := s.w.l.Inbox(); in.Applied != 2 || in.Skipped != 1 || got.Held != nil || s.w.balance("alice", "AUR") != chain.Units(1001) {
			t.Errorf("%+v %+v", in, got)
		}
	})
}

// TestNoneIsRefusedInPeace: without trouble several batches are under way at once and none of them comes out of place.
func TestNoneIsRefusedInPeace(t *testing.T) {
	apply(t, func(s *stand) {
		for range 300 {
			s.pays("alice", "bob", 1)
			s.pays("bob", "Neu/EUR", 1)
		}
		<-time.After(600 * sendEvery) // of the bubble: the reader may hand them out one by one
		s.becomes(StateApplying)
		if in := s.w.l.Inbox(); in.Applied != 600 || s.w.balance("Neu/EUR", "AUR") != chain.Units(300) || s.w.opens != 1 {
			t.Errorf("%+v, %d accounts were opened", in, s.w.opens)
		}
		if n := testutil.CollectAndCount(s.a.metrics.batches); n != 1 || testutil.ToFloat64(s.a.metrics.batches.WithLabelValues("ok")) != float64(s.w.batches) {
			t.Errorf("%d outcomes of batches", n)
		}
		if n := testutil.CollectAndCount(s.a.metrics.troubles); n != 0 {
			t.Error("there was trouble")
		}
	})
}

// TestAnotherLife: what the inbox is not open for is not applied, and is told.
func TestAnotherLife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, p := newWorld(t), newTape()
		a, err := New(Config{Chain: testChain, Ledger: chain.Hash{9}, Signer: signer(t, 2), AliasKey: aliasKey}, Parts{Chain: w, Open: p.open, Vault: w, Metrics: prometheus.NewRegistry()})
		must(t, err)
		ctx, stop := context.WithTimeout(t.Context(), time.Minute)
		defer stop()
		must(t, a.Run(ctx))
		if s := a.Status(); s.State != StateTrouble || s.Reason != envelope.ReasonForeignLedger || s.Lag >= 0 {
			t.Errorf("%+v", s)
		}
	})
	if _, err := New(Config{}, Parts{}); !fault.Is(err, fault.Invalid) {
		t.Error(err)
	}
}

// TestLaterLife: once governance opened the inbox for another life of V10, nothing of the one before is applied.
func TestLaterLife(t *testing.T) {
	apply(t, func(s *stand) {
		in := s.w.l.Inbox()
		s.w.govern(&chain.OpenInbox{Ledger: in.Ledger, Incarnation: testSource.Incarnation, Life: 2, Institution: gateway, Key: gatewayKey})
		s.pays("alice", "bob", 1)
		got := s.becomes(StateTrouble)
		if got.Reason != envelope.ReasonFork || s.w.l.Inbox().Applied != 0 { // the tape is of life 1
			t.Errorf("%+v %+v", got, s.w.l.Inbox())
		}
	})
}

// give issues units on V10's word, as a correction of a person would.
func (w *world) give(issuer, to string, n uint64) {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	from, _ := w.l.AccountByAlias(aliasKey.Tag(issuer))
	payee, _ := w.l.AccountByAlias(aliasKey.Tag(to))
	in := w.l.Inbox()
	o := chain.SyncOrigin{Position: in.Position, Tag: in.Tag}
	o.Position.Minor++ // between two records of the tape
	leg := chain.Leg{Kind: chain.LegIssue, From: from, To: payee, Asset: 1, Amount: chain.Units(n)}
	h := chain.BatchHeader{Chain: testChain, Institution: gateway, Key: gatewayKey, Channel: 7, Sequence: uint64(w.l.Height()), ValidUntil: w.l.Height() + 5}
	b, err := chain.NewSyncBatch(h, chain.SyncHead{Life: 1, Previous: in.Position, HomeVersion: 1}, []chain.Leg{leg, o.Leg()})
	must(w.t, err)
	codes := make([]chain.Outcome, b.Len())
	w.block(func() { w.l.RunBatch(b, chain.Hash{1}, 0, codes) })
	if codes[0] != chain.OK {
		w.t.Errorf("the correction: %v", codes)
	}
}
