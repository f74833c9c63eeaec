// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"crypto/sha256"
	"fmt"
	"reflect"
	"slices"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/keys"
	"github.com/aurigraph/aurigraph/internal/pages"
)

// validatorKeys are fixed keys that sign; making one takes a while.
var validatorKeys = sync.OnceValue(func() (list [12]validatorKey) {
	for i := range list {
		header, err := keys.FromSeed(keys.Ed25519, sha256.Sum256(fmt.Appendf(nil, "header %d", i)))
		fault.Invariant(err == nil, "%v", err)
		root, err := keys.FromSeed(keys.MLDSA65, sha256.Sum256(fmt.Appendf(nil, "root %d", i)))
		fault.Invariant(err == nil, "%v", err)
		list[i] = validatorKey{header, header.Public().Bytes()[1:], root.Public().Bytes()[1:]}
	}
	return list
})

type validatorKey struct {
	header           keys.Signer
	ed25519, mldsa65 chain.HexBytes
}

// signingGenesis is smallGenesis with n validators, whose keys are the first ones.
func signingGenesis(n int) *chain.Genesis {
	g := smallGenesis()
	g.Validators = nil
	for i := range n {
		k := validatorKeys()[i]
		g.Validators = append(g.Validators, chain.GenesisValidator{Name: fmt.Sprint("v", i), Ed25519: k.ed25519, MLDSA65: k.mldsa65})
	}
	return g
}

// admission of a validator under key number key, or its re-key.
func admission(e chain.Epoch, v chain.ValidatorNo, key int) *chain.ChangeValidator {
	k := validatorKeys()[key]
	return &chain.ChangeValidator{Epoch: e, Validator: v, Name: fmt.Sprint("v", key), Ed25519: k.ed25519, MLDSA65: k.mldsa65}
}

// approve lets members sign a change, under the keys that the present membership has of them.
func approve(t interface{ Fatal(...any) }, m *chain.Membership, b *chain.ChangeValidator, by ...chain.ValidatorNo) *chain.ChangeValidator {
	msg := keys.ChangeMessage(testChain, codec.ChangeHash(b))
	b.Approvals = nil
	for _, v := range by {
		all := validatorKeys()
		i := slices.IndexFunc(all[:], func(k validatorKey) bool { return reflect.DeepEqual(k.ed25519, m.Find(v).Ed25519) })
		sig, err := all[i].header.Sign(msg)
		if err != nil {
			t.Fatal(err)
		}
		b.Approvals = append(b.Approvals, chain.Approval{Validator: v, Signature: sig})
	}
	return b
}

