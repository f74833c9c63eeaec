// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/sync/envelope"
	v10 "github.com/aurigraph/aurigraph/internal/v10"
)

var v11 = envelope.Source{Ledger: envelope.LedgerID{1}, Origin: envelope.V11, Life: 1, Incarnation: envelope.Incarnation{2}}

// plainKeys are shared keys that a test can read.
type plainKeys struct{}

// Key implements SharedKeys.
func (plainKeys) Key(caller, key string) (k chain.IdempotencyKey) {
	copy(k[:], caller+"/"+key)
	return k
}

// Body implements SharedKeys.
func (plainKeys) Body(from, to, asset string, units chain.Amount) (b [16]byte) {
	copy(b[:], from+to+asset+units.String())
	return b
}

// peer makes the records of the other ledger: each follows the one before.
type peer struct {
	*fixture
	at  envelope.Position
	tag envelope.Tag
}

func startPeer(t *testing.T) *peer {
	f := start(t, Config{Shared: plainKeys{}})
	f.one(pay(Treasury, "alice", 1000))
	if err := f.OpenInbox(t.Context(), Inbox{Source: v11, Position: envelope.EndOf(9)}); err != nil {
		t.Fatal(err)
	}
	if err := f.MoveHomes(t.Context(), []Move{{Version: 1, From: 0, To: chain.SlotsMax - 1, Other: true}}); err != nil {
		t.Fatal(err)
	}
	return &peer{fixture: f, at: envelope.EndOf(9)}
}

// record is the next one; it counts only once it is applied.
func (p *peer) record(c envelope.Change) *envelope.Record {
	next := envelope.Position{Major: p.at.Major + 1}
	return &envelope.Record{
		Source: v11, Position: next, Previous: p.at, PreviousTag: p.tag, Since: p.at.Major, End: true, HomeVersion: 1, Change: c,
		Tag: envelope.Tag{byte(next.Major), byte(next.Major >> 8), 7},
	}
}

func (p *peer) apply(c envelope.Change) *envelope.Record {
	p.t.Helper()
	r := p.record(c)
	in, err := p.Apply(p.t.Context(), []*envelope.Record{r})
	if err != nil || in.Position != r.Position || in.Tag != r.Tag {
		p.t.Fatalf("%T at %s: %v, the inbox is at %s", c, r.Position, err, in.Position)
	}
	p.at, p.tag = r.Position, r.Tag
	return r
}

// refused wants a record to be refused, and nothing to be written.
func (p *peer) refused(r *envelope.Record, kind fault.Kind, reason string) {
	p.t.Helper()
	before := p.s.Head()
	_, err := p.Apply(p.t.Context(), []*envelope.Record{r})
	expectErr(p.t, err, kind, reason)
	if p.s.Head() != before {
		p.t.Errorf("%s: a refused record wrote something", reason)
	}
}

// deed is an order of V11 at a height, refused unless the outcome is OK.
func deed(height uint64, outcome chain.Outcome, key string) envelope.Deed {
	d := envelope.Deed{ID: v10.TxIDAt(1_700_000_000_000+height, chain.Height(height), 3), Outcome: outcome}
	if key != "" {
		d.Request = &envelope.Request{Key: plainKeys{}.Key("", key)}
	}
	return d
}

func paid(d envelope.Deed, from, to string, units uint64) *envelope.Transfer {
	t := &envelope.Transfer{Deed: d, From: from, To: to, Asset: v10.DefaultAsset, Amount: chain.Units(units)}
	if d.Request != nil {
		d.Request.Body = plainKeys{}.Body(from, to, v10.DefaultAsset, t.Amount)
	}
	return t
}

