// SPDX-License-Identifier: Apache-2.0

package seal

import (
	"fmt"
	"strings"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// Choice is the last header of an epoch that is sealed.
type Choice struct {
	Point
	// Through is what its history must pass: the newest certificate, and every header that may have one, ascending.
	Through []Point
	// Signers are those of the heard who signed it, ascending; nobody if it is certified, or taken up.
	Signers []chain.ValidatorNo
	// Certified: a certificate of it was shown.
	Certified bool
	// Taken is the handover that members signed before and that must be taken up again; nil: none.
	Taken *Statement
}

// Choose says where an epoch ends, from the reveals of a quorum. Each was checked; they ascend by validator; none is of a
// member that is left out. Unavailable: fewer than a quorum. Conflict: a person must decide; the text says what can be done.
func (e *Epoch) Choose(leftOut []chain.ValidatorNo, reveals []*Reveal) (*Choice, error) {
	switch {
	case len(leftOut) > e.faultyMax():
		return nil, tooManyLeftOut(len(leftOut), e)
	case len(reveals) < e.Quorum():
		return nil, fault.Reasoned(fault.Unavailable, "no_quorum", "%d validators reveal what they signed, a quorum is %d: bring another one back", len(reveals), e.Quorum())
	}
	if taken, err := e.takeUp(reveals); taken != nil || err != nil {
		return taken, err
	}
	count := &counting{epoch: e, leftOut: leftOut, reveals: reveals}
	base, certified, err := count.newest()
	if err != nil {
		return nil, err
	}
	choice := &Choice{Point: base, Certified: certified}
	for {
		found, err := count.above(choice)
		if err != nil {
			return nil, err
		}
		if found == nil {
			break
		}
		through := choice.Through
		if choice.Height > e.Base.Height {
			through = append(through, choice.Point)
		}
		choice = &Choice{Point: found.Point, Through: through, Signers: found.signers}
	}
	if choice.Height <= e.Base.Height {
		return nil, fault.Reasoned(fault.Conflict, "nothing_certified", "nothing of epoch %d is certified, and nothing may be: there is no height that it could end at; bring back enough validators to certify one", e.Epoch())
	}
	return choice, nil
}

// takeUp finds the handover that f+1 members signed: one of them is honest and signs no other.
func (e *Epoch) takeUp(reveals []*Reveal) (*Choice, error) {
	signed := map[Statement]int{}
	var taken *Statement
	for _, r := range reveals {
		if r.Signed == nil {
			continue
		}
		signed[*r.Signed]++
		if signed[*r.Signed] != e.faultyMax()+1 {
			continue
		}
		if taken != nil {
			return nil, fault.Reasoned(fault.Conflict, "two_handovers", "handovers at height %d and at height %d were both signed by members that signed no other: neither can get a quorum; a person must decide", taken.Height, r.Signed.Height)
		}
		taken = r.Signed
	}
	if taken == nil {
		return nil, nil
	}
	return &Choice{Point: taken.Point, Taken: taken}, nil
}

// counting is the material of a choice.
type counting struct {
	epoch   *Epoch
	leftOut []chain.ValidatorNo
	reveals []*Reveal
}

// candidate is a header above the newest certificate, with those who showed their vote for it.
type candidate struct {
	Point
	signers []chain.ValidatorNo
}

// newest is the highest certificate; the epoch's base if there is none.
func (c *counting) newest() (top Point, certified bool, err error) {
	top = c.epoch.Base
	for _, r := range c.reveals {
		p := r.certified(c.epoch)
		switch {
		case r.Certificate != nil && p.Height == top.Height && p.Header != top.Header:
			return top, false, fault.Reasoned(fault.Conflict, "two_certificates", "there are certificates of headers %s and %s of height %d: more than %d members signed two headers; a person must decide", top.Header, p.Header, p.Height, c.epoch.faultyMax())
		case p.Height > top.Height:
			top, certified = p, true
		}
	}
	return top, certified, nil
}

// above finds the header at the height after a choice that may have a certificate, nil if there is none.
func (c *counting) above(choice *Choice) (*candidate, error) {
	var may []candidate
	for _, x := range c.candidates(choice) {
		if c.mayHaveCertificate(len(x.signers)) {
			may = append(may, x)
		}
	}
	switch len(may) {
	case 0:
		return nil, nil
	case 1:
		return &may[0], nil
	}
	return nil, c.conflict(may)
}

// candidates are the headers at the height after a choice, each with the signers whose own votes below are what the choice
// stands on: an honest signer of a header signed what is below it, or has a certificate of it.
func (c *counting) candidates(choice *Choice) (list []candidate) {
	h := choice.Height + 1
	for _, r := range c.reveals {
		v := r.voteAt(h)
		if v == nil || !r.follows(choice) {
			continue
		}
		at := 0
		for at < len(list) && list[at].Header != v.Header {
			at++
		}
		if at == len(list) {
			list = append(list, candidate{Point: v.Point})
		}
		list[at].signers = append(list[at].signers, r.Validator)
	}
	return list
}

// mayHaveCertificate reports whether so many visible signers can be part of a quorum: with all who are not heard, all who
// are left out, and as many of the heard as may be faulty still, who signed it and hide that.
func (c *counting) mayHaveCertificate(signers int) bool {
	heard := len(c.reveals)
	unheard := len(c.epoch.Membership().Members) - heard // those left out among them
	hidden := min(c.epoch.faultyMax()-len(c.leftOut), heard-signers)
	return signers+unheard+hidden >= c.epoch.Quorum()
}

func (c *counting) conflict(may []candidate) error {
	var text strings.Builder
	for i, x := range may {
		if i > 0 {
			text.WriteString(", ")
		}
		fmt.Fprintf(&text, "%s signed by %v", x.Header, x.signers)
	}
	return fault.Reasoned(fault.Conflict, "two_candidates", "any of these headers of height %d may have been certified: %s; bring back validators that are not heard, or leave out one that is known to lie", may[0].Height, text.String())
}

// voteAt is the vote for a height, nil if none is shown.
func (r *Reveal) voteAt(h chain.Height) *Vote {
	if len(r.Votes) == 0 || h < r.Votes[0].Height || h-r.Votes[0].Height >= chain.Height(len(r.Votes)) {
		return nil
	}
	return &r.Votes[h-r.Votes[0].Height]
}

// follows reports whether a validator's votes are those that a choice stands on, where it shows any.
func (r *Reveal) follows(choice *Choice) bool {
	for _, p := range append(choice.Through[:len(choice.Through):len(choice.Through)], choice.Point) {
		if v := r.voteAt(p.Height); v != nil && v.Header != p.Header {
			return false
		}
	}
	return true
}
