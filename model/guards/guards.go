// SPDX-License-Identifier: Apache-2.0

package guards

import (
	"fmt"
	"slices"

	"github.com/aurigraph/aurigraph/model/check"
)

// Rule is one rule of a guard's start and fence.
type Rule uint8

// The rules.
const (
	BarrierFirst       Rule = iota // a start takes its generation, then reads the record of closed slots
	OvertakenStops                 // a guard whose write V10 refuses as of an old generation ends; it does not take a new generation by itself
	RecordFirst                    // the record of closed slots is durable before the fence's barrier, not only before the signature
	ClosedFirst                    // the guard lets nothing more through before the fence's barrier
	ConditionalBarrier             // V10 refuses the barrier of a fence to a guard that is not the newest; it takes no generation from another
	ruleCount
)

// String is the rule's name.
func (r Rule) String() string {
	return [ruleCount]string{"barrier-first", "overtaken-stops", "record-first", "closed-first", "conditional-barrier"}[r]
}

// Rules lists all rules.
func Rules() []Rule {
	return []Rule{BarrierFirst, OvertakenStops, RecordFirst, ClosedFirst, ConditionalBarrier}
}

// slots is how many there are. With one alone a guard that takes a generation from another does no harm.
const slots = 2

// Phases of a guard.
const (
	off   uint8 = iota
	begun       // the first of the two steps of a start is done
	on          // its slots have phases of their own
)

// Phases of a slot at a guard that is on. A guard makes one fence at a time.
const (
	open    uint8 = iota // served
	early                // served still, the barrier of a fence written; only without ClosedFirst
	closing              // closed in memory; the first of the two steps of a fence comes
	half                 // the first is done
	ready                // both are: it may be signed
	closed               // it is signed, or was found in the record
)

type guard struct {
	Phase uint8
	Lease uint8 // its generation
	Read  uint8 // bit set of the slots that it read as closed; without BarrierFirst only
	Slots [slots]uint8
}

type state struct {
	Guards     [2]guard
	Inside     [slots]uint8 // bit sets of the generations of requests inside V10
	Generation uint8        // V10's
	Record     uint8        // bit set of the slots that are recorded as closed
	Fenced     uint8        // bit set of the slots of which a fence is signed: V11 owns them
	Starts     uint8        // left
}

type model struct {
	rules [ruleCount]bool
}

// Spec is the model with starts starts of guards.
func Spec(starts uint8, without []Rule) (check.Spec[state], error) {
	if starts > 6 {
		return check.Spec[state]{}, fmt.Errorf("at most 6 starts, not %d: generations are counted in a byte's bits", starts)
	}
	m := model{}
	for i := range m.rules {
		m.rules[i] = !slices.Contains(without, Rule(i))
	}
	return check.Spec[state]{
		Initial: []state{{Starts: starts}}, Next: m.next, Violation: m.violation, Goal: goal, Name: name,
	}, nil
}

// TwoHomes is the violation.
const TwoHomes = "two homes: V11 owns the slot, and a write can still pass V10"

func (m model) violation(s *state) string {
	for slot := range slots {
		if s.Fenced>>slot&1 == 0 {
			continue
		}
		if s.Inside[slot]&(1<<s.Generation) != 0 || served(s, slot) {
			return TwoHomes
		}
	}
	return ""
}

// served reports whether a guard lets writes of a slot through that V10 executes.
func served(s *state, slot int) bool {
	return slices.ContainsFunc(s.Guards[:], func(g guard) bool { return g.serves(slot) && g.Lease == s.Generation })
}

// goal: each slot is served, by a guard or by V11.
func goal(s *state) bool {
	if s.Starts == 0 {
		return true
	}
	for slot := range slots {
		if s.Fenced>>slot&1 == 0 && !served(s, slot) {
			return false
		}
	}
	return true
}

func (g guard) serves(slot int) bool {
	return g.Phase == on && (g.Slots[slot] == open || g.Slots[slot] == early)
}

// fencing reports whether a fence is under way.
func (g guard) fencing() bool {
	return slices.ContainsFunc(g.Slots[:], func(p uint8) bool { return p != open && p != closed })
}

const (
	actStart uint16 = iota << 8
	actRead
	actLet
	actExecute
	actClose
	actRecord
	actBarrier
	actSign
	actStop
	actAgain
)

func name(action uint16, from, to *state) string {
	texts := []string{
		"guard %d takes a generation at its start", "guard %d reads the record", "guard %d lets a request into V10 (slot %d)",
		"V10 ends a request of generation %d (slot %d)", "guard %d closes slot %d in memory", "guard %d records that slot %d is closed",
		"guard %d writes the barrier of a fence (slot %d)", "guard %d signs the fence: V11 owns slot %d", "guard %d ends",
		"guard %d is refused, and takes a new generation",
	}
	text := fmt.Sprintf(texts[action>>8], words(action)...)
	if from.Generation != to.Generation {
		text += fmt.Sprintf(" (now %d)", to.Generation)
	}
	return text
}

// words are the guard or generation of an action, and its slot, if it has one.
func words(action uint16) []any {
	out := []any{action & 0xF}
	switch action &^ 0xFF {
	case actLet, actExecute, actClose, actRecord, actBarrier, actSign:
		out = append(out, action>>4&0xF)
	}
	return out
}

