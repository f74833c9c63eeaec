// SPDX-License-Identifier: Apache-2.0

package network

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/aurigraph/aurigraph/client"
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/keys"
)

const (
	proposalVersion  = 1
	proposalBytesMax = 1 << 20
)

// Proposal is a change of the membership on its way from one operator to the next, each of whom adds an approval. It is a file
// that people read; what is signed is Change alone, and all else in it is checked against that, or by the ledger.
type Proposal struct {
	Version   int                `json:"version"`
	Summary   string             `json:"summary"`
	Chain     chain.ChainID      `json:"chain_id"`
	Epoch     chain.Epoch        `json:"epoch"` // the present one, which the change ends
	Validator chain.ValidatorNo  `json:"validator"`
	Name      string             `json:"name,omitempty"`
	Ed25519   chain.HexBytes     `json:"ed25519,omitempty"`
	MLDSA65   chain.HexBytes     `json:"ml_dsa_65,omitempty"`
	Hash      string             `json:"change_hash"`
	Quorum    int                `json:"quorum"`
	Members   []ProposalMember   `json:"members"` // of the present epoch
	Approvals []ProposalApproval `json:"approvals"`
}

// ProposalMember is who may approve.
type ProposalMember struct {
	Number  chain.ValidatorNo `json:"number"`
	Name    string            `json:"name"`
	Ed25519 chain.HexBytes    `json:"ed25519"`
}

// ProposalApproval is a member's signature on the change.
type ProposalApproval struct {
	Validator chain.ValidatorNo `json:"validator"`
	Signature chain.HexBytes    `json:"signature"`
}

// NewProposal proposes a change to the members of an epoch. Refused, by the outcome that the ledger would give, if it cannot be
// made in that epoch; Invalid if its form will not do.
func NewProposal(id chain.ChainID, m *chain.Membership, c *chain.ChangeValidator) (*Proposal, error) {
	body := *c
	body.Epoch, body.Approvals = m.Epoch, nil
	if o := m.CheckChange(&body); o != chain.OK {
		return nil, fault.Reasoned(fault.Refused, o.String(), "%s", whyNot(m, &body, o))
	}
	p := &Proposal{
		Version: proposalVersion, Summary: summary(m, &body), Chain: id, Epoch: body.Epoch, Validator: body.Validator, Name: body.Name,
		Ed25519: body.Ed25519, MLDSA65: body.MLDSA65, Hash: codec.ChangeHash(&body).String(), Quorum: m.Quorum(), Approvals: []ProposalApproval{},
	}
	for _, x := range m.Members {
		p.Members = append(p.Members, ProposalMember{x.No, x.Name, x.Ed25519})
	}
	return p, p.check()
}

// whyNot says what to do about a change that is not possible.
func whyNot(m *chain.Membership, c *chain.ChangeValidator, o chain.Outcome) string {
	switch o {
	case chain.UnknownValidator:
		return fmt.Sprintf("validator %d is no member in epoch %d, and the next number is %d: see `aurigraph validators`", c.Validator, m.Epoch, m.Size())
	case chain.LastValidator:
		return fmt.Sprintf("validator %d is the last one, and a network has at least one", c.Validator)
	case chain.ValidatorKeyTaken:
		return "a member has this key already: make new keys"
	case chain.ValidatorLimit:
		return fmt.Sprintf("a network has at most %d validators", chain.ValidatorsMax)
	}
	return "the ledger would refuse it with " + o.String()
}

// summary says in words what a change does.
func summary(m *chain.Membership, c *chain.ChangeValidator) string {
	before := m.Find(c.Validator)
	next := m.Changed(c)
	what := fmt.Sprintf("admit validator %d (%s)", c.Validator, c.Name)
	switch {
	case c.Removes():
		what = fmt.Sprintf("remove validator %d (%s)", c.Validator, before.Name)
	case before != nil:
		what = fmt.Sprintf("give validator %d (%s) new keys", c.Validator, c.Name)
	}
	return fmt.Sprintf("%s: epoch %d of %d validators, quorum %d, is followed by epoch %d of %d, quorum %d",
		what, m.Epoch, len(m.Members), m.Quorum(), next.Epoch, len(next.Members), next.Quorum())
}

// ReadProposal reads one from a file. Invalid: it is none, or its parts contradict each other.
func ReadProposal(path string) (*Proposal, error) {
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, fault.New(fault.NotFound, "%s does not exist: make a proposal with `aurigraph validators propose`", path)
	}
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "open the proposal")
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, proposalBytesMax+1))
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "read the proposal")
	}
	p, err := parseProposal(text)
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "%s is no proposal that can be used", path)
	}
	return p, nil
}

func parseProposal(text []byte) (*Proposal, error) {
	if len(text) > proposalBytesMax {
		return nil, fault.New(fault.Invalid, "it is longer than %d bytes", proposalBytesMax)
	}
	p := &Proposal{}
	if err := json.Unmarshal(text, p); err != nil {
		return nil, err
	}
	return p, p.check()
}

