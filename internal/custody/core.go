// SPDX-License-Identifier: Apache-2.0

package custody

import (
	"cmp"
	"container/list"
	"slices"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// core decides which payments travel together, and when. It has no clock, no lock and no goroutine: who calls it does with its
// loads what they say.
//
//   - A payer has at most one load under way, so that his payments keep their order whatever happens to a batch.
//   - A free carrier takes all that is ready, up to legsMax, from the payer who has waited longest on. So one payer's thousands
//     delay the others by one load at most.
//   - What travels together is in the order of arrival, whoever pays: who was paid a moment ago may pay on.
//   - What was admitted is loaded exactly once, unless it was withdrawn before.
type core struct {
	waitingMax, legsMax int

	arrived uint64 // requests so far
	waiting int    // requests in the queues of all payers
	payers  map[chain.AccountNo]*payer
	ready   *list.List // of *payer: with requests, and nothing under way
	free    []int      // carriers without a load
	aboard  map[int][]*payer
}

// payer is an account with requests that wait or travel.
type payer struct {
	no          chain.AccountNo
	first, last *request
	underWay    bool
	ready       *list.Element // nil: not in the list
}

// load is what a carrier is to take at once.
type load struct {
	carrier  int
	requests []*request
}

func newCore(waitingMax, legsMax int) *core {
	return &core{waitingMax: waitingMax, legsMax: legsMax, payers: map[chain.AccountNo]*payer{}, ready: list.New(), aboard: map[int][]*payer{}}
}

// arrive admits requests, the first ones up to the bound, and says how many and what goes at once.
func (c *core) arrive(rs []*request) (admitted int, out []load) {
	admitted = min(len(rs), c.waitingMax-c.waiting)
	for _, r := range rs[:admitted] {
		c.arrived++
		r.number = c.arrived
		c.push(r)
	}
	return admitted, c.cut()
}

// withdraw takes a request back, and reports whether it still waited.
func (c *core) withdraw(r *request) bool {
	if !r.queued {
		return false
	}
	p := r.payer
	c.unlink(r)
	if p.first == nil {
		c.rest(p)
	}
	return true
}

// leave is for a carrier that is free, from now on or again.
func (c *core) leave(carrier int) []load {
	for _, p := range c.aboard[carrier] {
		p.underWay = false
		c.rest(p)
	}
	delete(c.aboard, carrier)
	c.free = append(c.free, carrier)
	return c.cut()
}

// all takes every waiting request out.
func (c *core) all() (rs []*request) {
	for _, p := range c.payers {
		for p.first != nil {
			rs = append(rs, p.first)
			c.unlink(p.first)
		}
		c.rest(p)
	}
	return rs
}

// cut loads the free carriers.
func (c *core) cut() (out []load) {
	for len(c.free) > 0 && c.ready.Len() > 0 {
		carrier := c.free[len(c.free)-1]
		c.free = c.free[:len(c.free)-1]
		out = append(out, c.fill(carrier))
	}
	return out
}

func (c *core) fill(carrier int) load {
	l := load{carrier: carrier, requests: make([]*request, 0, min(c.waiting, c.legsMax))}
	for len(l.requests) < c.legsMax && c.ready.Len() > 0 {
		p := c.ready.Front().Value.(*payer)
		for p.first != nil && len(l.requests) < c.legsMax {
			l.requests = append(l.requests, p.first)
			c.unlink(p.first)
		}
		p.underWay = true
		c.aboard[carrier] = append(c.aboard[carrier], p)
		c.rest(p)
	}
	slices.SortFunc(l.requests, func(a, b *request) int { return cmp.Compare(a.number, b.number) })
	return l
}

// rest puts a payer where it belongs now: in line, out of it, or away.
func (c *core) rest(p *payer) {
	inLine := p.first != nil && !p.underWay
	switch {
	case inLine && p.ready == nil:
		p.ready = c.ready.PushBack(p)
	case !inLine && p.ready != nil:
		c.ready.Remove(p.ready)
		p.ready = nil
	}
	if p.first == nil && !p.underWay {
		delete(c.payers, p.no)
	}
}

func (c *core) push(r *request) {
	fault.Invariant(!r.queued, "a payment is queued twice")
	p := c.payers[r.leg.From]
	if p == nil {
		p = &payer{no: r.leg.From}
		c.payers[p.no] = p
	}
	r.payer, r.queued, r.prev = p, true, p.last
	if p.last == nil {
		p.first = r
	} else {
		p.last.next = r
	}
	p.last = r
	c.waiting++
	c.rest(p)
}

func (c *core) unlink(r *request) {
	p := r.payer
	if r.prev == nil {
		p.first = r.next
	} else {
		r.prev.next = r.next
	}
	if r.next == nil {
		p.last = r.prev
	} else {
		r.next.prev = r.prev
	}
	r.next, r.prev, r.queued = nil, nil, false
	c.waiting--
}
