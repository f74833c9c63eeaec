// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"crypto/ed25519"
	"testing"

	"pgregory.net/rapid"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/keys"
	"github.com/aurigraph/aurigraph/internal/pages"
)

var guardKey = ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))

// move is a move of one slot to V11 under a fence of a guard at a position.
func moveToV11(l *Ledger, slot uint16, at chain.SyncPosition, guard ed25519.PrivateKey) *chain.MoveSlots {
	slots := []chain.SlotRange{{From: slot, To: slot}}
	f := chain.Fence{Incarnation: l.Inbox().Incarnation, HomeVersion: l.HomeVersion(), Slots: slots, Position: at}
	return &chain.MoveSlots{
		ToV11: true, HomeVersion: f.HomeVersion, Slots: slots, Position: at,
		Fence: ed25519.Sign(guard, keys.FenceMessage(testChain, codec.FenceHash(&f))),
	}
}

func moveToV10(l *Ledger, slot uint16) *chain.MoveSlots {
	return &chain.MoveSlots{HomeVersion: l.HomeVersion(), Slots: []chain.SlotRange{{From: slot, To: slot}}}
}

func setGuard(t *testing.T, gov *client, mover chain.KeyNo) {
	t.Helper()
	code, _, _ := gov.tx(1, &chain.SetMover{Mover: mover, Guard: [32]byte(guardKey.Public().(ed25519.PublicKey))})
	want(t, code, chain.OK)
}

// TestMove takes a slot from V10 and gives it back, with what each side may debit meanwhile.
func TestMove(t *testing.T) {
	l := start(t, smallGenesis())
	gov, _, _ := clients(l)
	f := openInbox(t, l, gov)
	f.at.Major = 1
	setGuard(t, gov, 0)
	f.applies(paid(theirs, ours, note, 1), chain.OK, chain.OK)
	payment := &chain.Transfer{To: ours, Asset: note, Amount: units(1)}
	tries := func(expected chain.Outcome) {
		t.Helper()
		code, _, _ := gov.tx(theirs, payment)
		want(t, code, expected)
	}
	tries(chain.NotHome)

	code, _, id := gov.tx(1, moveToV11(l, 10, f.at, guardKey))
	want(t, code, chain.OK)
	if made, ok := l.HomeMove(2); l.HomeVersion() != 2 || l.OwnedByV10(10) || !ok || made.Tx != id || made.Height != l.Height() {
		t.Fatalf("version %d, V10 owns it: %v, made by %v (%v)", l.HomeVersion(), l.OwnedByV10(10), made, ok)
	}
	tries(chain.OK)
	f.applies(paid(theirs, ours, note, 1), chain.OK, chain.NotHome) // behind the fence: a leak
	f.applies(paid(5, theirs, note, 1), chain.OK, chain.NotAuthorized)

	code, _, _ = gov.tx(1, moveToV10(l, 10))
	want(t, code, chain.OK)
	tries(chain.NotHome)
	f.applies(paid(theirs, ours, note, 1), chain.OK, chain.NotHome) // executed at version 1, before V10 owned it again
	codes, _ := f.sendAs(chain.BatchHeader{Institution: 1, Key: 1}, chain.SyncHead{Life: 1, Previous: l.Inbox().Position, HomeVersion: 3}, f.change(paid(theirs, ours, note, 1), chain.OK))
	want(t, codes[0], chain.OK)
	f.applies(paid(7, theirs, coin, 1), chain.OK, chain.NotHome) // this side's slot all the time
}

