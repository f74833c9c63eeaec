// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"testing"

	"github.com/aurigraph/aurigraph/internal/chain"
)

// movedAll is a ledger that owns all slots, and has all that V10 said.
func movedAll(t *testing.T) (l *Ledger, gov, bank *client, f *feed) {
	t.Helper()
	l = start(t, smallGenesis())
	gov, bank, _ = clients(l)
	f = openInbox(t, l, gov)
	f.at.Major = 1
	setGuard(t, gov, 0)
	f.applies(paid(theirs, ours, note, 1), chain.OK, chain.OK)
	for slot := uint16(10); slot <= 12; slot++ {
		code, _, _ := gov.tx(1, moveToV11(l, slot, f.at, guardKey))
		want(t, code, chain.OK)
	}
	f.applies(chain.Leg{Kind: chain.LegBarrier, Amount: units(1)}, chain.OK, chain.OK)
	return l, gov, bank, f
}

func closing(l *Ledger, f *feed) *chain.CloseMigration {
	return &chain.CloseMigration{HomeVersion: l.HomeVersion(), Life: 1, Position: f.at}
}

// TestClose frees what was bound to portable accounts, and ends inbox and moves for ever.
func TestClose(t *testing.T) {
	l, gov, bank, f := movedAll(t)
	native, held := paid(theirs, 3, note, 1), chain.Leg{Kind: chain.LegHold, From: theirs, To: ours, Asset: note, Amount: units(1), Arg: 9}
	portable := &chain.CreateAsset{Code: "FREE", Name: "Free", Flags: chain.AssetPortable}
	tries := func(expected chain.Outcome) {
		t.Helper()
		want(t, gov.run(t, 0, native)[0], expected)
		want(t, gov.run(t, 0, held)[0], expected)
		code, _, _ := bank.tx(2, portable)
		want(t, code, expected)
	}
	tries(chain.NotPortable)
	if height, closed := l.Closed(); closed {
		t.Fatalf("closed at %d", height)
	}

	next(l)
	code, _, id := gov.tx(1, closing(l, f))
	want(t, code, chain.OK)
	height, closed := l.Closed()
	if made, ok := l.HomeMove(l.HomeVersion()); !closed || height != l.Height() || !ok || made != (HomeMove{Tx: id, Height: height}) || l.HomeVersion() != 5 || l.MigrationOpen() {
		t.Fatalf("closed %v at %d, version %d made by %+v", closed, height, l.HomeVersion(), made)
	}
	tries(chain.OK)
	want(t, gov.run(t, 0, paid(3, theirs, note, 1))[0], chain.OK) // and back
	want(t, gov.run(t, 0, paid(ours, theirs, note, 1))[0], chain.OK)

	next(l)
	before := root(l)
	codes, final := f.sendAs(chain.BatchHeader{Institution: 1, Key: 1}, chain.SyncHead{Life: 1, Previous: l.Inbox().Position, HomeVersion: 1}, f.change(paid(theirs, ours, note, 1), chain.OK))
	want(t, codes[0], chain.InboxClosed)
	if final || root(l) != before {
		t.Errorf("final %v, or a change of V10's changed something", final)
	}
	homes := l.V10Homes()
	inbox := l.Inbox()
	for _, body := range []chain.Body{
		closing(l, f),
		moveToV10(l, 20),
		moveToV11(l, 10, inbox.Position, guardKey),
		&chain.AbortMove{HomeVersion: l.HomeVersion(), Slots: []chain.SlotRange{{From: 10, To: 10}}},
		&chain.SkipSync{Life: 1, Position: f.at, Slot: 20},
		&chain.OpenInbox{Ledger: inbox.Ledger, Incarnation: inbox.Incarnation, Life: 2, Institution: 1, Key: 1},
	} {
		code, _, _ := gov.tx(1, body)
		want(t, code, chain.InboxClosed)
	}
	if l.V10Homes() != homes || l.Inbox() != inbox || l.HomeVersion() != 5 || l.SlotFrozen(20) {
		t.Error("something of V10's changed after the close")
	}
	code, _, _ = gov.tx(1, &chain.FreezeSlot{Slot: 20, Frozen: true}) // a person may still have to look
	want(t, code, chain.OK)
	want(t, gov.run(t, 0, paid(ours, theirs, note, 1))[0], chain.FrozenSlot)

	l.EndBlock()
	twin := clone(t, l)
	if at, closed := twin.Closed(); root(twin) != root(l) || !closed || at != height {
		t.Errorf("a copy was closed at %d, %v, and has root %v", at, closed, root(twin))
	}
	twin.BeginBlock(twin.Height()+1, twin.TimeUs()+1)
	l.BeginBlock(l.Height()+1, l.TimeUs()+1)
	if !twin.hot[note].plain || !l.hot[note].plain {
		t.Error("a freed asset does not take the short way")
	}
	for _, x := range []*Ledger{l, twin} { // with and without the derived tables of before
		c := &client{l: x, institution: 1, key: 1, nonce: 900}
		want(t, c.run(t, 0, paid(3, 1, note, 1), paid(3, 1, note, 1), native)[2], chain.OK)
		x.EndBlock()
	}
	if root(l) != root(twin) {
		t.Error("a copy went another way")
	}
}

