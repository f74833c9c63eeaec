// SPDX-License-Identifier: Apache-2.0

package network

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/config"
	"github.com/aurigraph/aurigraph/internal/epoch"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/keys"
)

// removal is a proposal to remove validator 3 of a network of four.
func removal(t *testing.T) (*Network, *chain.Membership, *Proposal) {
	t.Helper()
	n := several(t, Options{Nodes: 4})
	h, err := n.History(nil)
	must(t, err)
	m := h.Current().Membership()
	p, err := NewProposal(n.Chain, m, &chain.ChangeValidator{Validator: 3})
	must(t, err)
	return n, m, p
}

// A proposal goes from operator to operator as a file, and ends with what the ledger takes.
func TestProposal(t *testing.T) {
	n, m, p := removal(t)
	path := filepath.Join(t.TempDir(), "p.json")
	must(t, p.Write(path))
	for i, missing := range []int{2, 1, 0} {
		p, err := ReadProposal(path)
		must(t, err)
		signer, err := ValidatorKey(n.Path(nodeName(2 - i)))
		must(t, err)
		for range 2 { // twice is once
			if by, err := p.Approve(signer); err != nil || by.Number != chain.ValidatorNo(2-i) {
				t.Error(by, err)
			}
		}
		if p.Missing() != missing || len(p.Approvals) != i+1 {
			t.Errorf("%d are missing, must be %d", p.Missing(), missing)
		}
		must(t, p.Write(path))
	}
	p, err := ReadProposal(path)
	must(t, err)
	if want := "remove validator 3 (node3): epoch 1 of 4 validators, quorum 3, is followed by epoch 2 of 3, quorum 2"; p.Summary != want {
		t.Error(p.Summary)
	}
	c := p.Change()
	if err := epoch.VerifyApprovals(m, keys.ChangeMessage(n.Chain, codec.ChangeHash(c)), c.Approvals); err != nil {
		t.Error(err)
	}
	tx := chain.Tx{Chain: n.Chain, Sender: 1, Key: 1, Nonce: 1, ValidUntil: 1, Body: c}
	must(t, tx.Validate())
}

// What the file says is what is signed, or it is refused.
func TestProposalThatWasEdited(t *testing.T) {
	n, _, p := removal(t)
	signer, err := ValidatorKey(n.Path("node0"))
	must(t, err)
	if _, err := p.Approve(signer); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "p.json")
	must(t, p.Write(path))
	whole, err := os.ReadFile(path)
	must(t, err)
	for name, c := range map[string]struct {
		edit func(p *Proposal)
		says string
	}{
		"another validator":    {func(p *Proposal) { p.Validator = 2 }, "it was edited"},
		"another epoch":        {func(p *Proposal) { p.Epoch = 2 }, "it was edited"},
		"another chain":        {func(p *Proposal) { p.Chain++ }, "approval of validator 0"},
		"a smaller quorum":     {func(p *Proposal) { p.Quorum = 1 }, "quorum of 4 members is 3"},
		"no members":           {func(p *Proposal) { p.Members = nil }, "0 members"},
		"a stranger approves":  {func(p *Proposal) { p.Approvals[0].Validator = 9 }, "no member"},
		"another one approves": {func(p *Proposal) { p.Approvals[0].Validator = 1 }, "not valid"},
		"no such key":          {func(p *Proposal) { p.Members[0].Ed25519 = nil }, ""},
		"another version":      {func(p *Proposal) { p.Version = 2 }, "version 2"},
		"no such validator": {func(p *Proposal) {
			p.Validator = 8
			p.Hash = codec.ChangeHash(p.Change()).String()
		}, "validator 8 is no member"},
	} {
		edited := &Proposal{}
		must(t, json.Unmarshal(whole, edited))
		c.edit(edited)
		must(t, edited.Write(path))
		if _, err := ReadProposal(path); !fault.Is(err, fault.Invalid) || !contains(err, c.says) || !contains(err, path) {
			t.Errorf("%s: %v", name, err)
		}
	}
	lied := strings.Replace(string(whole), `"summary": "remove`, `"summary": "do not remove`, 1)
	must(t, os.WriteFile(path, []byte(lied), 0o644))
	if p, err := ReadProposal(path); err != nil || !strings.HasPrefix(p.Summary, "remove") {
		t.Error("the file's own words were taken", err)
	}
	for text, kind := range map[string]fault.Kind{"": fault.Invalid, "7": fault.Invalid, strings.Repeat(" ", proposalBytesMax+1): fault.Invalid} {
		must(t, os.WriteFile(path, []byte(text), 0o644))
		if _, err := ReadProposal(path); !fault.Is(err, kind) {
			t.Errorf("%.10q: %v", text, err)
		}
	}
	if _, err := ReadProposal(path + ".none"); !fault.Is(err, fault.NotFound) {
		t.Error(err)
	}
	if _, err := ReadProposal(t.TempDir()); !fault.Is(err, fault.Unavailable) {
		t.Error(err)
	}
}

