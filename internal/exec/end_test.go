// SPDX-License-Identifier: Apache-2.0

package exec

import (
	"crypto/sha256"
	"fmt"
	"strings"
	"testing"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/keys"
	"github.com/aurigraph/aurigraph/internal/testkit"
)

// signer makes the n-th validator's keys.
func signer(t *testing.T, n int) (header keys.Signer, ed25519, mldsa65 chain.HexBytes) {
	t.Helper()
	header, err := keys.FromSeed(keys.Ed25519, sha256.Sum256(fmt.Appendf(nil, "header %d", n)))
	if err != nil {
		t.Fatal(err)
	}
	root, err := keys.FromSeed(keys.MLDSA65, sha256.Sum256(fmt.Appendf(nil, "root %d", n)))
	if err != nil {
		t.Fatal(err)
	}
	return header, header.Public().Bytes()[1:], root.Public().Bytes()[1:]
}

// newWorldOf has n validators whose keys sign.
func newWorldOf(t *testing.T, n int) *world {
	g := genesis()
	g.Validators = nil
	for v := range n {
		_, ed25519, mldsa65 := signer(t, v)
		g.Validators = append(g.Validators, chain.GenesisValidator{Name: fmt.Sprint("v", v), Ed25519: ed25519, MLDSA65: mldsa65})
	}
	return newWorldFrom(t, g)
}

// change is the payload of a governance transaction that all of n validators approved.
func (w *world) change(c *chain.ChangeValidator, n int) Payload {
	for v := range n {
		header, _, _ := signer(w.t, v)
		sig, err := header.Sign(keys.ChangeMessage(testChain, codec.ChangeHash(c)))
		if err != nil {
			w.t.Fatal(err)
		}
		c.Approvals = append(c.Approvals, chain.Approval{Validator: chain.ValidatorNo(v), Signature: sig})
	}
	w.nonce++
	tx := &chain.SignedTx{Tx: chain.Tx{Chain: testChain, Sender: 1, Key: 1, Nonce: w.nonce, ValidUntil: 1000, Body: c}, Signature: []byte("any")}
	return w.txs(codec.AppendSignedTx(nil, tx))
}

// onLane makes a payload the next entry of another lane.
func onLane(p Payload, e chain.LaneEntry) Payload {
	e.Kind, e.Payload, e.Bytes = p.Entry.Kind, p.Entry.Payload, p.Entry.Bytes
	p.Entry, p.Digest = e, codec.EntryDigest(e)
	return p
}

// legsOn is a client batch on a lane of its own, which the world's lane does not count.
func (w *world) legsOn(e chain.LaneEntry, legs ...chain.Leg) Payload {
	sequence, tip := w.laneSequence, w.laneTip
	p := onLane(w.batch(0, legs...), e)
	w.laneSequence, w.laneTip = sequence, tip
	return p
}

// end hashes the state after the last block of an epoch, ends it, and begins the next epoch with a new machine.
func (w *world) end(ex *Executed) {
	w.t.Helper()
	w.machine.End(ex, w.root())
	h := ex.Header
	w.machine = New(w.ledger, Tip{Height: h.Height, Hash: ex.Hash, TimeUs: h.TimeUs, LastRoot: h.Height, LastUs: h.TimeUs})
}