func TestChangeValidatorOutcomes(t *testing.T) {
	quorum := []chain.ValidatorNo{0, 1, 3}
	approved := func(b *chain.ChangeValidator) func(*Ledger) *chain.ChangeValidator {
		return func(l *Ledger) *chain.ChangeValidator { return approve(t, l.Membership(), b, quorum...) }
	}
	// changed alters a change after its approval.
	changed := func(by func(b *chain.ChangeValidator)) func(*Ledger) *chain.ChangeValidator {
		return func(l *Ledger) *chain.ChangeValidator {
			b := approve(t, l.Membership(), admission(1, 4, 4), quorum...)
			by(b)
			return b
		}
	}
	unusable := admission(1, 4, 4)
	unusable.Ed25519 = make(chain.HexBytes, 32)
	for name, c := range map[string]struct {
		body func(l *Ledger) *chain.ChangeValidator
		want chain.Outcome
	}{
		"admission":             {approved(admission(1, 4, 4)), chain.OK},
		"re-key":                {approved(admission(1, 2, 4)), chain.OK},
		"removal":               {approved(&chain.ChangeValidator{Epoch: 1, Validator: 2}), chain.OK},
		"wrong epoch":           {approved(admission(2, 4, 4)), chain.WrongEpoch},
		"number left out":       {approved(admission(1, 5, 4)), chain.UnknownValidator},
		"removal of nobody":     {approved(&chain.ChangeValidator{Epoch: 1, Validator: 4}), chain.UnknownValidator},
		"number 64":             {approved(admission(1, 64, 4)), chain.ValidatorLimit},
		"key of a member":       {approved(admission(1, 4, 2)), chain.ValidatorKeyTaken},
		"epoch 0":               {approved(admission(0, 4, 4)), chain.BadField},
		"unusable key":          {approved(unusable), chain.BadField},
		"no approvals":          {changed(func(b *chain.ChangeValidator) { b.Approvals = nil }), chain.NotApproved},
		"one approval too few":  {changed(func(b *chain.ChangeValidator) { b.Approvals = b.Approvals[1:] }), chain.NotApproved},
		"approval of no member": {changed(func(b *chain.ChangeValidator) { b.Approvals[2].Validator = 4 }), chain.NotApproved},
		"approval of another":   {changed(func(b *chain.ChangeValidator) { b.Approvals[1].Validator = 2 }), chain.NotApproved},
		"approval twice":        {changed(func(b *chain.ChangeValidator) { b.Approvals[1] = b.Approvals[0] }), chain.BadField},
		"approved otherwise":    {changed(func(b *chain.ChangeValidator) { b.Name = "w" }), chain.NotApproved},
		"approval of a tx": {func(l *Ledger) *chain.ChangeValidator {
			b := admission(1, 4, 4)
			for _, v := range quorum {
				sig, err := validatorKeys()[v].header.Sign(keys.TxMessage(testChain, codec.ChangeHash(b)))
				if err != nil {
					t.Fatal(err)
				}
				b.Approvals = append(b.Approvals, chain.Approval{Validator: v, Signature: sig})
			}
			return b
		}, chain.NotApproved},
	} {
		l := start(t, signingGenesis(4))
		gov, _, _ := clients(l)
		code, result, _ := gov.tx(1, c.body(l))
		if code != c.want || result != 0 {
			t.Errorf("%s: %v, %d, want %v", name, code, result, c.want)
		}
		if next(l); l.Membership().Epoch != 1+chain.Epoch(map[bool]int{true: 1}[code == chain.OK]) {
			t.Errorf("%s: epoch %d after %v", name, l.Membership().Epoch, code)
		}
	}
	l := start(t, signingGenesis(4))
	_, bank, self := clients(l)
	for _, who := range []*client{bank, self} {
		sender := map[*client]chain.AccountNo{bank: 2, self: 5}[who]
		if code, _, _ := who.tx(sender, approve(t, l.Membership(), admission(1, 4, 4), quorum...)); code != chain.NotAuthorized {
			t.Errorf("account %d changes the membership: %v", sender, code)
		}
	}
	alone := start(t, signingGenesis(1))
	gov, _, _ := clients(alone)
	code, _, _ := gov.tx(1, approve(t, alone.Membership(), &chain.ChangeValidator{Epoch: 1}, 0))
	want(t, code, chain.LastValidator)
}

// TestChangeEndsTheEpoch: the old membership is in force to the end of the block, the new one from then on.
func TestChangeEndsTheEpoch(t *testing.T) {
	l := start(t, signingGenesis(4))
	gov, _, _ := clients(l)
	for v := range chain.ValidatorNo(4) {
		l.AdvanceLane(chain.LaneEntry{Validator: v, JoinEpoch: 1, Sequence: 1}, chain.Hash{byte(v), 1})
	}
	before := l.Membership()
	code, _, _ := gov.tx(1, approve(t, before, admission(1, 2, 4), 0, 1, 2))
	want(t, code, chain.OK)
	if !reflect.DeepEqual(l.Membership(), before) || l.Ended() {
		t.Error("the membership changed within the block")
	}
	l.AdvanceLane(chain.LaneEntry{Validator: 2, JoinEpoch: 1, Sequence: 2, Parent: chain.Hash{2, 1}}, chain.Hash{2, 2})
	code, _, _ = gov.tx(1, approve(t, before, &chain.ChangeValidator{Epoch: 1, Validator: 3}, 0, 1, 2))
	want(t, code, chain.EpochEnding)
	l.EndBlock()
	k := validatorKeys()[4]
	expect := &chain.Membership{Epoch: 2, Members: slices.Clone(before.Members)}
	expect.Members[2] = chain.Member{No: 2, JoinEpoch: 2, Name: "v4", Ed25519: k.ed25519, MLDSA65: k.mldsa65}
	if got := l.Membership(); !reflect.DeepEqual(got, expect) || !l.Ended() {
		t.Errorf("ended %v: %+v, want %+v", l.Ended(), got, expect)
	}
	for v, at := range []laneRecord{{1, 1, chain.Hash{0, 1}}, {1, 1, chain.Hash{1, 1}}, {JoinEpoch: 2}, {1, 1, chain.Hash{3, 1}}} {
		if e, n, tip := l.Lane(chain.ValidatorNo(v)); (laneRecord{e, n, tip}) != at {
			t.Errorf("lane %d stands at epoch %d, %d, %s", v, e, n, tip)
		}
	}
	breaks(t, func() {
		l.AdvanceLane(chain.LaneEntry{Validator: 2, JoinEpoch: 1, Sequence: 3, Parent: chain.Hash{2, 2}}, chain.Hash{9})
	})
	if l.BeginBlock(2, 20); l.Ended() {
		t.Error("a block that has just begun ended its epoch")
	}
	// The approvals of before are worth nothing now, and neither is what the re-keyed validator signs with its old key.
	code, _, _ = gov.tx(1, approve(t, before, admission(1, 3, 5), 0, 1, 3))
	want(t, code, chain.WrongEpoch)
	code, _, _ = gov.tx(1, approve(t, before, admission(2, 3, 5), 0, 1, 2))
	want(t, code, chain.NotApproved)
	code, _, _ = gov.tx(1, approve(t, l.Membership(), admission(2, 3, 5), 0, 1, 2))
	want(t, code, chain.OK)
}

