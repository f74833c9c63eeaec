// SPDX-License-Identifier: Apache-2.0

package guard

import (
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"testing"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/hop"
	"github.com/aurigraph/aurigraph/internal/keys"
	"github.com/aurigraph/aurigraph/legacy/ledger"
)

// ownSlot is bob's, where only bob has one of his own.
var ownSlot = chain.SlotRange{From: chain.SlotsMax, To: chain.SlotsMax}

// TestNamed: who has a slot of its own goes by that, in whatever way it pays, and is a V10 account like any other once the slot is back.
func TestNamed(t *testing.T) {
	w := newWorld(t, bob)
	w.v11.lines = true
	w.guard()
	if letters, a := w.batch(batchOf(payment(bob, "shop"), payment(alice, "shop"))); letters != "aa" {
		t.Error(letters, a)
	}
	first := w.pay(bob, "shop", "Idempotency-Key", "k")
	if first.code != 200 || first.header.Get("X-From") != "" {
		t.Error(first)
	}
	w.fences(1, slotRange(bob)) // that of his hash, which is not his
	if a := w.pay(bob, "shop"); a.code != 200 || a.header.Get("X-From") != "" {
		t.Error(a)
	}
	version := w.moves.make(ToV11, 3, slotRange(bob))
	w.until("moved", func() bool { return w.Status().HomeVersion == version })
	w.fences(version, ownSlot)
	if a := w.pay(bob, "shop", hop.Header, "1"); a.code != http.StatusServiceUnavailable {
		t.Error("a slot that is closed takes a debit:", a)
	}
	version = w.moves.make(ToV11, 4, ownSlot)
	w.until("moved", func() bool { return w.Status().HomeVersion == version })
	paidByV11(t, w)
	if got := w.balance("shop"); got != "6" {
		t.Errorf("V10's shop has %s", got)
	}
	w.until("V10 to be told", func() bool {
		return slices.Contains(toldOf(t, w), ledger.Move{Version: version, From: ownSlot.From, To: ownSlot.To, Other: true})
	})
	version = w.moves.make(ToV10, 5, ownSlot)
	w.until("it to come back", func() bool { return w.Status().HomeVersion == version })
	w.applies(5, version)
	w.until("it to be open", func() bool { return len(w.Status().Coming) == 0 })
	if again := w.pay(bob, "shop", "Idempotency-Key", "k"); again.body != first.body {
		t.Errorf("paid again: %s, first %s", again.body, first.body)
	}
	if a := w.pay(bob, "shop"); a.code != 200 || a.header.Get("X-From") != "" || w.balance("shop") != "7" {
		t.Error(a, w.balance("shop"))
	}
}

// paidByV11 has bob pay in each way there is, and alice beside him.
func paidByV11(t *testing.T, w *world) {
	t.Helper()
	if a := w.pay(bob, "shop"); a.code != 200 || a.header.Get("X-From") != "v11" {
		t.Error(a)
	}
	for range 2 { // a repeat under a key is the same
		if letters, a := w.batch(batchOf(payment(bob, "shop"), payment(alice, "shop")), "Idempotency-Key", "b"); letters != "ba" {
			t.Error(letters, a)
		}
	}
	s := w.stream(t, "s")
	if got := s.line(payment(bob, "shop")); got != "b" {
		t.Error("a line of the stream is answered by", got)
	}
	must(t, s.in.Close())
	if rest, err := io.ReadAll(s.out); err != nil || len(rest) > 0 {
		t.Errorf("%s %v", rest, err)
	}
}

// toldOf is V10's home table.
func toldOf(t *testing.T, w *world) []ledger.Move {
	t.Helper()
	var said struct{ Homes ledger.Homes }
	must(t, json.Unmarshal([]byte(w.call("GET", "http://"+w.v10.Changes+"/homes", "").body), &said))
	return said.Homes.Moves
}

// TestNamedFits: a guard without the names, or with others', does not begin.
func TestNamedFits(t *testing.T) {
	w := newWorld(t, bob)
	for _, names := range [][]string{nil, {bob, alice}} {
		cfg := w.config()
		var err error
		cfg.Named, err = keys.NameAll(names)
		must(t, err)
		_, err = New(cfg)
		wants(t, err, fault.Invalid, keys.ReasonNamed)
	}
}
