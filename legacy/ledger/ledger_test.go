// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	v10 "github.com/aurigraph/aurigraph/internal/v10"
	"github.com/aurigraph/aurigraph/legacy/store"
	"github.com/aurigraph/aurigraph/legacy/store/pebble"
)

// fixture is a running ledger with a clock that tests turn.
type fixture struct {
	*Ledger
	t    *testing.T
	dir  string
	cfg  Config
	s    store.Store
	stop func()
	mu   sync.Mutex
	now  time.Time
}

func start(t *testing.T, cfg Config) *fixture {
	t.Helper()
	f := &fixture{t: t, dir: t.TempDir(), cfg: cfg, now: time.UnixMilli(1_700_000_000_000)}
	f.cfg.Now = func() time.Time {
		f.mu.Lock()
		defer f.mu.Unlock()
		return f.now
	}
	f.open()
	t.Cleanup(func() { f.stop() })
	return f
}

func (f *fixture) open() {
	f.t.Helper()
	s, err := pebble.Open(f.dir, pebble.Options{})
	if err != nil {
		f.t.Fatal(err)
	}
	if f.Ledger, err = Open(s, f.cfg); err != nil {
		f.t.Fatal(err)
	}
	f.s = s
	ctx, cancel := context.WithCancel(context.Background())
	ran := make(chan error, 1)
	go func() { ran <- f.Run(ctx) }()
	f.stop = func() {
		cancel()
		if err := <-ran; err != nil {
			f.t.Error(err)
		}
		if err := s.Close(); err != nil {
			f.t.Error(err)
		}
	}
}

func (f *fixture) reopen() {
	f.stop()
	f.open()
}

func (f *fixture) pass(d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.now = f.now.Add(d)
}

func (f *fixture) submit(orders ...Order) []Result {
	f.t.Helper()
	results, err := f.Submit(context.Background(), orders)
	if err != nil {
		f.t.Fatal(err)
	}
	return results
}

func (f *fixture) one(o Order) Result {
	f.t.Helper()
	return f.submit(o)[0]
}

func pay(from, to string, units uint64) Order {
	return Order{Kind: Transfer, From: from, To: to, Asset: v10.DefaultAsset, Units: chain.Units(units)}
}

func (f *fixture) expectBalance(name string, want uint64) {
	f.t.Helper()
	got, err := f.Balance(name, v10.DefaultAsset)
	if err != nil || got != chain.Units(want) {
		f.t.Errorf("%s holds %s, want %d: %v", name, got, want, err)
	}
}

func expectOutcome(t *testing.T, r Result, want chain.Outcome) {
	t.Helper()
	if r.Err != nil || r.Outcome != want {
		t.Errorf("got %s, %v, want %s", r.Outcome, r.Err, want)
	}
}

func expectErr(t *testing.T, err error, kind fault.Kind, reason string) {
	t.Helper()
	if !fault.Is(err, kind) || fault.ReasonOf(err) != reason {
		t.Errorf("got %v (%s, %s), want %s, %s", err, fault.KindOf(err), fault.ReasonOf(err), kind, reason)
	}
}

func TestPayments(t *testing.T) {
	f := start(t, Config{})
	f.expectBalance(Treasury, treasuryUnits)
	expectOutcome(t, f.one(pay(Treasury, "alice", 1000)), chain.OK)
	expectOutcome(t, f.one(pay("alice", "bob", 400)), chain.OK)
	expectOutcome(t, f.one(pay("bob", " bob ", 401)), chain.InsufficientFunds)
	expectOutcome(t, f.one(pay("bob", "alice", 400)), chain.OK)
	f.expectBalance("alice", 1000)
	f.expectBalance("bob", 0)
	if _, err := f.Account(" bob "); err != nil {
		t.Error("a payment opens its payee though it is refused:", err)
	}
	expectErr(t, f.one(pay("nobody", "alice", 1)).Err, fault.NotFound, "unknown_account")
	expectErr(t, f.one(pay("bob", "bob", 1)).Err, fault.Invalid, "same_account")
	expectErr(t, f.one(pay("bob", "alice", 0)).Err, fault.Invalid, "amount_zero")
	o := pay("alice", "bob", 1)
	o.Asset = "NONE"
	expectErr(t, f.one(o).Err, fault.NotFound, "unknown_asset")
	totals := f.Totals()
	if totals.Round != 4 || totals.Transactions != 7 || totals.Refused != 1 || totals.Accounts != 4 {
		t.Errorf("%+v", totals)
	}
	f.reopen()
	if f.Totals() != totals {
		t.Errorf("after a restart %+v, before %+v", f.Totals(), totals)
	}
	f.expectBalance("alice", 1000)
}