// TestRemovedLeavesNothing: after the highest numbers are removed their records are as if nobody had had them, and the
// lane of who is admitted again begins anew.
func TestRemovedLeavesNothing(t *testing.T) {
	l := start(t, signingGenesis(4))
	gov, _, _ := clients(l)
	e := chain.LaneEntry{Validator: 3, JoinEpoch: 1, Sequence: 1}
	l.AdvanceLane(e, chain.Hash{3})
	for i, v := range []chain.ValidatorNo{2, 3} {
		code, _, _ := gov.tx(1, approve(t, l.Membership(), &chain.ChangeValidator{Epoch: chain.Epoch(i + 1), Validator: v}, 0, 1, 3))
		want(t, code, chain.OK)
		next(l)
	}
	if n := l.meta.Ref(0).Validators; n != 2 || *l.validators.Ref(3) != (validatorRecord{}) || *l.lanes.Ref(3) != (laneRecord{}) {
		t.Errorf("%d numbers, something is left of 3", n)
	}
	breaks(t, func() { l.AdvanceLane(e, chain.Hash{3}) })
	breaks(t, func() { l.AdvanceLane(chain.LaneEntry{Validator: 2}, chain.Hash{3}) })
}

func TestApplySeal(t *testing.T) {
	for name, change := range map[string]func(next *chain.Membership){
		"an epoch left out": func(n *chain.Membership) { n.Epoch++ },
		"lane of who stays": func(n *chain.Membership) { n.Members[0].JoinEpoch = 2 },
		"lane of who joins": func(n *chain.Membership) { n.Members[1].Ed25519 = validatorKeys()[9].ed25519 },
		"nobody":            func(n *chain.Membership) { n.Members = nil },
		"shared key":        func(n *chain.Membership) { n.Members[0].Ed25519, n.Members[0].JoinEpoch = n.Members[1].Ed25519, 2 },
		"unusable key":      func(n *chain.Membership) { n.Members[0].Ed25519, n.Members[0].JoinEpoch = make(chain.HexBytes, 32), 2 },
	} {
		l := start(t, signingGenesis(4))
		l.EndBlock()
		before := root(l)
		m := l.Membership()
		m.Epoch++
		change(m)
		if err := l.ApplySeal(m, chain.VerdictUnchanged); !fault.Is(err, fault.Invalid) || fault.ReasonOf(err) != "membership" || root(l) != before {
			t.Errorf("%s: %v", name, err)
		}
	}
	l := start(t, signingGenesis(4))
	l.AdvanceLane(chain.LaneEntry{Validator: 0, JoinEpoch: 1, Sequence: 1}, chain.Hash{1})
	l.EndBlock()
	m := l.Membership()
	k := validatorKeys()[7]
	m.Epoch, m.Members = 2, append(m.Members[:3:3], chain.Member{No: 5, JoinEpoch: 2, Name: "v5", Ed25519: k.ed25519, MLDSA65: k.mldsa65})
	before := root(l)
	if err := l.ApplySeal(m, chain.VerdictUnchanged); err != nil || !reflect.DeepEqual(l.Membership(), m) || root(l) == before {
		t.Fatalf("%v: %+v", err, l.Membership())
	}
	if e, n, _ := l.Lane(0); e != 1 || n != 1 {
		t.Errorf("the lane of who stays stands at %d of epoch %d", n, e)
	}
	if e, _, _ := l.Lane(3); e != 0 {
		t.Error("who left has a lane")
	}
	if clone(t, l); l.Ended() {
		t.Error("a seal is not a block")
	}
}

