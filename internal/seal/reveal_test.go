// SPDX-License-Identifier: Apache-2.0

package seal

import (
	"testing"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/fault"
)

func TestCheckReveal(t *testing.T) {
	e := epochOf(t, 4)
	good := func() *Reveal { return revealOf(t, 1, knownTo(t, e, 1, 42, 45, 0)) }
	if err := e.CheckReveal(good()); err != nil {
		t.Fatal(err)
	}
	if err := e.CheckReveal(revealOf(t, 2, &Known{})); err != nil {
		t.Fatal("who knows nothing may say so:", err)
	}
	other, _ := headerAt(43, 0)
	early, atBase := headerAt(testBase.Height, 0)
	for name, spoil := range map[string]func(r *Reveal){
		"of another chain":               func(r *Reveal) { r.Chain++ },
		"of another epoch":               func(r *Reveal) { r.Epoch++ },
		"of nobody":                      func(r *Reveal) { r.Validator = 9 },
		"of somebody else":               func(r *Reveal) { r.Validator = 2 },
		"with a gap":                     func(r *Reveal) { r.Votes = append(r.Votes[:1:1], r.Votes[2:]...) },
		"without the first vote":         func(r *Reveal) { r.Votes = r.Votes[1:] },
		"with a vote twice":              func(r *Reveal) { r.Votes = append(r.Votes[:1:1], r.Votes...) },
		"with a vote of somebody else":   func(r *Reveal) { r.Votes[1] = voteOf(t, 2, r.Votes[1].Point) },
		"without the certificate":        func(r *Reveal) { r.Certificate, r.Header = nil, nil },
		"with a header alone":            func(r *Reveal) { r.Certificate, r.Votes = nil, nil },
		"with another header":            func(r *Reveal) { r.Header = other },
		"with no header":                 func(r *Reveal) { r.Header = nil },
		"with a certificate of too few":  func(r *Reveal) { r.Certificate.Signatures = r.Certificate.Signatures[:2] },
		"with a signer twice":            func(r *Reveal) { r.Certificate.Signatures[1] = r.Certificate.Signatures[0] },
		"with a signer from nowhere":     func(r *Reveal) { r.Certificate.Signatures[1].Validator = 50 },
		"with a wrong signature":         func(r *Reveal) { r.Certificate.Signatures[1].Header = r.Certificate.Signatures[0].Header },
		"with a state root's signature":  func(r *Reveal) { r.Certificate.Signatures[1].Root = []byte{1} },
		"with a height beside the hash":  func(r *Reveal) { r.Certificate.Height++; r.Votes = r.Votes[1:] },
		"of the epoch before":            func(r *Reveal) { r.Certificate, r.Header, r.Votes = certificateOf(t, e, atBase), early, nil },
		"with a handover below its base": func(r *Reveal) { r.Signed = &Statement{Point: testBase} },
		"with a membership alone":        func(r *Reveal) { r.Next = e.Membership() },
		"with another membership": func(r *Reveal) {
			r.Signed, r.Next = &Statement{Point: pointAt(43, 0), Next: chain.Hash{1}}, e.Membership()
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := good()
			spoil(r)
			if err := r.Sign(headerKey(t, 1)); err != nil {
				t.Fatal(err)
			}
			wantFault(t, e.CheckReveal(r), fault.Invalid, "")
		})
	}
	r := good()
	r.Votes = append(r.Votes, voteOf(t, 1, pointAt(46, 0)))
	wantFault(t, e.CheckReveal(r), fault.Invalid, "bad_reveal") // changed after it was signed
	for h := chain.Height(47); len(r.Votes) <= VotesMax; h++ {
		r.Votes = append(r.Votes, voteOf(t, 1, pointAt(h, 0)))
	}
	wantFault(t, e.CheckReveal(r), fault.Invalid, "bad_reveal")
}

// planOf is a plan of what validators know, with all of them going on but some.
func planOf(t testing.TB, e *Epoch, known map[chain.ValidatorNo]*Known, without ...chain.ValidatorNo) *Plan {
	t.Helper()
	p := &Plan{Next: *e.Without(without), Verdict: chain.VerdictUnchanged}
	for v := range chain.ValidatorNo(len(e.Membership().Members)) {
		if k := known[v]; k != nil {
			p.Reveals = append(p.Reveals, revealOf(t, v, k))
		}
	}
	return p
}

func knownToAll(t testing.TB, e *Epoch, n int) map[chain.ValidatorNo]*Known {
	known := map[chain.ValidatorNo]*Known{}
	for v := range chain.ValidatorNo(n) {
		known[v] = knownTo(t, e, v, 42, 44, 0)
	}
	return known
}