func TestAssets(t *testing.T) {
	f := start(t, Config{})
	create := Order{Kind: CreateAsset, From: "mint", Asset: "GOLD", Title: "Gold", Scale: 3}
	expectErr(t, f.one(create).Err, fault.NotFound, "unknown_account")
	f.one(Order{Kind: OpenAccount, To: "mint"})
	expectOutcome(t, f.one(create), chain.OK)
	expectOutcome(t, f.one(create), chain.CodeTaken)
	issue := Order{Kind: Issue, From: "mint", To: "mint", Asset: "GOLD", Units: chain.Amount{Hi: 1 << 63}}
	expectOutcome(t, f.one(issue), chain.OK)
	expectOutcome(t, f.one(issue), chain.Overflow)
	issue.From = "thief"
	expectOutcome(t, f.one(issue), chain.NotAuthorized)
	redeem := Order{Kind: Redeem, From: "mint", Asset: "GOLD", Units: chain.Units(5)}
	expectOutcome(t, f.one(redeem), chain.OK)
	redeem.Units = chain.Amount{Hi: 1 << 63}
	expectOutcome(t, f.one(redeem), chain.InsufficientFunds)
	gold, err := f.Asset("GOLD")
	held, _ := f.Balance("mint", "GOLD")
	if err != nil || gold.Supply.Amount != held || gold.Scale != 3 || gold.Issuer != "mint" || gold.Name != "Gold" {
		t.Errorf("%+v %v, the issuer holds %s", gold, err, held)
	}
	for _, o := range []Order{
		{Kind: CreateAsset, From: "x", Asset: "lower", Title: "x"},
		{Kind: CreateAsset, From: "x", Asset: "X", Title: "x", Scale: chain.ScaleMax + 1},
		{Kind: "mine", From: "x", To: "y", Asset: "X", Units: chain.Units(1)},
		{Kind: OpenAccount},
		{Kind: OpenAccount, To: "\xff"},
	} {
		if r := f.one(o); !fault.Is(r.Err, fault.Invalid) {
			t.Errorf("%+v: %+v", o, r)
		}
	}
	expectOutcome(t, f.one(Order{Kind: OpenAccount, To: "alice"}), chain.OK)
	expectOutcome(t, f.one(Order{Kind: OpenAccount, To: "alice"}), chain.AliasTaken)
	all, err := f.Assets(0, 10)
	if err != nil || len(all) != 2 || all[0].Code != "AUR" || all[1].Code != "GOLD" {
		t.Error(all, err)
	}
}

func keyed(o Order, key string) Order {
	o.Key = &Key{Caller: "c", Key: key, Request: [32]byte{1}}
	return o
}

