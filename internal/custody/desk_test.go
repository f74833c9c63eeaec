// SPDX-License-Identifier: Apache-2.0

package custody

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// TestPay pays an account that nobody knew, and answers when the block is certified.
func TestPay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, nil)
		defer w.close()
		alice := w.fake.fund("alice", 1000)
		began := time.Now()
		r, err := w.pay("alice", "bob", 7)
		must(t, err)
		if want := (Result{Height: 12, TimeUs: genesisUs + 12, Batch: 1, Item: 0, Outcome: chain.OK, First: true}); r != want {
			t.Errorf("%+v, want %+v", r, want)
		}
		if d := time.Since(began); d != 2*blockTime { // one for the account, one for the payment
			t.Errorf("took %v", d)
		}
		began = time.Now()
		_, err = w.pay("alice", "bob", 3)
		must(t, err)
		if d := time.Since(began); d != blockTime {
			t.Errorf("an idle desk took %v, a block takes %v", d, blockTime)
		}
		bob, err := w.desk.Resolve(t.Context(), "bob")
		must(t, err)
		if w.fake.balance(alice) != 990 || w.fake.balance(bob) != 10 {
			t.Errorf("alice has %d, bob %d", w.fake.balance(alice), w.fake.balance(bob))
		}
	})
}

// TestRefusals wants an error for what is no payment, and a certified outcome for what the ledger refuses.
func TestRefusals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, func(c *Config) { c.Caps = map[string]Cap{"": {Payment: chain.Units(500), Day: chain.Units(900)}} })
		defer w.close()
		w.fake.fund("alice", 1000)
		w.fake.fund("poor", 0)
		for _, c := range []struct {
			p      Payment
			kind   fault.Kind
			reason string
		}{
			{Payment{From: "nobody", To: "bob", Amount: chain.Units(1)}, fault.NotFound, "unknown_payer"},
			{Payment{From: "alice", To: "alice", Amount: chain.Units(1)}, fault.Invalid, "same_account"},
			{Payment{From: "alice", To: "bob"}, fault.Invalid, "amount_zero"},
			{Payment{From: "alice", To: "", Amount: chain.Units(1)}, fault.Invalid, "alias_malformed"},
			{Payment{From: strings.Repeat("x", 257), To: "bob", Amount: chain.Units(1)}, fault.Invalid, "alias_malformed"},
			{Payment{From: "alice", To: "bob", Amount: chain.Units(1), Asset: "GOLD"}, fault.NotFound, "unknown_asset"},
			{Payment{From: "alice", To: "bob", Amount: chain.Units(1), Asset: strings.Repeat("G", 99)}, fault.NotFound, "unknown_asset"},
			{Payment{From: "alice", To: "bob", Amount: chain.Units(1), Keyed: true}, fault.Invalid, "key_zero"},
			{Payment{From: "alice", To: "bob", Amount: chain.Units(501)}, fault.Denied, "over_cap"},
		} {
			if _, err := w.desk.Pay(t.Context(), c.p); !fault.Is(err, c.kind) || fault.ReasonOf(err) != c.reason {
				t.Errorf("%+v: %v (%s)", c.p, err, fault.ReasonOf(err))
			}
			if n := testutil.ToFloat64(w.desk.metrics.refused.WithLabelValues(c.reason)); n == 0 {
				t.Errorf("%s was not counted", c.reason)
			}
		}
		r, err := w.pay("poor", "bob", 1)
		if err != nil || r.Outcome != chain.InsufficientFunds {
			t.Errorf("%+v, %v", r, err)
		}
		if a := w.desk.PayMany(t.Context(), make([]Payment, PaymentsMax+1)); len(a) != PaymentsMax+1 || fault.ReasonOf(a[0].Err) != "payments_count" {
			t.Errorf("too many: %v", a[0].Err)
		}
		if a := w.desk.PayMany(t.Context(), nil); len(a) != 0 {
			t.Errorf("none: %v", a)
		}
	})
}

// TestCapOfTheDay counts what was paid, gives back what was not, and begins anew at midnight.
func TestCapOfTheDay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, func(c *Config) { c.Caps = map[string]Cap{"AUR": {Day: chain.Units(900)}} })
		defer w.close()
		w.fake.fund("alice", 500)
		for _, c := range []struct {
			units   uint64
			outcome chain.Outcome
			over    bool
		}{{300, chain.OK, false}, {600, chain.InsufficientFunds, false}, {601, 0, true}, {200, chain.OK, false}, {400, chain.InsufficientFunds, false}, {401, 0, true}} {
			r, err := w.pay("alice", "bob", c.units)
			if c.over != (fault.ReasonOf(err) == "over_cap") || !c.over && (err != nil || r.Outcome != c.outcome) {
				t.Errorf("%d: %v, %v", c.units, r.Outcome, err)
			}
		}
		time.Sleep(24 * time.Hour)
		if r, err := w.pay("alice", "bob", 900); err != nil || r.Outcome != chain.InsufficientFunds {
			t.Errorf("the next day: %v, %v", r.Outcome, err)
		}
	})
}

