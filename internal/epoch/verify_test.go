// SPDX-License-Identifier: Apache-2.0

package epoch

import (
	"slices"
	"testing"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/keys"
)

// vacancy is a network of numbers 0, 1, 3 and 4 in epoch 2.
func vacancy(t testing.TB) (*network, *Set) {
	t.Helper()
	w := newNetwork(t, 5)
	w.goesTo(w.members.Changed(&chain.ChangeValidator{Epoch: 1, Validator: 2}), 0)
	s, err := NewSet(testChain, w.members)
	if err != nil {
		t.Fatal(err)
	}
	return w, s
}

func TestSet(t *testing.T) {
	w, s := vacancy(t)
	if s.Chain() != testChain || s.Epoch() != 2 || s.Quorum() != 3 || s.Size() != 5 || len(s.Membership().Members) != 4 {
		t.Errorf("%+v", s)
	}
	for v, member := range []bool{true, true, false, true, true, false} {
		header, root := s.HeaderKey(chain.ValidatorNo(v)), s.RootKey(chain.ValidatorNo(v))
		if (header != nil) != member || (root != nil) != member {
			t.Errorf("validator %d has keys %v %v", v, header, root)
		}
		if member && (header.Public() != w.keys[chain.ValidatorNo(v)].header.Public() || root.Public() != w.keys[chain.ValidatorNo(v)].root.Public()) {
			t.Errorf("validator %d has another's keys", v)
		}
	}
	for name, damage := range map[string]func(m *chain.Membership){
		"nobody":           func(m *chain.Membership) { m.Members = nil },
		"a shared key":     func(m *chain.Membership) { m.Members[1].Ed25519 = m.Members[0].Ed25519 },
		"an unusable key":  func(m *chain.Membership) { m.Members[1].Ed25519 = make(chain.HexBytes, 32) },
		"a key of no size": func(m *chain.Membership) { m.Members[1].MLDSA65 = nil },
	} {
		m := testGenesis(4).Membership()
		damage(m)
		if _, err := NewSet(testChain, m); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if k := pairs()[0]; !Usable(k.ed25519(), k.mldsa65()) || Usable(make([]byte, 32), k.mldsa65()) || Usable(k.ed25519(), nil) {
		t.Error("usable keys are those of which a set is made")
	}
}

func TestVerifyCertificate(t *testing.T) {
	w, s := vacancy(t)
	plain, rooted := w.header(7), w.header(8)
	rooted.RootAt, rooted.StateRoot = 5, chain.Hash{5}
	for _, h := range []*chain.ExecutedHeader{plain, rooted} {
		for _, by := range [][]chain.ValidatorNo{{0, 1, 3}, {4, 0, 3}, {0, 1, 3, 4}} {
			if err := s.VerifyCertificate(h, codec.HeaderHash(h), w.certify(h, by...)); err != nil {
				t.Errorf("signed by %d at %d: %v", by, h.Height, err)
			}
		}
	}
	for name, c := range map[string]struct {
		change func(h *chain.ExecutedHeader, c *chain.Certificate)
		reason string
	}{
		"another chain":        {func(h *chain.ExecutedHeader, _ *chain.Certificate) { h.Chain++ }, ReasonOtherChain},
		"another epoch":        {func(h *chain.ExecutedHeader, _ *chain.Certificate) { h.Epoch-- }, ReasonOtherEpoch},
		"cert of another hash": {func(_ *chain.ExecutedHeader, c *chain.Certificate) { c.Header[0]++ }, ReasonMismatch},
		"cert of another h":    {func(_ *chain.ExecutedHeader, c *chain.Certificate) { c.Height++ }, ReasonMismatch},
		"cert of another e":    {func(_ *chain.ExecutedHeader, c *chain.Certificate) { c.Epoch++ }, ReasonMismatch},
		"one too few":          {func(_ *chain.ExecutedHeader, c *chain.Certificate) { c.Signatures = c.Signatures[1:] }, ReasonNoQuorum},
		"nobody":               {func(_ *chain.ExecutedHeader, c *chain.Certificate) { c.Signatures = nil }, ReasonNoQuorum},
		"a vacant number":      {func(_ *chain.ExecutedHeader, c *chain.Certificate) { c.Signatures[2].Validator = 2 }, ReasonUnknownSigner},
		"beyond the table":     {func(_ *chain.ExecutedHeader, c *chain.Certificate) { c.Signatures[2].Validator = 65535 }, ReasonUnknownSigner},
		"one twice":            {func(_ *chain.ExecutedHeader, c *chain.Certificate) { c.Signatures[2] = c.Signatures[0] }, ReasonSignedTwice},
		"in another's name":    {func(_ *chain.ExecutedHeader, c *chain.Certificate) { c.Signatures[2].Validator = 4 }, ReasonBadSignature},
		"a bit":                {func(_ *chain.ExecutedHeader, c *chain.Certificate) { c.Signatures[0].Header[3] ^= 1 }, ReasonBadSignature},
		"a bit of the root":    {func(_ *chain.ExecutedHeader, c *chain.Certificate) { c.Signatures[0].Root[3] ^= 1 }, ReasonBadSignature},
		"no root":              {func(_ *chain.ExecutedHeader, c *chain.Certificate) { c.Signatures[0].Root = nil }, ReasonBadSignature},
		"beside a quorum": {func(_ *chain.ExecutedHeader, c *chain.Certificate) {
			c.Signatures = append(c.Signatures, chain.ValidatorSignature{Validator: 4})
		}, ReasonBadSignature},
	} {
		h := *rooted
		cert := w.certify(&h, 0, 1, 3)
		c.change(&h, cert)
		if err := s.VerifyCertificate(&h, codec.HeaderHash(rooted), cert); !fault.Is(err, fault.Invalid) || fault.ReasonOf(err) != c.reason {
			t.Errorf("%s: %v, want %s", name, err, c.reason)
		}
	}
	cert := w.certify(plain, 0, 1, 3)
	cert.Signatures[1].Root = []byte{1}
	if err := s.VerifyCertificate(plain, codec.HeaderHash(plain), cert); fault.ReasonOf(err) != ReasonBadSignature {
		t.Error("a signature for a root that the header does not carry:", err)
	}
}

// TestEpochsKeysOnly: a signature under the keys that a member had before counts for nothing.
func TestEpochsKeysOnly(t *testing.T) {
	w := newNetwork(t, 4)
	before, err := NewSet(testChain, w.members)
	if err != nil {
		t.Fatal(err)
	}
	next := w.admits(1, 6)
	after, err := NewSet(testChain, next)
	if err != nil {
		t.Fatal(err)
	}
	old := w.header(9)
	old.Epoch = 2
	stolen := w.certify(old, 0, 1, 2)
	if err := after.VerifyCertificate(old, codec.HeaderHash(old), stolen); fault.ReasonOf(err) != ReasonBadSignature {
		t.Error("the key of before certifies in the new epoch:", err)
	}
	msg := []byte("anything")
	approvals := w.approve(msg, 0, 1, 2)
	if err := before.VerifyApprovals(msg, approvals); err != nil {
		t.Error(err)
	}
	if err := after.VerifyApprovals(msg, approvals); fault.ReasonOf(err) != ReasonBadSignature {
		t.Error("the key of before approves in the new epoch:", err)
	}
}

func TestVerifyApprovals(t *testing.T) {
	w, s := vacancy(t)
	msg := keys.ChangeMessage(testChain, chain.Hash{1})
	unusable := &chain.Membership{Epoch: 2, Members: slices.Clone(w.members.Members)}
	unusable.Members[0].Ed25519 = make(chain.HexBytes, 32)
	if err := VerifyApprovals(unusable, msg, w.approve(msg, 0, 1, 3)); fault.ReasonOf(err) != ReasonUnknownSigner {
		t.Error("an unusable key signs:", err)
	}
	for name, c := range map[string]struct {
		change func(list []chain.Approval) []chain.Approval
		reason string
	}{
		"a quorum":          {func(l []chain.Approval) []chain.Approval { return l }, ""},
		"all":               {func(l []chain.Approval) []chain.Approval { return append(l, w.approve(msg, 4)...) }, ""},
		"one too few":       {func(l []chain.Approval) []chain.Approval { return l[1:] }, ReasonNoQuorum},
		"nobody":            {func(l []chain.Approval) []chain.Approval { return nil }, ReasonNoQuorum},
		"a vacant number":   {func(l []chain.Approval) []chain.Approval { l[1].Validator = 2; return l }, ReasonUnknownSigner},
		"beyond the table":  {func(l []chain.Approval) []chain.Approval { l[1].Validator = 64; return l }, ReasonUnknownSigner},
		"one twice":         {func(l []chain.Approval) []chain.Approval { return append(l[:2:2], l[0]) }, ReasonSignedTwice},
		"in another's name": {func(l []chain.Approval) []chain.Approval { l[2].Validator = 4; return l }, ReasonBadSignature},
		"another message":   {func(l []chain.Approval) []chain.Approval { return append(l[:2:2], w.approve([]byte("x"), 3)...) }, ReasonBadSignature},
		"no signature":      {func(l []chain.Approval) []chain.Approval { l[0].Signature = nil; return l }, ReasonBadSignature},
	} {
		list := c.change(w.approve(msg, 0, 1, 3))
		for _, err := range []error{s.VerifyApprovals(msg, list), VerifyApprovals(w.members, msg, list)} {
			if c.reason == "" && err != nil || c.reason != "" && (!fault.Is(err, fault.Invalid) || fault.ReasonOf(err) != c.reason) {
				t.Errorf("%s: %v, want %q", name, err, c.reason)
			}
		}
	}
}