// TestApplyEveryChange applies one of each, and reads what a V10 client sees of it, after a restart too.
func TestApplyEveryChange(t *testing.T) {
	p := startPeer(t)
	before := p.Totals()
	p.apply(paid(deed(10, chain.OK, "k1"), "alice", "bob", 400))
	p.apply(paid(deed(11, chain.InsufficientFunds, "k2"), "bob", "carol", 401))
	p.apply(&envelope.AccountOpened{Deed: deed(12, chain.OK, ""), Alias: "dave"})
	p.apply(&envelope.AccountOpened{Deed: deed(13, chain.AliasTaken, ""), Alias: "dave"})
	p.apply(&envelope.AssetCreated{Deed: deed(14, chain.OK, ""), Code: "EUR.X", Name: "Euro", Scale: 2, Issuer: "bob"})
	p.apply(&envelope.AssetCreated{Deed: deed(18, chain.OK, ""), Code: v10.DefaultAsset, Name: "Aurigraph", Scale: v10.DefaultScale, Issuer: Treasury})
	p.apply(&envelope.Issued{Deed: deed(15, chain.OK, ""), Asset: "EUR.X", Issuer: "bob", To: "erin", Amount: chain.Units(70)})
	p.apply(&envelope.Issued{Deed: deed(16, chain.OK, ""), Asset: "EUR.X", Issuer: "bob", To: "bob", Amount: chain.Units(7)})
	p.apply(&envelope.Redeemed{Deed: deed(17, chain.OK, ""), Asset: "EUR.X", Issuer: "bob", Amount: chain.Units(5)})
	p.apply(&envelope.Refusal{TimeMs: 1_700_000_000_000, Request: envelope.Request{Key: plainKeys{}.Key("", "k3"),
		Body: plainKeys{}.Body("nobody", "bob", v10.DefaultAsset, chain.Units(1))}, Outcome: chain.UnknownAccount, Reason: "unknown_account"})
	p.apply(&envelope.Block{Height: 10, TimeMs: 1_700_000_000_010, Hash: chain.Hash{1}, Previous: chain.Hash{2}, Transactions: 1, Signers: []chain.ValidatorNo{0, 2}})
	for range 2 {
		p.expectBalance("alice", 600)
		p.expectBalance("bob", 400)
		for _, name := range []string{"carol", "dave", "erin"} {
			if _, err := p.Account(name); err != nil {
				t.Error(name, err)
			}
		}
		a, err := p.Asset("EUR.X")
		if err != nil || a.Supply.Amount != chain.Units(72) || a.Issuer != "bob" || a.Scale != 2 || a.Name != "Euro" {
			t.Errorf("%+v %v", a, err)
		}
		tx, err := p.Transaction(deed(11, 0, "").ID)
		if err != nil || tx.From != "bob" || tx.To != "carol" || tx.Outcome != chain.InsufficientFunds || !tx.Other {
			t.Errorf("%+v %v", tx, err)
		}
		tx, err = p.Transaction(deed(10, 0, "").ID)
		if err != nil {
			t.Fatal(err)
		}
		if r, err := p.RoundOf(&tx); err != nil || r.Hash != (Hash{1}) || r.Number != 10 || strings.Join(r.Votes, " ") != "0 2" {
			t.Errorf("%+v %v", r, err)
		}
		after := p.Totals()
		if after.Applied != 9 || after.Transactions != before.Transactions+9 || after.Refused != before.Refused+2 || after.AppliedKeys != 3 ||
			after.Round != before.Round || after.Hash != before.Hash || after.Ms != before.Ms {
			t.Errorf("%+v, before %+v", after, before)
		}
		in, err := p.Inbox()
		if err != nil || in.Position != p.at || in.Tag != p.tag || in.Source != v11 {
			t.Errorf("%+v %v", in, err)
		}
		p.reopen()
	}
}

