// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/aurigraph/aurigraph/internal/chain"
)

// openCopy opens the inbox for the initial copy, for a ledger in which V10 does not own all slots.
func openCopy(t *testing.T, l *Ledger, gov *client) *feed {
	t.Helper()
	b := opened()
	b.Position = chain.CopyBegin()
	code, _, _ := gov.tx(1, b)
	want(t, code, chain.OK)
	return &feed{t: t, l: l, at: b.Position}
}

func copied(no chain.AccountNo, n byte) chain.Leg {
	a := chain.OpenedAccount{Number: no, Tag: chain.Hash{0xC0, n}, Address: chain.Address{1, 2, n, 19: 7}, Slot: 4000 + uint16(n)}
	return a.Leg()
}

// end is the barrier with which a copy ends.
func (f *feed) end(tag chain.Hash) []chain.Leg {
	f.at = chain.CopyEnd(70)
	o := chain.SyncOrigin{Position: f.at, Tag: tag}
	return []chain.Leg{{Kind: chain.LegBarrier, Amount: units(3)}, o.Leg()}
}

// TestInboxCopies makes what only a copy makes, while it is under way and not after.
func TestInboxCopies(t *testing.T) {
	l := start(t, smallGenesis())
	gov, _, _ := clients(l)
	f := openCopy(t, l, gov)
	next := chain.AccountNo(l.Counts().Accounts + 1)
	chunk := chain.HistoryChunk{Family: chain.ChunkTransactions, Number: 1, Rows: 65_536, Sum: 9, Digest: chain.Hash{5}}
	noted := chain.Leg{Kind: chain.LegNoted, Arg: chain.LegKeyed, Reference: chain.KeyedReference(keyOf(1), [16]byte{3})}
	other := noted
	other.Reference = chain.KeyedReference(keyOf(2), [16]byte{3})
	with := func(l chain.Leg, change func(*chain.Leg)) chain.Leg { change(&l); return l }
	cases := []struct {
		name     string
		leg      chain.Leg
		outcome  chain.Outcome
		expected chain.Outcome
	}{
		{"another number", copied(next+1, 1), chain.OK, chain.Diverged},
		{"an account", copied(next, 1), chain.OK, chain.OK},
		{"it again", copied(next+1, 1), chain.OK, chain.AliasTaken},
		{"its address", with(copied(next+1, 1), func(l *chain.Leg) { l.Reference[5] = 1 }), chain.OK, chain.AddressTaken},
		{"no tag", with(copied(next+1, 2), func(l *chain.Leg) { l.Reference = [32]byte{} }), chain.OK, chain.BadField},
		{"no address", with(copied(next+1, 2), func(l *chain.Leg) { l.From, l.Amount = 0, units(0) }), chain.OK, chain.BadField},
		{"no slot", with(copied(next+1, 2), func(l *chain.Leg) { l.Arg = uint32(chain.SlotNone) }), chain.OK, chain.BadField},
		{"more than a slot", with(copied(next+1, 2), func(l *chain.Leg) { l.Arg = 1 << 16 }), chain.OK, chain.BadField},
		{"an asset in it", with(copied(next+1, 2), func(l *chain.Leg) { l.Asset = 1 }), chain.OK, chain.BadField},
		{"an account that V10 refused", copied(next+1, 2), chain.BadField, chain.BadOrigin},
		{"another account", copied(next+1, 2), chain.OK, chain.OK},
		{"its money", chain.Leg{Kind: chain.LegIssue, From: theirs, To: next, Asset: note, Amount: units(7)}, chain.OK, chain.OK},
		{"money of an issuer that is here", chain.Leg{Kind: chain.LegIssue, From: ours, To: next, Asset: coin, Amount: units(5)}, chain.OK, chain.OK},
		{"money of who issues it not", chain.Leg{Kind: chain.LegIssue, From: ours, To: next, Asset: note, Amount: units(5)}, chain.OK, chain.NotAuthorized},
		{"redeeming here", chain.Leg{Kind: chain.LegRedeem, From: ours, Asset: coin, Amount: units(5)}, chain.OK, chain.NotHome},
		{"a chunk", chunk.Leg(), chain.OK, chain.OK},
		{"a chunk of no family", with(chunk.Leg(), func(l *chain.Leg) { l.Arg = 3 }), chain.OK, chain.BadField},
		{"an empty chunk", with(chunk.Leg(), func(l *chain.Leg) { l.Amount.Lo = 0 }), chain.OK, chain.BadField},
		{"too large a chunk", with(chunk.Leg(), func(l *chain.Leg) { l.Amount.Lo++ }), chain.OK, chain.BadField},
		{"a chunk without a number", with(chunk.Leg(), func(l *chain.Leg) { l.From = 0 }), chain.OK, chain.BadField},
		{"a chunk without a digest", with(chunk.Leg(), func(l *chain.Leg) { l.Reference = [32]byte{} }), chain.OK, chain.BadField},
		{"a paid key", noted, chain.OK, chain.OK},
		{"the same key", noted, chain.OK, chain.Diverged},
		{"a refused key", other, chain.InsufficientFunds, chain.OK},
		{"a key without a last word", other, chain.NotHome, chain.BadOrigin},
		{"no key", with(noted, func(l *chain.Leg) { l.Arg = 0 }), chain.OK, chain.BadField},
	}
	for _, c := range cases {
		f.applies(c.leg, c.outcome, c.expected)
		if t.Failed() {
			t.Fatal(c.name)
		}
	}
	f.ends(cases[len(cases)-6].leg, next)
}