// TestMoveRefused moves nothing.
func TestMoveRefused(t *testing.T) {
	_, stranger, _ := ed25519.GenerateKey(nil)
	for _, c := range []struct {
		name string
		want chain.Outcome
		make func(l *Ledger, f *feed) chain.Body
	}{
		{"no guard's signature", chain.BadFence, func(l *Ledger, f *feed) chain.Body { return moveToV11(l, 10, f.at, stranger) }},
		{"another position", chain.BadFence, func(l *Ledger, f *feed) chain.Body {
			m := moveToV11(l, 10, f.at, guardKey)
			m.Position.Minor--
			return m
		}},
		{"other slots", chain.BadFence, func(l *Ledger, f *feed) chain.Body {
			m := moveToV11(l, 10, f.at, guardKey)
			m.Slots = []chain.SlotRange{{From: 10, To: 11}}
			return m
		}},
		{"another version's fence", chain.HomesMoved, func(l *Ledger, f *feed) chain.Body {
			m := moveToV11(l, 10, f.at, guardKey)
			l.meta.Mut(0).HomeVersion++
			return m
		}},
		{"a fence that is not applied", chain.SyncBehind, func(l *Ledger, f *feed) chain.Body {
			at := f.at
			at.Minor++
			return moveToV11(l, 10, at, guardKey)
		}},
		{"V10 of another life", chain.BadFence, func(l *Ledger, f *feed) chain.Body {
			m := moveToV11(l, 10, f.at, guardKey)
			l.inbox.Mut(0).Incarnation[0]++
			return m
		}},
		{"V10's slot to V10", chain.NotHome, func(l *Ledger, _ *feed) chain.Body { return moveToV10(l, 10) }},
		{"this side's slot to this side", chain.NotHome, func(l *Ledger, f *feed) chain.Body { return moveToV11(l, 20, f.at, guardKey) }},
		{"a frozen slot", chain.FrozenSlot, func(l *Ledger, f *feed) chain.Body { l.freezeSlot(10, true); return moveToV11(l, 10, f.at, guardKey) }},
		{"an abort of what is not V10's", chain.NotHome, func(*Ledger, *feed) chain.Body {
			return &chain.AbortMove{HomeVersion: 1, Slots: []chain.SlotRange{{From: 20, To: 20}}}
		}},
		{"when the migration is over", chain.InboxClosed, func(l *Ledger, f *feed) chain.Body { l.meta.Mut(0).MigrationOpen = 0; return moveToV10(l, 20) }},
		{"no ranges", chain.BadField, func(*Ledger, *feed) chain.Body { return &chain.AbortMove{HomeVersion: 1} }},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := start(t, smallGenesis())
			gov, bank, _ := clients(l)
			f := openInbox(t, l, gov)
			f.at.Major = 1
			setGuard(t, gov, 0)
			f.applies(paid(theirs, ours, note, 1), chain.OK, chain.OK)
			body := c.make(l, f)
			version := l.HomeVersion()
			code, _, _ := bank.tx(2, body)
			want(t, code, chain.NotAuthorized)
			code, _, _ = gov.tx(1, body)
			want(t, code, c.want)
			if l.HomeVersion() != version || !l.OwnedByV10(10) || l.OwnedByV10(20) {
				t.Error("something moved")
			}
		})
	}
}

// TestAbortMove makes a fence stale, and moves nothing.
func TestAbortMove(t *testing.T) {
	l := start(t, smallGenesis())
	gov, _, _ := clients(l)
	f := openInbox(t, l, gov)
	f.at.Major = 1
	setGuard(t, gov, 0)
	f.applies(paid(theirs, ours, note, 1), chain.OK, chain.OK)
	fenced := moveToV11(l, 10, f.at, guardKey)
	code, _, _ := gov.tx(1, &chain.AbortMove{HomeVersion: 1, Slots: fenced.Slots})
	want(t, code, chain.OK)
	code, _, _ = gov.tx(1, fenced)
	want(t, code, chain.HomesMoved)
	f.applies(paid(theirs, ours, note, 1), chain.OK, chain.OK) // V10 goes on, at the old version too
}

// TestMover moves with a delegated key of its own, and with no other.
func TestMover(t *testing.T) {
	l := start(t, smallGenesis())
	gov, _, _ := clients(l)
	f := openInbox(t, l, gov)
	f.at.Major = 1
	var made [2]uint32
	for i := range made {
		code, no, _ := gov.tx(1, &chain.AddDelegate{PublicKey: publicKey(1, uint32(70+i))})
		want(t, code, chain.OK)
		made[i] = no
	}
	setGuard(t, gov, chain.KeyNo(made[0]))
	f.applies(paid(theirs, ours, note, 1), chain.OK, chain.OK)
	other, mover := &client{l: l, key: chain.KeyNo(made[1]), nonce: 20}, &client{l: l, key: chain.KeyNo(made[0]), nonce: 40}
	code, _, _ := other.tx(1, moveToV11(l, 10, f.at, guardKey))
	want(t, code, chain.NotAuthorized)
	code, _, _ = mover.tx(1, &chain.SetMover{})
	want(t, code, chain.NotAuthorized)
	code, _, _ = mover.tx(1, moveToV11(l, 10, f.at, guardKey))
	want(t, code, chain.OK)
	code, _, _ = gov.tx(1, &chain.SetMover{Mover: 9999})
	want(t, code, chain.UnknownKey)
	code, _, _ = gov.tx(1, &chain.SetMover{})
	want(t, code, chain.OK)
	code, _, _ = mover.tx(1, moveToV10(l, 10))
	want(t, code, chain.NotAuthorized)
}

