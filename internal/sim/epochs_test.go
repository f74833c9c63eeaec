// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"slices"
	"testing"

	"github.com/aurigraph/aurigraph/internal/certify"
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
)

// changingWorld is a network of the first seed whose membership changes, and that nobody seals.
func changingWorld(t *testing.T, r *Runner) *world {
	t.Helper()
	for seed := uint64(1); seed < 100; seed++ {
		if w := newWorld(Options{Seed: seed}, &r.slabs); w.office != nil && w.drill == nil && w.size == 4 && w.places > 4 {
			return w
		}
	}
	t.Fatal("no membership changes")
	return nil
}

// ended is the end of the first epoch by a change, signed by some.
func ended(w *world, height chain.Height, b *chain.ChangeValidator, by ...chain.ValidatorNo) *chain.ProvedHandover {
	next := w.members.Changed(b)
	h := &chain.ExecutedHeader{Chain: simChain, Epoch: simEpoch, Height: height, RootAt: height, StateRoot: chain.Hash{7}, Next: codec.MembershipHash(next)}
	hash := codec.HeaderHash(h)
	c := &chain.Certificate{Epoch: simEpoch, Height: height, Header: hash}
	for _, v := range by {
		vote := w.keys.vote(v, w.members.Members[v].Ed25519, h, hash)
		c.Signatures = append(c.Signatures, chain.ValidatorSignature{Validator: v, Header: vote.Signature, Root: vote.RootSig})
	}
	return &chain.ProvedHandover{
		Handover:    chain.Handover{Chain: simChain, Height: height, Header: hash, Root: h.StateRoot, Next: *next},
		HeaderBytes: codec.AppendHeader(nil, h), Certificate: w.proofs.certificate(w.members, c, h),
	}
}

func admission(v chain.ValidatorNo, key int) *chain.ChangeValidator {
	k := validatorKeys()[key]
	return &chain.ChangeValidator{Epoch: simEpoch, Validator: v, Name: "new", Ed25519: k.ed25519, MLDSA65: k.mldsa65}
}

