// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"math/rand/v2"
	"testing"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
)

// The accounts and assets of smallGenesis that a change can name: of account 6 V10 is the home, of account 7 this ledger.
const (
	theirs, ours = chain.AccountNo(6), chain.AccountNo(7)
	note, coin   = chain.AssetNo(3), chain.AssetNo(5)
)

// feed brings V10's changes, as institution 1 with key 1.
type feed struct {
	t  *testing.T
	l  *Ledger
	at chain.SyncPosition
	no uint64 // of the newest change; its tag
}

func opened() *chain.OpenInbox {
	return &chain.OpenInbox{Ledger: chain.Hash{1}, Incarnation: [16]byte{2}, Life: 1, Institution: 1, Key: 1}
}

func openInbox(t *testing.T, l *Ledger, gov *client) *feed {
	t.Helper()
	code, _, _ := gov.tx(1, opened())
	want(t, code, chain.OK)
	return &feed{t: t, l: l}
}

// change is a change behind the last one that was made, and its origin.
func (f *feed) change(leg chain.Leg, outcome chain.Outcome) []chain.Leg {
	f.no++
	f.at.Minor++
	o := chain.SyncOrigin{Position: f.at, Outcome: outcome, TimeMs: 1000 + f.no, Height: f.no, Tag: chain.Hash{9, byte(f.no), byte(f.no >> 8)}}
	return []chain.Leg{leg, o.Leg()}
}

// send runs changes as one batch that begins where the inbox is.
func (f *feed) send(changes ...[]chain.Leg) ([]chain.Outcome, bool) {
	f.t.Helper()
	return f.sendAs(chain.BatchHeader{Institution: 1, Key: 1}, chain.SyncHead{Life: 1, Previous: f.l.Inbox().Position, HomeVersion: 1}, changes...)
}

func (f *feed) sendAs(h chain.BatchHeader, head chain.SyncHead, changes ...[]chain.Leg) ([]chain.Outcome, bool) {
	f.t.Helper()
	var legs []chain.Leg
	for _, c := range changes {
		legs = append(legs, c...)
	}
	h.Chain, h.ValidUntil, h.Sequence = testChain, f.l.Height(), f.l.Channel(h.Institution, 0)+1
	b, err := chain.NewSyncBatch(h, head, legs)
	if err != nil {
		f.t.Fatal(err)
	}
	codes := make([]chain.Outcome, b.Len())
	_, final := f.l.RunBatch(b, codec.Sum(b.Bytes()), 0, codes)
	out := make([]chain.Outcome, 0, len(changes))
	for i := 0; i < len(codes); i += chain.SyncRecordLegs {
		if codes[i] != codes[i+1] {
			f.t.Errorf("change %d: %v and %v", i/2, codes[i], codes[i+1])
		}
		out = append(out, codes[i])
	}
	return out, final
}

// applies wants one change to have an outcome.
func (f *feed) applies(leg chain.Leg, outcome, expected chain.Outcome) {
	f.t.Helper()
	before := f.l.Inbox()
	codes, final := f.send(f.change(leg, outcome))
	want(f.t, codes[0], expected)
	moved := f.l.Inbox() != before
	if !final || moved != (expected == chain.OK) {
		f.t.Errorf("final %v, and the inbox went on: %v", final, moved)
	}
	if expected != chain.OK { // the next one takes its place
		f.at.Minor--
		f.no--
	}
}

func paid(from, to chain.AccountNo, asset chain.AssetNo, amount uint64) chain.Leg {
	return chain.Leg{From: from, To: to, Asset: asset, Amount: units(amount)}
}

