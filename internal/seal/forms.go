// SPDX-License-Identifier: Apache-2.0

package seal

import (
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
)

// appendRevealBody appends what a reveal's signature covers.
func appendRevealBody(dst []byte, r *Reveal) []byte {
	w := writer{dst}
	w.text(magicReveal)
	w.u64(uint64(r.Chain))
	w.u64(uint64(r.Epoch))
	w.u16(uint16(r.Validator))
	if r.Certificate == nil {
		w.bytes(nil, certificateBytesMax)
	} else {
		w.bytes(codec.AppendCertificate(nil, r.Certificate), certificateBytesMax)
	}
	w.bytes(r.Header, codec.HeaderBytesMax)
	w.u16(uint16(len(r.Votes)))
	for i := range r.Votes {
		w.point(r.Votes[i].Point)
		w.signature(r.Votes[i].Signature)
	}
	w.flag(r.Signed != nil)
	if s := r.Signed; s != nil {
		w.hash(s.Handover)
		w.point(s.Point)
		w.hash(s.Root)
		w.hash(s.Next)
		w.u16(uint16(s.Verdict))
		w.u64(s.HomeVersion)
	}
	return w.b
}

// AppendReveal appends a reveal's encoding.
func AppendReveal(dst []byte, r *Reveal) []byte {
	w := writer{appendRevealBody(dst, r)}
	w.signature(r.Signature)
	w.membership(r.Next)
	return w.b
}

// DecodeReveal reads an encoded reveal. It checks the form only; Epoch.CheckReveal checks the rest.
func DecodeReveal(b []byte) (*Reveal, error) {
	r := reader{b: b, what: "reveal"}
	x := readReveal(&r)
	return x, r.done()
}

func readReveal(r *reader) *Reveal {
	r.magic(magicReveal)
	x := &Reveal{Chain: chain.ChainID(r.u64()), Epoch: chain.Epoch(r.u64()), Validator: chain.ValidatorNo(r.u16())}
	if b := r.bytes(certificateBytesMax); b != nil {
		c, err := codec.DecodeCertificate(b)
		if err != nil {
			r.fail("%v", err)
		}
		x.Certificate = c
	}
	x.Header = r.bytes(codec.HeaderBytesMax)
	for range r.count(VotesMax) {
		x.Votes = append(x.Votes, Vote{Point: r.point(), Signature: r.signature()})
	}
	if r.flag() {
		x.Signed = &Statement{Handover: r.hash(), Point: r.point(), Root: r.hash(), Next: r.hash(), Verdict: r.verdict(), HomeVersion: r.u64()}
	}
	x.Signature = r.signature()
	x.Next = r.membership()
	return x
}

// appendClaimBody appends what a claim's signature covers.
func appendClaimBody(dst []byte, c *Claim) []byte {
	w := writer{dst}
	w.text(magicClaim)
	w.u64(uint64(c.Chain))
	w.u64(uint64(c.Epoch))
	w.u16(uint16(c.Validator))
	w.hash(c.Choice)
	w.hash(c.Next)
	w.hash(c.Root)
	w.u64(c.HomeVersion)
	return w.b
}

// AppendClaim appends a claim's encoding.
func AppendClaim(dst []byte, c *Claim) []byte {
	w := writer{appendClaimBody(dst, c)}
	w.signature(c.Signature)
	w.bytes(c.Header, codec.HeaderBytesMax)
	return w.b
}

// DecodeClaim reads an encoded claim. It checks the form only; Epoch.CheckClaim checks the rest.
func DecodeClaim(b []byte) (*Claim, error) {
	r := reader{b: b, what: "claim"}
	c := readClaim(&r)
	return c, r.done()
}

func readClaim(r *reader) *Claim {
	r.magic(magicClaim)
	c := &Claim{Chain: chain.ChainID(r.u64()), Epoch: chain.Epoch(r.u64()), Validator: chain.ValidatorNo(r.u16())}
	c.Choice, c.Next, c.Root, c.HomeVersion = r.hash(), r.hash(), r.hash(), r.u64()
	c.Signature = r.signature()
	c.Header = r.bytes(codec.HeaderBytesMax)
	return c
}

