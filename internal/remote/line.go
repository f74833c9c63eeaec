// SPDX-License-Identifier: Apache-2.0

package remote

import (
	"cmp"
	"container/list"
	"slices"

	"github.com/aurigraph/aurigraph/internal/custody"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// line decides which payments share a call, and when it goes. It has no clock, no lock and no goroutine.
//
//   - While a call is free, what arrives goes at once. Else it waits, and the next call takes all that is ready, up to its bounds,
//     from the payer who has waited longest on.
//   - A payer has payments in one call at a time.
//   - A call has a slot, and a slot is used by one call at a time, the one that rested longest first. Who gives each slot a validator of
//     its own loses to one that hangs its slots and no others.
//   - Payments with keys and those without never share a call.
//   - What travels together is in the order of arrival, whoever pays: who was paid a moment ago may pay on.
type line struct {
	bounds lineBounds

	arrived uint64
	waiting int
	free    []int // slots of calls that are not under way, the one that rested longest first
	payers  map[string]*payer
	ready   [2]*list.List // of *payer with requests and nothing under way, by the kind of the first request
}

type lineBounds struct{ waiting, calls, payments, bytes int }

// Kinds of calls.
const (
	unkeyed = iota
	keyed
)

// request is a payment on its way.
type request struct {
	payment custody.Payment
	group   *group
	at      int // place of its answer

	// Owned by the line.
	number     uint64 // in the order of arrival
	payer      *payer
	next, prev *request
	queued     bool
}

func (r *request) kind() int {
	if r.payment.Keyed {
		return keyed
	}
	return unkeyed
}

// bytes is about what the payment takes in a call.
func (r *request) bytes() int {
	p := &r.payment
	return len(p.From) + len(p.To) + len(p.Asset) + len(p.Caller) + len(p.ClientKey) + paymentBytes
}

const paymentBytes = 64 // the amount, and what frames the fields

// payer is an account with requests that wait or travel.
type payer struct {
	name        string
	first, last *request
	underWay    bool
	ready       *list.Element // nil: in no list
	kind        int           // of the list that it is in
}

// load is the payments of one call.
type load struct {
	slot     int
	kind     int
	requests []*request
	payers   []*payer
}

func newLine(b lineBounds) *line {
	l := &line{bounds: b, payers: map[string]*payer{}, ready: [2]*list.List{list.New(), list.New()}}
	for slot := range b.calls {
		l.free = append(l.free, slot)
	}
	return l
}

// arrive admits requests, the first ones up to the bound, and says how many and what goes at once.
func (l *line) arrive(rs []*request) (admitted int, out []*load) {
	admitted = min(len(rs), l.bounds.waiting-l.waiting)
	for _, r := range rs[:admitted] {
		l.arrived++
		r.number = l.arrived
		l.push(r)
	}
	return admitted, l.cut()
}

// withdraw takes a request back, and reports whether it still waited.
func (l *line) withdraw(r *request) bool {
	if !r.queued {
		return false
	}
	p := r.payer
	l.unlink(r)
	l.rest(p)
	return true
}

// leave is for a call that has ended, and says what goes now.
func (l *line) leave(done *load) []*load {
	for _, p := range done.payers {
		p.underWay = false
		l.rest(p)
	}
	l.free = append(l.free, done.slot)
	return l.cut()
}

// cut fills the free calls.
func (l *line) cut() (out []*load) {
	for len(l.free) > 0 && l.ready[keyed].Len()+l.ready[unkeyed].Len() > 0 {
		next := l.fill(l.longest())
		next.slot = l.free[0]
		l.free = l.free[1:]
		out = append(out, next)
	}
	return out
}

// longest is the kind whose first payer has the older request.
func (l *line) longest() int {
	k, u := l.ready[keyed].Front(), l.ready[unkeyed].Front()
	if k == nil || u != nil && u.Value.(*payer).first.number < k.Value.(*payer).first.number {
		return unkeyed
	}
	return keyed
}

func (l *line) fill(kind int) *load {
	out := &load{kind: kind, requests: make([]*request, 0, min(l.waiting, l.bounds.payments))}
	for bytes := 0; l.ready[kind].Len() > 0; {
		p := l.ready[kind].Front().Value.(*payer)
		taken := false
		for p.first != nil && p.first.kind() == kind {
			bytes += p.first.bytes()
			if len(out.requests) == l.bounds.payments || len(out.requests) > 0 && bytes > l.bounds.bytes {
				l.board(out, p, taken)
				return out.sorted()
			}
			out.requests, taken = append(out.requests, p.first), true
			l.unlink(p.first)
		}
		l.board(out, p, taken)
	}
	return out.sorted()
}

// board notes that a payer travels, if he does.
func (l *line) board(on *load, p *payer, taken bool) {
	if taken {
		p.underWay = true
		on.payers = append(on.payers, p)
		l.rest(p)
	}
}

func (o *load) sorted() *load {
	slices.SortFunc(o.requests, func(a, b *request) int { return cmp.Compare(a.number, b.number) })
	return o
}

// rest puts a payer where he belongs now: in a list, in none, or away.
func (l *line) rest(p *payer) {
	inLine := p.first != nil && !p.underWay
	if p.ready != nil && (!inLine || p.kind != p.first.kind()) {
		l.ready[p.kind].Remove(p.ready)
		p.ready = nil
	}
	if inLine && p.ready == nil {
		p.kind = p.first.kind()
		p.ready = l.ready[p.kind].PushBack(p)
	}
	if p.first == nil && !p.underWay {
		delete(l.payers, p.name)
	}
}

func (l *line) push(r *request) {
	fault.Invariant(!r.queued, "a payment is queued twice")
	p := l.payers[r.payment.From]
	if p == nil {
		p = &payer{name: r.payment.From}
		l.payers[p.name] = p
	}
	r.payer, r.queued, r.prev = p, true, p.last
	if p.last == nil {
		p.first = r
	} else {
		p.last.next = r
	}
	p.last = r
	l.waiting++
	l.rest(p)
}

func (l *line) unlink(r *request) {
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
	l.waiting--
}