// TestApplyOnce sends records again: alone, with others, and after a restart. Each is applied once.
func TestApplyOnce(t *testing.T) {
	p := startPeer(t)
	first := p.apply(paid(deed(10, chain.OK, "k"), "alice", "bob", 400))
	next := p.record(paid(deed(11, chain.OK, ""), "bob", "carol", 300))
	for range 2 {
		for _, again := range [][]*envelope.Record{{first}, {first, next}, {next}, {first, next, first}} {
			if _, err := p.Apply(t.Context(), again); err != nil {
				t.Fatal(err)
			}
		}
		p.expectBalance("alice", 600)
		p.expectBalance("bob", 100)
		p.expectBalance("carol", 300)
		p.reopen()
	}
	if n := p.Totals().Applied; n != 2 {
		t.Errorf("%d applied", n)
	}
	other := *first
	other.Change = paid(deed(10, chain.OK, "k"), "alice", "bob", 401)
	p.refused(&other, fault.Conflict, ReasonDiverged)
	fork := *next
	fork.Tag = envelope.Tag{99}
	p.refused(&fork, fault.Conflict, envelope.ReasonFork)
}

func TestApplyRefusals(t *testing.T) {
	p := startPeer(t)
	home := func(r *envelope.Record) *envelope.Record { r.HomeVersion = 0; return r }
	p.apply(paid(deed(10, chain.OK, "used"), "alice", "bob", 400))
	ok := func(c envelope.Change) *envelope.Record { return p.record(c) }
	for name, test := range map[string]struct {
		record *envelope.Record
		kind   fault.Kind
		reason string
	}{
		"more than the payer has":       {ok(paid(deed(11, chain.OK, ""), "bob", "eve", 401)), fault.Conflict, ReasonUnderflow},
		"a payer who is not here":       {ok(paid(deed(11, chain.OK, ""), "nobody", "eve", 1)), fault.Conflict, ReasonUnderflow},
		"a payer at home here":          {home(ok(paid(deed(11, chain.OK, ""), "bob", "eve", 1))), fault.Conflict, ReasonNotHome},
		"a refusal to a payer at home":  {home(ok(paid(deed(11, chain.InsufficientFunds, ""), "bob", "eve", 1))), fault.Conflict, ReasonNotHome},
		"an issuer at home here":        {home(ok(&envelope.Issued{Deed: deed(11, chain.OK, ""), Asset: v10.DefaultAsset, Issuer: Treasury, To: "eve", Amount: chain.Units(1)})), fault.Conflict, ReasonNotHome},
		"an asset of one at home here":  {home(ok(&envelope.AssetCreated{Deed: deed(11, chain.OK, ""), Code: "X", Issuer: "bob"})), fault.Conflict, ReasonNotHome},
		"a fee":                         {ok(&envelope.Transfer{Deed: deed(11, chain.OK, ""), From: "bob", To: "eve", Asset: v10.DefaultAsset, Fee: chain.Units(1)}), fault.Refused, ReasonFee},
		"an asset that is not here":     {ok(&envelope.Transfer{Deed: deed(11, chain.OK, ""), From: "bob", To: "eve", Asset: "NONE"}), fault.Conflict, ReasonDiverged},
		"an asset that is here already": {ok(&envelope.AssetCreated{Deed: deed(11, chain.OK, ""), Code: v10.DefaultAsset, Issuer: "bob"}), fault.Conflict, ReasonDiverged},
		"an asset with another scale":   {ok(&envelope.AssetCreated{Deed: deed(11, chain.OK, ""), Code: v10.DefaultAsset, Name: "Aurigraph", Scale: 2, Issuer: Treasury}), fault.Conflict, ReasonDiverged},
		"another issuer":                {ok(&envelope.Redeemed{Deed: deed(11, chain.OK, ""), Asset: v10.DefaultAsset, Issuer: "bob"}), fault.Conflict, ReasonDiverged},
		"an id that is taken":           {ok(paid(deed(10, chain.OK, ""), "bob", "eve", 1)), fault.Conflict, ReasonDiverged},
		"a later home table": {func() *envelope.Record {
			r := ok(paid(deed(11, chain.OK, ""), "bob", "eve", 1))
			r.HomeVersion = 2
			return r
		}(), fault.Unavailable, ReasonHomeAhead},
		"a place behind the next": {func() *envelope.Record {
			r := ok(paid(deed(11, chain.OK, ""), "bob", "eve", 1))
			r.Previous.Minor++
			return r
		}(), fault.Conflict, ReasonInboxElsewhere},
		"another history": {func() *envelope.Record {
			r := ok(paid(deed(11, chain.OK, ""), "bob", "eve", 1))
			r.PreviousTag[0]++
			return r
		}(), fault.Conflict, envelope.ReasonFork},
		"another life": {func() *envelope.Record { r := ok(paid(deed(11, chain.OK, ""), "bob", "eve", 1)); r.Life++; return r }(), fault.Conflict, ReasonInboxTaken},
		"a heart-beat": {ok(&envelope.Heartbeat{}), fault.Invalid, "invalid"},
	} {
		t.Run(name, func(t *testing.T) {
			p.fixture.t = t
			p.refused(test.record, test.kind, test.reason)
			if _, err := p.Account("eve"); !fault.Is(err, fault.NotFound) {
				t.Error("a refused record opened an account")
			}
		})
	}
	p.fixture.t = t
	good, bad := p.record(paid(deed(11, chain.OK, ""), "bob", "eve", 1)), p.record(paid(deed(12, chain.OK, ""), "bob", "eve", 1000))
	bad.Previous, bad.PreviousTag, bad.Position.Major = good.Position, good.Tag, good.Position.Major+1
	_, err := p.Apply(t.Context(), []*envelope.Record{good, bad})
	if h, ok := AsHeld(err); !ok || h.Position != bad.Position {
		t.Errorf("the record that cannot be applied is not named: %v", err)
	}
	p.expectBalance("eve", 0)
	f := start(t, Config{})
	_, err = f.Apply(t.Context(), []*envelope.Record{good})
	expectErr(t, err, fault.Refused, ReasonInboxClosed)
}