// ends ends a copy, of which nothing is taken any more.
func (f *feed) ends(chunk chain.Leg, first chain.AccountNo) {
	t, l := f.t, f.l
	t.Helper()
	tail := f.at
	for _, early := range [][]chain.Leg{
		f.end(chain.Hash{1}), // a barrier of V10's own
		{{Kind: chain.LegRound, Amount: units(4)}, (&chain.SyncOrigin{Position: chain.CopyEnd(70)}).Leg()},
		{{Kind: chain.LegBarrier, Amount: units(4)}, (&chain.SyncOrigin{Position: chain.SyncPosition{Major: 70, Minor: math.MaxUint32 - 1}}).Leg()},
	} {
		if codes, _ := f.send(early); codes[0] != chain.BadOrigin || l.Inbox().Position != tail {
			t.Fatal(codes, l.Inbox())
		}
	}
	codes, _ := f.send(f.end(chain.Hash{}))
	want(t, codes[0], chain.OK)
	if in := l.Inbox(); in.Position != chain.CopyEnd(70) || !in.Tag.IsZero() || in.Barrier != 3 {
		t.Fatalf("%+v", in)
	}
	f.at = chain.SyncPosition{Major: 71}
	for name, leg := range map[string]chain.Leg{
		"an account": copied(first+2, 3), "a chunk": chunk,
		"a key": {Kind: chain.LegNoted, Arg: chain.LegKeyed, Reference: chain.KeyedReference(keyOf(3), [16]byte{3})},
	} {
		if f.applies(leg, 0, chain.BadKind); t.Failed() {
			t.Fatal(name)
		}
	}
	f.applies(chain.Leg{Kind: chain.LegIssue, From: ours, To: theirs, Asset: coin, Amount: units(7)}, 0, chain.NotHome)
	f.applies(chain.Leg{Kind: chain.LegRound, Amount: units(4)}, 0, chain.OK)
	a, ok := l.Account(first)
	if !ok || a.Custodian != 1 || a.Slot != 4001 || a.Alias != (chain.Hash{0xC0, 1}) || a.Address != (chain.Address{1, 2, 1, 19: 7}) || l.Balance(first, note) != units(7) {
		t.Errorf("%+v", a)
	}
	for n, outcome := range map[uint64]chain.Outcome{1: chain.OK, 2: chain.InsufficientFunds} {
		if v, ok := l.Keyed(1, keyOf(n)); !ok || v.Outcome != outcome {
			t.Error(n, v, ok)
		}
	}
	l.EndBlock()
	if root(clone(t, l)) != root(l) {
		t.Error("a copy has another root")
	}
}