// TestCloseRefused closes nothing while there is a way back, or something of V10's that is not here.
func TestCloseRefused(t *testing.T) {
	for _, c := range []struct {
		name string
		want chain.Outcome
		make func(l *Ledger, f *feed, gov *client) *chain.CloseMigration
	}{
		{"another version", chain.HomesMoved, func(l *Ledger, f *feed, _ *client) *chain.CloseMigration {
			b := closing(l, f)
			b.HomeVersion--
			return b
		}},
		{"a slot of V10's", chain.NotHome, func(l *Ledger, f *feed, gov *client) *chain.CloseMigration {
			gov.tx(1, moveToV10(l, 20))
			return closing(l, f)
		}},
		{"a cohort of V10's", chain.NotHome, func(l *Ledger, f *feed, gov *client) *chain.CloseMigration {
			gov.tx(1, moveToV10(l, chain.SlotNone-1))
			return closing(l, f)
		}},
		{"V10's newest change is not here", chain.SyncBehind, func(l *Ledger, f *feed, _ *client) *chain.CloseMigration {
			b := closing(l, f)
			b.Position.Minor++
			return b
		}},
		{"what leaked past a fence is held", chain.SyncBehind, func(l *Ledger, f *feed, _ *client) *chain.CloseMigration {
			head := f.at
			head.Minor += 2
			f.applies(paid(theirs, ours, note, 1), chain.OK, chain.NotHome)
			b := closing(l, f)
			b.Position = head
			return b
		}},
		{"another life of V10", chain.InboxClosed, func(l *Ledger, f *feed, _ *client) *chain.CloseMigration {
			b := closing(l, f)
			b.Life++
			return b
		}},
		{"no life of V10", chain.InboxClosed, func(l *Ledger, _ *feed, _ *client) *chain.CloseMigration {
			return &chain.CloseMigration{HomeVersion: l.HomeVersion()}
		}},
		{"a copy is under way", chain.SyncBehind, func(l *Ledger, _ *feed, gov *client) *chain.CloseMigration {
			again := opened()
			again.Life, again.Position = 2, chain.CopyBegin()
			gov.tx(1, again)
			return &chain.CloseMigration{HomeVersion: l.HomeVersion(), Life: 2}
		}},
		{"no version is left", chain.LimitReached, func(l *Ledger, f *feed, _ *client) *chain.CloseMigration {
			l.meta.Mut(0).HomeVersion = genesisHomeVersion + chain.HomeMovesMax
			return closing(l, f)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			l, gov, bank, f := movedAll(t)
			body := c.make(l, f, gov)
			version := l.HomeVersion()
			code, _, _ := bank.tx(2, body)
			want(t, code, chain.NotAuthorized)
			code, _, _ = gov.tx(1, body)
			want(t, code, c.want)
			if _, closed := l.Closed(); closed || l.HomeVersion() != version {
				t.Error("it was closed")
			}
			want(t, gov.run(t, 0, paid(ours, 3, coin, 1))[0], chain.NotPortable)
		})
	}
}

// TestCloseIsGovernances: the mover's key moves all slots, and closes nothing.
func TestCloseIsGovernances(t *testing.T) {
	l, gov, _, f := movedAll(t)
	code, no, _ := gov.tx(1, &chain.AddDelegate{PublicKey: publicKey(1, 70)})
	want(t, code, chain.OK)
	setGuard(t, gov, chain.KeyNo(no))
	mover := &client{l: l, key: chain.KeyNo(no), nonce: 40}
	code, _, _ = mover.tx(1, closing(l, f))
	want(t, code, chain.NotAuthorized)
	code, _, _ = mover.tx(1, moveToV10(l, 10))
	want(t, code, chain.OK)
}

// TestCloseLast: the last version of a home table is left for the close.
func TestCloseLast(t *testing.T) {
	l, gov, _, f := movedAll(t)
	l.meta.Mut(0).HomeVersion = genesisHomeVersion + chain.HomeMovesMax - 1
	code, _, _ := gov.tx(1, moveToV10(l, 10))
	want(t, code, chain.LimitReached)
	code, _, _ = gov.tx(1, closing(l, f))
	want(t, code, chain.OK)
}

// TestCloseWithoutV10: a migration that never began can be closed, and one that never was cannot.
func TestCloseWithoutV10(t *testing.T) {
	l := start(t, smallGenesis())
	gov, _, _ := clients(l)
	body := &chain.CloseMigration{HomeVersion: 1}
	code, _, _ := gov.tx(1, body)
	want(t, code, chain.NotHome) // V10 owns slots from the beginning
	for slot := uint16(10); slot <= 12; slot++ {
		l.setHome(slot, false)
	}
	code, _, _ = gov.tx(1, body)
	want(t, code, chain.OK)

	none := smallGenesis()
	none.V10Slots = nil
	l = start(t, none)
	gov, _, _ = clients(l)
	code, _, _ = gov.tx(1, body)
	want(t, code, chain.InboxClosed)
	if height, closed := l.Closed(); closed {
		t.Errorf("what never was open was closed at %d", height)
	}
}
