// SPDX-License-Identifier: Apache-2.0

package watch

import (
	"fmt"
	"testing"
	"time"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/keys"
	"github.com/aurigraph/aurigraph/internal/sync/chainlog"
	"github.com/aurigraph/aurigraph/internal/sync/envelope"
	v10 "github.com/aurigraph/aurigraph/internal/v10"
	"github.com/aurigraph/aurigraph/legacy/ledger"
)

// traffic lets both sides do something of all that they can, and what each did reach the other.
func (w *world) traffic(round int) {
	w.t.Helper()
	mine := func(v11 bool) string {
		for {
			if n := name(w.rng.IntN(12)); (keys.AliasSlot(n) >= half) == v11 {
				return n
			}
		}
	}
	order := func(o ledger.Order) { w.submit(o) }
	for range 1 + w.rng.IntN(4) {
		w.pay(mine(false), name(w.rng.IntN(20)), 1+w.rng.Uint64N(50))
	}
	code := fmt.Sprint("CODE", round)
	issuer := mine(false)
	order(ledger.Order{Kind: ledger.CreateAsset, From: issuer, Asset: code, Title: "An asset", Scale: 2})
	order(ledger.Order{Kind: ledger.Issue, From: issuer, To: mine(true), Asset: code, Units: chain.Units(500)})
	order(ledger.Order{Kind: ledger.Issue, From: issuer, To: issuer, Asset: code, Units: chain.Units(500)})
	order(ledger.Order{Kind: ledger.Redeem, From: issuer, Asset: code, Units: chain.Units(20)})
	order(ledger.Order{Kind: ledger.OpenAccount, To: fmt.Sprint("opened ", round)})
	order(ledger.Order{Kind: ledger.Transfer, From: mine(false), To: mine(false), Asset: v10.DefaultAsset, Units: chain.Units(1 << 40)}) // refused
	order(ledger.Order{Kind: ledger.Transfer, From: mine(false), To: mine(false), Asset: v10.DefaultAsset, Units: chain.Units(3), Key: &ledger.Key{Caller: "c", Key: code, Request: [32]byte{1}}})
	w.mu.Lock()
	for range 1 + w.rng.IntN(3) {
		from, to := w.known.Accounts[mine(true)], w.known.Accounts[mine(false)]
		if from == 0 || to == 0 {
			continue
		}
		aur := w.known.Assets[v10.DefaultAsset]
		w.own = append(w.own, chain.Leg{From: from, To: to, Asset: aur, Amount: chain.Units(1 + w.rng.Uint64N(9)), Reference: [32]byte{byte(round)}})
		keyed := chain.Leg{From: from, To: to, Asset: aur, Arg: chain.LegKeyed, Reference: chain.KeyedReference(chain.IdempotencyKey{byte(round), byte(len(w.own)), 1}, [16]byte{1})}
		w.own = append(w.own, keyed) // of no amount: refused
	}
	w.mu.Unlock()
	w.capture()
	w.make()
	w.tell()
}

// settle lets traffic flow until each origin has had so many verdicts more.
func (w *world) settle(x *watched, more int, from *int) []Verdict {
	w.t.Helper()
	before := len(x.verdicts())
	for deadline := time.Now().Add(60 * time.Second); time.Now().Before(deadline); {
		*from++
		w.traffic(*from)
		count := map[string]int{}
		all := x.verdicts()[before:]
		for _, v := range all {
			count[v.Origin]++
		}
		if count["v10"] >= more && count["v11"] >= more {
			return all
		}
	}
	w.t.Fatalf("no verdicts came: %+v", x.verdicts())
	return nil
}

// TestBothInStep: everything that the two can do, and nothing differs.
func TestBothInStep(t *testing.T) {
	w := newWorld(t, 1)
	x := w.watch(20 * time.Millisecond)
	round := 0
	rows := map[string]uint64{}
	for _, v := range w.settle(x, 6, &round) {
		if !v.Equal || v.Maybe+v.Confirmed+v.Standing+v.Reordered > 0 || v.Executed != v.Applied {
			t.Errorf("%+v", v)
		}
		rows[v.Origin] += v.Executed
	}
	if rows["v10"] < 50 || rows["v11"] < 20 {
		t.Errorf("hardly anything was compared: %v", rows)
	}
	if err := x.end(); err != nil {
		t.Error(err)
	}
}

// TestPlanted plants one damage between the two: it is confirmed, by its class, and nothing else is.
func TestPlanted(t *testing.T) {
	transfer := func(l *chain.Leg) bool { return l.Kind == chain.LegTransfer }
	for _, d := range []struct {
		name   string
		origin string
		class  Class
		legs   func(at int, legs []chain.Leg) []chain.Leg
		draft  func(d *chainlog.Draft) bool
	}{
		{name: "V11 loses a payment", origin: "v10", class: Missing, legs: func(at int, legs []chain.Leg) []chain.Leg {
			return append(append([]chain.Leg(nil), legs[:at]...), legs[at+2:]...)
		}},
		{name: "V11 makes a payment twice", origin: "v10", class: Doubled, legs: func(at int, legs []chain.Leg) []chain.Leg {
			return append(append([]chain.Leg(nil), legs...), legs[at:at+2]...)
		}},
		{name: "V11 pays one unit more", origin: "v10", class: Differs, legs: func(at int, legs []chain.Leg) []chain.Leg {
			legs[at].Amount.Lo++
			return legs
		}},
		{name: "V11 swaps payer and payee", origin: "v10", class: Differs, legs: func(at int, legs []chain.Leg) []chain.Leg {
			legs[at].From, legs[at].To = legs[at].To, legs[at].From
			return legs
		}},
		{name: "V10 is not told of a payment", origin: "v11", class: Missing, draft: func(*chainlog.Draft) bool { return false }},
		{name: "V10 is told of another amount", origin: "v11", class: Differs, draft: func(d *chainlog.Draft) bool {
			d.Change.(*envelope.Transfer).Amount.Lo++
			return true
		}},
	} {
		t.Run(d.name, func(t *testing.T) {
			w := newWorld(t, 2)
			x := w.watch(20 * time.Millisecond)
			round, planted := 0, false
			w.settle(x, 2, &round)
			if d.legs != nil {
				w.mangle = func(legs []chain.Leg) []chain.Leg {
					for i := 0; i < len(legs) && !planted; i += 2 {
						if transfer(&legs[i]) && legs[i].From != legs[i].To && i > 2 {
							planted = true
							return d.legs(i, legs)
						}
					}
					return legs
				}
			} else {
				w.forge = func(draft *chainlog.Draft) bool {
					if t, ok := draft.Change.(*envelope.Transfer); ok && !planted && t.Outcome == chain.OK {
						planted = true
						return d.draft(draft)
					}
					return true
				}
			}
			var named []string
			for _, v := range w.settle(x, 4, &round) {
				for _, n := range v.Named {
					named = append(named, v.Origin+" "+string(n.Class))
				}
			}
			if len(named) != 1 || named[0] != d.origin+" "+string(d.class) {
				t.Errorf("confirmed %v, want %s %s", named, d.origin, d.class)
			}
			if err := x.end(); err != nil {
				t.Error(err)
			}
		})
	}
}