// Write writes the proposal, whole or not at all.
func (p *Proposal) Write(path string) error {
	text, err := json.MarshalIndent(p, "", "  ")
	if err != nil {
		return fault.Wrap(fault.Internal, err, "encode the proposal")
	}
	return fault.Wrap(fault.Unavailable, replaceFile(path, append(text, '\n')), "write the proposal")
}

// Change is what is approved, with the approvals.
func (p *Proposal) Change() *chain.ChangeValidator {
	c := &chain.ChangeValidator{Epoch: p.Epoch, Validator: p.Validator, Name: p.Name, Ed25519: p.Ed25519, MLDSA65: p.MLDSA65}
	for _, a := range p.Approvals {
		c.Approvals = append(c.Approvals, chain.Approval{Validator: a.Validator, Signature: a.Signature})
	}
	return c
}

// check compares what people read with what is signed. The summary is written anew: nobody approves what it only claims.
func (p *Proposal) check() error {
	switch {
	case p.Version != proposalVersion:
		return fault.New(fault.Invalid, "version %d, this program knows version %d", p.Version, proposalVersion)
	case len(p.Members) == 0 || len(p.Members) > chain.ValidatorsMax || len(p.Approvals) > chain.ApprovalsMax:
		return fault.New(fault.Invalid, "%d members and %d approvals, must be 1 to %d and at most %d", len(p.Members), len(p.Approvals), chain.ValidatorsMax, chain.ApprovalsMax)
	case p.Quorum != chain.Quorum(len(p.Members)):
		return fault.New(fault.Invalid, "a quorum of %d members is %d, not %d", len(p.Members), chain.Quorum(len(p.Members)), p.Quorum)
	}
	change := p.Change()
	if hash := codec.ChangeHash(change).String(); hash != p.Hash {
		return fault.New(fault.Invalid, "the change's hash is %s, the file says %s: it was edited", hash, p.Hash)
	}
	membership := p.membership()
	if o := membership.CheckChange(change); o != chain.OK {
		return fault.Reasoned(fault.Invalid, o.String(), "%s", whyNot(membership, change, o))
	}
	p.Summary = summary(membership, change)
	for _, a := range p.Approvals {
		if err := p.checkApproval(a); err != nil {
			return err
		}
	}
	return nil
}

// membership is the present one as far as the proposal names it.
func (p *Proposal) membership() *chain.Membership {
	m := &chain.Membership{Epoch: p.Epoch}
	for _, x := range p.Members {
		m.Members = append(m.Members, chain.Member{No: x.Number, Name: x.Name, Ed25519: x.Ed25519})
	}
	slices.SortFunc(m.Members, func(a, b chain.Member) int { return int(a.No) - int(b.No) })
	return m
}

func (p *Proposal) checkApproval(a ProposalApproval) error {
	i := slices.IndexFunc(p.Members, func(m ProposalMember) bool { return m.Number == a.Validator })
	if i < 0 {
		return fault.New(fault.Invalid, "validator %d approved and is no member", a.Validator)
	}
	public, err := keys.ParsePublic(append([]byte{byte(keys.Ed25519)}, p.Members[i].Ed25519...))
	if err != nil {
		return err
	}
	verifier, err := keys.NewVerifier(public)
	if err != nil {
		return err
	}
	if !verifier.Verify(keys.ChangeMessage(p.Chain, codec.ChangeHash(p.Change())), a.Signature) {
		return fault.New(fault.Invalid, "the approval of validator %d (%s) is not valid", a.Validator, p.Members[i].Name)
	}
	return nil
}

// Approve adds the approval of the member whose Ed25519 key the signer has. Denied: it is no member's. Twice is once.
func (p *Proposal) Approve(signer keys.Signer) (ProposalMember, error) {
	public := signer.Public().Bytes()[1:]
	i := slices.IndexFunc(p.Members, func(m ProposalMember) bool { return bytes.Equal(m.Ed25519, public) })
	if i < 0 || signer.Public().Scheme() != keys.Ed25519 {
		return ProposalMember{}, fault.New(fault.Denied, "the key is that of no member of epoch %d: approve with the key of a present validator", p.Epoch)
	}
	m := p.Members[i]
	if p.approved(m.Number) {
		return m, nil
	}
	if len(p.Approvals) == chain.ApprovalsMax {
		return m, fault.New(fault.Refused, "the proposal has %d approvals, more do not fit: submit it", chain.ApprovalsMax)
	}
	a, err := client.ApproveChange(signer, p.Chain, uint16(m.Number), p.Change())
	if err != nil {
		return m, err
	}
	p.Approvals = append(p.Approvals, ProposalApproval{a.Validator, a.Signature})
	slices.SortFunc(p.Approvals, func(a, b ProposalApproval) int { return int(a.Validator) - int(b.Validator) })
	return m, nil
}

func (p *Proposal) approved(v chain.ValidatorNo) bool {
	return slices.ContainsFunc(p.Approvals, func(a ProposalApproval) bool { return a.Validator == v })
}

// Missing is how many approvals a quorum lacks.
func (p *Proposal) Missing() int { return max(0, p.Quorum-len(p.Approvals)) }
