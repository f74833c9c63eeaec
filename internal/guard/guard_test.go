// SPDX-License-Identifier: Apache-2.0

package guard

import (
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/hop"
	"github.com/aurigraph/aurigraph/internal/keys"
	v10 "github.com/aurigraph/aurigraph/internal/v10"
)

// TestMoveAndBack: a slot is closed, moves to V11, and comes back; its payments go where it is, and wait while nobody may make them.
func TestMoveAndBack(t *testing.T) {
	w := newWorld(t)
	w.guard()
	if a := w.pay(alice, "shop"); a.code != 200 || w.balance("shop") != "1" {
		t.Fatal(a)
	}
	f := w.fences(1, slotRange(alice))
	verifier, err := keys.NewVerifier(w.key.Public())
	must(t, err)
	if !verifier.Verify(keys.FenceMessage(chainID, codec.FenceHash(&f.Fence)), f.Signature) {
		t.Error("the signature is wrong")
	}
	if again := w.fences(1, slotRange(alice)); again.Position != f.Position {
		t.Errorf("%+v, first %+v", again, f)
	}
	if a := w.pay(bob, "shop"); a.code != 200 {
		t.Error(a)
	}
	paid := make(chan reply, 1)
	go func() {
		a, err := ask1("POST", w.rest+"/api/v10/transactions", payment(alice, "shop"), "Idempotency-Key", "k")
		if err != nil {
			a.body = err.Error()
		}
		paid <- a
	}()
	w.until("waiting", func() bool { return w.Status().Held == 1 })
	version := w.moves.make(ToV11, 3, slotRange(alice))
	if a := <-paid; a.code != 200 || a.header.Get("X-From") != "v11" {
		t.Errorf("%+v", a)
	}
	if heard := w.v11.heard(); len(heard) != 1 || heard[0] != "POST /api/v10/transactions k "+payment(alice, "shop") {
		t.Error(heard)
	}
	if st := w.Status(); st.HomeVersion != version || st.V11 != 1 || len(st.Closed) != 0 {
		t.Errorf("%+v", st)
	}
	w.moves.make(ToV10, 7, slotRange(alice))
	w.until("the way back", func() bool { return w.Status().HomeVersion == version+1 })
	if st := w.Status(); len(st.Coming) != 1 || st.V11 != 0 {
		t.Errorf("%+v", st)
	}
	if _, err := w.Fence(t.Context(), version+1, []chain.SlotRange{slotRange(alice)}); err == nil {
		t.Error("what has not opened is fenced")
	}
	w.applies(7, version)
	w.until("open", func() bool { return len(w.Status().Coming) == 0 })
	if a := w.pay(alice, "shop"); a.code != 200 || w.balance("shop") != "3" || a.header.Get("X-From") != "" {
		t.Error(a)
	}
	if told, err := w.port.homes(t.Context()); err != nil || told != version+1 {
		t.Error(told, err)
	}
}

// TestAbort: what was closed opens when V11 has aborted the move, and an old fence is not given again.
func TestAbort(t *testing.T) {
	w := newWorld(t)
	w.hold = 50 * time.Millisecond
	w.guard()
	w.fences(1, slotRange(alice))
	a := w.pay(alice, "shop")
	if a.code != http.StatusServiceUnavailable || a.header.Get("Retry-After") == "" || w.balance("shop") != "0" {
		t.Error(a)
	}
	version := w.moves.make(Aborted, 4, slotRange(alice))
	w.until("open", func() bool { s := w.Status(); return s.HomeVersion == version && len(s.Closed)+len(s.Coming) == 0 })
	if a := w.pay(alice, "shop"); a.code != 200 {
		t.Error(a)
	}
	_, err := w.Fence(t.Context(), 1, []chain.SlotRange{slotRange(alice)})
	wants(t, err, fault.Conflict, ReasonHomeVersion)
	w.fences(version, slotRange(alice))
}

// TestRestart: a guard that starts again knows what it closed, and a payment of the one before, still inside V10, is refused.
func TestRestart(t *testing.T) {
	w := newWorld(t)
	w.hold = 50 * time.Millisecond
	w.guard()
	w.fences(1, slotRange(alice))
	before := w.Status().Generation
	must(t, w.end())
	w.guard()
	if st := w.Status(); st.Generation <= before || len(st.Closed) != 1 || st.Closed[0] != slotRange(alice) {
		t.Errorf("%+v", st)
	}
	if a := w.pay(alice, "shop"); a.code != http.StatusServiceUnavailable {
		t.Error(a)
	}
	late := w.call("POST", "http://"+w.v10.Rest+"/api/v10/transactions", payment(alice, "shop"), v10.HeaderGeneration, "1")
	if late.code != http.StatusConflict || w.balance("shop") != "0" {
		t.Error(late)
	}
	if a := w.pay(bob, "shop"); a.code != 200 {
		t.Error(a)
	}
}

// TestOvertaken: a guard that another one has overtaken ends, at the first write or fence that shows it, and signs nothing.
func TestOvertaken(t *testing.T) {
	for _, by := range []string{"write", "fence"} {
		t.Run(by, func(t *testing.T) {
			w := newWorld(t)
			w.guard()
			if _, err := w.port.barrier(t.Context(), 0); err != nil {
				t.Fatal(err)
			}
			if by == "write" {
				if a := w.pay(alice, "shop"); a.code != http.StatusServiceUnavailable {
					t.Error(a)
				}
			} else if f, err := w.Fence(t.Context(), 1, []chain.SlotRange{slotRange(alice)}); err == nil {
				t.Errorf("%+v", f)
			}
			<-w.ended(t)
			wants(t, w.end(), fault.Halted, ReasonOvertaken)
			if w.balance("shop") != "0" {
				t.Error("it paid")
			}
		})
	}
}