func claimOf(t testing.TB, v chain.ValidatorNo, d *Decision, root chain.Hash) *Claim {
	t.Helper()
	c := &Claim{Chain: testChain, Epoch: testEpoch, Validator: v, Choice: d.Digest, Next: d.Next, Root: root}
	c.Header, _ = headerAt(d.Height, 0)
	if err := c.Sign(headerKey(t, v)); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestCheckPlan(t *testing.T) {
	e := epochOf(t, 4)
	p := planOf(t, e, knownToAll(t, e, 3), 3)
	d, err := e.Check(p)
	if err != nil || d.Point != pointAt(44, 0) || d.Next != codec.MembershipHash(&p.Next) {
		t.Fatalf("%+v %v", d, err)
	}
	for name, spoil := range map[string]func(p *Plan){
		"a reveal twice":             func(p *Plan) { p.Reveals[1] = p.Reveals[0] },
		"out of order":               func(p *Plan) { p.Reveals[0], p.Reveals[1] = p.Reveals[1], p.Reveals[0] },
		"of one who is left out":     func(p *Plan) { p.Reveals = append(p.Reveals, revealOf(t, 3, knownTo(t, e, 3, 42, 44, 0))) },
		"a reveal that is not whole": func(p *Plan) { p.Reveals[2].Votes = p.Reveals[2].Votes[:1] },
		"another epoch":              func(p *Plan) { p.Next.Epoch++ },
		"too few go on":              func(p *Plan) { p.Next = *e.Without([]chain.ValidatorNo{2, 3}) },
	} {
		bad := planOf(t, e, knownToAll(t, e, 3), 3)
		spoil(bad)
		if _, err := e.Check(bad); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, err = e.Check(planOf(t, e, knownToAll(t, e, 2), 3))
	wantFault(t, err, fault.Unavailable, "no_quorum")
}

func TestAgree(t *testing.T) {
	e := epochOf(t, 7) // f = 2: three must agree
	p := planOf(t, e, knownToAll(t, e, 6), 6)
	d, err := e.Check(p)
	if err != nil {
		t.Fatal(err)
	}
	a, b := chain.Hash{1}, chain.Hash{2}
	claims := func(roots ...chain.Hash) (list []*Claim) {
		for v, root := range roots {
			list = append(list, claimOf(t, chain.ValidatorNo(v), d, root))
		}
		return list
	}
	h, err := e.Agree(d, &p.Next, claims(b, a, b, a, a))
	if err != nil || h.Root != a || h.Height != 44 || h.Header != d.Header || h.Verdict != chain.VerdictUnchanged || h.Chain != testChain || len(h.Next.Members) != 6 {
		t.Fatalf("%+v %v", h, err)
	}
	_, err = e.Agree(d, &p.Next, claims(a, a, b, b))
	wantFault(t, err, fault.Unavailable, "no_agreement")
	_, err = e.Agree(d, &p.Next, claims(a, a, a, b, b, b))
	wantFault(t, err, fault.Conflict, "two_roots")
	for name, third := range map[string]*Claim{
		"one twice":            claimOf(t, 1, d, a),
		"of who is left out":   claimOf(t, 6, d, a),
		"of nobody":            {Validator: 40},
		"of another chain":     changed(t, d, func(c *Claim) { c.Chain++ }),
		"of another epoch":     changed(t, d, func(c *Claim) { c.Epoch++ }),
		"of another choice":    changed(t, d, func(c *Claim) { c.Choice[0]++ }),
		"of another future":    changed(t, d, func(c *Claim) { c.Next[0]++ }),
		"with another header":  changed(t, d, func(c *Claim) { c.Header, _ = headerAt(43, 0) }),
		"signed by another":    changed(t, d, func(c *Claim) { c.Validator = 3 }),
		"with another's state": changed(t, d, func(c *Claim) { c.Root = b }),
	} {
		if h, err := e.Agree(d, &p.Next, append(claims(a, a), third)); err == nil {
			t.Errorf("%s counts: %+v", name, h)
		}
	}
}

// changed is validator 2's claim of root 1, spoilt before it was signed by validator 2.
func changed(t *testing.T, d *Decision, spoil func(*Claim)) *Claim {
	c := claimOf(t, 2, d, chain.Hash{1})
	spoil(c)
	if err := c.Sign(headerKey(t, 2)); err != nil {
		t.Fatal(err)
	}
	return c
}

// A choice is claimed with all that it stands on: who has the last header by another way claims something else.
func TestClaimNamesItsHistory(t *testing.T) {
	base := Choice{Point: pointAt(46, 0), Through: []Point{pointAt(44, 0), pointAt(45, 0)}}
	seen := map[chain.Hash]bool{base.digest(): true}
	for _, c := range []Choice{
		{Point: pointAt(46, 1), Through: base.Through},
		{Point: pointAt(46, 0), Through: base.Through[:1]},
		{Point: pointAt(46, 0), Through: []Point{pointAt(44, 0), pointAt(45, 1)}},
		{Point: pointAt(46, 0), Through: base.Through, Taken: &Statement{}},
		{Point: pointAt(46, 0), Through: base.Through, Taken: &Statement{Handover: chain.Hash{1}}},
	} {
		if d := c.digest(); seen[d] {
			t.Errorf("%+v has another's digest", c)
		} else {
			seen[d] = true
		}
	}
}