// TestAppliedAnswers finds what V11 answered under a key, for as long as V11 promised.
func TestAppliedAnswers(t *testing.T) {
	p := startPeer(t)
	ask := func(key string, o Order) Result { o.Key = &Key{Key: key, Request: [32]byte{5}}; return p.one(o) }
	p.apply(paid(deed(10, chain.OK, "done"), "alice", "bob", 400))
	p.apply(paid(deed(11, chain.InsufficientFunds, "poor 0"), "bob", "carol", 401))
	p.apply(paid(deed(12, chain.NotHome, "elsewhere"), "alice", "bob", 1))
	p.apply(&envelope.Refusal{TimeMs: 1_700_000_000_000, Request: envelope.Request{Key: plainKeys{}.Key("", "never"),
		Body: plainKeys{}.Body("alice", "bob", v10.DefaultAsset, chain.Units(2))}, Outcome: chain.FrozenAccount})
	if r := ask("done", pay("alice", "bob", 400)); !r.Replayed || r.ID != deed(10, 0, "").ID || r.Outcome != chain.OK {
		t.Errorf("%+v", r)
	}
	item := pay("bob", "carol", 401)
	item.Key = &Key{Key: "poor", Item: 1}
	if r := p.one(item); !r.Replayed || r.Outcome != chain.InsufficientFunds {
		t.Errorf("%+v", r)
	}
	if r := ask("never", pay("alice", "bob", 2)); !r.Replayed || r.Outcome != chain.FrozenAccount || r.ID != (v10.TxID{}) {
		t.Errorf("%+v", r)
	}
	expectErr(t, ask("done", pay("alice", "bob", 1)).Err, fault.Conflict, v10.ReasonKeyReused)
	p.apply(paid(deed(20, chain.FrozenAsset, "done"), "alice", "bob", 3)) // it was crowded out at V11, and used anew
	if r := ask("done", pay("alice", "bob", 3)); !r.Replayed || r.ID != deed(20, 0, "").ID || p.Totals().AppliedKeys != 3 {
		t.Errorf("%+v", r)
	}
	if r := ask("elsewhere", pay("alice", "bob", 1)); r.Replayed || r.Outcome != chain.OK {
		t.Errorf("not_home is no last word: %+v", r)
	}
	p.expectBalance("bob", 401)
	p.pass(KeyLifeMs*time.Millisecond + time.Second)
	if r := ask("done", pay("alice", "bob", 3)); r.Replayed || r.Err != nil {
		t.Errorf("a key outlived its time: %+v", r)
	}
	p.apply(paid(deed(21, chain.OK, "stale"), "alice", "bob", 1))
	if n := p.Totals().AppliedKeys; n != 0 {
		t.Errorf("%d keys, whose time is over", n)
	}
}

