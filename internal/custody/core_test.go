// SPDX-License-Identifier: Apache-2.0

package custody

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/aurigraph/aurigraph/internal/chain"
)

// script drives a core. Requests are written as payer and number: a1, a2, b1.
type script struct {
	t        *testing.T
	core     *core
	requests map[string]*request
}

func newScript(t *testing.T, waitingMax, legsMax int) *script {
	return &script{t: t, core: newCore(waitingMax, legsMax), requests: map[string]*request{}}
}

func (s *script) of(names string) (rs []*request) {
	for _, name := range strings.Fields(names) {
		r := s.requests[name]
		if r == nil {
			r = &request{leg: chain.Leg{From: chain.AccountNo(name[0])}}
			s.requests[name] = r
		}
		rs = append(rs, r)
	}
	return rs
}

func (s *script) text(out []load) string {
	var parts []string
	for _, l := range out {
		part := fmt.Sprintf("%d:", l.carrier)
		for _, r := range l.requests {
			for name, x := range s.requests {
				if x == r {
					part += " " + name
				}
			}
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, "; ")
}

func (s *script) wants(what, have, want string) {
	s.t.Helper()
	if have != want {
		s.t.Errorf("%s: %q, want %q", what, have, want)
	}
}

func (s *script) arrive(names, want string) {
	s.t.Helper()
	rs := s.of(names)
	n, out := s.core.arrive(rs)
	s.wants("arrive "+names, fmt.Sprintf("%d %s", n, s.text(out)), want)
}

func (s *script) leave(carrier int, want string) {
	s.t.Helper()
	s.wants(fmt.Sprint("leave ", carrier), s.text(s.core.leave(carrier)), want)
}

// TestIdleGoesAtOnce wants no wait where a carrier is free, and one load for all that queues while none is.
func TestIdleGoesAtOnce(t *testing.T) {
	s := newScript(t, 100, 4)
	s.arrive("a1", "1 ") // no carrier yet
	s.leave(0, "0: a1")
	s.arrive("b1 c1", "2 ")
	s.arrive("d1 e1 f1", "3 ")
	s.leave(0, "0: b1 c1 d1 e1") // as many as a batch holds
	s.leave(1, "1: f1")
	s.leave(0, "")
	s.arrive("g1", "1 0: g1")
}

// TestOnePayerOneLoad keeps a payer's later payments back until the load with those before is settled.
func TestOnePayerOneLoad(t *testing.T) {
	s := newScript(t, 100, 4)
	s.leave(0, "")
	s.leave(1, "")
	s.arrive("a1 a2", "2 1: a1 a2")
	s.arrive("a3 b1", "2 0: b1")
	s.leave(0, "") // a3 waits for a1 and a2
	s.leave(1, "1: a3")
}

// TestHotPayer lets one payer with more than a batch holds delay the others by one load.
func TestHotPayer(t *testing.T) {
	s := newScript(t, 100, 2)
	s.arrive("a1 a2 a3 b1 a4 c1", "6 ")
	s.leave(0, "0: a1 a2")
	s.leave(1, "1: b1 c1")
	s.leave(0, "0: a3 a4")
}

// TestOrderOfArrival lets what travels together stand in the order of arrival: b was paid by a1, and c by b1.
func TestOrderOfArrival(t *testing.T) {
	s := newScript(t, 100, 8)
	s.arrive("a1 b1 c1 a2 b2", "5 ")
	s.leave(0, "0: a1 b1 c1 a2 b2")
}

func TestBound(t *testing.T) {
	s := newScript(t, 3, 4)
	s.arrive("a1 b1 c1 d1", "3 ")
	s.arrive("e1", "0 ")
	if !s.core.withdraw(s.of("b1")[0]) || s.core.withdraw(s.of("b1")[0]) || s.core.withdraw(s.of("d1")[0]) {
		t.Error("what waits can be withdrawn once, and nothing else can")
	}
	s.arrive("e1", "1 ")
	s.leave(0, "0: a1 c1 e1")
	if s.core.withdraw(s.of("a1")[0]) {
		t.Error("what travels was withdrawn")
	}
	s.leave(0, "")
	if len(s.core.payers) != 0 || len(s.core.aboard) != 0 || s.core.ready.Len() != 0 {
		t.Error("an empty core remembers something")
	}
}

// TestWithdrawnPayer leaves nothing of payers behind whose payments were all withdrawn while every carrier is stuck.
func TestWithdrawnPayer(t *testing.T) {
	s := newScript(t, 10, 4)
	for i := range 1000 {
		r := &request{leg: chain.Leg{From: chain.AccountNo(i)}}
		s.core.arrive([]*request{r})
		s.core.withdraw(r)
	}
	if len(s.core.payers) != 0 || s.core.ready.Len() != 0 || s.core.waiting != 0 {
		t.Errorf("%d payers, %d in line, %d waiting", len(s.core.payers), s.core.ready.Len(), s.core.waiting)
	}
}

// TestCoreProperties does anything in any order: nothing is lost, nothing travels twice, a payer's payments keep their order and
// are in one load at a time, and no bound is passed.
func TestCoreProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		waitingMax, legsMax := rapid.IntRange(1, 30).Draw(t, "waitingMax"), rapid.IntRange(1, 8).Draw(t, "legsMax")
		m := &coreModel{T: t, core: newCore(waitingMax, legsMax), busy: map[int][]*request{}}
		for carrier := range rapid.IntRange(1, 4).Draw(t, "carriers") {
			m.loads(m.core.leave(carrier))
		}
		t.Repeat(map[string]func(*rapid.T){
			"arrive": func(t *rapid.T) { m.arrive(rapid.SliceOfN(rapid.IntRange(1, 5), 1, 20).Draw(t, "payers")) },
			"leave":  func(t *rapid.T) { m.leave(rapid.IntRange(0, 3).Draw(t, "carrier")) },
			"withdraw": func(t *rapid.T) {
				if len(m.all) > 0 {
					m.withdraw(m.all[rapid.IntRange(0, len(m.all)-1).Draw(t, "which")])
				}
			},
			"": func(*rapid.T) { m.check() },
		})
		for len(m.busy) > 0 {
			for carrier := range m.busy {
				m.leave(carrier)
			}
		}
		if m.core.waiting != 0 || len(m.queued) != 0 || len(m.core.payers) != 0 {
			t.Fatalf("%d wait with all carriers free", m.core.waiting)
		}
	})
}