func TestKeys(t *testing.T) {
	f := start(t, Config{})
	f.one(pay(Treasury, "alice", 100))
	first := f.one(keyed(pay("alice", "bob", 60), "k"))
	expectOutcome(t, first, chain.OK)
	refused := f.one(keyed(pay("alice", "bob", 60), "refused"))
	expectOutcome(t, refused, chain.InsufficientFunds)
	f.one(pay(Treasury, "alice", 1000))
	f.reopen()
	for _, c := range []struct {
		key  string
		want Result
	}{{"k", first}, {"refused", refused}} {
		again := f.one(keyed(pay("alice", "bob", 60), c.key))
		if again.ID != c.want.ID || again.Outcome != c.want.Outcome || !again.Replayed {
			t.Errorf("%s: first %+v, again %+v", c.key, c.want, again)
		}
	}
	f.expectBalance("bob", 60)
	other := keyed(pay("alice", "bob", 61), "k")
	other.Key.Request[0]++
	expectErr(t, f.one(other).Err, fault.Conflict, v10.ReasonKeyReused)
	item := keyed(pay("alice", "bob", 1), "k")
	item.Key.Item = 1
	caller := keyed(pay("alice", "bob", 1), "k")
	caller.Key.Caller = "d"
	for _, o := range []Order{item, caller} {
		if r := f.one(o); r.Replayed || r.Err != nil {
			t.Errorf("another key is the same: %+v", r)
		}
	}
	// In one submission too, the second is a repeat.
	two := f.submit(keyed(pay("alice", "bob", 2), "twice"), keyed(pay("alice", "bob", 2), "twice"))
	if two[0].Replayed || !two[1].Replayed || two[0].ID != two[1].ID {
		t.Errorf("%+v", two)
	}
	f.expectBalance("bob", 64)
	empty := keyed(pay("alice", "bob", 1), "")
	expectErr(t, f.one(empty).Err, fault.Invalid, "idempotency_key")
}

func TestKeysExpire(t *testing.T) {
	f := start(t, Config{KeysMax: 10})
	f.one(pay(Treasury, "alice", 1000))
	for i := range 15 {
		f.one(keyed(pay("alice", "bob", 1), fmt.Sprint(i)))
	}
	if got := f.Totals(); got.Keys != 10 || got.KeysCrowded != 5 || got.KeysAged != 0 {
		t.Errorf("%+v", got)
	}
	if f.one(keyed(pay("alice", "bob", 1), "4")).Replayed || !f.one(keyed(pay("alice", "bob", 1), "14")).Replayed {
		t.Error("the oldest key must go, the newest stay")
	}
	f.pass(KeyLifeMs*time.Millisecond - time.Second)
	if !f.one(keyed(pay("alice", "bob", 1), "14")).Replayed {
		t.Error("a key went before its time")
	}
	f.pass(2 * time.Second)
	again := f.one(keyed(pay("alice", "bob", 1), "14"))
	if again.Replayed {
		t.Error("a key outlived its time")
	}
	got := f.Totals()
	if got.Keys != 1 || got.KeysAged != 10 {
		t.Errorf("%+v", got)
	}
	if !f.one(keyed(pay("alice", "bob", 1), "14")).Replayed {
		t.Error("the age of the key's first use took its second use along")
	}
	rows := 0
	err := f.walk(store.Meta, store.Prefix([]byte{byAge}), func(_, _ []byte) (bool, error) { rows++; return true, nil })
	if err != nil || rows != 1 {
		t.Errorf("%d rows of age for one key: %v", rows, err)
	}
}

