// SPDX-License-Identifier: Apache-2.0

package seal

import (
	"math/bits"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/seglog/faultfs"
)

// past is a random epoch of n members: who signed what, some of them liars, some deceived onto another history by who led
// the ordering. All that could have a certificate has one and was acknowledged.
type past struct {
	*rand.Rand
	e      *Epoch
	liars  members
	signed []map[chain.Height]Point // by honest validator; a liar signs everything
	jumps  []Point                  // the certified point that an honest validator went on from, or the epoch's base
	top    chain.Height
}

// Histories part above height 45 and again above 48; a header is on the branch below where its own parts.
var parts = [3]chain.Height{0, 45, 48}

func onBranch(h chain.Height, branch int) Point {
	for branch > 0 && h < parts[branch] {
		branch--
	}
	return Point{h, chain.Hash{byte(h), byte(branch + 1)}}
}

// ancestor is what lies at a height below a point.
func ancestor(p Point, h chain.Height) Point { return onBranch(h, int(p.Header[1])-1) }

func newPast(t *testing.T, seed uint64) *past {
	r := rand.New(rand.NewPCG(seed, 1))
	n := []int{1, 4, 5, 6, 7, 8, 10, 13}[r.IntN(8)]
	p := &past{Rand: r, e: epochOf(t, n), signed: make([]map[chain.Height]Point, n), jumps: make([]Point, n)}
	for range r.IntN(p.e.faultyMax() + 1) {
		p.liars.add(chain.ValidatorNo(r.IntN(n)))
	}
	forked := r.IntN(2) == 0
	for v := range n {
		p.signed[v], p.jumps[v] = map[chain.Height]Point{}, testBase
		branch := 0
		if forked {
			branch = r.IntN(3)
		}
		p.sign(v, branch, testBase.Height+chain.Height(r.IntN(14)))
	}
	p.jump()
	return p
}

// sign lets a validator sign what follows its last height, up to another, on a branch.
func (p *past) sign(v, branch int, to chain.Height) {
	from := max(p.jumps[v].Height, testBase.Height+chain.Height(len(p.signed[v])))
	for h := from + 1; h <= to; h++ {
		p.signed[v][h] = onBranch(h, branch)
		p.top = max(p.top, h)
	}
}

// jump lets deceived validators take a certified state above what they signed, and sign on from there.
func (p *past) jump() {
	for v := range p.signed {
		h := testBase.Height + chain.Height(len(p.signed[v])) + chain.Height(p.IntN(4))
		for branch := range 3 {
			if x := onBranch(h, branch); h > testBase.Height && p.certified(x) && p.IntN(2) == 0 && p.jumps[v] == testBase {
				p.jumps[v] = x
				p.sign(v, branch, h+chain.Height(p.IntN(5)))
			}
		}
	}
}

// certified reports whether a quorum signed a header: honest ones, and all liars.
func (p *past) certified(x Point) bool {
	n := 0
	for v := range p.signed {
		if p.liars.has(chain.ValidatorNo(v)) || p.signed[v][x.Height] == x {
			n++
		}
	}
	return n >= p.e.Quorum()
}

// reveal is what a validator shows: an honest one all, below a certificate that it may have got late; a liar anything.
func (p *past) reveal(v chain.ValidatorNo) *Reveal {
	r := &Reveal{Chain: testChain, Epoch: testEpoch, Validator: v}
	base := p.jumps[v]
	branch := p.IntN(3)
	if !p.liars.has(v) {
		branch = -1
	}
	for h := p.top; h > base.Height; h-- {
		x, ok := p.signed[v][h]
		if branch >= 0 {
			x, ok = onBranch(h, branch), true
		}
		if ok && p.certified(x) && p.IntN(3) == 0 {
			base = x
			break
		}
	}
	if base != testBase {
		r.Certificate = &chain.Certificate{Epoch: testEpoch, Height: base.Height, Header: base.Header}
	}
	if branch >= 0 {
		p.lie(r, base, branch)
		return r
	}
	for h := base.Height + 1; p.signed[v][h] != (Point{}); h++ {
		r.Votes = append(r.Votes, Vote{Point: p.signed[v][h]})
	}
	return r
}

// lie adds votes for some headers of some history, or for none that anybody made.
func (p *past) lie(r *Reveal, base Point, branch int) {
	for range p.IntN(6) {
		base = onBranch(base.Height+1, branch)
		if p.IntN(8) == 0 {
			base.Header = chain.Hash{byte(base.Height), 99}
		}
		r.Votes = append(r.Votes, Vote{Point: base})
	}
}

// reveals are those of a random quorum or more, without some of the liars who are left out.
func (p *past) reveals() (leftOut []chain.ValidatorNo, list []*Reveal) {
	n := len(p.signed)
	order := p.Perm(n)
	for _, v := range order {
		if p.liars.has(chain.ValidatorNo(v)) && p.IntN(3) == 0 && n-len(leftOut) > p.e.Quorum() {
			leftOut = append(leftOut, chain.ValidatorNo(v))
		}
	}
	slices.Sort(leftOut)
	heard := p.e.Quorum() + p.IntN(n-len(leftOut)-p.e.Quorum()+1)
	for _, v := range order {
		if no := chain.ValidatorNo(v); !setOf(leftOut).has(no) && len(list) < heard {
			list = append(list, p.reveal(no))
		}
	}
	slices.SortFunc(list, func(a, b *Reveal) int { return int(a.Validator) - int(b.Validator) })
	return leftOut, list
}