type coreModel struct {
	*rapid.T
	core   *core
	all    []*request
	queued []*request // in order of arrival
	busy   map[int][]*request
}

func (m *coreModel) arrive(payers []int) {
	rs := make([]*request, len(payers))
	for i, p := range payers {
		rs[i] = &request{leg: chain.Leg{From: chain.AccountNo(p)}}
	}
	room := m.core.waitingMax - m.core.waiting
	n, out := m.core.arrive(rs)
	if n != min(room, len(rs)) {
		m.Fatalf("%d of %d admitted with room for %d", n, len(rs), room)
	}
	m.all, m.queued = append(m.all, rs[:n]...), append(m.queued, rs[:n]...)
	m.loads(out)
}

func (m *coreModel) leave(carrier int) {
	if _, ok := m.busy[carrier]; ok {
		delete(m.busy, carrier)
		m.loads(m.core.leave(carrier))
	}
}

func (m *coreModel) withdraw(r *request) {
	waits := m.take(r)
	if m.core.withdraw(r) != waits {
		m.Fatalf("withdrawn: %v, waited: %v", !waits, waits)
	}
}

// take takes a request out of the model's queue, and reports whether it was there.
func (m *coreModel) take(r *request) bool {
	for i, x := range m.queued {
		if x == r {
			m.queued = append(m.queued[:i:i], m.queued[i+1:]...)
			return true
		}
	}
	return false
}

func (m *coreModel) loads(out []load) {
	for _, l := range out {
		if _, ok := m.busy[l.carrier]; ok || len(l.requests) == 0 || len(l.requests) > m.core.legsMax {
			m.Fatalf("carrier %d, busy %v, is given %d", l.carrier, ok, len(l.requests))
		}
		for _, r := range l.requests {
			for carrier, others := range m.busy {
				for _, o := range others {
					if o.leg.From == r.leg.From {
						m.Fatalf("payer %d travels with carriers %d and %d", r.leg.From, carrier, l.carrier)
					}
				}
			}
			for _, before := range m.queued {
				if before == r {
					break
				}
				if before.leg.From == r.leg.From {
					m.Fatalf("a payment of %d overtook one of the same payer", r.leg.From)
				}
			}
			if !m.take(r) {
				m.Fatal("a request travels that did not wait")
			}
		}
		m.busy[l.carrier] = l.requests
	}
}

func (m *coreModel) check() {
	if m.core.waiting != len(m.queued) || m.core.waiting > m.core.waitingMax {
		m.Fatalf("%d wait, %d in the model, at most %d", m.core.waiting, len(m.queued), m.core.waitingMax)
	}
	if len(m.core.free) == 0 {
		return
	}
	for _, r := range m.queued {
		if !r.payer.underWay {
			m.Fatalf("carrier %d is free and a payment of %d waits", m.core.free[0], r.leg.From)
		}
	}
}