// TestMembershipAgainstModel runs random changes, possible and not, by blocks and by seals, against members by number in a
// map. Attach and Recount of a copy follow each epoch.
func TestMembershipAgainstModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := New(copyPages(t, fourValidators().space), testAddress)
		if err := l.Attach(); err != nil {
			t.Fatal(err)
		}
		d := &memberDraw{T: t, epoch: 1, members: map[chain.ValidatorNo]modelMember{0: {1, 0}, 1: {1, 1}, 2: {1, 2}, 3: {1, 3}}}
		gov, _, _ := clients(l)
		for range rapid.IntRange(1, 12).Draw(t, "blocks") {
			l.BeginBlock(l.Height()+1, l.TimeUs()+1)
			supply := l.Balance(1, 1)
			d.block(gov)
			if d.ends != l.Ended() || l.Balance(1, 1) != supply {
				t.Fatalf("ended %v, the model says %v", l.Ended(), d.ends)
			}
			d.compare(l)
			l = clone(t, l)
			gov.l = l
		}
	})
}

// fourValidators is a ledger of four validators at height 0.
var fourValidators = sync.OnceValue(func() *Ledger {
	l := New(pages.NewSpace(), testAddress)
	fault.Invariant(l.InitGenesis(signingGenesis(4)) == nil, "the genesis does not execute")
	return l
})

type modelMember struct {
	joined chain.Epoch
	key    int
}

type memberDraw struct {
	*rapid.T
	epoch   chain.Epoch
	members map[chain.ValidatorNo]modelMember
	ends    bool
}

// block executes a few changes, of which one at most is possible.
func (d *memberDraw) block(gov *client) {
	d.ends = false
	var next map[chain.ValidatorNo]modelMember
	for range rapid.IntRange(0, 3).Draw(d.T, "changes") {
		v := chain.ValidatorNo(rapid.IntRange(0, 6).Draw(d.T, "validator"))
		key := rapid.IntRange(-3, 9).Draw(d.T, "key")
		b := &chain.ChangeValidator{Epoch: d.epoch, Validator: v}
		if key >= 0 {
			b = admission(d.epoch, v, key)
		}
		code, _, _ := gov.tx(1, approve(d, gov.l.Membership(), b, d.numbers()...))
		possible := d.possible(v, key)
		if (code == chain.OK) != (possible && !d.ends) {
			d.Fatalf("validator %d, key %d: %v; possible in the model: %v", v, key, code, possible)
		}
		if code == chain.OK {
			d.ends, next = true, d.after(v, key)
		}
	}
	gov.l.EndBlock()
	if d.ends {
		d.epoch, d.members = d.epoch+1, next
	}
}

func (d *memberDraw) numbers() (list []chain.ValidatorNo) {
	for v := range d.members {
		list = append(list, v)
	}
	slices.Sort(list)
	return list
}

func (d *memberDraw) possible(v chain.ValidatorNo, key int) bool {
	_, there := d.members[v]
	if key < 0 {
		return there && len(d.members) > 1
	}
	for _, m := range d.members {
		if m.key == key {
			return false
		}
	}
	return v <= slices.Max(d.numbers())+1
}

func (d *memberDraw) after(v chain.ValidatorNo, key int) map[chain.ValidatorNo]modelMember {
	next := map[chain.ValidatorNo]modelMember{}
	for no, m := range d.members {
		next[no] = m
	}
	delete(next, v)
	if key >= 0 {
		next[v] = modelMember{d.epoch + 1, key}
	}
	return next
}

func (d *memberDraw) compare(l *Ledger) {
	want := &chain.Membership{Epoch: d.epoch}
	for _, v := range d.numbers() {
		m := d.members[v]
		x := admission(0, v, m.key)
		want.Members = append(want.Members, chain.Member{No: v, JoinEpoch: m.joined, Name: x.Name, Ed25519: x.Ed25519, MLDSA65: x.MLDSA65})
	}
	if got := l.Membership(); !reflect.DeepEqual(got, want) || got.Validate() != nil {
		d.Fatalf("%+v, the model says %+v", got, want)
	}
	for v := range chain.ValidatorNo(10) {
		if e, _, _ := l.Lane(v); e != d.members[v].joined {
			d.Fatalf("lane %d began in epoch %d", v, e)
		}
	}
}
