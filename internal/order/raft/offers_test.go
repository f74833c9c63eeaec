// SPDX-License-Identifier: Apache-2.0

package raft

import (
	"slices"
	"testing"

	"github.com/aurigraph/aurigraph/internal/chain"
)

func run(first, n int) (list []chain.Hash) {
	for i := range n {
		list = append(list, digest(first+i))
	}
	return list
}

func TestOffersTakeTurns(t *testing.T) {
	o := newOffers(3, 100, 100)
	o.accept(0, &Forward{Incarnation: 1, Digests: run(0, 50)}) // one crowds
	o.accept(1, &Forward{Incarnation: 1, Digests: run(100, 2)})
	for _, d := range run(200, 3) {
		o.offer(d, 0)
	}
	want := []chain.Hash{digest(0), digest(100), digest(200), digest(1), digest(101), digest(201), digest(2), digest(202), digest(3), digest(4)}
	if got := o.take(10); !slices.Equal(got, want) {
		t.Errorf("taken were %v", got)
	}
	if got := o.take(100); !slices.Equal(got, run(5, 45)) {
		t.Errorf("then %v", got)
	}
	if o.waiting() || len(o.take(5)) != 0 {
		t.Error("something still waits")
	}
}

func TestOffersPassOverWhatIsSettled(t *testing.T) {
	o := newOffers(2, 100, 100)
	inLog := &chain.Proposal{Entries: run(0, 2)}
	o.logged(inLog)
	o.decide(&chain.Proposal{Entries: run(10, 2)})
	for _, d := range run(0, 3) {
		o.offer(d, 0)
	}
	if o.offer(digest(10), 0) || o.offer(digest(1), 0) {
		t.Error("a digest that needs no work was kept")
	}
	o.accept(0, &Forward{Digests: []chain.Hash{digest(1), digest(10), digest(2), digest(20)}})
	if got := o.take(10); !slices.Equal(got, []chain.Hash{digest(2), digest(20)}) {
		t.Errorf("taken were %v", got)
	}
	// The leader's log lost its tail: what was in it is to be ordered again.
	o.unlogged(inLog)
	o.restart()
	if !o.waiting() {
		t.Error("nothing waits after a change of leader")
	}
	if got := o.take(10); !slices.Equal(got, run(0, 3)) {
		t.Errorf("then %v", got)
	}
	o.logged(inLog)
	if own := o.decide(inLog); own != 2 || o.first != 2 || len(o.own) != 1 {
		t.Errorf("%d own were decided, %d wait from %d", own, len(o.own), o.first)
	}
}

func TestForwardsJoin(t *testing.T) {
	o := newOffers(1, 6, 100)
	for _, c := range []struct {
		name   string
		f      Forward
		ok     bool
		queued []chain.Hash
	}{
		{"the first of a life may begin anywhere", Forward{Incarnation: 1, Low: 5, Start: 5, Digests: run(5, 2)}, true, run(5, 2)},
		{"the next joins", Forward{Incarnation: 1, Low: 5, Start: 7, Digests: run(7, 1)}, true, run(5, 3)},
		{"a gap is refused", Forward{Incarnation: 1, Low: 5, Start: 9, Digests: run(9, 1)}, false, run(5, 3)},
		{"what came before is passed over", Forward{Incarnation: 1, Low: 5, Start: 5, Digests: run(5, 4)}, true, run(5, 4)},
		{"the bound keeps the first", Forward{Incarnation: 1, Low: 5, Start: 9, Digests: run(9, 9)}, true, run(5, 6)},
		{"the rest joins where it was cut, which is full", Forward{Incarnation: 1, Low: 5, Start: 11, Digests: run(11, 9)}, true, run(5, 6)},
		{"a gap behind the cut is refused", Forward{Incarnation: 1, Low: 5, Start: 12, Digests: run(12, 1)}, false, run(5, 6)},
		{"what is decided leaves no gap", Forward{Incarnation: 1, Low: 20, Start: 20}, true, run(5, 6)},
		{"another life begins anew", Forward{Incarnation: 2, Low: 0, Start: 0, Digests: run(50, 2)}, true, run(50, 2)},
		{"and not in its middle", Forward{Incarnation: 3, Low: 0, Start: 1, Digests: run(60, 2)}, false, nil},
	} {
		if ok := o.accept(0, &c.f); ok != c.ok || !slices.Equal(o.peers[0].queue, c.queued) {
			t.Errorf("%s: %v, queued are %v", c.name, ok, o.peers[0].queue)
		}
	}
}

func TestOverdueOnce(t *testing.T) {
	o := newOffers(1, 10, 10)
	for i := range 5 {
		o.offer(digest(i), uint64(10*i))
	}
	o.decide(&chain.Proposal{Entries: run(1, 1)})
	var got []chain.Hash
	for _, before := range []uint64{5, 5, 25, 25, 100} {
		for _, w := range o.overdue(before) {
			got = append(got, w.digest)
		}
	}
	if want := []chain.Hash{digest(0), digest(2), digest(3), digest(4)}; !slices.Equal(got, want) {
		t.Errorf("overdue were %v", got)
	}
}

func TestRecentForgetsTheOldest(t *testing.T) {
	r := recent{max: 3, at: map[chain.Hash]int{}}
	for i := range 5 {
		r.add(digest(i))
	}
	r.add(digest(4)) // decided twice
	r.add(digest(5))
	for i, want := range []bool{false, false, false, false, true, true} {
		if r.has(digest(i)) != want {
			t.Errorf("digest %d is remembered: %v", i, !want)
		}
	}
	if len(r.ring) != 3 || len(r.at) > 3 {
		t.Errorf("%d are remembered at %d places", len(r.at), len(r.ring))
	}
}