func TestLastBlockOfAnEpoch(t *testing.T) {
	w := newWorldOf(t, 4)
	if ex := w.mustStep(chain.RootMicros); !ex.RootDue { // a root that the epoch's end leaves out
		t.Fatal("no root is due at height 1")
	}
	w.machine.SetRoot(1, rootOf(1))
	one := w.legsOn(chain.LaneEntry{Validator: 3, JoinEpoch: 1, Sequence: 1}, leg(2, 4, 1))
	before := w.run(one)
	change := w.change(&chain.ChangeValidator{Epoch: 1, Validator: 3}, 3)
	two := w.legsOn(chain.LaneEntry{Validator: 3, JoinEpoch: 1, Sequence: 2, Parent: one.Digest}, leg(2, 4, 2))
	ex := w.run(change, two)
	if !ex.Ends || !w.machine.Ended() || ex.RootDue || len(ex.HeaderBytes) != 0 || !ex.Hash.IsZero() || w.machine.Height() != 2 {
		t.Errorf("%+v", ex)
	}
	if ex.LegsOK != 1 || len(ex.Batches) != 2 || ex.Batches[1].Outcomes.Codes[0] != chain.OK {
		t.Error("what stands behind the change in its block did not execute under the old membership")
	}
	if _, missing := w.machine.NeedsRoot(); missing {
		t.Error("an ending machine asks for another root than the block's own")
	}
	if _, err := w.machine.Run(w.proposal(), nil); !fault.Is(err, fault.Internal) {
		t.Errorf("a block above a header that is not complete: %v", err)
	}
	root := w.root()
	w.machine.End(ex, root)
	h := ex.Header
	if h.Epoch != 1 || h.Height != 3 || h.Previous != before.Hash || h.RootAt != 3 || h.StateRoot != root || h.Next != codec.MembershipHash(w.ledger.Membership()) {
		t.Errorf("%+v", h)
	}
	if ex.Hash != codec.HeaderHash(h) || ex.Hash != codec.Sum(ex.HeaderBytes) {
		t.Error("the hash is not the header's")
	}
	if w.machine.RootsPending() || w.machine.LastRoot() != 3 || w.machine.Height() != 3 || !w.machine.Ended() {
		t.Error("the machine does not stand behind its last block")
	}
	for range 2 {
		if _, err := w.machine.Run(w.proposal(), nil); !fault.Is(err, fault.Conflict) || fault.ReasonOf(err) != "epoch_ended" {
			t.Errorf("a block above the end of the epoch: %v", err)
		}
	}
}

// TestNextEpoch: a machine over the switched ledger goes on, and late entries of who was removed or re-keyed are harmless.
func TestNextEpoch(t *testing.T) {
	w := newWorldOf(t, 4)
	three := w.legsOn(chain.LaneEntry{Validator: 3, JoinEpoch: 1, Sequence: 1}, leg(2, 4, 1))
	w.end(w.run(three, w.change(&chain.ChangeValidator{Epoch: 1, Validator: 3}, 3)))
	_, ed25519, mldsa65 := signer(t, 9)
	last := w.run(w.change(&chain.ChangeValidator{Epoch: 2, Validator: 2, Name: "v9", Ed25519: ed25519, MLDSA65: mldsa65}, 2))
	if last.Header.Epoch != 2 || !last.Ends {
		t.Fatalf("%+v", last)
	}
	w.end(last)
	if m := w.ledger.Membership(); m.Epoch != 3 || len(m.Members) != 3 || m.Members[2].JoinEpoch != 3 {
		t.Fatalf("%+v", m)
	}
	late := []Payload{
		w.legsOn(chain.LaneEntry{Validator: 3, JoinEpoch: 1, Sequence: 2, Parent: three.Digest}, leg(2, 4, 10)),
		w.legsOn(chain.LaneEntry{Validator: 3, JoinEpoch: 0, Sequence: 1}, leg(2, 4, 10)),
		w.legsOn(chain.LaneEntry{Validator: 2, JoinEpoch: 1, Sequence: 1}, leg(2, 4, 10)),
		w.legsOn(chain.LaneEntry{Validator: 3, JoinEpoch: 3, Sequence: 1}, leg(2, 4, 10)),
	}
	w.sequence = 1 // a batch that was passed over used nothing up
	anew := w.legsOn(chain.LaneEntry{Validator: 2, JoinEpoch: 3, Sequence: 1}, leg(2, 4, 2))
	ex := w.run(append(late, anew)...)
	if ex.Header.Epoch != 3 || ex.Header.Previous != last.Hash || ex.PassedOver != len(late) || ex.LegsOK != 1 || ex.Ends {
		t.Errorf("passed over %d: %+v", ex.PassedOver, ex.Header)
	}
	if !ex.Header.Next.IsZero() || ex.Header.RootAt != 0 {
		t.Errorf("%+v", ex.Header)
	}
}

