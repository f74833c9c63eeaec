// SPDX-License-Identifier: Apache-2.0

package certify

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/epoch"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// TestRefuse signs nothing new after a refusal, also after a restart that refuses again; what was signed before is signed still.
func TestRefuse(t *testing.T) {
	w, nodes := newNetwork(t, 4, 3)
	n := nodes[0]
	for h := chain.Height(1); h <= 3; h++ {
		x, hash := header(h, 0)
		if err := n.Sign(t.Context(), x, hash); err != nil {
			t.Fatal(err)
		}
	}
	check := func(n *node) {
		t.Helper()
		n.Refuse()
		n.Refuse()
		x, hash := header(3, 0)
		if err := n.Sign(t.Context(), x, hash); err != nil {
			t.Errorf("a header that was signed before: %v", err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		x, hash = header(4, 0)
		if err := n.Sign(ctx, x, hash); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a new header: %v", err)
		}
		votes := n.VotesAbove(1)
		if len(votes) != 2 || votes[0].Height != 2 || votes[1].Height != 3 || !n.cfg.Members.Verify(&votes[1]) {
			t.Errorf("it shows %+v", votes)
		}
	}
	check(n)
	if err := n.stop(); err != nil {
		t.Fatal(err)
	}
	again := start(t, w, n.fs, 0, testConfig(t, 0, 4, outlet{w, 0}))
	t.Cleanup(func() { _ = again.stop() })
	for h := chain.Height(1); h <= 3; h++ {
		x, hash := header(h, 0)
		if err := again.Sign(t.Context(), x, hash); err != nil {
			t.Fatal(err)
		}
	}
	check(again)
}

// TestVacantNumbers certifies among validators of which one left: a quorum is of those who are there, and nobody takes the
// vacant number's word.
func TestVacantNumbers(t *testing.T) {
	core := NewCore(CoreConfig{
		Self: 0, Epoch: 2, Validators: 5, Vacant: []chain.ValidatorNo{1}, WindowMax: 8, TailMax: 8, LeadMin: 16, RetryTicks: 2, EvidenceMax: 1,
	}, &Recovered{votes: map[chain.Height]*Vote{}})
	if core.quorum != 3 || core.faulty != 1 {
		t.Errorf("quorum %d, %d may lie", core.quorum, core.faulty)
	}
	if word := core.Admit(1, &Vote{Epoch: 2, Height: 1, Validator: 1}); word != "unknown_sender" {
		t.Errorf("a vote of who left: %q", word)
	}
	if word := core.Admit(4, &Vote{Epoch: 2, Height: 1, Validator: 4}); word != "" {
		t.Errorf("a vote of a member: %q", word)
	}
	out, err := core.Step(Executed{Vote{Epoch: 2, Height: 1, Validator: 0, Hash: chain.Hash{1}, Signature: make([]byte, 64)}}, Signed{1})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range out.Send {
		if s.To == 1 {
			t.Error("something is sent to who left")
		}
	}
	x := &chain.Certificate{Epoch: 2, Height: 1, Header: chain.Hash{1}, Signatures: []chain.ValidatorSignature{{Validator: 0}, {Validator: 1}, {Validator: 2}}}
	if word := core.AdmitCertificate(4, x); word != "wrong_signers" {
		t.Errorf("a certificate that who left signed: %q", word)
	}
}

// TestOfEpoch makes a membership of an epoch with a vacant number.
func TestOfEpoch(t *testing.T) {
	full := membership(t, 3)
	list := &chain.Membership{Epoch: 4}
	for _, v := range []int{0, 2} {
		list.Members = append(list.Members, chain.Member{
			No: chain.ValidatorNo(v), JoinEpoch: 1, Name: "v",
			Ed25519: full.headers[v].Public().Bytes()[1:], MLDSA65: full.roots[v].Public().Bytes()[1:],
		})
	}
	set, err := epoch.NewSet(full.chain, list)
	if err != nil {
		t.Fatal(err)
	}
	m := Of(set)
	if m.Size() != 3 || m.has(1) || !m.has(2) || len(m.vacant()) != 1 || m.epoch != 4 {
		t.Errorf("%+v", m)
	}
	cfg := testConfig(t, 1, 3, outlet{})
	cfg.Members = m
	if err := cfg.validate(); !fault.Is(err, fault.Invalid) {
		t.Errorf("a validator that left certifies: %v", err)
	}
}
