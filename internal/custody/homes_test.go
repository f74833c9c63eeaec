// SPDX-License-Identifier: Apache-2.0

package custody

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/keys"
)

// v10Owns is a table by slots.
type v10Owns map[uint16]bool

func (o v10Owns) OnV10(slot uint16) bool { return o[slot] }
func (o v10Owns) Any() bool              { return len(o) > 0 }
func (o v10Owns) Migrating() bool        { return true }

// wantsAway checks that only V10 may do it, and that the text says where that is.
func wantsAway(t *testing.T, what string, err error) {
	t.Helper()
	if !fault.Is(err, fault.Refused) || fault.ReasonOf(err) != ReasonNotHome || !strings.Contains(err.Error(), "http://v10:9003") {
		t.Errorf("%s: %v", what, err)
	}
}

// TestNotHome: what only V10 may do is refused before anything is signed or opened, and everything else is done.
func TestNotHome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, func(c *Config) { c.Home = "http://v10:9003" })
		defer w.close()
		f := w.fake
		f.flags = chain.AssetPortable
		f.fund("here", 1000)
		f.fund("there", 1000)
		f.accounts[f.tags[aliasKey.Tag("there")]].slot = 17_000 // a customer's own slot
		f.v10 = v10Owns{17_000: true, keys.AliasSlot("unknown there"): true}

		pay := func(from, asset string) Payment {
			return Payment{From: from, To: "payee of " + from, Asset: asset, Amount: chain.Units(1)}
		}
		answers := w.desk.PayMany(t.Context(), []Payment{
			pay("here", ""), pay("there", ""), pay("there", nativeAsset), pay("unknown there", ""), pay("unknown here", ""), pay("there", "NEW"), pay("here", "NEW"),
		})
		for i, what := range map[int]string{1: "a payment", 3: "a payer that nobody here knows", 5: "an asset that nobody here knows"} {
			wantsAway(t, what, answers[i].Err)
		}
		for i, reason := range map[int]string{4: "unknown_payer", 6: reasonNoAsset} {
			if fault.ReasonOf(answers[i].Err) != reason {
				t.Errorf("payment %d: %v", i, answers[i].Err)
			}
		}
		if answers[0].Err != nil || answers[2].Err != nil || f.balance(f.tags[aliasKey.Tag("there")]) != 999 {
			t.Errorf("%v", answers)
		}
		if _, opened := f.tags[aliasKey.Tag("payee of unknown there")]; opened || len(f.executed) != 2 {
			t.Errorf("%d payments, a payee was opened: %v", len(f.executed), opened)
		}
		away, err := w.desk.Away(t.Context(), []Debit{{"here", ""}, {"there", ""}, {"there", nativeAsset}, {"unknown there", ""}, {"unknown here", ""}, {"there", "NEW"}, {"", ""}, {"there", ""}})
		must(t, err)
		for i, want := range []bool{false, true, false, true, false, true, false, true} {
			if away[i] != want {
				t.Errorf("debit %d: %v", i, away[i])
			}
		}
		if _, err := w.desk.Away(t.Context(), make([]Debit, PaymentsMax+1)); !fault.Is(err, fault.Invalid) {
			t.Error(err)
		}
		_, err = w.desk.Issue(t.Context(), "there", "x", "AUR", chain.Units(1))
		wantsAway(t, "an issue", err)
		_, err = w.desk.Issue(t.Context(), "there", "x", "NEW", chain.Units(1))
		wantsAway(t, "an issue of what nobody here knows", err)
		_, err = w.desk.Redeem(t.Context(), "there", "AUR", chain.Units(1))
		wantsAway(t, "a redemption", err)
		_, _, err = w.desk.CreateAsset(t.Context(), "there", NewAsset{Code: "NEW", Flags: chain.AssetPortable})
		wantsAway(t, "a new asset", err)
		_, err = w.desk.Open(t.Context(), "unknown there")
		wantsAway(t, "an opening", err)
		if r, err := w.desk.Open(t.Context(), "there"); err != nil || r.New {
			t.Errorf("an account that is there: %+v %v", r, err)
		}
		if n := testutil.ToFloat64(w.desk.metrics.refused.WithLabelValues(ReasonNotHome)); n != 8 {
			t.Errorf("%v refusals are counted", n)
		}
	})
}