// TestOlderRootGivesWay: the header at which an epoch ends carries its own height's root, also where another was owed.
func TestOlderRootGivesWay(t *testing.T) {
	w := newWorldOf(t, 1)
	w.mustStep(chain.RootMicros)
	w.machine.SetRoot(1, rootOf(1))
	for range chain.RootDelay - 1 {
		w.mustStep(1)
	}
	ex := w.run(w.change(admitted(t), 1))
	if ex.Header.RootAt != 0 || !ex.Header.StateRoot.IsZero() {
		t.Errorf("%+v", ex.Header)
	}
	if w.end(ex); ex.Header.RootAt != 1+chain.RootDelay {
		t.Errorf("%+v", ex.Header)
	}
}

func admitted(t *testing.T) *chain.ChangeValidator {
	_, ed25519, mldsa65 := signer(t, 1)
	return &chain.ChangeValidator{Epoch: 1, Validator: 1, Name: "v1", Ed25519: ed25519, MLDSA65: mldsa65}
}

func TestOnlyTheLastBlockIsEnded(t *testing.T) {
	for name, end := range map[string]func(w *world){
		"a block that ends nothing": func(w *world) { w.machine.End(w.run(), chain.Hash{1}) },
		"no block":                  func(w *world) { w.machine.End(nil, chain.Hash{1}) },
		"another block": func(w *world) {
			ex := *w.run(w.change(admitted(t), 1))
			w.machine.End(&ex, chain.Hash{1})
		},
		"twice": func(w *world) {
			ex := w.run(w.change(admitted(t), 1))
			w.machine.End(ex, chain.Hash{1})
			w.machine.End(ex, chain.Hash{1})
		},
	} {
		w := newWorldOf(t, 1)
		err := func() (err error) {
			defer fault.Recover(&err)
			end(w)
			return nil
		}()
		if !fault.Is(err, fault.Halted) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestGoldenEpochs fixes the headers of three epochs, of which a change ends the first and a seal the second.
func TestGoldenEpochs(t *testing.T) {
	tale := func() string {
		w := newWorldOf(t, 1)
		var out strings.Builder
		tell := func(ex *Executed) {
			h := ex.Header
			fmt.Fprintf(&out, "height %d of epoch %d: %s\n", h.Height, h.Epoch, ex.Hash)
			if ex.Ends {
				fmt.Fprintf(&out, "  the last one; root of height %d: %s; next membership: %s\n", h.RootAt, h.StateRoot, h.Next)
			}
		}
		tell(w.run(w.batch(0, leg(2, 3, 100))))
		ex := w.run(w.change(admitted(t), 1), w.batch(0, leg(2, 3, 1)))
		w.end(ex)
		tell(ex)
		ex = w.run()
		tell(ex)
		sealed := w.ledger.Membership()
		sealed.Epoch, sealed.Members = 3, sealed.Members[:1]
		if err := w.ledger.ApplySeal(sealed, chain.VerdictUnchanged); err != nil {
			t.Fatal(err)
		}
		w.machine = New(w.ledger, Tip{Height: ex.Header.Height, Hash: ex.Hash, TimeUs: ex.Header.TimeUs, LastRoot: ex.Header.Height, LastUs: ex.Header.TimeUs})
		tell(w.run(w.batch(0, leg(2, 3, 7))))
		fmt.Fprintf(&out, "the state at the end: %s\n", w.root())
		return out.String()
	}
	first := tale()
	if first != tale() {
		t.Error("two machines disagree")
	}
	testkit.Golden(t, "epochs.txt", []byte(first))
}

// TestBeginsOwesARoot: the first state of an epoch is hashed soon, though no entry executed.
func TestBeginsOwesARoot(t *testing.T) {
	for _, begins := range []bool{false, true} {
		w := newWorldOf(t, 1)
		w.machine = New(w.ledger, Tip{TimeUs: w.timeUs, LastUs: w.timeUs, Begins: begins})
		ex, err := w.machine.Run(&chain.Proposal{Height: 1, Term: 1, TimeUs: w.timeUs + chain.RootMicros}, nil)
		if err != nil || ex.RootDue != begins || w.machine.OwesRoot() {
			t.Errorf("begins %v: %+v, %v", begins, ex, err)
		}
	}
}
