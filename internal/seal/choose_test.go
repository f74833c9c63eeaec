// SPDX-License-Identifier: Apache-2.0

package seal

import (
	"slices"
	"testing"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// shown is a reveal in a table: who, the height it has a certificate of, the height it voted to, and on which branch.
type shown struct {
	validator        chain.ValidatorNo
	certified, voted chain.Height
	branch           int
	signed           *Statement
}

func (x shown) reveal() *Reveal {
	r := &Reveal{Chain: testChain, Epoch: testEpoch, Validator: x.validator, Signed: x.signed}
	from := testBase.Height
	if x.certified > 0 {
		p := pointAt(x.certified, x.branch)
		r.Certificate, from = &chain.Certificate{Epoch: testEpoch, Height: p.Height, Header: p.Header}, x.certified
	}
	for h := from + 1; h <= x.voted; h++ {
		r.Votes = append(r.Votes, Vote{Point: pointAt(h, x.branch)})
	}
	return r
}

func TestChoose(t *testing.T) {
	one := &Statement{Handover: chain.Hash{1}, Point: pointAt(43, 0), Next: chain.Hash{9}}
	two := &Statement{Handover: chain.Hash{2}, Point: pointAt(44, 0), Next: chain.Hash{9}}
	for _, c := range []struct {
		name    string
		members int
		leftOut []chain.ValidatorNo
		shown   []shown
		want    Point
		through int
		reason  string // of a refusal
	}{
		{"all certified", 4, nil, []shown{{0, 44, 44, 0, nil}, {1, 44, 44, 0, nil}, {2, 43, 43, 0, nil}, {3, 44, 44, 0, nil}}, pointAt(44, 0), 0, ""},
		{"votes of a quorum", 4, nil, []shown{{0, 42, 44, 0, nil}, {1, 42, 44, 0, nil}, {2, 42, 44, 0, nil}, {3, 42, 42, 0, nil}}, pointAt(44, 0), 2, ""},
		{"two votes and one who may hide his", 4, nil, []shown{{0, 42, 43, 0, nil}, {1, 42, 43, 0, nil}, {2, 42, 42, 0, nil}, {3, 42, 42, 0, nil}}, pointAt(43, 0), 1, ""},
		{"one vote, all heard: no quorum can have signed", 4, nil, []shown{{0, 42, 43, 0, nil}, {1, 42, 42, 0, nil}, {2, 42, 42, 0, nil}, {3, 42, 42, 0, nil}}, pointAt(42, 0), 0, ""},
		// 0, 3 and the liar 1 certified 43; 3 told a client and is away; 1 hides its vote.
		{"one vote, one away, one may hide his", 4, nil, []shown{{0, 42, 43, 0, nil}, {1, 42, 42, 0, nil}, {2, 42, 42, 0, nil}}, pointAt(43, 0), 1, ""},
		{"one vote, one left out", 4, []chain.ValidatorNo{3}, []shown{{0, 42, 43, 0, nil}, {1, 42, 42, 0, nil}, {2, 42, 42, 0, nil}}, pointAt(42, 0), 0, ""},
		{"two votes, one left out", 4, []chain.ValidatorNo{3}, []shown{{0, 42, 43, 0, nil}, {1, 42, 43, 0, nil}, {2, 42, 42, 0, nil}}, pointAt(43, 0), 1, ""},
		{"a certificate ends the doubt below", 4, nil, []shown{{0, 46, 46, 0, nil}, {1, 44, 46, 1, nil}, {2, 44, 44, 0, nil}}, pointAt(46, 0), 0, ""},
		{"two histories, both may be certified", 4, nil, []shown{{0, 44, 45, 0, nil}, {1, 44, 45, 0, nil}, {2, 44, 45, 1, nil}, {3, 44, 45, 1, nil}}, Point{}, 0, "two_candidates"},
		{"two histories, the liar is known", 4, []chain.ValidatorNo{3}, []shown{{0, 44, 45, 0, nil}, {1, 44, 45, 0, nil}, {2, 44, 45, 1, nil}}, pointAt(45, 0), 1, ""},
		{"two histories of one vote each, one away", 4, nil, []shown{{0, 44, 46, 0, nil}, {1, 44, 45, 1, nil}, {2, 44, 44, 0, nil}}, Point{}, 0, "two_candidates"},
		{"one of three without a second vote", 4, nil, []shown{{0, 44, 47, 0, nil}, {1, 44, 46, 0, nil}, {2, 44, 45, 0, nil}, {3, 44, 45, 0, nil}}, pointAt(46, 0), 2, ""},
		{"seven, two away, a vote", 7, nil, []shown{{0, 42, 43, 0, nil}, {1, 42, 42, 0, nil}, {2, 42, 42, 0, nil}, {3, 42, 42, 0, nil}, {4, 42, 42, 0, nil}}, pointAt(43, 0), 1, ""},
		{"seven, two left out, two votes", 7, []chain.ValidatorNo{5, 6}, []shown{{0, 42, 43, 0, nil}, {1, 42, 43, 0, nil}, {2, 42, 42, 0, nil}, {3, 42, 42, 0, nil}, {4, 42, 42, 0, nil}}, pointAt(42, 0), 0, ""},
		{"no certificate in this epoch", 4, nil, []shown{{0, 0, 42, 0, nil}, {1, 0, 41, 0, nil}, {2, 0, 41, 0, nil}, {3, 0, 0, 0, nil}}, pointAt(41, 0), 0, ""},
		{"nothing in this epoch", 4, nil, []shown{{0, 0, 0, 0, nil}, {1, 0, 0, 0, nil}, {2, 0, 0, 0, nil}, {3, 0, 0, 0, nil}}, Point{}, 0, "nothing_certified"},
		{"no quorum", 4, nil, []shown{{0, 42, 43, 0, nil}, {1, 42, 42, 0, nil}}, Point{}, 0, "no_quorum"},
		{"two left out of four", 4, []chain.ValidatorNo{2, 3}, []shown{{0, 42, 43, 0, nil}, {1, 42, 42, 0, nil}}, Point{}, 0, "too_many_left_out"},
		{"two certificates", 4, nil, []shown{{0, 46, 46, 0, nil}, {1, 46, 46, 1, nil}, {2, 44, 44, 0, nil}}, Point{}, 0, "two_certificates"},
		{"one alone", 1, nil, []shown{{0, 42, 43, 0, nil}}, pointAt(43, 0), 1, ""},
		{"two signed a handover", 4, nil, []shown{{0, 42, 43, 0, one}, {1, 42, 43, 0, one}, {2, 44, 44, 0, nil}}, pointAt(43, 0), 0, ""},
		{"one signed a handover", 4, nil, []shown{{0, 42, 43, 0, one}, {1, 42, 43, 0, nil}, {2, 44, 44, 0, nil}}, pointAt(44, 0), 0, ""},
		{"two handovers", 4, nil, []shown{{0, 42, 43, 0, one}, {1, 42, 43, 0, one}, {2, 44, 44, 0, two}, {3, 44, 44, 0, two}}, Point{}, 0, "two_handovers"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var reveals []*Reveal
			for _, x := range c.shown {
				reveals = append(reveals, x.reveal())
			}
			got, err := epochOf(t, c.members).Choose(c.leftOut, reveals)
			if c.reason != "" {
				if err == nil || fault.ReasonOf(err) != c.reason {
					t.Fatalf("%+v, %v, want %s", got, err, c.reason)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got.Point != c.want || len(got.Through) != c.through {
				t.Errorf("chose %d %s through %v, want %d %s through %d", got.Height, got.Header, got.Through, c.want.Height, c.want.Header, c.through)
			}
		})
	}
}

func TestChoiceSaysWhoSigned(t *testing.T) {
	e := epochOf(t, 4)
	got, err := e.Choose(nil, []*Reveal{shown{0, 42, 44, 0, nil}.reveal(), shown{1, 42, 44, 0, nil}.reveal(), shown{2, 42, 43, 0, nil}.reveal(), shown{3, 42, 42, 0, nil}.reveal()})
	if err != nil || got.Certified || !slices.Equal(got.Signers, []chain.ValidatorNo{0, 1}) || !slices.Equal(got.Through, []Point{pointAt(42, 0), pointAt(43, 0)}) {
		t.Errorf("%+v %v", got, err)
	}
	got, err = e.Choose(nil, []*Reveal{shown{0, 42, 42, 0, nil}.reveal(), shown{1, 42, 42, 0, nil}.reveal(), shown{2, 41, 42, 0, nil}.reveal()})
	if err != nil || !got.Certified || len(got.Signers) != 0 {
		t.Errorf("%+v %v", got, err)
	}
}

func TestMembershipAfter(t *testing.T) {
	e := epochOf(t, 4)
	next := e.Without([]chain.ValidatorNo{2})
	if err := e.checkNext(next); err != nil || len(next.Members) != 3 || next.Find(2) != nil || next.Epoch != testEpoch+1 {
		t.Fatal(next, err)
	}
	if got := e.LeftOut(next); !slices.Equal(got, []chain.ValidatorNo{2}) {
		t.Error(got)
	}
	wantFault(t, e.checkNext(e.Without([]chain.ValidatorNo{2, 3})), fault.Invalid, "too_many_left_out")
	// Who goes on with another key is believed no more than who is left out.
	next = e.Without(nil)
	next.Members[1].Ed25519, next.Members[1].JoinEpoch = headerKey(t, 9).Public().Bytes()[1:], next.Epoch
	if got := e.LeftOut(next); !slices.Equal(got, []chain.ValidatorNo{1}) {
		t.Error(got)
	}
	next.Epoch++
	wantFault(t, e.checkNext(next), fault.Invalid, "membership")
}

// A liar cannot join a history in the middle: his vote counts for a header only if his votes below are its history.
func TestVotesFollowTheirHistory(t *testing.T) {
	mixed := shown{2, 44, 45, 0, nil}.reveal()
	mixed.Votes = append(mixed.Votes, Vote{Point: pointAt(46, 1)})
	reveals := []*Reveal{shown{0, 44, 45, 0, nil}.reveal(), shown{1, 44, 45, 0, nil}.reveal(), mixed, shown{3, 44, 46, 1, nil}.reveal(), shown{4, 44, 45, 0, nil}.reveal(), shown{5, 44, 44, 0, nil}.reveal()}
	got, err := epochOf(t, 7).Choose(nil, reveals)
	if err != nil || got.Point != pointAt(45, 0) {
		t.Errorf("%+v %v", got, err)
	}
}
