// SPDX-License-Identifier: Apache-2.0

package seal

import (
	"fmt"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/keys"
)

// Plan is all that a choice follows from: what the validators revealed, who goes on, and what the seal means.
type Plan struct {
	Reveals []*Reveal // ascending by validator
	Next    chain.Membership
	Verdict chain.Verdict
}

// Decision is what a plan comes to.
type Decision struct {
	*Choice
	LeftOut []chain.ValidatorNo
	Verdict chain.Verdict
	Next    chain.Hash // of the next membership
	Digest  chain.Hash // of the choice: what a claim is for
}

// Check checks a plan, all signatures included, and decides it. Errors are as of CheckReveal, Choose and
// chain.Membership.CheckNext.
func (e *Epoch) Check(p *Plan) (*Decision, error) {
	for _, r := range p.Reveals {
		if err := e.CheckReveal(r); err != nil {
			return nil, err
		}
	}
	return e.decide(p)
}

// decide is Check without the signatures, for who checked them as the reveals came.
func (e *Epoch) decide(p *Plan) (*Decision, error) {
	if err := e.checkNext(&p.Next); err != nil {
		return nil, err
	}
	if !p.Verdict.Seals() {
		return nil, fault.Reasoned(fault.Invalid, "bad_plan", "verdict %d is none of a seal that this version knows", p.Verdict)
	}
	d := &Decision{LeftOut: e.LeftOut(&p.Next), Verdict: p.Verdict, Next: codec.MembershipHash(&p.Next)}
	for i, r := range p.Reveals {
		switch {
		case i > 0 && r.Validator <= p.Reveals[i-1].Validator:
			return nil, fault.Reasoned(fault.Invalid, "bad_plan", "the reveals of a plan ascend by validator, each once")
		case setOf(d.LeftOut).has(r.Validator):
			return nil, fault.Reasoned(fault.Invalid, "bad_plan", "validator %d is left out and not believed: its reveal has no place in the plan", r.Validator)
		}
	}
	var err error
	if d.Choice, err = e.Choose(d.LeftOut, p.Reveals); err != nil {
		return nil, err
	}
	switch {
	case d.Taken != nil && d.Taken.Next != d.Next:
		return nil, fault.Reasoned(fault.Conflict, "other_membership", "a handover at height %d was signed before, with another next membership: it must be taken up again as it is", d.Height)
	case d.Taken != nil && d.Taken.Verdict != d.Verdict:
		return nil, fault.Reasoned(fault.Conflict, ReasonOtherVerdict, "a handover at height %d was signed before, with the verdict %s: it must be taken up again as it is", d.Height, d.Taken.Verdict)
	}
	d.Digest = d.Choice.digest()
	return d, nil
}

// ReasonOtherVerdict is why a seal does not do what was asked: the epoch ends with the verdict of an earlier run.
const ReasonOtherVerdict = "other_verdict"

// Claim is a validator's word that its state is at the chosen header, with all that the choice stands on below it, and what
// the root of that state is under the next membership and the verdict.
type Claim struct {
	Chain       chain.ChainID
	Epoch       chain.Epoch
	Validator   chain.ValidatorNo
	Choice      chain.Hash // Decision.Digest
	Next        chain.Hash // codec.MembershipHash
	Root        chain.Hash
	HomeVersion uint64 // as in the handover
	Signature   []byte // Ed25519 over all above

	// Header is the chosen header, for who makes the handover. The choice names its hash.
	Header []byte
}

// Sign signs a claim with the validator's Ed25519 key.
func (c *Claim) Sign(key keys.Signer) (err error) {
	c.Signature, err = key.Sign(keys.SealClaimMessage(appendClaimBody(nil, c)))
	return err
}

// CheckClaim checks that a claim is its validator's, and for a decision. Errors are Invalid.
func (e *Epoch) CheckClaim(d *Decision, c *Claim) error {
	key := e.HeaderKey(c.Validator)
	switch {
	case key == nil || setOf(d.LeftOut).has(c.Validator):
		return badClaim(c, "is of no member that goes on")
	case c.Chain != e.Chain() || c.Epoch != e.Epoch() || c.Choice != d.Digest || c.Next != d.Next:
		return badClaim(c, "is for another choice")
	case (c.HomeVersion > 0) != (d.Verdict == chain.VerdictToV10):
		return badClaim(c, "is for another verdict")
	case len(c.Header) > 0 && codec.Sum(c.Header) != d.Header:
		return badClaim(c, "has another header than the chosen one")
	case !key.Verify(keys.SealClaimMessage(appendClaimBody(nil, c)), c.Signature):
		return badClaim(c, "is not signed by its validator")
	}
	return nil
}

func badClaim(c *Claim, format string, args ...any) error {
	return fault.Reasoned(fault.Invalid, "bad_claim", "the claim of validator %d "+format, append([]any{c.Validator}, args...)...)
}

// claimed is what a claim says of a state.
type claimed struct {
	root        chain.Hash
	homeVersion uint64
}

// Agree is the handover that f+1 members claim, one of them honest. Claims that do not hold count for nothing. Unavailable:
// fewer claim one state. Conflict: two states have so many, or a handover that must be taken up again has another.
func (e *Epoch) Agree(d *Decision, next *chain.Membership, claims []*Claim) (*chain.Handover, error) {
	var counted members
	count := map[claimed]int{}
	var agreed []claimed
	for _, c := range claims {
		if e.CheckClaim(d, c) != nil || !counted.add(c.Validator) {
			continue
		}
		x := claimed{c.Root, c.HomeVersion}
		if count[x]++; count[x] == e.faultyMax()+1 {
			agreed = append(agreed, x)
		}
	}
	switch {
	case len(agreed) == 0:
		return nil, e.noAgreement(d)
	case len(agreed) > 1:
		return nil, fault.Reasoned(fault.Conflict, "two_roots", "validators claim states %s and %s at height %d; a person must decide: run verify on both", agreed[0].root, agreed[1].root, d.Height)
	}
	h := &chain.Handover{
		Chain: e.Chain(), Verdict: d.Verdict, Height: d.Height, Header: d.Header, Root: agreed[0].root, Next: *next, HomeVersion: agreed[0].homeVersion,
	}
	if d.Taken != nil && codec.HandoverHash(h) != d.Taken.Handover {
		return nil, fault.Reasoned(fault.Conflict, "other_root", "a handover at height %d was signed before with state root %s, validators now claim %s; a person must decide: run verify", d.Height, d.Taken.Root, agreed[0].root)
	}
	return h, nil
}

func (e *Epoch) noAgreement(d *Decision) error {
	text := ""
	if n := len(d.Signers); n > 0 && n <= e.faultyMax() {
		text = fmt.Sprintf(". Of those heard only %v signed it, and may lie; what the others signed, who are not heard, decides: bring one of them back, or leave out who is known to lie", d.Signers)
	}
	return fault.Reasoned(fault.Unavailable, "no_agreement", "fewer than %d validators claim one state at height %d%s", e.faultyMax()+1, d.Height, text)
}