// ended is closed when the guard's door is.
func (w *world) ended(t *testing.T) <-chan struct{} {
	t.Helper()
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		for {
			if _, err := ask1("GET", w.control+"/status", ""); err != nil {
				return
			}
			<-time.After(time.Millisecond)
		}
	}()
	return gone
}

// TestRecordLost: a guard without the record of those before it keeps everything closed until the home table moves on.
func TestRecordLost(t *testing.T) {
	w := newWorld(t)
	w.hold = 50 * time.Millisecond
	w.guard()
	must(t, w.end())
	w.folder = t.TempDir()
	w.guard()
	if a := w.pay(bob, "shop"); a.code != http.StatusServiceUnavailable {
		t.Error(a)
	}
	version := w.moves.make(Aborted, 4, slotRange(alice))
	w.until("open", func() bool { s := w.Status(); return s.HomeVersion == version && len(s.Closed)+len(s.Coming) == 0 })
	if a := w.pay(bob, "shop"); a.code != 200 {
		t.Error(a)
	}
}

// TestFirstStartAgain: a first start that did not get to V11 is no guard that served: the next one does not begin with everything closed.
func TestFirstStartAgain(t *testing.T) {
	w := newWorld(t)
	w.moves.fails(fault.Wrap(fault.Corrupt, errTest, "V11"))
	for range 2 {
		g, err := New(w.config())
		must(t, err)
		wants(t, g.start(t.Context()), fault.Corrupt, "corrupt")
		must(t, g.Close())
	}
	w.moves.fails(nil)
	w.guard()
	if a := w.pay(alice, "shop"); a.code != 200 {
		t.Error(a)
	}
	must(t, w.end())
	w.folder = t.TempDir()
	w.guard() // of another folder, without a record
	if st := w.Status(); len(st.Closed) != 1 {
		t.Errorf("%+v", st)
	}
}

// TestWithoutV11: V10's own slots are served while V11 tells nothing, or lies.
func TestWithoutV11(t *testing.T) {
	w := newWorld(t)
	w.guard()
	must(t, w.end())
	for _, kind := range []fault.Kind{fault.Unavailable, fault.Corrupt} {
		w.moves.fails(fault.Wrap(kind, errTest, "V11"))
		w.guard()
		if a := w.pay(alice, "shop"); a.code != 200 {
			t.Error(a)
		}
		w.until("the trouble", func() bool { return strings.Contains(w.Status().Trouble, errTest.Error()) })
		w.moves.fails(nil)
		w.until("no trouble", func() bool { return w.Status().Trouble == "" })
		must(t, w.end())
	}
}

// TestNoGenerations: a guard does not begin before a V10 that executes whatever comes, and asks it without leaving a trace.
func TestNoGenerations(t *testing.T) {
	w := newWorld(t)
	w.guard()
	st := w.call("GET", "http://"+w.v10.Rest+"/api/v10/stats", "")
	must(t, w.end())
	w.guard()
	if again := w.call("GET", "http://"+w.v10.Rest+"/api/v10/stats", ""); again.code != 200 || transactionsIn(t, again) != transactionsIn(t, st) {
		t.Errorf("%s, before %s", again.body, st.body)
	}
	must(t, w.end())
	w.bound = func(c *Config) { c.V10 = w.v11.URL } // it answers 200 to everything
	g, err := New(w.config())
	must(t, err)
	rest, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	control, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	wants(t, g.Run(t.Context(), rest, control, func() { t.Error("it serves") }), fault.Refused, ReasonNoGenerations)
}

func transactionsIn(t *testing.T, a reply) string {
	t.Helper()
	_, rest, found := strings.Cut(a.body, `"total":`)
	if !found {
		t.Fatal(a.body)
	}
	number, _, _ := strings.Cut(rest, ",")
	return number
}

// TestHops: what V11 sent here does not go back, and what V11 does not take is tried again, for V11 may be behind this guard.
func TestHops(t *testing.T) {
	w := newWorld(t)
	w.hold = 50 * time.Millisecond
	w.guard()
	w.fences(1, slotRange(alice))
	version := w.moves.make(ToV11, 3, slotRange(alice))
	w.until("moved", func() bool { return w.Status().HomeVersion == version })
	if a := w.pay(alice, "shop", hop.Header, "1"); a.code != http.StatusServiceUnavailable || len(w.v11.heard()) != 0 {
		t.Error(a)
	}
	if a := w.pay(bob, "shop", hop.Header, "1", v10.HeaderGeneration, "1"); a.code != 200 {
		t.Error(a)
	}
	behind := func(times int) {
		w.v11.mu.Lock()
		defer w.v11.mu.Unlock()
		w.v11.notHome = times
	}
	behind(1000)
	if a := w.pay(alice, "shop"); a.code != http.StatusServiceUnavailable || a.header.Get("X-From") != "" {
		t.Error(a)
	}
	behind(3) // the home table does not change any more: it is V11 that comes up
	if a := w.pay(alice, "shop"); a.code != 200 || a.header.Get("X-From") != "v11" {
		t.Error(a)
	}
}
