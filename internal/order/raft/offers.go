// SPDX-License-Identifier: Apache-2.0

package raft

import (
	"slices"

	"github.com/aurigraph/aurigraph/internal/chain"
)

// ownOffer is a digest offered on this node.
type ownOffer struct {
	digest  chain.Hash
	since   uint64 // tick of the offer
	decided bool
}

// peerOffers are the digests that a peer forwarded to this leader.
type peerOffers struct {
	known       bool
	incarnation uint64
	next        uint64 // number of the digest expected next
	queue       []chain.Hash
}

// offers holds what waits to be ordered: the node's own digests until they are decided, peers' digests while this node
// leads. A digest is taken once, in its offerer's order, unless the log or the recent past holds it already.
type offers struct {
	pendingMax int
	own        []ownOffer // numbered from first; own[0] is not decided
	first      uint64
	place      map[chain.Hash]uint64 // number of each undecided own digest
	next       uint64                // number of the own digest to propose next, or to forward next
	reported   uint64                // own digests below were reported, or are younger than the bound

	peers  []peerOffers // by validator number
	turn   int          // whose digest is taken first; peers, then own
	inLog  map[chain.Hash]int
	recent recent
}

func newOffers(peers, pendingMax, recentMax int) *offers {
	return &offers{
		pendingMax: pendingMax, place: map[chain.Hash]uint64{}, peers: make([]peerOffers, peers),
		inLog: map[chain.Hash]int{}, recent: recent{max: recentMax, at: map[chain.Hash]int{}},
	}
}

// end is the number that the next own digest will have.
func (o *offers) end() uint64 { return o.first + uint64(len(o.own)) }

// offer takes an own digest. It returns false for one that needs no more work: decided lately, or offered already.
func (o *offers) offer(d chain.Hash, now uint64) bool {
	if _, ok := o.place[d]; ok || o.recent.has(d) {
		return false
	}
	o.place[d] = o.end()
	o.own = append(o.own, ownOffer{digest: d, since: now})
	return true
}

// restart forgets what was proposed or forwarded under another leader: all undecided is to be ordered again.
func (o *offers) restart() {
	o.next = o.first
	clear(o.peers)
}

// forward takes up to ForwardMax own digests, in order, for the leader.
func (o *offers) forward() (start uint64, digests []chain.Hash) {
	start = o.next
	for o.next < o.end() && len(digests) < ForwardMax {
		digests = append(digests, o.own[o.next-o.first].digest)
		o.next++
	}
	return start, digests
}

// accept takes a peer's forward. A gap in its numbers is refused, so that its digests are never ordered out of turn; the
// peer sends again from its lowest undecided one.
func (o *offers) accept(from chain.ValidatorNo, f *Forward) bool {
	p := &o.peers[from]
	if !p.known || p.incarnation != f.Incarnation {
		*p = peerOffers{known: true, incarnation: f.Incarnation, next: f.Low}
	}
	p.next = max(p.next, f.Low)
	if f.Start > p.next {
		return false
	}
	for i := p.next - f.Start; i < uint64(len(f.Digests)) && len(p.queue) < o.pendingMax; i++ {
		p.queue = append(p.queue, f.Digests[i])
		p.next++
	}
	return true
}

// take gives up to n digests for a proposal, one offerer after the other, so that none can crowd the others out.
func (o *offers) take(n int) []chain.Hash {
	var taken []chain.Hash
	sources := len(o.peers) + 1
	for idle := 0; idle < sources && len(taken) < n; {
		d, ok := o.pop(o.turn, taken)
		o.turn = (o.turn + 1) % sources
		if !ok {
			idle++
			continue
		}
		idle = 0
		taken = append(taken, d)
	}
	return taken
}

// waiting reports whether take would give something. It drops what need not be taken.
func (o *offers) waiting() bool {
	for i := range o.peers {
		q := o.peers[i].queue
		for len(q) > 0 && o.settled(q[0]) {
			q = q[1:]
		}
		if o.peers[i].queue = q; len(q) > 0 {
			return true
		}
	}
	for ; o.next < o.end(); o.next++ {
		if w := o.own[o.next-o.first]; !w.decided && !o.settled(w.digest) {
			return true
		}
	}
	return false
}

// settled reports whether a digest is in the log, or was decided lately.
func (o *offers) settled(d chain.Hash) bool { return o.inLog[d] > 0 || o.recent.has(d) }

// pop takes the next digest of a source that is neither settled nor taken.
func (o *offers) pop(source int, taken []chain.Hash) (chain.Hash, bool) {
	if source == len(o.peers) {
		for o.next < o.end() {
			w := o.own[o.next-o.first]
			o.next++
			if !w.decided && !o.settled(w.digest) && !slices.Contains(taken, w.digest) {
				return w.digest, true
			}
		}
		return chain.Hash{}, false
	}
	p := &o.peers[source]
	for len(p.queue) > 0 {
		d := p.queue[0]
		p.queue = p.queue[1:]
		if !o.settled(d) && !slices.Contains(taken, d) {
			return d, true
		}
	}
	return chain.Hash{}, false
}

// logged notes the digests of a proposal that came into the log.
func (o *offers) logged(p *chain.Proposal) {
	for _, d := range p.Entries {
		o.inLog[d]++
	}
}

// unlogged notes that a proposal left the log, decided or overwritten.
func (o *offers) unlogged(p *chain.Proposal) {
	for _, d := range p.Entries {
		if o.inLog[d]--; o.inLog[d] <= 0 {
			delete(o.inLog, d)
		}
	}
}

// decide notes a decided proposal and returns how many of its digests were the node's own.
func (o *offers) decide(p *chain.Proposal) (own int) {
	o.unlogged(p)
	for _, d := range p.Entries {
		o.recent.add(d)
		if o.withdraw(d) {
			own++
		}
	}
	return own
}

// withdraw forgets an own digest, and says whether it was there.
func (o *offers) withdraw(d chain.Hash) bool {
	number, ok := o.place[d]
	if !ok {
		return false
	}
	delete(o.place, d)
	o.own[number-o.first].decided = true
	done := 0
	for done < len(o.own) && o.own[done].decided {
		done++
	}
	o.own = o.own[done:]
	o.first += uint64(done)
	o.next, o.reported = max(o.next, o.first), max(o.reported, o.first)
	return true
}

// overdue gives the undecided own digests that were offered at or before a tick, each once.
func (o *offers) overdue(before uint64) (list []ownOffer) {
	for ; o.reported < o.end(); o.reported++ {
		w := o.own[o.reported-o.first]
		if w.since > before {
			break
		}
		if !w.decided {
			list = append(list, w)
		}
	}
	return list
}

// recent remembers the last max digests that were decided.
type recent struct {
	max  int
	ring []chain.Hash
	next int
	at   map[chain.Hash]int // place in the ring
}

func (r *recent) has(d chain.Hash) bool {
	_, ok := r.at[d]
	return ok
}

func (r *recent) add(d chain.Hash) {
	if len(r.ring) < r.max {
		r.ring = append(r.ring, d)
	} else {
		if r.at[r.ring[r.next]] == r.next {
			delete(r.at, r.ring[r.next])
		}
		r.ring[r.next] = d
	}
	r.at[d] = r.next
	r.next = (r.next + 1) % r.max
}