// What the ledger would refuse is not proposed, and who is no member cannot approve.
func TestProposalRefused(t *testing.T) {
	n, m, p := removal(t)
	own, err := n.changeOf(1, "node1", "")
	must(t, err)
	taken := *own
	taken.Validator = 4
	for name, c := range map[string]*chain.ChangeValidator{
		"no such validator": {Validator: 4}, "its own keys": own, "another one's keys": &taken,
	} {
		if _, err := NewProposal(n.Chain, m, c); !fault.Is(err, fault.Refused) {
			t.Errorf("%s: %v", name, err)
		}
	}
	alone := &chain.Membership{Epoch: 1, Members: m.Members[:1]}
	if _, err := NewProposal(n.Chain, alone, &chain.ChangeValidator{}); fault.ReasonOf(err) != chain.LastValidator.String() {
		t.Error(err)
	}
	root, err := keys.ReadFile(n.Path("node0/keys/validator-root.key"), nil)
	must(t, err)
	stranger, err := keys.ReadFile(n.Path("keys/governance-ed25519.key"), nil)
	must(t, err)
	for _, signer := range []keys.Signer{root, stranger} {
		if _, err := p.Approve(signer); !fault.Is(err, fault.Denied) {
			t.Error(err)
		}
	}
	if _, err := ChangeOf(4, "x", n.Path("node0/keys/validator-root.key"), n.Path("node0/keys/validator.key")); !fault.Is(err, fault.Invalid) {
		t.Error("keys of each other's scheme", err)
	}
}

// A validator's key may be encrypted.
func TestValidatorKeyWithPassphrase(t *testing.T) {
	n := several(t, Options{Nodes: 4})
	plain, err := ValidatorKey(n.Path("node0"))
	must(t, err)
	must(t, os.Remove(n.Path("node0/keys/validator.key")))
	must(t, keys.WriteFile(n.Path("node0/keys/validator.key"), plain, []byte("open sesame")))
	must(t, os.WriteFile(n.Path("node0/pass"), []byte("open sesame\n"), 0o600))
	cfg, err := config.Load(n.Path("node0"))
	must(t, err)
	cfg.Keys.Passphrase = "pass"
	must(t, config.Replace(cfg.Dir, cfg))
	if s, err := ValidatorKey(n.Path("node0")); err != nil || s.Public() != plain.Public() {
		t.Error(err)
	}
	must(t, os.WriteFile(n.Path("node0/pass"), make([]byte, passphraseBytesMax+1), 0o600))
	if _, err := ValidatorKey(n.Path("node0")); !fault.Is(err, fault.Invalid) {
		t.Error(err)
	}
	must(t, os.Remove(n.Path("node0/pass")))
	if _, err := ValidatorKey(n.Path("node0")); !fault.Is(err, fault.Unavailable) {
		t.Error(err)
	}
}

// FuzzParseProposal: a file that somebody sent is a proposal or an error, and what was taken is approved as it was read.
func FuzzParseProposal(f *testing.F) {
	var members []ProposalMember
	for no, key := range []string{"a", "b", "c", "d"} {
		members = append(members, ProposalMember{chain.ValidatorNo(no), key, []byte(strings.Repeat(key, 32))})
	}
	remove := &Proposal{Version: 1, Chain: 1, Epoch: 1, Validator: 1, Quorum: 3, Members: members}
	admit := &Proposal{Version: 1, Chain: 1, Epoch: 1, Validator: 4, Name: "n", Ed25519: make([]byte, 32), MLDSA65: make([]byte, 1952), Quorum: 3, Members: members}
	for _, p := range []*Proposal{remove, admit} {
		p.Hash = codec.ChangeHash(p.Change()).String()
		text, err := json.Marshal(p)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
		p.Approvals = []ProposalApproval{{Validator: 0, Signature: make([]byte, 64)}}
		if text, err = json.Marshal(p); err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := parseProposal(text)
		if err != nil {
			return
		}
		again, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		if q, err := parseProposal(again); err != nil || codec.ChangeHash(q.Change()) != codec.ChangeHash(p.Change()) {
			t.Errorf("%+v is read again as %+v, %v", p, q, err)
		}
	})
}
