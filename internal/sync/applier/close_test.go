// SPDX-License-Identifier: Apache-2.0

package applier

import (
	"crypto/ed25519"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/keys"
	"github.com/aurigraph/aurigraph/internal/sync/envelope"
)

// moveAll gives all slots to this ledger.
func (w *world) moveAll() {
	w.t.Helper()
	guard := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	w.govern(&chain.SetMover{Guard: [32]byte(guard.Public().(ed25519.PublicKey))})
	in := w.l.Inbox()
	f := chain.Fence{Incarnation: in.Incarnation, HomeVersion: w.l.HomeVersion(), Slots: []chain.SlotRange{{From: 0, To: aliasKey.Named.Last()}}, Position: in.Position}
	w.govern(&chain.MoveSlots{
		ToV11: true, HomeVersion: f.HomeVersion, Slots: f.Slots, Position: f.Position, Fence: ed25519.Sign(guard, keys.FenceMessage(testChain, codec.FenceHash(&f))),
	})
}

func (w *world) close() {
	w.t.Helper()
	in := w.l.Inbox()
	w.govern(&chain.CloseMigration{HomeVersion: w.l.HomeVersion(), Life: in.Life, Position: in.Position})
}

// isOver wants the applier to rest, whatever V10 and the brokers do.
func (s *stand) isOver() {
	s.t.Helper()
	got := s.becomes(StateClosed)
	if got.Reason != "" || got.Error != "" || got.Held != nil || got.Lag != 0 {
		s.t.Errorf("%+v", got)
	}
	batches, readers, inbox := s.w.batches, s.p.readers(), s.w.l.Inbox()
	s.pays("bob", "alice", 1)
	s.p.set(fault.New(fault.Unavailable, "no broker"), func() bool { return true })
	<-time.After(time.Hour) // of the bubble
	if s.w.batches != batches || s.p.readers() != readers || s.w.l.Inbox() != inbox {
		s.t.Errorf("%d batches, %d readers, %+v", s.w.batches-batches, s.p.readers()-readers, s.w.l.Inbox())
	}
	if got := s.a.Status(); got.State != StateClosed || got.Lag != 0 || s.a.Retry() {
		s.t.Errorf("%+v", got)
	}
	if n := testutil.CollectAndCount(s.a.metrics.troubles); n != 0 {
		s.t.Error("there was trouble")
	}
}

// TestClosed: an applier that waits for records sees the close.
func TestClosed(t *testing.T) {
	apply(t, func(s *stand) {
		s.pays("alice", "bob", 1)
		s.becomes(StateApplying)
		s.w.moveAll()
		s.w.close()
		s.isOver()
		if s.w.l.Inbox().Applied != 1 {
			t.Errorf("%+v", s.w.l.Inbox())
		}
	})
}

// TestClosedUnderWay: what V10 says behind the close is refused, and that is no trouble.
func TestClosedUnderWay(t *testing.T) {
	apply(t, func(s *stand) {
		s.pays("alice", "bob", 1)
		s.becomes(StateApplying)
		s.w.moveAll()
		s.w.close()
		s.say(&envelope.Round{Number: 7, TimeMs: 9})
		s.isOver()
		if n := testutil.ToFloat64(s.a.metrics.batches.WithLabelValues(chain.InboxClosed.String())); n != 1 {
			t.Errorf("%v batches were refused", n)
		}
	})
}

// TestClosedWhileHeld: a person who closes has nobody wait for a change that lies behind the position that was closed with.
func TestClosedWhileHeld(t *testing.T) {
	apply(t, func(s *stand) {
		s.pays("alice", "bob", 1)
		s.becomes(StateApplying)
		s.w.moveAll()
		s.pays("alice", "bob", 1) // behind the fence
		if held := s.becomes(StateHeld).Held; held.Outcome != chain.NotHome {
			t.Errorf("%+v", held)
		}
		s.w.close()
		s.isOver()
	})
}