// digest names a choice in claims: who claims it has all of Through in its history.
func (c *Choice) digest() chain.Hash {
	w := writer{[]byte(magicChoice)}
	w.point(c.Point)
	w.u16(uint16(len(c.Through)))
	for _, p := range c.Through {
		w.point(p)
	}
	w.flag(c.Taken != nil)
	if c.Taken != nil {
		w.hash(c.Taken.Handover)
	}
	return codec.Sum(w.b)
}

// AppendPlan appends a plan's encoding. The memberships beside its reveals stay behind.
func AppendPlan(dst []byte, p *Plan) []byte {
	w := writer{dst}
	w.text(magicPlan)
	w.membership(&p.Next)
	w.u16(uint16(p.Verdict))
	w.u16(uint16(len(p.Reveals)))
	for _, r := range p.Reveals {
		bare := *r
		bare.Next = nil
		w.bytes(AppendReveal(nil, &bare), revealBytesMax)
	}
	return w.b
}

// DecodePlan reads an encoded plan. It checks the form only; Epoch.Check checks the rest.
func DecodePlan(b []byte) (*Plan, error) {
	r := reader{b: b, what: "plan"}
	p := readPlan(&r)
	return p, r.done()
}

func readPlan(r *reader) *Plan {
	r.magic(magicPlan)
	p := &Plan{}
	next := r.membership()
	if next == nil {
		r.fail("there is no next membership")
		return p
	}
	p.Next, p.Verdict = *next, r.verdict()
	for range r.count(chain.ValidatorsMax) {
		x, err := DecodeReveal(r.bytes(revealBytesMax))
		if err != nil {
			r.fail("%v", err)
			return p
		}
		p.Reveals = append(p.Reveals, x)
	}
	return p
}

// AppendAsk appends the encoding of a plan with claims: what a validator is asked to sign. The headers beside the claims
// stay behind.
func AppendAsk(dst []byte, p *Plan, claims []*Claim) []byte {
	w := writer{dst}
	w.text(magicAsk)
	w.bytes(AppendPlan(nil, p), RequestBytesMax)
	w.u16(uint16(len(claims)))
	for _, c := range claims {
		bare := *c
		bare.Header = nil
		w.bytes(AppendClaim(nil, &bare), claimBytesMax)
	}
	return w.b
}

// DecodeAsk reads a plan with claims.
func DecodeAsk(b []byte) (*Plan, []*Claim, error) {
	r := reader{b: b, what: "request to sign"}
	r.magic(magicAsk)
	p, err := DecodePlan(r.bytes(RequestBytesMax))
	if err != nil {
		r.fail("%v", err)
	}
	var claims []*Claim
	for range r.count(chain.ValidatorsMax) {
		c, err := DecodeClaim(r.bytes(claimBytesMax))
		if err != nil {
			r.fail("%v", err)
			break
		}
		claims = append(claims, c)
	}
	return p, claims, r.done()
}

// AppendWhere appends the encoding of a validator's place.
func AppendWhere(dst []byte, x *Where) []byte {
	w := writer{dst}
	w.text(magicWhere)
	w.u64(uint64(x.Chain))
	w.u16(uint16(x.Validator))
	w.flag(x.Refused)
	w.point(x.Base)
	w.membership(x.Membership)
	return w.b
}

// DecodeWhere reads a validator's place.
func DecodeWhere(b []byte) (*Where, error) {
	r := reader{b: b, what: "place"}
	r.magic(magicWhere)
	x := &Where{Chain: chain.ChainID(r.u64()), Validator: chain.ValidatorNo(r.u16()), Refused: r.flag(), Base: r.point(), Membership: r.membership()}
	if r.err == nil && x.Membership == nil {
		r.fail("there is no membership")
	}
	return x, r.done()
}