// TestInbox applies what V10 decided, and nothing that it may not decide.
func TestInbox(t *testing.T) {
	l := start(t, smallGenesis())
	gov, bank, _ := clients(l)
	f := openInbox(t, l, gov)
	f.at.Major = 1 // there was no copy
	keyed := paid(theirs, ours, note, 5)
	keyed.Arg, keyed.Reference = chain.LegKeyed, chain.KeyedReference(keyOf(1), [16]byte{3})
	refused := keyed
	refused.Kind, refused.Reference = chain.LegRefused, chain.KeyedReference(keyOf(2), [16]byte{3})
	noKey := keyed
	noKey.Reference = [32]byte{}
	for _, c := range []struct {
		name     string
		leg      chain.Leg
		outcome  chain.Outcome // V10's
		expected chain.Outcome
	}{
		{"a transfer", paid(theirs, ours, note, 10), chain.OK, chain.OK},
		{"another home", paid(ours, theirs, note, 1), chain.OK, chain.NotHome},
		{"a native asset", paid(theirs, ours, 2, 1), chain.OK, chain.NotHome},
		{"a native account", paid(3, ours, note, 1), chain.OK, chain.NotHome},
		{"another custodian's", paid(4, ours, note, 1), chain.OK, chain.NotAuthorized},
		{"a native payee", paid(theirs, 3, note, 1), chain.OK, chain.NotPortable},
		{"no payee", paid(theirs, 999, note, 1), chain.OK, chain.UnknownAccount},
		{"no asset", paid(theirs, ours, 99, 1), chain.OK, chain.UnknownAsset},
		{"nothing", paid(theirs, ours, note, 0), chain.OK, chain.BadField},
		{"more than there is", paid(theirs, ours, note, 1000), chain.OK, chain.InsufficientFunds},
		{"an unknown argument", chain.Leg{From: theirs, To: ours, Asset: note, Amount: units(1), Arg: 2}, chain.OK, chain.BadField},
		{"a hold", chain.Leg{Kind: chain.LegHold, From: theirs, To: ours, Asset: note, Amount: units(1), Arg: 9}, chain.OK, chain.BadKind},
		{"under a key", keyed, chain.OK, chain.OK},
		{"under the same key", keyed, chain.OK, chain.Diverged},
		{"under no key", noKey, chain.OK, chain.BadField},
		{"a refusal", refused, chain.InsufficientFunds, chain.OK},
		{"the same refusal", refused, chain.InsufficientFunds, chain.Diverged},
		{"a refusal that is none", refused, chain.OK, chain.BadOrigin},
		{"a refusal that is not the last word", chain.Leg{Kind: chain.LegRefused}, chain.NotHome, chain.BadOrigin},
		{"a refusal without a key", chain.Leg{Kind: chain.LegRefused, From: theirs}, chain.UnknownAccount, chain.OK},
		{"a transfer that was refused", paid(theirs, ours, note, 1), chain.InsufficientFunds, chain.BadOrigin},
		{"an unknown outcome", chain.Leg{Kind: chain.LegRefused}, 250, chain.BadOrigin},
		{"an issue", chain.Leg{Kind: chain.LegIssue, From: theirs, To: ours, Asset: note, Amount: units(7)}, chain.OK, chain.OK},
		{"an issue of ours", chain.Leg{Kind: chain.LegIssue, From: ours, To: theirs, Asset: coin, Amount: units(7)}, chain.OK, chain.NotHome},
		{"an issue by who is not the issuer", chain.Leg{Kind: chain.LegIssue, From: ours, To: theirs, Asset: note, Amount: units(7)}, chain.OK, chain.NotAuthorized},
		{"an issue to nobody", chain.Leg{Kind: chain.LegIssue, From: theirs, To: 999, Asset: note, Amount: units(7)}, chain.OK, chain.UnknownAccount},
		{"a redemption", chain.Leg{Kind: chain.LegRedeem, From: theirs, Asset: note, Amount: units(2)}, chain.OK, chain.OK},
		{"too large a redemption", chain.Leg{Kind: chain.LegRedeem, From: theirs, Asset: note, Amount: units(2000)}, chain.OK, chain.InsufficientFunds},
		{"an account", chain.Leg{Kind: chain.LegOpened, Reference: [32]byte{2}}, chain.OK, chain.OK},
		{"an account that is not here", chain.Leg{Kind: chain.LegOpened, Reference: [32]byte{77}}, chain.OK, chain.UnknownAccount},
		{"an asset", chain.Leg{Kind: chain.LegAsset, Asset: note, From: theirs}, chain.OK, chain.OK},
		{"an asset of another scale", chain.Leg{Kind: chain.LegAsset, Asset: note, From: theirs, Arg: 2}, chain.OK, chain.Diverged},
		{"an asset that is not portable", chain.Leg{Kind: chain.LegAsset, Asset: 2, From: 1}, chain.OK, chain.Diverged},
		{"a round", chain.Leg{Kind: chain.LegRound, Amount: units(4)}, chain.OK, chain.OK},
		{"the same round", chain.Leg{Kind: chain.LegRound, Amount: units(4)}, chain.OK, chain.Diverged},
		{"a barrier", chain.Leg{Kind: chain.LegBarrier, Amount: units(2)}, chain.OK, chain.OK},
		{"an older barrier", chain.Leg{Kind: chain.LegBarrier, Amount: units(1)}, chain.OK, chain.Diverged},
		{"an origin", (&chain.SyncOrigin{}).Leg(), chain.OK, chain.BadKind},
	} {
		f.applies(c.leg, c.outcome, c.expected)
		if t.Failed() {
			t.Fatal(c.name)
		}
	}
	if l.Balance(theirs, note) != units(1000-10-5-2) || l.Balance(ours, note) != units(1000+10+5+7) {
		t.Error(l.Balance(theirs, note), l.Balance(ours, note))
	}
	if v, ok := l.Keyed(1, keyOf(2)); !ok || v.Outcome != chain.InsufficientFunds {
		t.Error(v, ok)
	}
	if codes := bank.run(t, 0, chain.Leg{Kind: chain.LegIssue, From: theirs, To: ours, Asset: note, Amount: units(7)}); codes[0] != chain.BadKind {
		t.Error("a plain batch issues", codes)
	}
	in := l.Inbox()
	if in.Applied != 10 || in.Round != 4 || in.Barrier != 2 || in.Position != f.at {
		t.Errorf("%+v, at %v", in, f.at)
	}
	l.EndBlock() // asserts that no money came or went
	if root(clone(t, l)) != root(l) {
		t.Error("a copy has another root")
	}
}

