// SPDX-License-Identifier: Apache-2.0

package seal

import (
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/keys"
)

// VotesMax bounds the votes of a reveal: more heights are never executed and not certified.
const VotesMax = 64

// Vote is a header that a validator signed.
type Vote struct {
	Point
	Signature []byte // Ed25519 over keys.HeaderMessage
}

// Statement is a handover that a validator signed, without the keys of the next membership.
type Statement struct {
	Handover chain.Hash // codec.HandoverHash
	Point
	Root        chain.Hash
	Next        chain.Hash // codec.MembershipHash
	Verdict     chain.Verdict
	HomeVersion uint64
}

// statementOf is a handover without the keys.
func statementOf(h *chain.Handover) *Statement {
	return &Statement{
		Handover: codec.HandoverHash(h), Point: Point{h.Height, h.Header}, Root: h.Root, Next: codec.MembershipHash(&h.Next), Verdict: h.Verdict, HomeVersion: h.HomeVersion,
	}
}

// Reveal is what a validator says of an epoch in which it signs no header any more: once it is said, only a newer
// certificate can be added to it.
type Reveal struct {
	Chain       chain.ChainID
	Epoch       chain.Epoch
	Validator   chain.ValidatorNo
	Certificate *chain.Certificate // newest of the epoch that it has, without signatures for a state root; nil: none
	Header      []byte             // what Certificate is over
	Votes       []Vote             // of each height above it, or above the epoch's base
	Signed      *Statement         // the handover that it signed, nil: none
	Signature   []byte             // Ed25519 over all above

	// Next is the membership that Signed names, for who takes the handover up again.
	Next *chain.Membership
}

// Top is the highest point that a validator has a certificate of or voted for; the epoch's base without either.
func (r *Reveal) Top(e *Epoch) Point {
	if n := len(r.Votes); n > 0 {
		return r.Votes[n-1].Point
	}
	return r.certified(e)
}

// certified is the newest certified point that a validator knows of.
func (r *Reveal) certified(e *Epoch) Point {
	if r.Certificate == nil {
		return e.Base
	}
	return Point{r.Certificate.Height, r.Certificate.Header}
}

// Sign signs a reveal with the validator's Ed25519 key.
func (r *Reveal) Sign(key keys.Signer) (err error) {
	r.Signature, err = key.Sign(keys.SealRevealMessage(appendRevealBody(nil, r)))
	return err
}

// CheckReveal checks that a reveal is its validator's, and that what it shows holds together. Errors are Invalid.
func (e *Epoch) CheckReveal(r *Reveal) error {
	key := e.HeaderKey(r.Validator)
	switch {
	case r.Chain != e.Chain() || r.Epoch != e.Epoch():
		return badReveal(r, "is of epoch %d of chain %d, not of epoch %d of chain %d", r.Epoch, r.Chain, e.Epoch(), e.Chain())
	case key == nil:
		return badReveal(r, "is of no member")
	case len(r.Votes) > VotesMax:
		return badReveal(r, "has %d votes, at most %d may stand", len(r.Votes), VotesMax)
	case !key.Verify(keys.SealRevealMessage(appendRevealBody(nil, r)), r.Signature):
		return badReveal(r, "is not signed by its validator")
	}
	if err := e.checkCertificate(r); err != nil {
		return err
	}
	for i := range r.Votes {
		v := &r.Votes[i]
		// A gap would hide a vote: whoever signed a height has signed all between it and its certificate.
		if want := r.certified(e).Height + 1 + chain.Height(i); v.Height != want {
			return badReveal(r, "shows a vote for height %d where %d follows", v.Height, want)
		}
		if !key.Verify(keys.HeaderMessage(e.Chain(), v.Header), v.Signature) {
			return badReveal(r, "shows a vote for height %d that its validator did not sign", v.Height)
		}
	}
	return r.checkSigned(e)
}

// checkCertificate checks the certificate by its header: signatures are over the hash, and the height beside them is the
// sender's word.
func (e *Epoch) checkCertificate(r *Reveal) error {
	c := r.Certificate
	if c == nil {
		if len(r.Header) > 0 {
			return badReveal(r, "has a header without a certificate")
		}
		return nil
	}
	h, err := codec.DecodeHeader(r.Header)
	if err != nil {
		return fault.Wrap(fault.Invalid, err, "the reveal of validator %d", r.Validator)
	}
	switch {
	case c.Header != codec.Sum(r.Header) || c.Height != h.Height || c.Epoch != h.Epoch:
		return badReveal(r, "has a certificate of another header than it shows")
	case h.Chain != e.Chain() || h.Epoch != e.Epoch() || h.Height <= e.Base.Height:
		return badReveal(r, "has a certificate of height %d in epoch %d of chain %d, which is not of this epoch", h.Height, h.Epoch, h.Chain)
	case len(c.Signatures) < e.Quorum():
		return badReveal(r, "has a certificate of %d signatures, a quorum is %d", len(c.Signatures), e.Quorum())
	}
	var signers members
	message := keys.HeaderMessage(e.Chain(), c.Header)
	for _, s := range c.Signatures {
		key := e.HeaderKey(s.Validator)
		if key == nil || !signers.add(s.Validator) || len(s.Root) > 0 || !key.Verify(message, s.Header) {
			return badReveal(r, "has a certificate in which the signature of validator %d is not valid", s.Validator)
		}
	}
	return nil
}

func (r *Reveal) checkSigned(e *Epoch) error {
	switch {
	case r.Signed == nil && r.Next != nil:
		return badReveal(r, "has a next membership without a handover")
	case r.Signed == nil:
		return nil
	case r.Signed.Height <= e.Base.Height:
		return badReveal(r, "signed a handover at height %d, which is not of this epoch", r.Signed.Height)
	case !r.Signed.Verdict.Seals() || (r.Signed.HomeVersion > 0) != (r.Signed.Verdict == chain.VerdictToV10):
		return badReveal(r, "signed a handover of verdict %d that makes version %d of the home table, which none does", r.Signed.Verdict, r.Signed.HomeVersion)
	case r.Next != nil && codec.MembershipHash(r.Next) != r.Signed.Next:
		return badReveal(r, "has another next membership than the handover that it signed")
	}
	return nil
}

func badReveal(r *Reveal, format string, args ...any) error {
	return fault.Reasoned(fault.Invalid, "bad_reveal", "the reveal of validator %d "+format, append([]any{r.Validator}, args...)...)
}