// TestHomeVersionBefore finds the version that each block began with, whatever was moved at which heights.
func TestHomeVersionBefore(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := New(pages.NewSpace(), testAddress)
		if err := l.InitGenesis(smallGenesis()); err != nil {
			t.Fatal(err)
		}
		began := []uint64{}
		for h := range chain.Height(rapid.IntRange(1, 30).Draw(t, "blocks")) {
			began = append(began, l.HomeVersion())
			l.meta.Mut(0).Height = h
			for range rapid.IntRange(0, 2).Draw(t, "moves") {
				l.nextHome(chain.Hash{byte(h)})
			}
		}
		for h, v := range began {
			if got := l.HomeVersionBefore(chain.Height(h)); got != v {
				t.Fatalf("block %d began with version %d, not %d", h, v, got)
			}
		}
		if err := l.attachMoves(); err != nil {
			t.Fatal(err)
		}
	})
}

// TestSealToV10 gives V10 every slot behind the last block of an epoch, by one more version that no transaction made; what V10 owned keeps the
// version with which it got it.
func TestSealToV10(t *testing.T) {
	l := start(t, signingGenesis(4))
	gov, _, _ := clients(l)
	f := openInbox(t, l, gov)
	f.at.Major = 1
	setGuard(t, gov, 0)
	f.applies(paid(theirs, ours, note, 1), chain.OK, chain.OK)
	code, _, _ := gov.tx(1, moveToV11(l, 10, f.at, guardKey))
	want(t, code, chain.OK)
	l.freezeSlot(20, true)
	genesis := l.ownedByV10(11)
	l.EndBlock()

	members := l.Membership()
	members.Epoch++
	if err := l.ApplySeal(members, chain.VerdictToV10); err != nil {
		t.Fatal(err)
	}
	made, ok := l.HomeMove(3)
	if l.HomeVersion() != 3 || l.SealedVersion(chain.VerdictToV10) != 3 || l.SealedVersion(chain.VerdictUnchanged) != 0 || !ok || made != (HomeMove{Height: l.Height()}) {
		t.Errorf("version %d, made by %+v", l.HomeVersion(), made)
	}
	if before, behind := l.HomeVersionBefore(l.Height()), l.HomeVersionBefore(l.Height()+1); before != 1 || behind != 3 {
		t.Errorf("the last block began with version %d, the one behind it with %d", before, behind)
	}
	for slot := range uint16(chain.SlotNone) {
		if !l.OwnedByV10(slot) {
			t.Fatalf("V10 does not own slot %d", slot)
		}
	}
	if !genesis || !l.ownedSince(11, 1) || l.ownedSince(10, 2) || !l.ownedSince(10, 3) || l.ownedSince(20, 2) || l.OwnedByV10(chain.SlotNone) {
		t.Error("not each slot is V10's since it got it")
	}
	clone(t, l)

	l.BeginBlock(l.Height()+1, l.TimeUs()+1)
	code, _, _ = gov.tx(theirs, &chain.Transfer{To: ours, Asset: note, Amount: units(1)})
	want(t, code, chain.NotHome)
	f.applies(paid(theirs, ours, note, 1), chain.OK, chain.NotHome) // executed before V10 owned it again
	codes, _ := f.sendAs(chain.BatchHeader{Institution: 1, Key: 1}, chain.SyncHead{Life: 1, Previous: l.Inbox().Position, HomeVersion: 3}, f.change(paid(theirs, ours, note, 1), chain.OK))
	want(t, codes[0], chain.OK)
	code, _, _ = gov.tx(1, moveToV11(l, 10, f.at, guardKey)) // and to V11 once more
	want(t, code, chain.OK)
}

// TestSealToV10Refused changes nothing where no slot can become V10's.
func TestSealToV10Refused(t *testing.T) {
	for name, spoil := range map[string]func(l *Ledger){
		"the migration is over":               func(l *Ledger) { l.meta.Mut(0).MigrationOpen = 0 },
		"the table is full but for the close": func(l *Ledger) { l.meta.Mut(0).HomeVersion = genesisHomeVersion + chain.HomeMovesMax - 1 },
	} {
		l := start(t, signingGenesis(4))
		l.EndBlock()
		spoil(l)
		before, members := root(l), l.Membership()
		members.Epoch++
		if err := l.ApplySeal(members, chain.VerdictToV10); !fault.Is(err, fault.Conflict) || fault.ReasonOf(err) != chain.ReasonNoWayBack || root(l) != before {
			t.Errorf("%s: %v", name, err)
		}
		version := l.HomeVersion()
		if err := l.ApplySeal(members, chain.VerdictUnchanged); err != nil || l.HomeVersion() != version {
			t.Errorf("%s, sealed without that verdict: %v", name, err)
		}
	}
}