func TestAppliedKeysAreBounded(t *testing.T) {
	p := startPeer(t)
	p.reopenWith(func(c *Config) { c.KeysMax = 5 })
	for i := range 20 {
		p.apply(paid(deed(uint64(10+i), chain.OK, fmt.Sprint("k", i)), "alice", "bob", 1))
	}
	if n := p.Totals().AppliedKeys; n != 5 {
		t.Errorf("%d keys are kept", n)
	}
	again := pay("alice", "bob", 1)
	again.Key = &Key{Key: "k19"}
	if r := p.one(again); !r.Replayed {
		t.Errorf("%+v", r)
	}
	again.Key = &Key{Key: "k2"}
	if r := p.one(again); r.Replayed {
		t.Errorf("%+v", r)
	}
}

func (f *fixture) reopenWith(change func(*Config)) {
	change(&f.cfg)
	f.reopen()
}

// TestListsHaveBoth mixes transactions of both ledgers, some of one time, and pages through them in steps of every size.
func TestListsHaveBoth(t *testing.T) {
	p := startPeer(t)
	var want []string // oldest first
	height := uint64(0)
	other := func(ms uint64) {
		height++
		d := envelope.Deed{ID: v10.TxIDAt(ms, chain.Height(height), uint32(height%3))}
		p.apply(paid(d, "alice", "bob", 1))
		want = append(want, d.ID.String())
	}
	own := func() uint64 {
		p.pass(time.Millisecond)
		r := p.one(pay("alice", "bob", 1))
		want = append(want, r.ID.String())
		return r.ID.Ms
	}
	for i := range 12 {
		ms := own()
		if i%3 == 0 {
			other(ms) // of one time the other ledger's is the newer
			other(ms)
		}
	}
	for _, account := range []string{"", "alice", "bob"} {
		for limit := 1; limit < 9; limit++ {
			var got []string
			q := Query{Account: account, Kind: Transfer, Limit: limit, SinceMs: 1_700_000_000_001}
			for {
				found, next, err := p.Transactions(q)
				if err != nil {
					t.Fatal(err)
				}
				for _, tx := range found {
					got = append([]string{tx.ID.String()}, got...)
				}
				if next == nil {
					break
				}
				q.Before = next
			}
			if strings.Join(got, "\n") != strings.Join(want, "\n") {
				t.Fatalf("account %q by %d:\n%s\nwant\n%s", account, limit, strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
		}
	}
}

// TestSameID has a transaction of each ledger under one id: each is kept, its own ledger's is found.
func TestSameID(t *testing.T) {
	p := startPeer(t)
	r := p.one(pay("alice", "bob", 1))
	p.apply(paid(envelope.Deed{ID: r.ID}, "alice", "bob", 2))
	p.expectBalance("bob", 3)
	tx, err := p.Transaction(r.ID)
	if err != nil || tx.Other || tx.Units.Amount != chain.Units(1) {
		t.Errorf("%+v %v", tx, err)
	}
	found, _, err := p.Transactions(Query{Account: "bob", Limit: 10})
	if err != nil || len(found) != 2 || !found[0].Other || found[1].Other {
		t.Errorf("%+v %v", found, err)
	}
}

func TestHomes(t *testing.T) {
	f := start(t, Config{})
	move := func(version uint64, from, to uint16, other bool) []Move { return []Move{{version, from, to, other}} }
	slot := SlotOf("alice")
	for _, step := range []struct {
		moves  []Move
		kind   fault.Kind
		reason string
	}{
		{nil, fault.Invalid, "invalid"},
		{move(1, 5, 4, true), fault.Invalid, "invalid"},
		{move(1, 0, chain.SlotsMax, true), fault.Invalid, "invalid"},
		{append(move(1, 0, 1, true), move(2, 3, 4, true)...), fault.Invalid, "invalid"},
		{move(1, slot, slot, true), 0, ""},
		{move(3, 0, 9, true), fault.Conflict, ReasonHomeVersion},
		{move(1, slot, slot, true), 0, ""}, // told again
		{move(1, slot, slot, false), fault.Conflict, ReasonHomeVersion},
		{move(2, 0, chain.SlotsMax-1, false), 0, ""},
		{move(1, slot, slot, true), fault.Conflict, ReasonHomeVersion},
	} {
		err := f.MoveHomes(t.Context(), step.moves)
		if step.reason == "" && err == nil {
			continue
		}
		expectErr(t, err, step.kind, step.reason)
	}
	later := start(t, Config{})
	if err := later.MoveHomes(t.Context(), move(7, 0, 9, true)); err != nil {
		t.Error("the other ledger's table began before:", err)
	}
	f.reopen()
	h, err := f.Homes()
	if err != nil || h.Version != 2 || f.Totals().HomeVersion != 2 {
		t.Fatal(h, err)
	}
	for version, want := range []bool{false, true, false} {
		if got, err := h.other(slot, uint64(version)); err != nil || got != want {
			t.Errorf("version %d: %v %v", version, got, err)
		}
		if got, _ := h.other(SlotOf("bob"), uint64(version)); got {
			t.Errorf("version %d: the slot of bob was never moved", version)
		}
	}
	_, err = h.other(slot, 3)
	expectErr(t, err, fault.Unavailable, ReasonHomeAhead)
}

// TestNamedHomes: who has a slot of its own may be debited by the other ledger if that slot is its, whatever its hash's is.
func TestNamedHomes(t *testing.T) {
	named := map[string]uint16{"alice": chain.SlotsMax, "carol": chain.SlotsMax + 1}
	f := start(t, Config{Named: named})
	last := chain.SlotsMax + 1
	expectErr(t, f.MoveHomes(t.Context(), []Move{{1, 0, uint16(last + 1), true}}), fault.Invalid, "invalid")
	moves := []Move{{1, 0, chain.SlotsMax - 1, true}, {1, SlotOf("alice"), SlotOf("alice"), false}, {1, chain.SlotsMax, chain.SlotsMax, true}}
	if err := f.MoveHomes(t.Context(), moves); err != nil {
		t.Fatal(err)
	}
	h, err := f.Homes()
	if err != nil {
		t.Fatal(err)
	}
	a := &application{rounding: f.newRounding(f.Totals()), homes: h}
	r := &envelope.Record{HomeVersion: 1}
	for name, may := range map[string]bool{"alice": true, "carol": false, "bob": true} {
		if err := a.home(r, name); (err == nil) != may || err != nil && fault.ReasonOf(err) != ReasonNotHome {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestInboxOpens(t *testing.T) {
	f := start(t, Config{})
	first := Inbox{Source: v11, Position: envelope.EndOf(4), Tag: envelope.Tag{1}}
	_, err := f.Inbox()
	expectErr(t, err, fault.Refused, ReasonInboxClosed)
	expectErr(t, f.OpenInbox(t.Context(), Inbox{}), fault.Invalid, envelope.ReasonMalformed)
	for range 2 {
		if err := f.OpenInbox(t.Context(), first); err != nil {
			t.Fatal(err)
		}
	}
	other, next := first, first
	other.Source.Ledger[0]++
	expectErr(t, f.OpenInbox(t.Context(), other), fault.Conflict, ReasonInboxTaken)
	next.Source.Life, next.Source.Incarnation, next.Position = 2, envelope.Incarnation{9}, envelope.EndOf(2)
	if err := f.OpenInbox(t.Context(), next); err != nil {
		t.Fatal(err)
	}
	expectErr(t, f.OpenInbox(t.Context(), first), fault.Conflict, ReasonInboxTaken)
	f.reopen()
	if in, err := f.Inbox(); err != nil || in != next {
		t.Errorf("%+v %v", in, err)
	}
}