// TestInboxIsHeld: what cannot be applied holds all that is behind it, and governance alone passes over it.
func TestInboxIsHeld(t *testing.T) {
	l := start(t, smallGenesis())
	gov, bank, _ := clients(l)
	f := openInbox(t, l, gov)
	codes, _ := f.send(f.change(paid(theirs, ours, note, 1), 0), f.change(paid(theirs, ours, note, 5000), 0), f.change(paid(theirs, ours, note, 1), 0))
	if codes[0] != chain.OK || codes[1] != chain.InsufficientFunds || codes[2] != chain.InboxHeld {
		t.Fatal(codes)
	}
	at := l.Inbox().Position
	if at.Minor != 1 || l.Balance(ours, note) != units(1001) {
		t.Fatal(at, l.Balance(ours, note))
	}
	skip := &chain.SkipSync{Life: 1, Position: chain.SyncPosition{Minor: 2}, Tag: chain.Hash{9, 2}, Slot: 20}
	code, _, _ := bank.tx(2, skip)
	want(t, code, chain.NotAuthorized)
	for _, c := range []struct {
		body     chain.SkipSync
		expected chain.Outcome
	}{
		{chain.SkipSync{Life: 2, Position: skip.Position, Slot: 20}, chain.InboxClosed},
		{chain.SkipSync{Life: 1, Position: at, Slot: 20}, chain.InboxElsewhere},
		{*skip, chain.OK},
		{*skip, chain.InboxElsewhere},
	} {
		code, _, _ := gov.tx(1, &c.body)
		want(t, code, c.expected)
	}
	codes = gov.run(t, 0, paid(ours, theirs, coin, 1))
	want(t, codes[0], chain.FrozenSlot)
	if !l.SlotFrozen(20) || l.SlotFrozen(21) || l.Inbox().Skipped != 1 {
		t.Errorf("%+v", l.Inbox())
	}
	code, _, _ = bank.tx(2, &chain.FreezeSlot{Slot: 20})
	want(t, code, chain.NotAuthorized)
	code, _, _ = gov.tx(1, &chain.FreezeSlot{Slot: chain.SlotNone})
	want(t, code, chain.BadField)
	code, _, _ = gov.tx(1, &chain.FreezeSlot{Slot: 20})
	want(t, code, chain.OK)
	want(t, gov.run(t, 0, paid(ours, theirs, coin, 1))[0], chain.OK)
	f.at, f.no = l.Inbox().Position, 2
	f.applies(paid(theirs, ours, note, 1), 0, chain.OK)
}

