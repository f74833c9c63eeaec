// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"bytes"
	"math/bits"
	"slices"
	"testing"

	"github.com/aurigraph/aurigraph/internal/certify"
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/keys"
	files "github.com/aurigraph/aurigraph/internal/seglog/disk"
)

// TestSealDisk shows what a loss of power leaves of a record that is replaced: the one before, or the new one whole.
func TestSealDisk(t *testing.T) {
	left := map[string]int{}
	for seed := range uint64(200) {
		n := aloneReplica(seed)
		d := n.records
		write := func(text string, steps int) {
			f, err := d.OpenFile("seal.tmp", files.Create, false)
			if err != nil {
				t.Fatal(err)
			}
			for _, step := range []func() error{
				func() error { return f.Truncate(0) },
				func() error { return f.WriteVec([][]byte{[]byte(text)}, 0) },
				f.Datasync,
				func() error { return d.Rename("seal.tmp", "seal") },
				func() error { return d.SyncDir(".") },
			}[:steps] {
				if err := step(); err != nil {
					t.Fatal(err)
				}
			}
		}
		write("first", 5)
		write("second", int(seed%6))
		d.crash()
		f, err := d.OpenFile("seal", files.ReadOnly, false)
		if err != nil {
			t.Fatalf("after step %d: %v", seed%6, err)
		}
		b := make([]byte, 6)
		read, _ := f.ReadAt(b, 0)
		got := string(b[:read])
		if got != "first" && got != "second" || got == "second" && seed%6 < 4 || got == "first" && seed%6 == 5 {
			t.Fatalf("after step %d the record is %q", seed%6, got)
		}
		left[got]++
	}
	if left["first"] < 50 || left["second"] < 30 {
		t.Errorf("%v", left)
	}
}

// TestDamageStopsTheNetwork checks that the validators that a plan damages are those without whom, and without the liars, there
// is no quorum, and no more.
func TestDamageStopsTheNetwork(t *testing.T) {
	sealed, damaged := 0, 0
	for seed := range uint64(2000) {
		w := newWorld(Options{Seed: seed}, &slabs{})
		if w.drill == nil {
			continue
		}
		sealed++
		n := bits.OnesCount64(w.drill.damaged)
		if n == 0 {
			continue
		}
		damaged++
		if w.drill.damaged>>(w.size-w.liars) != 0 || w.size-w.liars-n != chain.Quorum(w.size)-1 || w.drill.away != 0 {
			t.Fatalf("seed %d: %b of %d with %d liars", seed, w.drill.damaged, w.size, w.liars)
		}
	}
	if sealed < 200 || damaged < 50 {
		t.Errorf("%d networks are sealed, %d of them damaged", sealed, damaged)
	}
}

// TestSealLeavesFaultsAlone checks that a run's other faults do not depend on whether it is sealed.
func TestSealLeavesFaultsAlone(t *testing.T) {
	var r Runner
	for seed := uint64(1); seed < 100; seed++ {
		w := newWorld(Options{Seed: seed}, &r.slabs)
		if w.drill == nil {
			continue
		}
		last := w.plan[slices.IndexFunc(w.plan, func(e *episode) bool { return e.kind == faultSeal })]
		without := newWorld(Options{Seed: seed, Without: []int{last.id}}, &r.slabs)
		if without.drill != nil || len(without.plan) != len(w.plan)-1 {
			t.Fatalf("seed %d: %v", seed, last)
		}
		if x := r.Run(Options{Seed: seed, Without: []int{last.id}}); x.Failure != nil || x.Faults[faultSeal]+x.Faults[faultDamage] > 0 {
			t.Fatalf("seed %d without its seal: %+v", seed, x)
		}
		return
	}
	t.Fatal("no network is sealed")
}

func TestSignaturesInPlaceOfMacs(t *testing.T) {
	var r Runner
	w := sealedWorld(t, &r)
	hash := chain.Hash{9}
	m := w.members.Members
	v := w.keys.vote(2, m[2].Ed25519, &chain.ExecutedHeader{Chain: simChain, Epoch: simEpoch, Height: 3}, hash)
	key, message := w.proofs.first.HeaderKey(2), keys.HeaderMessage(simChain, hash)
	if !key.Verify(message, w.proofs.signedHeader(&m[2], hash, v.Signature)) {
		t.Error("a valid mac stands for no signature")
	}
	for name, signature := range map[string][]byte{
		"another's":    w.proofs.signedHeader(&m[1], hash, v.Signature),
		"nobody's":     w.proofs.signedHeader(nil, hash, v.Signature),
		"another hash": w.proofs.signedHeader(&m[2], chain.Hash{8}, v.Signature),
	} {
		if !bytes.Equal(signature, v.Signature) || key.Verify(message, signature) {
			t.Errorf("%s: a mac that is not valid becomes a signature", name)
		}
	}
}

// TestStartBelowASeal starts a node that lost its power between the two writes of an epoch's end: the blocks that the seal made
// final are stored, the state behind them is not, and its own votes end below.
func TestStartBelowASeal(t *testing.T) {
	var r Runner
	w := sealedWorld(t, &r)
	n := w.nodes[0]
	n.epoch, n.blocks.head = simEpoch, 108
	start := func() error {
		_, err := certify.Recover(certify.Start{Self: n.no, Epoch: n.epoch, Published: n.blocks.head, Fetched: n.unsignedUpTo()}, voteRecords(nil))
		return err
	}
	if start() == nil {
		t.Error("a vote log that lost its end is taken")
	}
	n.handovers = []*chain.ProvedHandover{{Handover: chain.Handover{Height: 108}}}
	if err := start(); err != nil {
		t.Error(err)
	}
}

// TestCheckerSeesTwoHandovers shows the checker a node that signs twice, and a header above a seal that a quorum may have signed.
func TestCheckerSeesTwoHandovers(t *testing.T) {
	var r Runner
	w := sealedWorld(t, &r)
	n := w.nodes[0]
	n.up = true
	c := newCoordinator(w)
	sign := func(height chain.Height) {
		h := &chain.Handover{Chain: simChain, Verdict: chain.VerdictUnchanged, Height: height, Next: *c.epoch.Without(nil)}
		signature, err := validatorKeys()[0].header.Sign(sealMessage(h))
		if err != nil {
			t.Fatal(err)
		}
		w.check.signs(n, &chain.Approval{Validator: 0, Signature: signature}, h)
	}
	if sign(5); w.failure != nil {
		t.Fatal(w.failure)
	}
	if sign(6); w.failure == nil || w.failure.Check != checkSeal {
		t.Errorf("%+v", w.failure)
	}
	w.failure = nil
	at := heightKey{simEpoch, 9}
	for node := range chain.Quorum(w.size) - w.liars {
		w.check.says(node, at, chain.Hash{9})
	}
	w.check.ends(&chain.ProvedHandover{Handover: chain.Handover{Height: 8, Next: *c.epoch.Without(c.leftOut)}})
	if w.failure == nil || w.failure.Check != checkSeal {
		t.Errorf("%+v", w.failure)
	}
}

func sealedWorld(t *testing.T, r *Runner) *world {
	t.Helper()
	for seed := uint64(1); seed < 100; seed++ {
		if w := newWorld(Options{Seed: seed}, &r.slabs); w.drill != nil {
			return w
		}
	}
	t.Fatal("no network is sealed")
	return nil
}