// TestLiteralPayee: once V10 can own nothing again, a payee that is nobody's V10 name and reads as an address is the account at it, if there is
// one. Before that it is a V10 name like any other.
func TestLiteralPayee(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, nil)
		defer w.close()
		f := w.fake
		f.fund("payer", 1000)
		native := f.fund("it has an alias here, and no desk knows it", 0)
		address, nobodys := f.accounts[native].address.String(), keys.AliasAddress("nobody").String()
		pay := func(to ...string) {
			t.Helper()
			ps := make([]Payment, len(to))
			for i := range to {
				ps[i] = Payment{From: "payer", To: to[i], Amount: chain.Units(1)}
			}
			for i, a := range w.desk.PayMany(t.Context(), ps) {
				if a.Err != nil {
					t.Errorf("to %s: %v", to[i], a.Err)
				}
			}
		}
		aliasOf := func(name string) chain.AccountNo { return f.tags[aliasKey.Tag(name)] }

		pay(address, "bob", address, nobodys)
		if f.balance(native) != 2 || aliasOf(address) != 0 || f.balance(aliasOf(nobodys)) != 1 {
			t.Errorf("the account has %d, its alias is %d", f.balance(native), aliasOf(address))
		}
		f.v10 = v10Owns{}
		w.desk.homes.expire()
		pay(address, address)
		pay(address)
		alias := aliasOf(address)
		if alias == 0 || f.balance(native) != 2 || f.balance(alias) != 3 {
			t.Fatalf("the account has %d, its alias is %d", f.balance(native), alias)
		}
		f.v10 = nil
		w.desk.homes.expire()
		if pay(address); f.balance(native) != 2 || f.balance(alias) != 4 { // the V10 name first
			t.Errorf("the account has %d, its alias %d", f.balance(native), f.balance(alias))
		}
	})
}

// TestMovedAway: the table that the desk has is old, and the ledger has the last word. It is asked again at once, and else now and then.
func TestMovedAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, func(c *Config) { c.Home = "http://v10:9003" })
		defer w.close()
		f := w.fake
		f.flags = chain.AssetPortable
		f.fund("here", 1000)
		p := Payment{From: "here", To: "payee", Amount: chain.Units(1)}
		asked := func() int {
			f.mu.Lock()
			defer f.mu.Unlock()
			return f.calls["homes"]
		}
		for range 3 {
			_, err := w.desk.Pay(t.Context(), p)
			must(t, err)
		}
		if asked() != 1 {
			t.Errorf("asked %d times", asked())
		}
		f.mu.Lock()
		f.moved, f.v10 = true, v10Owns{f.accounts[f.tags[aliasKey.Tag("here")]].slot: true}
		f.mu.Unlock()
		executed := len(f.executed)
		_, err := w.desk.Pay(t.Context(), p)
		wantsAway(t, "by the ledger", err)
		before := len(f.sizes)
		_, err = w.desk.Pay(t.Context(), p)
		wantsAway(t, "by the table", err)
		if asked() != 2 || len(f.executed) != executed || len(f.sizes) != before {
			t.Errorf("asked %d times; %d batches", asked(), len(f.sizes)-before)
		}
		<-time.After(2 * homesFresh)
		f.mu.Lock()
		f.moved, f.v10 = false, nil
		f.mu.Unlock()
		_, err = w.desk.Pay(t.Context(), p)
		must(t, err)
	})
}

// TestHomesUnknown: while nobody can say who owns what, the ledger decides.
func TestHomesUnknown(t *testing.T) {
	h := &homes{chain: downChain{}}
	if table := h.now(t.Context()); table != nil {
		t.Error(table)
	}
	h.expire()
	h.table.Store(&datedHomes{Homes: v10Owns{1: true}})
	if table := h.now(t.Context()); table == nil || !table.OnV10(1) {
		t.Error("what was known is forgotten")
	}
}

type downChain struct{ Chain }

func (downChain) Homes(context.Context, Homes) (Homes, error) {
	return nil, fault.New(fault.Unavailable, "the node is down")
}

// TestNamedAway: who has a slot of its own, and is not known here yet, is V10's if that slot is, and has it when it is opened.
func TestNamedAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, func(c *Config) { c.Home = "http://v10:9003" })
		defer w.close()
		w.fake.flags = chain.AssetPortable
		w.fake.fund("here", 1000)
		w.fake.v10 = v10Owns{chain.SlotsMax: true}
		pay := func(from, to string) error {
			return w.desk.PayMany(t.Context(), []Payment{{From: from, To: to, Amount: chain.Units(1)}})[0].Err
		}
		wantsAway(t, "a named payer that nobody here knows", pay("named", "here"))
		_, err := w.desk.Open(t.Context(), "named")
		wantsAway(t, "an account of a named customer", err)
		must(t, pay("here", "named"))
		if got := w.fake.accounts[w.fake.tags[aliasKey.Tag("named")]].slot; got != chain.SlotsMax {
			t.Errorf("opened in slot %d", got)
		}
		wantsAway(t, "a named payer that was opened here", pay("named", "here"))
		w.fake.v10 = v10Owns{keys.AliasSlot("named"): true} // that of its hash is nobody's business
		w.desk.homes.expire()
		must(t, pay("named", "here"))
	})
}