// TestInboxDoor: a batch of another signer, another life or another place is refused whole and uses nothing up.
func TestInboxDoor(t *testing.T) {
	l := start(t, smallGenesis())
	gov, _, _ := clients(l)
	f := &feed{t: t, l: l}
	change := f.change(paid(theirs, ours, note, 1), 0)
	refused := func(h chain.BatchHeader, head chain.SyncHead, expected chain.Outcome) {
		t.Helper()
		before := root(l)
		codes, final := f.sendAs(h, head, change)
		want(t, codes[0], expected)
		if final || root(l) != before {
			t.Errorf("final %v, or something changed", final)
		}
	}
	own, head := chain.BatchHeader{Institution: 1, Key: 1}, chain.SyncHead{Life: 1, HomeVersion: 1}
	refused(own, head, chain.InboxClosed) // it was never opened
	for _, c := range []struct {
		by       chain.InstitutionNo
		change   func(*chain.OpenInbox)
		expected chain.Outcome
	}{
		{2, func(*chain.OpenInbox) {}, chain.NotAuthorized},
		{1, func(b *chain.OpenInbox) { b.Life = 0 }, chain.BadField},
		{1, func(b *chain.OpenInbox) { b.Life = 2 }, chain.InboxElsewhere},
		{1, func(b *chain.OpenInbox) { b.Institution = 9 }, chain.UnknownInstitution},
		{1, func(b *chain.OpenInbox) { b.Key = 99 }, chain.UnknownKey},
		{1, func(b *chain.OpenInbox) { b.Key = 3 }, chain.NotAuthorized}, // institution 2's
		{1, func(*chain.OpenInbox) {}, chain.OK},
	} {
		b := opened()
		c.change(b)
		by := gov
		if c.by != 1 {
			by = &client{l: l, institution: c.by, key: 3, nonce: 50}
		}
		code, _, _ := by.tx(chain.AccountNo(c.by), b)
		want(t, code, c.expected)
	}
	refused(chain.BatchHeader{Institution: 1, Key: 2}, head, chain.InboxClosed)
	refused(chain.BatchHeader{Institution: 2, Key: 3}, head, chain.InboxClosed)
	refused(own, chain.SyncHead{Life: 2, HomeVersion: 1}, chain.InboxClosed)
	refused(own, chain.SyncHead{Life: 1, HomeVersion: 2}, chain.NotHome)
	refused(own, chain.SyncHead{Life: 1}, chain.NotHome)
	refused(own, chain.SyncHead{Life: 1, HomeVersion: 1, Previous: chain.SyncPosition{Minor: 1}}, chain.InboxElsewhere)
	if codes, final := f.sendAs(own, head, change); codes[0] != chain.OK || !final {
		t.Fatal(codes)
	}
	refused(own, head, chain.InboxElsewhere) // a second time

	// Another signer; then another life, which begins where governance says.
	b := opened()
	b.Key, b.Position, b.Tag = 2, l.Inbox().Position, l.Inbox().Tag
	code, _, _ := gov.tx(1, b)
	want(t, code, chain.OK)
	b.Tag = chain.Hash{5}
	code, _, _ = gov.tx(1, b)
	want(t, code, chain.InboxElsewhere)
	b = opened()
	b.Life, b.Incarnation, b.Position = 2, [16]byte{7}, chain.SyncPosition{Major: 70}
	code, _, _ = gov.tx(1, b)
	want(t, code, chain.OK)
	if in := l.Inbox(); in.Life != 2 || in.Position.Major != 70 || in.Applied != 1 || in.Incarnation != b.Incarnation {
		t.Errorf("%+v", in)
	}
	l.EndBlock()
	if root(clone(t, l)) != root(l) {
		t.Error("a copy has another root")
	}
	closed := smallGenesis()
	closed.V10Slots = nil
	l = start(t, closed)
	gov, _, _ = clients(l)
	code, _, _ = gov.tx(1, opened())
	want(t, code, chain.InboxClosed)
}

// TestInboxOnce brings a stream of changes in pieces that overlap, are repeated, cut short and out of place: each is applied once.
func TestInboxOnce(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 50 {
		l := start(t, smallGenesis())
		gov, _, _ := clients(l)
		f := openInbox(t, l, gov)
		var all [][]chain.Leg
		sum := uint64(0)
		for range 40 {
			amount := 1 + r.Uint64N(9)
			sum += amount
			all = append(all, f.change(paid(theirs, ours, note, amount), 0))
		}
		for done := 0; done < len(all); {
			from := r.IntN(len(all))
			if r.IntN(3) == 0 {
				from = done
			}
			to := from + 1 + r.IntN(len(all)-from)
			head := chain.SyncHead{Life: 1, HomeVersion: 1, Previous: chain.SyncPosition{Minor: uint32(from)}}
			codes, final := f.sendAs(chain.BatchHeader{Institution: 1, Key: 1}, head, all[from:to]...)
			if final != (from == done) {
				t.Fatalf("%d changes from %d on, with %d applied: %v", to-from, from, done, codes)
			}
			if final {
				done = to
			}
		}
		if in := l.Inbox(); in.Applied != 40 || l.Balance(ours, note) != units(1000+sum) || l.Balance(theirs, note) != units(1000-sum) {
			t.Fatalf("%+v, %v", in, l.Balance(ours, note))
		}
		l.EndBlock()
	}
}