// TestCoalescing lets payments that queue behind batches under way share the next ones.
func TestCoalescing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, nil)
		defer w.close()
		const payers = 100
		for i := range payers {
			w.fake.fund(fmt.Sprint("payer", i), 10)
			_, err := w.desk.Resolve(t.Context(), fmt.Sprint("payer", i))
			must(t, err)
		}
		w.fake.fund("shop", 0)
		_, err := w.desk.Resolve(t.Context(), "shop")
		must(t, err)
		synctest.Wait()
		began := time.Now()
		var wg sync.WaitGroup
		for i := range payers {
			wg.Go(func() {
				if r, err := w.pay(fmt.Sprint("payer", i), "shop", 1); err != nil || r.Outcome != chain.OK {
					t.Error(r.Outcome, err)
				}
			})
		}
		wg.Wait()
		if d := time.Since(began); d != 2*blockTime {
			t.Errorf("took %v", d)
		}
		if n := len(w.fake.sizes); n < 3 || n > 4 || slices.Max(w.fake.sizes) < payers/3 {
			t.Errorf("batches of %v", w.fake.sizes)
		}
	})
}

// TestPayMany pays more than a batch holds, in the order of the call, opens who is unknown at once, and answers each for itself.
func TestPayMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, func(c *Config) { c.LegsMax = 100 })
		defer w.close()
		alice := w.fake.fund("alice", 1_000_000)
		ps := make([]Payment, 950)
		for i := range ps {
			ps[i] = Payment{From: "alice", To: fmt.Sprint("payee", i%200), Amount: chain.Units(uint64(i) + 1)}
		}
		ps[500].From = "nobody"
		ps[501].Amount = chain.Units(2_000_000)
		began := time.Now()
		answers := w.desk.PayMany(t.Context(), ps)
		if d := time.Since(began); d != 11*blockTime {
			t.Errorf("took %v", d)
		}
		for i, a := range answers {
			switch {
			case i == 500 && fault.ReasonOf(a.Err) != "unknown_payer", i == 501 && (a.Err != nil || a.Outcome != chain.InsufficientFunds):
				t.Errorf("payment %d: %v, %v", i, a.Outcome, a.Err)
			case i != 500 && i != 501 && (a.Err != nil || a.Outcome != chain.OK):
				t.Fatalf("payment %d: %v, %v", i, a.Outcome, a.Err)
			}
		}
		ordered := slices.IsSortedFunc(w.fake.executed, func(a, b chain.Leg) int { return int(a.Amount.Lo) - int(b.Amount.Lo) })
		if !ordered || len(w.fake.executed) != 948 || w.fake.calls["txs"] != 1 {
			t.Errorf("ordered %v, %d executed, %d submissions opened the payees", ordered, len(w.fake.executed), w.fake.calls["txs"])
		}
		if have := w.fake.balance(alice); have != 1_000_000-(950*951/2-501-502) {
			t.Errorf("alice has %d", have)
		}
	})
}

// TestWaitingBound refuses what has no room, and takes the rest.
func TestWaitingBound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, func(c *Config) { c.WaitingMax, c.PayMax, c.AttemptMax = 10, 3*time.Second, time.Second })
		defer w.close()
		w.fake.fund("alice", 1000)
		w.fake.fund("bob", 0)
		w.fake.trouble = func(int, chain.Batch) mishap { return hang }
		go func() { _, _ = w.pay("alice", "bob", 1) }()
		synctest.Wait()
		ps := make([]Payment, 15)
		for i := range ps {
			ps[i] = Payment{From: "alice", To: "bob", Amount: chain.Units(1)}
		}
		for range 2 { // who left made room
			reasons := map[string]int{}
			for _, a := range w.desk.PayMany(t.Context(), ps) {
				reasons[fault.ReasonOf(a.Err)]++
			}
			if !maps.Equal(reasons, map[string]int{"waiting_full": 5, "not_sent": 10}) {
				t.Errorf("%v", reasons)
			}
		}
	})
}

