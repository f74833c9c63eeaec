// SPDX-License-Identifier: Apache-2.0

package move

import (
	"fmt"
	"slices"

	"github.com/aurigraph/aurigraph/model/check"
)

type step = check.Step[State]

type model struct {
	config Config
	rules  [ruleCount]bool
}

// Spec is the move within the bounds of a config.
func Spec(c Config) (check.Spec[State], error) {
	if len(c.Payers) > paymentsMax || len(c.Payers)*int(c.Sends) > copiesMax || slices.Max(append(slices.Clone(c.Payers), 0)) > 1 {
		return check.Spec[State]{}, fmt.Errorf("at most %d payments by slot 0 or 1, and %d sends in all", paymentsMax, copiesMax)
	}
	m := &model{config: c}
	for i := range m.rules {
		m.rules[i] = !slices.Contains(c.Without, Rule(i))
	}
	first := State{Moves: c.Moves, Crashes: c.Crashes, Timeouts: c.Timeouts, Stuck: c.Stuck, Natives: c.Natives}
	return check.Spec[State]{
		Initial: []State{first}, Next: m.next, Violation: m.violation, Goal: m.goal, Name: m.name,
	}, nil
}

func (m *model) has(r Rule) bool { return m.rules[r] }

// counts says whether the guard counts requests inside V10: with the barrier it need not.
func (m *model) counts() bool { return m.config.Foreign || !m.has(Barrier) }

// paymentOf is the payment that a copy belongs to, -1 for a copy that is not used.
func (m *model) paymentOf(copyIndex int) int {
	if p := copyIndex / int(max(m.config.Sends, 1)); p < len(m.config.Payers) {
		return p
	}
	return -1
}

func (m *model) copies(s *State, payment int) []uint16 {
	n := int(m.config.Sends)
	return s.Copies[payment*n : (payment+1)*n]
}

// Violations of a state.
const (
	TwoHomes  = "two homes accept debits of a slot"
	PaidTwice = "a payment is paid twice"
	Lost      = "a client was told that it paid, and nobody has the payment"
	Broke     = "a client was told a final refusal, and the payment is paid"
	Differ    = "the ledgers differ at rest"
	Negative  = "a balance goes below zero by sync"
	NotOwned  = "sync refuses a debit: its side did not own the slot"
	Dropped   = "what V10 did is never brought to V11: the way back is closed"
)

func (m *model) violation(s *State) string {
	var v view
	m.derive(s, &v)
	for p := range m.config.Payers {
		told := s.told(uint8(p))
		switch {
		case v.paid[p] > 1:
			return PaidTwice
		case told&toldPaid != 0 && v.paid[p] == 0:
			return Lost
		case told&toldRefused != 0 && v.paid[p] > 0:
			return Broke
		}
	}
	for slot := range uint8(2) {
		if !m.config.Blind && acceptsV11(s, &v, slot) && m.acceptsV10(s, &v, slot) {
			return TwoHomes
		}
	}
	if v.end > 0 && v.end <= s.Cert && s.untold(v.applied) {
		return Dropped
	}
	if m.rest(s, &v) && v.left != v.told && m.has(KeysTravel) && m.has(RefusalsTravel) {
		return Differ
	}
	return ""
}

// goal: at rest, each slot accepted by exactly one side, and by V10 if the way back is asked for.
func (m *model) goal(s *State) bool {
	var v view
	m.derive(s, &v)
	if !m.rest(s, &v) {
		return false
	}
	for slot := range uint8(2) {
		left, right := m.acceptsV10(s, &v, slot), acceptsV11(s, &v, slot)
		if left == right || (m.config.Reverse && right && v.end == 0) {
			return false
		}
	}
	return true
}

// moves collects the steps out of one state.
type moves struct {
	m    *model
	from *State
	v    view
	out  []step
}

// next appends all steps possible in s.
func (m *model) next(s *State, out []step) []step {
	x := moves{m: m, from: s, out: out}
	m.derive(s, &x.v)
	for i := range s.Copies {
		if p := m.paymentOf(i); p >= 0 {
			x.request(uint8(p), i)
		}
	}
	x.faults()
	x.guard()
	x.fence()
	x.ledger()
	x.seal()
	x.end()
	return x.out
}

// add appends a step; change makes it from a copy of the state.
func (x *moves) add(action uint16, fault bool, change func(s *State) (broken string)) {
	to := *x.from
	broken := change(&to)
	if broken == "" {
		broken = x.m.settle(&to)
	}
	x.out = append(x.out, step{To: to, Action: action, Fault: fault, Broken: broken})
}

// settle makes states that mean the same equal: it sorts copies, counts generations from the lowest in use, and passes V10 over
// heights that change nothing there.
func (m *model) settle(s *State) string {
	for s.Applied < m.told(s) {
		if k := s.Log[s.Applied] & entryKind; k == entryPaid || k == entryRefused {
			break
		}
		s.Applied++
	}
	for p := range m.config.Payers {
		sortCopies(m.copies(s, p))
	}
	low := min(s.Generation, s.Lease)
	for _, c := range s.Copies {
		if inside(c) {
			low = min(low, copyGeneration(c))
		}
	}
	s.Generation, s.Lease = s.Generation-low, s.Lease-low
	if max(s.Generation, s.Lease) >= generations {
		return overBound + "generations"
	}
	if low > 0 {
		for i, c := range s.Copies {
			if inside(c) {
				s.Copies[i] = c - uint16(low)<<copyGenShift
			}
		}
		for p := range m.config.Payers {
			sortCopies(m.copies(s, p))
		}
	}
	return ""
}

// capture appends a record to V10's captured log.
func capture(s *State, r uint8) string {
	if s.Position == capturedMax {
		return overBound + "records"
	}
	s.Captured[s.Position] = r
	s.Position++
	return ""
}

// decide appends an entry to V11's log.
func (m *model) decide(s *State, entry uint8) string {
	if s.Length == logMax {
		return overBound + "heights"
	}
	if isHomes(entry) && homesChanges(s) == versionsMax-1 {
		return overBound + "home versions"
	}
	s.Log[s.Length] = entry
	s.Length++
	if p := entry &^ entryKind; !m.has(PublishedAnswers) {
		tellEntry(s, entry, p)
	}
	return ""
}

func homesChanges(s *State) (n int) {
	for _, e := range s.Log[:s.Length] {
		if isHomes(e) {
			n++
		}
	}
	return n
}

func tellEntry(s *State, entry, payment uint8) {
	switch entry & entryKind {
	case entryPaid:
		s.tell(payment, toldPaid)
	case entryRefused:
		s.tell(payment, toldRefused)
	}
}

// certify publishes the heights up to the one given.
func certify(s *State, height uint8) {
	for i := s.Cert; i < height; i++ {
		tellEntry(s, s.Log[i], s.Log[i]&^entryKind)
	}
	s.Cert = max(s.Cert, height)
}