func (m model) next(s *state, out []check.Step[state]) []check.Step[state] {
	add := func(action uint16, i, slot int, fault bool, change func(to *state, g *guard)) {
		to := *s
		change(&to, &to.Guards[i])
		out = append(out, check.Step[state]{To: to, Action: action | uint16(slot<<4) | uint16(i), Fault: fault})
	}
	for i := range s.Guards {
		m.start(s, i, add)
		m.refused(s, i, add)
		for slot := range slots {
			m.serve(s, i, slot, add)
			m.fence(s, i, slot, add)
		}
	}
	for slot := range slots {
		for g := range uint8(8) {
			if s.Inside[slot]&(1<<g) != 0 {
				add(actExecute, 0, slot, false, func(to *state, _ *guard) { to.Inside[slot] &^= 1 << g })
				out[len(out)-1].Action |= uint16(g)
			}
		}
	}
	return out
}

type adder func(action uint16, guard, slot int, fault bool, change func(to *state, g *guard))

func take(to *state, g *guard) {
	to.Generation++
	g.Lease = to.Generation
}

func (m model) start(s *state, i int, add adder) {
	switch g := s.Guards[i]; {
	case g.Phase == off && s.Starts > 0 && m.rules[BarrierFirst]:
		add(actStart, i, 0, false, func(to *state, g *guard) {
			to.Starts--
			take(to, g)
			g.Phase = begun
		})
	case g.Phase == off && s.Starts > 0:
		add(actRead, i, 0, false, func(to *state, g *guard) {
			to.Starts--
			g.Phase, g.Read = begun, to.Record
		})
	case g.Phase == begun && m.rules[BarrierFirst]:
		add(actRead, i, 0, false, func(to *state, g *guard) { g.begin(to.Record) })
	case g.Phase == begun && s.Generation < 7:
		add(actStart, i, 0, false, func(to *state, g *guard) {
			take(to, g)
			g.begin(g.Read)
		})
	}
	if s.Guards[i].Phase != off {
		add(actStop, i, 0, true, func(_ *state, g *guard) { *g = guard{} })
	}
}

// begin serves what a record does not say is closed.
func (g *guard) begin(record uint8) {
	g.Phase, g.Read = on, 0
	for slot := range slots {
		g.Slots[slot] = open
		if record>>slot&1 == 1 {
			g.Slots[slot] = closed
		}
	}
}

// refused is a guard that V10 has refused a write as of an old generation, or will.
func (m model) refused(s *state, i int, add adder) {
	g := s.Guards[i]
	if g.Lease == s.Generation || !g.serves(0) && !g.serves(1) {
		return
	}
	switch {
	case m.rules[OvertakenStops]:
		add(actStop, i, 0, false, func(_ *state, g *guard) { *g = guard{} })
	case s.Generation < 7:
		add(actAgain, i, 0, false, take)
	}
}

func (m model) serve(s *state, i, slot int, add adder) {
	if g := s.Guards[i]; g.serves(slot) {
		add(actLet, i, slot, false, func(to *state, g *guard) { to.Inside[slot] |= 1 << g.Lease })
	}
}

func (m model) fence(s *state, i, slot int, add adder) {
	g := s.Guards[i]
	if g.Phase != on {
		return
	}
	switch g.Slots[slot] {
	case open:
		m.close(s, i, slot, add)
	case early:
		add(actClose, i, slot, false, func(to *state, g *guard) {
			to.Record |= 1 << slot
			g.Slots[slot] = ready
		})
	case closing:
		m.fenceStep(s, i, slot, true, half, add)
	case half:
		m.fenceStep(s, i, slot, false, ready, add)
	case ready:
		add(actSign, i, slot, false, func(to *state, g *guard) {
			to.Fenced |= 1 << slot
			g.Slots[slot] = closed
		})
	case closed:
		if s.Fenced>>slot&1 == 0 && s.Record>>slot&1 == 1 && !g.fencing() {
			add(actClose, i, slot, false, func(_ *state, g *guard) { g.Slots[slot] = half })
		}
	}
}

// close begins a fence.
func (m model) close(s *state, i, slot int, add adder) {
	if s.Guards[i].fencing() {
		return
	}
	add(actClose, i, slot, false, func(_ *state, g *guard) { g.Slots[slot] = closing })
	if !m.rules[ClosedFirst] {
		m.barrier(s, i, slot, early, add)
	}
}

// fenceStep is the first or the second of record and barrier.
func (m model) fenceStep(s *state, i, slot int, first bool, phase uint8, add adder) {
	if first != m.rules[RecordFirst] {
		m.barrier(s, i, slot, phase, add)
		return
	}
	add(actRecord, i, slot, false, func(to *state, g *guard) {
		to.Record |= 1 << slot
		g.Slots[slot] = phase
	})
}

// barrier writes that of a fence, unless V10 refuses it, which ends the guard.
func (m model) barrier(s *state, i, slot int, phase uint8, add adder) {
	switch {
	case m.rules[ConditionalBarrier] && s.Guards[i].Lease != s.Generation:
		add(actStop, i, 0, false, func(_ *state, g *guard) { *g = guard{} })
	case s.Generation < 7:
		add(actBarrier, i, slot, false, func(to *state, g *guard) {
			take(to, g)
			g.Slots[slot] = phase
		})
	}
}

// Scenarios lists the search that is recorded.
func Scenarios() []check.Scenario {
	return []check.Scenario{{
		Name: "guards", What: "two guards at once, 2 slots, 3 starts", States: 354_645, Depth: 30, Rules: check.Strings(Rules()),
		Run: func(without []string, o check.Options) (check.Report, error) {
			rules, err := check.Names(Rules(), without)
			if err != nil {
				return check.Report{}, err
			}
			spec, err := Spec(3, rules)
			if err != nil {
				return check.Report{}, err
			}
			return check.Run(spec, o)
		},
	}}
}