// TestNobodyElseCopies: a sync that began without a copy has nothing of one.
func TestNobodyElseCopies(t *testing.T) {
	l := start(t, smallGenesis())
	gov, bank, _ := clients(l)
	f := openInbox(t, l, gov)
	f.at = chain.SyncPosition{Major: 1}
	f.applies(paid(theirs, ours, note, 1), 0, chain.OK)
	leg := copied(chain.AccountNo(l.Counts().Accounts+1), 1)
	f.applies(leg, 0, chain.BadKind)
	if codes := bank.run(t, 0, leg); codes[0] != chain.BadKind {
		t.Error("a plain batch opens", codes)
	}
}

// TestCopyOnce brings a copy in pieces that overlap, are repeated, cut short and out of place: each account is there once, with its
// money.
func TestCopyOnce(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 30 {
		l := start(t, smallGenesis())
		gov, _, _ := clients(l)
		f := openCopy(t, l, gov)
		first := chain.AccountNo(l.Counts().Accounts + 1)
		var all [][]chain.Leg
		n := 1 + r.IntN(20)
		for i := range n {
			all = append(all, f.change(copied(first+chain.AccountNo(i), byte(i)), 0))
		}
		for i := range n {
			all = append(all, f.change(chain.Leg{Kind: chain.LegIssue, From: theirs, To: first + chain.AccountNo(i), Asset: note, Amount: units(uint64(i) + 1)}, 0))
		}
		all = append(all, f.end(chain.Hash{}))
		for done := 0; done < len(all); {
			from := r.IntN(len(all))
			if r.IntN(3) == 0 {
				from = done
			}
			to := from + 1 + r.IntN(len(all)-from)
			head := chain.SyncHead{Life: 1, HomeVersion: 1, Previous: chain.SyncPosition{Minor: uint32(from) + 1}}
			if _, final := f.sendAs(chain.BatchHeader{Institution: 1, Key: 1}, head, all[from:to]...); final != (from == done) {
				t.Fatalf("%d changes from %d on, with %d applied: %v", to-from, from, done, final)
			}
			if from == done {
				done = to
			}
		}
		if got := l.Counts().Accounts; got != uint32(first)+uint32(n)-1 || l.Inbox().Applied != uint64(len(all)) || l.Inbox().Position != chain.CopyEnd(70) {
			t.Fatalf("%d accounts, %+v", got, l.Inbox())
		}
		for i := range n {
			if got := l.Balance(first+chain.AccountNo(i), note); got != units(uint64(i)+1) {
				t.Fatal(i, got)
			}
		}
		l.EndBlock()
	}
}

// TestCopyWords: what a change of a copy says is read as it was written.
func TestCopyWords(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for range 1000 {
		a := chain.OpenedAccount{Number: chain.AccountNo(r.Uint32()), Slot: uint16(r.Uint32())}
		c := chain.HistoryChunk{Family: 1 + r.Uint32N(2), Number: 1 + r.Uint64N(math.MaxUint64), Rows: 1 + r.Uint64N(chain.ChunkRowsMax), Sum: r.Uint64()}
		for i := range a.Tag {
			a.Tag[i], c.Digest[i] = byte(r.Uint32()), byte(1+r.Uint32N(255))
		}
		for i := range a.Address {
			a.Address[i] = byte(r.Uint32())
		}
		for _, leg := range []chain.Leg{a.Leg(), c.Leg()} {
			raw := make([]byte, chain.LegBytes)
			chain.PutLeg(raw, leg)
			back := chain.ReadLeg(raw)
			gotA, isA := back.Opens()
			gotC, isC := back.Chunk()
			if isA == isC || isA && gotA != a || isC && gotC != c {
				t.Fatal(fmt.Sprint(isA, gotA, a, isC, gotC, c))
			}
		}
	}
}