// TestKeyed makes a payment once under a key, whoever repeats it, refusals included, and tells another payment under the key apart.
func TestKeyed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, func(c *Config) { c.Caps = map[string]Cap{"": {Day: chain.Units(20)}} })
		defer w.close()
		alice := w.fake.fund("alice", 10)
		p := Payment{From: "alice", To: "bob", Amount: chain.Units(7), Keyed: true, Key: w.desk.Key("caller", "k1")}
		p.Body = w.desk.Body(&p)
		first, err := w.desk.Pay(t.Context(), p)
		must(t, err)
		second, err := w.desk.Pay(t.Context(), p)
		must(t, err)
		if !first.First || second.First || second.Outcome != chain.OK {
			t.Errorf("%+v, %+v", first, second)
		}
		if second.First = true; second != first {
			t.Errorf("a repeat answers %+v, the first did %+v", second, first)
		}
		other := p
		other.Amount = chain.Units(1)
		other.Body = w.desk.Body(&other)
		if _, err := w.desk.Pay(t.Context(), other); !fault.Is(err, fault.Conflict) || fault.ReasonOf(err) != "key_reused" {
			t.Errorf("another payment: %v", err)
		}
		other.Key, other.Amount = w.desk.Key("caller", "k2"), chain.Units(8)
		other.Body = w.desk.Body(&other)
		if r, err := w.desk.Pay(t.Context(), other); err != nil || r.Outcome != chain.InsufficientFunds {
			t.Errorf("too much: %+v, %v", r, err)
		}
		w.fake.accounts[alice].balance = chain.Units(100)
		if r, err := w.desk.Pay(t.Context(), other); err != nil || r.Outcome != chain.InsufficientFunds || r.First {
			t.Errorf("what was refused is refused for good: %+v, %v", r, err)
		}
		many := w.desk.PayMany(t.Context(), slices.Repeat([]Payment{p}, 50))
		for i, a := range many {
			if a.Err != nil || a.Result != (Result{first.Height, first.TimeUs, first.Batch, first.Item, chain.OK, false}) {
				t.Fatalf("repeat %d: %+v", i, a)
			}
		}
		if w.fake.balance(alice) != 100 {
			t.Errorf("alice has %d", w.fake.balance(alice))
		}
		delete(w.fake.keyed, p.Key)
		w.fake.keyed[p.Key] = &KeyedFate{Height: 1}
		if r, err := w.desk.Pay(t.Context(), p); err != nil || r.Height != 1 {
			t.Errorf("whose body nobody knows any more: %+v, %v", r, err)
		}
	})
}

// TestKeysDiffer wants another key of another caller, and another body of any other payment.
func TestKeysDiffer(t *testing.T) {
	d, err := New(Config{Chain: 1, Institution: 2, Key: 3, Signer: signer(t), AliasKey: aliasKey}, Parts{Metrics: prometheus.NewRegistry()})
	must(t, err)
	seen := map[any]bool{}
	for _, of := range [][2]string{{"a", "bc"}, {"ab", "c"}, {"", "abc"}, {"abc", ""}, {"a", "b"}} {
		seen[d.Key(of[0], of[1])] = true
	}
	ps := []Payment{
		{From: "a", To: "bc", Amount: chain.Units(1)}, {From: "ab", To: "c", Amount: chain.Units(1)}, {From: "bc", To: "a", Amount: chain.Units(1)},
		{From: "a", To: "bc", Amount: chain.Amount{Hi: 1}}, {From: "a", To: "bc", Amount: chain.Units(1), Asset: "GOLD"},
	}
	for i := range ps {
		seen[d.Body(&ps[i])] = true
	}
	if len(seen) != 10 {
		t.Errorf("%d of 10 are different", len(seen))
	}
	if d.Body(&ps[0]) != d.Body(&Payment{From: "a", To: "bc", Amount: chain.Units(1), Asset: DefaultAsset}) {
		t.Error("the default asset and its name are one payment")
	}
}

func TestConfig(t *testing.T) {
	good := Config{Chain: 1, Institution: 2, Key: 3, Signer: signer(t), AliasKey: aliasKey}
	for name, change := range map[string]func(*Config){
		"signer": func(c *Config) { c.Signer = nil }, "alias key": func(c *Config) { c.AliasKey = nil },
		"institution": func(c *Config) { c.Institution = 0 },
		"carriers":    func(c *Config) { c.Carriers = CarriersMax + 1 }, "channels": func(c *Config) { c.ChannelFirst, c.ChannelLast = 5, 7 },
		"legs": func(c *Config) { c.LegsMax = chain.BatchLegsMax + 1 }, "waiting": func(c *Config) { c.WaitingMax = -1 },
		"validity": func(c *Config) { c.ValidityBlocks = 99 }, "time": func(c *Config) { c.PayMax = -1 },
	} {
		cfg := good
		change(&cfg)
		if _, err := New(cfg, Parts{Metrics: prometheus.NewRegistry()}); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	good.Key = 0
	d, err := New(good, Parts{Metrics: prometheus.NewRegistry()})
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Run(t.Context()); !fault.Is(err, fault.Invalid) {
		t.Errorf("a desk without the number of its key runs: %v", err)
	}
}