// lost is a certified header that a choice does not stand on; false if there is none.
func (p *past) lost(c *Choice) (Point, bool) {
	for h := testBase.Height + 1; h <= p.top; h++ {
		for branch := range 3 {
			if x := onBranch(h, branch); p.certified(x) && !standsOn(c, x) {
				return x, true
			}
		}
	}
	return Point{}, false
}

func standsOn(c *Choice, x Point) bool {
	if c.Height < x.Height {
		return false
	}
	for _, p := range append(slices.Clone(c.Through), c.Point) {
		if p.Height >= x.Height {
			return ancestor(p, x.Height) == x
		}
	}
	return false
}

// The central promise: whatever had a certificate, however few are heard and whatever f of them say, is in the history that
// is chosen.
func TestNothingCertifiedIsLost(t *testing.T) {
	const seeds = 12_000
	chosen, conflicts := 0, 0
	for seed := range uint64(seeds) {
		p := newPast(t, seed)
		leftOut, reveals := p.reveals()
		c, err := p.e.Choose(leftOut, reveals)
		if err != nil {
			conflicts++
			continue
		}
		chosen++
		if x, lost := p.lost(c); lost {
			t.Fatalf("seed %d: of %d validators, liars %b, left out %v, %d heard: height %d %x is certified, the choice is %d %x through %v", seed, len(p.signed), p.liars, leftOut, len(reveals), x.Height, x.Header[:2], c.Height, c.Header[:2], c.Through)
		}
	}
	if chosen < seeds/2 || conflicts == 0 {
		t.Errorf("%d chosen, %d conflicts: the histories are not what they should be", chosen, conflicts)
	}
}

// With everybody honest, heard and of one history there is always a choice: nobody has to decide what software can.
func TestHonestNetworksAreSealed(t *testing.T) {
	for seed := range uint64(3000) {
		p := newPast(t, seed)
		if p.liars != 0 || p.Rand.IntN(2) == 0 {
			continue
		}
		for v := range p.signed {
			h := testBase.Height + chain.Height(len(p.signed[v]))
			p.signed[v], p.jumps[v] = map[chain.Height]Point{}, testBase
			p.sign(v, 0, h)
		}
		_, reveals := p.reveals()
		if c, err := p.e.Choose(nil, reveals); err != nil && !p.nothing(reveals) {
			t.Fatalf("seed %d: %+v %v", seed, c, err)
		}
	}
}

// nothing reports whether no header above the epoch's base may be certified.
func (p *past) nothing(reveals []*Reveal) bool {
	n := 0
	for _, r := range reveals {
		if r.voteAt(testBase.Height+1) != nil || r.Certificate != nil {
			n++
		}
	}
	hidden := min(p.e.faultyMax(), len(reveals)-n)
	return n == 0 || n+len(p.signed)-len(reveals)+hidden < p.e.Quorum()
}

// Coordinators that know nothing of each other ask whom they like, for whatever next membership they like, and stop anywhere;
// validators restart; a liar signs all. No two handovers are ever signed by a quorum.
func TestOneHandoverAnEpoch(t *testing.T) {
	complete := 0
	for seed := range uint64(24) {
		r := rand.New(rand.NewPCG(seed, 2))
		c := newCouncil(t, 4)
		const liar = 3
		signed := map[chain.Hash]members{}
		for range 6 {
			c.someSign(r, liar, signed)
			if v := r.IntN(4); r.IntN(3) == 0 {
				c.sealers[v] = open(t, c.e, chain.ValidatorNo(v), c.disks[v].Crash(seed), c.hosts[v])
				c.disks[v] = c.sealers[v].file.fs.(*faultfs.FS)
			}
		}
		quorums := 0
		for _, who := range signed {
			who.add(liar)
			if bits.OnesCount64(uint64(who)) >= c.e.Quorum() {
				quorums++
			}
		}
		if quorums > 1 {
			t.Fatalf("seed %d: %d handovers have a quorum: %v", seed, quorums, signed)
		}
		complete += quorums
	}
	if complete < 6 {
		t.Errorf("only %d epochs ended", complete)
	}
}

// someSign is a coordinator that asks three validators to reveal, and some of them to sign.
func (c *council) someSign(r *rand.Rand, liar chain.ValidatorNo, signed map[chain.Hash]members) {
	out := chain.ValidatorNo(r.IntN(5))
	var who []chain.ValidatorNo
	for _, v := range r.Perm(4) {
		if chain.ValidatorNo(v) != out && len(who) < 3 {
			who = append(who, chain.ValidatorNo(v))
		}
	}
	slices.Sort(who)
	for _, v := range who { // certificates come late, of what was signed before
		if k := c.hosts[v].known; v != liar && r.IntN(4) == 0 && len(k.Votes) > 1 {
			c.hosts[v].known = knownTo(c.t, c.e, v, k.Votes[0].Height, 44, 0)
		}
	}
	p := c.plan(c.e.Without([]chain.ValidatorNo{out}), who...)
	d, err := c.e.Check(p)
	if fault.ReasonOf(err) == "other_membership" {
		return
	}
	if err != nil {
		c.t.Fatal(err)
	}
	claims := c.claims(p, who...)
	for _, v := range who {
		if v == liar || r.IntN(2) == 0 {
			continue
		}
		if _, err := c.sealers[v].Sign(c.t.Context(), p, claims); err != nil {
			wantFault(c.t, err, fault.Conflict, "signed_other")
			continue
		}
		h, err := c.e.Agree(d, &p.Next, claims)
		if err != nil {
			c.t.Fatal(err)
		}
		hash := codec.HandoverHash(h)
		by := signed[hash]
		by.add(v)
		signed[hash] = by
	}
}