// TestGroupCommit has many callers wait for a ledger that does not run yet: they share one round.
func TestGroupCommit(t *testing.T) {
	s, err := pebble.Open(t.TempDir(), pebble.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	l, err := Open(s, Config{})
	if err != nil {
		t.Fatal(err)
	}
	const callers = 100
	results := make(chan Result, callers)
	for i := range callers {
		go func() {
			r, err := l.Submit(context.Background(), []Order{pay(Treasury, fmt.Sprint("p", i), 1)})
			if err != nil {
				t.Error(err)
				results <- Result{}
				return
			}
			results <- r[0]
		}()
	}
	for len(l.queue) < callers {
		<-time.After(time.Millisecond)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ran := make(chan error, 1)
	go func() { ran <- l.Run(ctx) }()
	seen := map[v10.TxID]bool{}
	for range callers {
		r := <-results
		expectOutcome(t, r, chain.OK)
		if seen[r.ID] || r.ID.Height != 1 {
			t.Errorf("%+v", r)
		}
		seen[r.ID] = true
	}
	if got := l.Totals().Round; got != 1 {
		t.Errorf("%d rounds for those who waited together", got)
	}
	cancel()
	if err := <-ran; err != nil {
		t.Error(err)
	}
	_, err = l.Submit(context.Background(), []Order{pay(Treasury, "late", 1)})
	expectErr(t, err, fault.Unavailable, "stopping")
}

func TestQueueIsBounded(t *testing.T) {
	s, err := pebble.Open(t.TempDir(), pebble.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	l, err := Open(s, Config{})
	if err != nil {
		t.Fatal(err)
	}
	gone, cancel := context.WithCancel(context.Background())
	cancel()
	for range SubmissionsQueuedMax {
		_, err := l.Submit(gone, []Order{pay(Treasury, "p", 1)})
		expectErr(t, err, fault.Timeout, "timeout")
	}
	_, err = l.Submit(context.Background(), []Order{pay(Treasury, "p", 1)})
	expectErr(t, err, fault.TryLater, "queue_full")
	_, err = l.Submit(context.Background(), nil)
	expectErr(t, err, fault.Invalid, "orders")
}

// TestStop answers what waits when the ledger is told to stop.
func TestStop(t *testing.T) {
	s, err := pebble.Open(t.TempDir(), pebble.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	l, err := Open(s, Config{})
	if err != nil {
		t.Fatal(err)
	}
	answered := make(chan error, 1)
	go func() {
		_, err := l.Submit(context.Background(), []Order{pay(Treasury, "p", 1)})
		answered <- err
	}()
	for len(l.queue) == 0 {
		<-time.After(time.Millisecond)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := l.Run(ctx); err != nil {
		t.Error(err)
	}
	if err := <-answered; err != nil {
		t.Error("who waited was not served:", err)
	}
}

func TestNotes(t *testing.T) {
	f := start(t, Config{})
	begin := f.s.Head()
	_, err := f.SubmitNoted(context.Background(), []Order{pay(Treasury, "alice", 5)}, &Note{Cursor: "v11", Value: []byte("42"), Origin: []byte("v11:42")})
	if err != nil {
		t.Fatal(err)
	}
	// All orders refused without a trace: the cursor moves all the same.
	_, err = f.SubmitNoted(context.Background(), []Order{pay("nobody", "alice", 5)}, &Note{Cursor: "v11", Value: []byte("43"), Origin: []byte("v11:43")})
	if err != nil {
		t.Fatal(err)
	}
	if at, err := f.Cursor("v11"); err != nil || string(at) != "43" {
		t.Errorf("%s %v", at, err)
	}
	if f.Totals().Round != 1 {
		t.Errorf("%d rounds", f.Totals().Round)
	}
	tail, err := f.s.Since(begin)
	if err != nil {
		t.Fatal(err)
	}
	defer tail.Close()
	for _, want := range []string{"v11:42", "v11:43"} {
		if c, ok, err := tail.Next(); !ok || err != nil || string(c.Origin) != want {
			t.Errorf("%s %v %v, want %s", c.Origin, ok, err, want)
		}
	}
}

// failing is a store whose writes fail once told so.
type failing struct {
	store.Store
	mu  sync.Mutex
	bad bool
}

func (s *failing) Apply(b *store.Batch) (store.Position, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.bad {
		return store.Position{}, fault.New(fault.Halted, "the disk is gone")
	}
	return s.Store.Apply(b)
}

func TestFailedWrite(t *testing.T) {
	s, err := pebble.Open(t.TempDir(), pebble.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	broken := &failing{Store: s}
	l, err := Open(broken, Config{})
	if err != nil {
		t.Fatal(err)
	}
	broken.mu.Lock()
	broken.bad = true
	broken.mu.Unlock()
	ran := make(chan error, 1)
	go func() { ran <- l.Run(context.Background()) }()
	if _, err := l.Submit(context.Background(), []Order{pay(Treasury, "p", 1)}); !fault.Is(err, fault.Halted) {
		t.Error("a write that failed was answered:", err)
	}
	if err := <-ran; !fault.Is(err, fault.Halted) {
		t.Error("the loop went on:", err)
	}
	if _, err := l.Submit(context.Background(), []Order{pay(Treasury, "p", 1)}); err == nil {
		t.Error("a broken ledger took an order")
	}
	if l.Totals().Round != 0 {
		t.Error("a round that was not written counts")
	}
	if _, err := l.Account(Treasury); err != nil {
		t.Error("readers must go on:", err)
	}
}

// TestLargestRound makes the submission that takes most room: it fits a batch beside what a round gathers before it, and the
// estimate by which a round stops gathering is one.
func TestLargestRound(t *testing.T) {
	if testing.Short() {
		t.Skip("100 MB of rows")
	}
	f := start(t, Config{})
	name := func(side string, i int) string {
		return strings.Repeat("\x01", v10.NameBytesMax-7) + fmt.Sprintf("%s%06d", side, i)
	}
	payers, orders := make([]Order, OrdersPerSubmitMax), make([]Order, OrdersPerSubmitMax)
	estimate := 0
	for i := range orders {
		payers[i] = pay(Treasury, name("a", i), 1)
		orders[i] = pay(name("a", i), name("b", i), 1)
		orders[i].Key = &Key{Caller: "c", Key: strings.Repeat("<", KeyBytesMax-4) + fmt.Sprintf("%04d", i)}
		estimate += orders[i].bytesMax()
	}
	f.submit(payers...)
	begin := f.s.Head()
	for i, r := range f.submit(orders...) {
		if r.Err != nil || r.Outcome != chain.OK {
			t.Fatalf("order %d: %+v", i, r)
		}
	}
	tail, err := f.s.Since(begin)
	if err != nil {
		t.Fatal(err)
	}
	defer tail.Close()
	c, ok, err := tail.Next()
	if !ok || err != nil {
		t.Fatal(ok, err)
	}
	bytes := 0
	for _, op := range c.Ops {
		bytes += len(op.Key) + len(op.Value)
	}
	t.Logf("%d orders: %d bytes, estimate %d", len(orders), bytes, estimate)
	if bytes > estimate || bytes+roundBytesMax > store.BatchBytesMax {
		t.Errorf("%d bytes of rows, estimated at most %d", bytes, estimate)
	}
}

// TestRefusedBatch has a store that takes no batch: who submitted is told, and the ledger goes on.
func TestRefusedBatch(t *testing.T) {
	f := start(t, Config{})
	_, err := f.SubmitNoted(context.Background(), []Order{pay(Treasury, "a", 1)}, &Note{Cursor: "c", Value: make([]byte, store.BatchBytesMax)})
	expectErr(t, err, fault.Invalid, "batch_too_large")
	f.expectBalance("a", 0)
	expectOutcome(t, f.one(pay(Treasury, "a", 1)), chain.OK)
}

// TestGenesis gives accounts what they hold from the beginning: no payment lists it, the supply stays what it was, and a second start
// gives nothing.
func TestGenesis(t *testing.T) {
	f := start(t, Config{Genesis: []Holding{{"alice", chain.Units(1000)}, {"bob", chain.Units(7)}}})
	f.expectBalance("alice", 1000)
	f.expectBalance("bob", 7)
	f.expectBalance(Treasury, treasuryUnits-1007)
	if a, err := f.Asset(v10.DefaultAsset); err != nil || a.Supply.Amount != chain.Units(treasuryUnits) {
		t.Errorf("%+v %v", a, err)
	}
	if found, _, err := f.Transactions(Query{Kind: Transfer, Limit: 10}); err != nil || len(found) != 0 {
		t.Errorf("%+v %v", found, err)
	}
	expectOutcome(t, f.one(pay("alice", "bob", 1000)), chain.OK)
	f.reopen()
	f.expectBalance("alice", 0)
	f.expectBalance("bob", 1007)
	s, err := pebble.Open(t.TempDir(), pebble.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	_, err = Open(s, Config{Genesis: []Holding{{"alice", chain.Units(treasuryUnits)}}})
	expectErr(t, err, fault.Refused, "genesis")
}
