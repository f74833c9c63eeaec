// SPDX-License-Identifier: Apache-2.0

package seal

import (
	"strings"
	"testing"
	"testing/synctest"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// TestCoordinatorToV10: the handover says what was asked for, with the version that the states came to, and proves itself.
func TestCoordinatorToV10(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newCouncil(t, 4)
		k.hosts[3].homes = 40 // one computes another table, and is not believed
		r, err := runSeal(t, &Coordinator{Voters: k.voters(), Verdict: chain.VerdictToV10})
		if err != nil || !r.Sealed || r.Handover.Verdict != chain.VerdictToV10 || r.Handover.HomeVersion != 8 || r.running() != 4 {
			t.Fatalf("%+v %v", r, err)
		}
		for v, h := range k.hosts[:3] {
			if h.finished == nil || codec.HandoverHash(&h.finished.Handover) != codec.HandoverHash(r.Handover) || k.e.VerifyHandover(h.finished) != nil {
				t.Errorf("validator %d took %+v", v, h.finished)
			}
		}
	})
}

// TestVerdictIsSignedOnce: a handover of one verdict, which members signed before, is taken up by a run that was asked for the other, and that
// run says so once the next epoch is there.
func TestVerdictIsSignedOnce(t *testing.T) {
	for decided, asked := range map[chain.Verdict]chain.Verdict{
		chain.VerdictUnchanged: chain.VerdictToV10, chain.VerdictToV10: chain.VerdictUnchanged,
	} {
		synctest.Test(t, func(t *testing.T) {
			k := newCouncil(t, 4)
			k.verdict = decided
			k.halfSigned(k.e.Without([]chain.ValidatorNo{3}), 0, 1)
			r, err := runSeal(t, &Coordinator{Voters: k.voters(), Verdict: asked})
			wantFault(t, err, fault.Conflict, ReasonOtherVerdict)
			if !r.Sealed || r.Handover.Verdict != decided || r.running() != 3 || r.Decision.Taken == nil || r.Decision.Verdict != decided {
				t.Fatalf("%+v", r)
			}
			if text := err.Error(); !strings.Contains(text, "with the verdict "+decided.String()) || !strings.Contains(text, "asked was "+asked.String()) {
				t.Error(text)
			}
		})
	}
}

// TestSealerRefusesTheOtherVerdict: who signed a handover of one verdict signs none of the other, also after a restart, and its plan is none.
func TestSealerRefusesTheOtherVerdict(t *testing.T) {
	k, ctx := newCouncil(t, 4), t.Context()
	k.halfSigned(k.e.Without(nil), 0)
	k.sealers[0] = open(t, k.e, 0, k.disks[0], k.hosts[0])
	k.verdict = chain.VerdictToV10
	p := k.plan(k.e.Without(nil), 1, 2, 3) // without the reveal of who signed: nothing is taken up
	claims := k.claims(p, 1, 2)
	_, err := k.sealers[0].Sign(ctx, p, claims)
	wantFault(t, err, fault.Conflict, "signed_other")
	if !strings.Contains(err.Error(), "with the verdict unchanged") {
		t.Error(err)
	}
	for _, v := range []chain.ValidatorNo{1, 2, 3} {
		if _, err := k.sealers[v].Sign(ctx, p, claims); err != nil {
			t.Errorf("validator %d: %v", v, err)
		}
	}
	p = k.plan(k.e.Without(nil), 1, 2, 3) // now f+1 signed
	p.Verdict = chain.VerdictUnchanged
	_, err = k.e.Check(p)
	wantFault(t, err, fault.Conflict, ReasonOtherVerdict)
	for _, v := range []chain.Verdict{chain.VerdictNone, 3} {
		p.Verdict = v
		_, err = k.sealers[1].Prepare(ctx, p)
		wantFault(t, err, fault.Invalid, "bad_plan")
	}
}

// TestClaimsNameTheHomeVersion: what f+1 claim stands in the handover; a root with another version beside it is another state, and a claim of
// one verdict counts nothing for the other.
func TestClaimsNameTheHomeVersion(t *testing.T) {
	e := epochOf(t, 4)
	p := planOf(t, e, knownToAll(t, e, 4))
	decide := func(v chain.Verdict) *Decision {
		p.Verdict = v
		d, err := e.Check(p)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	claim := func(v chain.ValidatorNo, d *Decision, version uint64) *Claim {
		c := claimOf(t, v, d, chain.Hash{1})
		c.HomeVersion = version
		if err := c.Sign(headerKey(t, v)); err != nil {
			t.Fatal(err)
		}
		return c
	}
	d := decide(chain.VerdictToV10)
	h, err := e.Agree(d, &p.Next, []*Claim{claim(0, d, 5), claim(1, d, 6), claim(2, d, 6)})
	if err != nil || h.HomeVersion != 6 || h.Verdict != chain.VerdictToV10 {
		t.Fatalf("%+v %v", h, err)
	}
	_, err = e.Agree(d, &p.Next, []*Claim{claim(0, d, 5), claim(1, d, 6), claim(2, d, 0), claim(3, d, 0)})
	wantFault(t, err, fault.Unavailable, "no_agreement")
	_, err = e.Agree(d, &p.Next, []*Claim{claim(0, d, 5), claim(1, d, 6), claim(2, d, 5), claim(3, d, 6)})
	wantFault(t, err, fault.Conflict, "two_roots")
	d = decide(chain.VerdictUnchanged)
	_, err = e.Agree(d, &p.Next, []*Claim{claim(0, d, 6), claim(1, d, 6), claim(2, d, 0)})
	wantFault(t, err, fault.Unavailable, "no_agreement")

	bad := claim(1, d, 0)
	bad.HomeVersion = 6 // changed after it was signed
	wantFault(t, e.CheckClaim(decide(chain.VerdictToV10), bad), fault.Invalid, "bad_claim")
	for _, s := range []Statement{{Verdict: chain.VerdictNone}, {Verdict: 3}, {Verdict: chain.VerdictToV10}, {Verdict: chain.VerdictUnchanged, HomeVersion: 6}} {
		s.Point = pointAt(43, 0)
		r := revealOf(t, 1, &Known{})
		if r.Signed = &s; r.Sign(headerKey(t, 1)) != nil {
			t.Fatal("cannot sign")
		}
		wantFault(t, e.CheckReveal(r), fault.Invalid, "bad_reveal")
	}
}

// TestNoWayBack: where the validators say that no slot can become V10's, the run says that and not that they do not agree; nothing is decided,
// and the other verdict still is possible.
func TestNoWayBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newCouncil(t, 4)
		for _, h := range k.hosts {
			h.cannot = fault.Reasoned(fault.Conflict, chain.ReasonNoWayBack, "the migration is over")
		}
		r, err := runSeal(t, &Coordinator{Voters: k.voters(), Verdict: chain.VerdictToV10})
		wantFault(t, err, fault.Conflict, chain.ReasonNoWayBack)
		if r.Sealed || r.Handover != nil || !strings.Contains(err.Error(), "the migration is over") {
			t.Errorf("%+v %v", r, err)
		}
		for _, h := range k.hosts {
			h.cannot = nil
		}
		if r, err := runSeal(t, &Coordinator{Voters: k.voters()}); err != nil || r.Handover.Verdict != chain.VerdictUnchanged || r.Handover.HomeVersion != 0 {
			t.Errorf("%+v %v", r, err)
		}
	})
}
