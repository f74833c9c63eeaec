// SPDX-License-Identifier: Apache-2.0

package remote

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/aurigraph/aurigraph/internal/custody"
)

func requestOf(from string, keyed bool) *request {
	return &request{payment: custody.Payment{From: from, To: "payee", Keyed: keyed}}
}

// written writes loads as the payers of their requests: k: and u: are the kinds.
func written(loads []*load) string {
	var out []string
	for _, l := range loads {
		s := "u:"
		if l.kind == keyed {
			s = "k:"
		}
		for _, r := range l.requests {
			s += r.payment.From
		}
		out = append(out, s)
	}
	return strings.Join(out, " ")
}

func wantLoads(t *testing.T, got []*load, want string) {
	t.Helper()
	if have := written(got); have != want {
		t.Errorf("goes: %q, want %q", have, want)
	}
}

// requestsOf makes a request of each letter: capitals have keys.
func requestsOf(letters string) (rs []*request) {
	for _, c := range letters {
		s := string(c)
		rs = append(rs, requestOf(strings.ToLower(s), s != strings.ToLower(s)))
	}
	return rs
}

func TestLineSharesWhatWaits(t *testing.T) {
	l := newLine(lineBounds{waiting: 100, calls: 2, payments: 4, bytes: 1 << 20})
	_, a := l.arrive(requestsOf("a"))
	wantLoads(t, a, "u:a") // idle: at once
	_, b := l.arrive(requestsOf("b"))
	wantLoads(t, b, "u:b")
	for _, one := range []string{"c", "d", "a", "c"} {
		_, none := l.arrive(requestsOf(one))
		wantLoads(t, none, "")
	}
	_, _ = l.arrive(requestsOf("efg"))
	next := l.leave(b[0])
	wantLoads(t, next, "u:cdce") // a still travels; the bound of four
	wantLoads(t, l.leave(a[0]), "u:afg")
	wantLoads(t, l.leave(next[0]), "")
}

func TestLineKeepsKindsApart(t *testing.T) {
	l := newLine(lineBounds{waiting: 100, calls: 1, payments: 100, bytes: 1 << 20})
	_, first := l.arrive(requestsOf("z"))
	_, _ = l.arrive(requestsOf("aABbBc")) // a pays without a key, and then with one
	one := l.leave(first[0])
	wantLoads(t, one, "u:ac") // B is older than b, and stays in front of it
	two := l.leave(one[0])
	wantLoads(t, two, "k:ab")
	three := l.leave(two[0])
	wantLoads(t, three, "u:b")
	wantLoads(t, l.leave(three[0]), "k:b")
}

func TestLineBounds(t *testing.T) {
	l := newLine(lineBounds{waiting: 3, calls: 1, payments: 100, bytes: 2*paymentBytes + 20})
	_, first := l.arrive(requestsOf("a"))
	n, _ := l.arrive(requestsOf("bcde"))
	if n != 3 || l.waiting != 3 {
		t.Errorf("%d admitted, %d wait", n, l.waiting)
	}
	two := l.leave(first[0])
	wantLoads(t, two, "u:bc") // bytes
	wantLoads(t, l.leave(two[0]), "u:d")
	l = newLine(lineBounds{waiting: 3, calls: 1, payments: 100, bytes: 1})
	_, large := l.arrive(requestsOf("a"))
	wantLoads(t, large, "u:a") // one goes in any case
}

// TestLineKeepsItsPromises throws random arrivals, ends and withdrawals at a line.
func TestLineKeepsItsPromises(t *testing.T) {
	for seed := range uint64(200) {
		m := &lineModel{t: t, rng: rand.New(rand.NewPCG(seed, 1)), travelling: map[string]bool{}, last: map[string]int{}}
		m.line = newLine(lineBounds{waiting: 40, calls: 1 + m.rng.IntN(4), payments: 1 + m.rng.IntN(8), bytes: 500})
		for range 400 {
			m.step()
		}
		for len(m.underWay) > 0 {
			m.end(0)
		}
		if l := m.line; l.waiting != 0 || len(l.payers) != 0 || len(l.free) != l.bounds.calls || m.done != m.admitted {
			t.Fatalf("seed %d: %d wait, %d payers, %d free calls; %d of %d travelled or were withdrawn", seed, l.waiting, len(l.payers), len(l.free), m.done, m.admitted)
		}
	}
}

type lineModel struct {
	t          *testing.T
	rng        *rand.Rand
	line       *line
	queued     []*request
	underWay   []*load
	travelling map[string]bool
	last       map[string]int // by payer, of what travelled last
	admitted   int
	done       int
}

func (m *lineModel) step() {
	switch m.rng.IntN(5) {
	case 0, 1:
		var rs []*request
		for range 1 + m.rng.IntN(5) {
			r := requestOf(string(rune('a'+m.rng.IntN(5))), m.rng.IntN(2) == 0)
			r.at = m.admitted + len(rs)
			rs = append(rs, r)
		}
		n, out := m.line.arrive(rs)
		m.admitted += n
		m.queued = append(m.queued, rs[:n]...)
		m.take(out)
	case 2:
		if len(m.queued) > 0 {
			i := m.rng.IntN(len(m.queued))
			if !m.line.withdraw(m.queued[i]) {
				m.t.Fatal("what waits cannot be withdrawn")
			}
			m.done++
			m.queued = slices.Delete(m.queued, i, i+1)
		}
	default:
		if len(m.underWay) > 0 {
			m.end(m.rng.IntN(len(m.underWay)))
		}
	}
	if ready := m.line.ready[keyed].Len() + m.line.ready[unkeyed].Len(); ready > 0 && len(m.line.free) > 0 {
		m.t.Fatal("a call is free, and somebody waits who could go")
	}
}

func (m *lineModel) end(i int) {
	l := m.underWay[i]
	m.underWay = slices.Delete(m.underWay, i, i+1)
	for _, r := range l.requests {
		delete(m.travelling, r.payment.From)
	}
	m.take(m.line.leave(l))
}

func (m *lineModel) take(out []*load) {
	for _, l := range out {
		if len(l.requests) == 0 || len(l.requests) > m.line.bounds.payments {
			m.t.Fatalf("%d payments in a call", len(l.requests))
		}
		if slices.ContainsFunc(m.underWay, func(o *load) bool { return o.slot == l.slot }) {
			m.t.Fatalf("slot %d is used twice", l.slot)
		}
		mine := map[string]bool{}
		for _, r := range l.requests {
			p := r.payment.From
			if r.kind() != l.kind || m.travelling[p] {
				m.t.Fatal("kinds are mixed, or a payer travels twice")
			}
			if r.at < m.last[p] {
				m.t.Fatal(fmt.Sprint("the order of payer ", p, " is lost"))
			}
			m.last[p], mine[p] = r.at, true
			m.done++
			m.queued = slices.DeleteFunc(m.queued, func(q *request) bool { return q == r })
		}
		for p := range mine {
			m.travelling[p] = true
		}
		m.underWay = append(m.underWay, l)
	}
}