// TestProofs checks that the ends of epochs that the simulation makes are those that package epoch proves.
func TestProofs(t *testing.T) {
	var r Runner
	w := changingWorld(t, &r)
	good := ended(w, 9, admission(4, 7), 0, 1, 2)
	for name, c := range map[string]struct {
		change func(p *chain.ProvedHandover)
		proved bool
	}{
		"as it is":         {func(*chain.ProvedHandover) {}, true},
		"one too few":      {func(p *chain.ProvedHandover) { p.Certificate.Signatures = p.Certificate.Signatures[:2] }, false},
		"others go on":     {func(p *chain.ProvedHandover) { p.Next.Members = p.Next.Members[:4] }, false},
		"another state":    {func(p *chain.ProvedHandover) { p.Root[0]++ }, false},
		"a mac of nobody":  {func(p *chain.ProvedHandover) { p.Certificate.Signatures[0].Header = make([]byte, 64) }, false},
		"another's vote":   {func(p *chain.ProvedHandover) { p.Certificate.Signatures[2].Validator = 3 }, false},
		"macs, not signed": {func(p *chain.ProvedHandover) { p.Certificate = w.proofs.macsOf(p.Certificate) }, false},
	} {
		p, err := codec.DecodeProvedHandover(codec.AppendProvedHandover(nil, good))
		if err != nil {
			t.Fatal(err)
		}
		c.change(p)
		for range 2 { // the second time it is remembered
			if err := w.proofs.verify(w.proofs.first, p); (err == nil) != c.proved {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	h, err := codec.DecodeHeader(good.HeaderBytes)
	if macs := w.proofs.macsOf(good.Certificate); err != nil || !w.keys.verifySignatures(w.members, macs, h) {
		t.Error("the macs for which the signatures stand are not found")
	}
}

// TestCheckerSeesEpochs shows the checker what must not be.
func TestCheckerSeesEpochs(t *testing.T) {
	first := func(w *world) *chain.ProvedHandover { return ended(w, 9, admission(4, 7), 0, 1, 2) }
	for name, do := range map[string]func(w *world, n *replica){
		"two ends": func(w *world, n *replica) {
			w.check.epochEnds(n, first(w))
			w.check.epochEnds(n, ended(w, 10, admission(4, 7), 0, 1, 3))
		},
		"others go on": func(w *world, n *replica) {
			w.check.epochEnds(n, first(w))
			w.check.epochEnds(n, ended(w, 9, admission(4, 8), 0, 1, 3))
		},
		"no quorum":     func(w *world, n *replica) { w.check.epochEnds(n, ended(w, 9, admission(4, 7), 0, 1)) },
		"an epoch more": func(w *world, n *replica) { p := first(w); p.Next.Epoch++; w.check.epochEnds(n, p) },
		"not by the history": func(w *world, n *replica) {
			w.check.epochEnds(n, first(w))
			w.check.model.ends = append(w.check.model.ends, modelEnd{10, &first(w).Next})
			w.check.compareEnds()
		},
		"a stranger signs": func(w *world, n *replica) {
			p := ended(w, 9, &chain.ChangeValidator{Epoch: simEpoch, Validator: 3}, 0, 1, 2)
			w.check.epochEnds(n, p)
			h := &chain.ExecutedHeader{Chain: simChain, Epoch: 2, Height: 10}
			c := &chain.Certificate{Epoch: 2, Height: 10, Header: codec.HeaderHash(h)}
			for v := range chain.ValidatorNo(4) {
				c.Signatures = append(c.Signatures, chain.ValidatorSignature{Validator: v, Header: w.keys.vote(v, w.members.Members[v].Ed25519, h, c.Header).Signature})
			}
			w.check.whyUncertified(c, h, c.Header)
		},
		"a newcomer without a state": func(w *world, n *replica) {
			w.check.epochEnds(n, first(w))
			newcomer := w.nodes[4]
			newcomer.key = 7
			v := newcomer.vote(&chain.ExecutedHeader{Chain: simChain, Epoch: 2, Height: 10}, chain.Hash{1})
			w.check.signsAsMember(newcomer, &v)
		},
		"keys of old": func(w *world, n *replica) {
			w.check.epochEnds(n, ended(w, 9, admission(0, 7), 1, 2, 3))
			v := n.vote(&chain.ExecutedHeader{Chain: simChain, Epoch: 2, Height: 10}, chain.Hash{1})
			w.check.signsAsMember(n, &v)
		},
		"a height of another epoch": func(w *world, n *replica) {
			w.check.epochEnds(n, first(w))
			w.check.belongs(n, &block{header: &chain.ExecutedHeader{Epoch: 1, Height: 10}})
		},
	} {
		var r Runner
		w := changingWorld(t, &r)
		w.nodes[0].up = true
		if do(w, w.nodes[0]); w.failure == nil || w.failure.Check != checkMembership {
			t.Errorf("%s: %+v", name, w.failure)
		}
	}
	var r Runner
	w := changingWorld(t, &r)
	w.check.epochEnds(w.nodes[0], first(w))
	w.check.epochEnds(w.nodes[1], ended(w, 9, admission(4, 7), 1, 2, 3)) // proved by others
	newcomer := w.nodes[4]
	newcomer.key, newcomer.slots[0] = 7, &checkpoint{height: 9}
	v := newcomer.vote(&chain.ExecutedHeader{Chain: simChain, Epoch: 2, Height: 10}, chain.Hash{1})
	w.check.signsAsMember(newcomer, &v)
	if w.failure != nil || len(w.honest()) != 5-w.liars {
		t.Errorf("%+v, %d honest members", w.failure, len(w.honest()))
	}
}

// TestModelEntersEpochs checks by hand what else is checked by the model: a change takes effect behind its block, once an epoch.
func TestModelEntersEpochs(t *testing.T) {
	m := newModel(newGenesis(4).Membership())
	known := map[chain.Hash]truth{}
	entry := func(v chain.ValidatorNo, epoch chain.Epoch, sequence uint64, parent chain.Hash, txs ...*chain.Tx) chain.Hash {
		var signed [][]byte
		for _, tx := range txs {
			signed = append(signed, codec.AppendSignedTx(nil, &chain.SignedTx{Tx: *tx, Signature: []byte{1}}))
		}
		payload := codec.AppendTxBatch(nil, signed)
		e := chain.LaneEntry{Validator: v, JoinEpoch: epoch, Sequence: sequence, Parent: parent, Kind: chain.PayloadTxs, Payload: codec.Sum(payload), Bytes: uint32(len(payload))}
		known[codec.EntryDigest(e)] = truth{e, payload}
		return codec.EntryDigest(e)
	}
	change := func(nonce uint64, b chain.ChangeValidator) *chain.Tx {
		return &chain.Tx{Chain: simChain, Sender: governance, Key: governanceKey, Nonce: nonce, ValidUntil: 100, Body: &b}
	}
	outcomes := func(codes ...chain.Outcome) chain.Hash {
		return codec.Outcomes{Codes: codes, Results: make([]uint32, len(codes))}.Hash()
	}
	rekey, leave := *admission(1, 7), chain.ChangeValidator{Epoch: 1, Validator: 2}
	first := entry(0, 1, 1, chain.Hash{}, change(1, rekey), change(2, leave))
	again := entry(1, 1, 1, chain.Hash{}, change(1, rekey))
	late := entry(0, 1, 2, first, change(3, leave))
	dead := entry(1, 1, 2, again, change(4, leave))
	anew := entry(1, 2, 1, chain.Hash{}, change(5, chain.ChangeValidator{Epoch: 2, Validator: 2}))
	gone := entry(2, 1, 1, chain.Hash{}, change(6, leave))
	for i, c := range []struct {
		entries, want []chain.Hash
	}{
		{[]chain.Hash{first, again}, []chain.Hash{outcomes(chain.OK, chain.EpochEnding), outcomes(chain.NonceUsed)}},
		{[]chain.Hash{late, dead, anew, first}, []chain.Hash{outcomes(chain.WrongEpoch), outcomes(chain.OK)}},
		{[]chain.Hash{gone}, nil},
	} {
		var got []chain.Hash
		for _, l := range m.run(&chain.Proposal{Height: m.height() + 1, Entries: c.entries}, known) {
			got = append(got, l.Outcomes)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("block %d: %v, not %v", i+1, got, c.want)
		}
	}
	if len(m.ends) != 2 || m.ends[0].height != 1 || m.ends[1].height != 2 || m.members.Epoch != 3 || len(m.members.Members) != 3 || m.lanes[2].since != 0 || m.lanes[1].since != 2 {
		t.Errorf("%+v, %+v", m.ends, m.lanes[:4])
	}
	m.seal(7, &chain.Membership{Epoch: 4, Members: m.members.Members[:2]})
	for m.height() < 8 {
		m.run(&chain.Proposal{Height: m.height() + 1}, known)
	}
	if len(m.ends) != 3 || m.ends[2].height != 7 || m.members.Epoch != 4 {
		t.Errorf("%+v", m.ends)
	}
}

// TestChangesMayBe checks that the office never leads to a network of which nothing is promised.
func TestChangesMayBe(t *testing.T) {
	var r Runner
	made := map[string]int{}
	for seed := range uint64(3000) {
		w := newWorld(Options{Seed: seed}, &r.slabs)
		if w.office == nil {
			continue
		}
		for _, e := range w.plan {
			if e.change == nil {
				continue
			}
			b := w.office.choose(e.change)
			if b == nil {
				made["none"]++
				continue
			}
			made[e.change.kind]++
			next, liars := w.members.Changed(b), 0
			for _, m := range next.Members {
				if w.isLiar(m.No) {
					liars++
				}
			}
			if before := w.members.Find(b.Validator); len(next.Members) < membersMin || liars > faulty(len(next.Members)) || w.isLiar(b.Validator) && !b.Removes() && before == nil {
				t.Fatalf("seed %d: %+v", seed, b)
			}
			if liars > 0 && w.office.falseHold && len(next.Members)%2 == 1 && len(w.members.Members)%2 == 0 {
				t.Fatalf("seed %d: %d members, one of whom says falsely what it holds", seed, len(next.Members))
			}
		}
	}
	if made[changeAdd] < 200 || made[changeRekey] < 100 || made[changeLeave] < 100 || made["none"] < 50 {
		t.Errorf("%v", made)
	}
}

// TestChangesLeaveFaultsAlone checks that a run's other faults do not depend on whether its membership changes.
func TestChangesLeaveFaultsAlone(t *testing.T) {
	var r Runner
	w := changingWorld(t, &r)
	o := Options{Seed: w.opts.Seed}
	for _, e := range w.plan {
		if e.change != nil {
			o.Without = append(o.Without, e.id)
		}
	}
	without := newWorld(o, &r.slabs)
	if without.office != nil || without.places != w.size || len(without.plan) != len(w.plan)-len(o.Without) {
		t.Fatalf("%d episodes of %d are left without %v", len(without.plan), len(w.plan), o.Without)
	}
	if x := r.Run(o); x.Failure != nil || x.Faults[faultMembership]+x.Faults[faultDeparted]+x.Faults[faultLostDisk] > 0 {
		t.Errorf("%+v", x)
	}
	if x := r.Run(Options{Seed: w.opts.Seed}); x.Failure != nil || x.Faults[faultMembership] == 0 {
		t.Errorf("%+v", x)
	}
}

// TestStrangersAreNotLetIn lets who left vote in the new epoch.
func TestStrangersAreNotLetIn(t *testing.T) {
	n := aloneReplica(1)
	n.members, n.epoch = n.w.members, simEpoch
	n.handovers = []*chain.ProvedHandover{ended(n.w, 9, &chain.ChangeValidator{Epoch: simEpoch, Validator: 2}, 0, 1, 3)}
	v := n.w.keys.vote(2, n.w.members.Members[2].Ed25519, &chain.ExecutedHeader{Chain: simChain, Epoch: 2, Height: 10}, chain.Hash{1})
	f := frame{from: 2, to: 0, kind: frameCertify, epoch: 2, newest: 3, body: certify.AppendFrame(nil, certify.Message{Vote: &v})}
	n.ahead = -1
	n.receive(&f)
	if n.ahead != -1 || n.w.seen[seenNoMember] != 1 {
		t.Errorf("%v", n.w.seen)
	}
	f.from = 1
	if n.receive(&f); n.ahead != 1 || n.w.seen[seenNoMember] != 1 {
		t.Errorf("a member is not heard: %v", n.w.seen)
	}
	if got := vacant(n.insiders()); !slices.Equal(got, []chain.ValidatorNo{2}) || nextMember(n.insiders(), 1) != 3 || nextMember(n.insiders(), 3) != 0 {
		t.Errorf("vacant %v", got)
	}
}
