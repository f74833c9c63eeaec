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
	BarrierFirst   Rule = iota // a start takes its generation, then reads the record of closed slots
	OvertakenStops             // a guard whose write V10 refuses as of an old generation ends; it does not take a new generation by itself
	RecordFirst                // the record of closed slots is durable before the fence's barrier, not only before the signature
	ClosedFirst                // the guard lets nothing more through before the fence's barrier
	ruleCount
)

// String is the rule's name.
func (r Rule) String() string {
	return [ruleCount]string{"barrier-first", "overtaken-stops", "record-first", "closed-first"}[r]
}

// Rules lists all rules.
func Rules() []Rule { return []Rule{BarrierFirst, OvertakenStops, RecordFirst, ClosedFirst} }

// Phases of a guard.
const (
	off     uint8 = iota
	begun         // the first of the two steps of a start is done
	open          // serving
	early         // serving still, the barrier of a fence written; only without ClosedFirst
	closing       // the slot is closed in memory; the first of the two steps of a fence comes
	half          // the first is done
	ready         // both are: it may sign
	closed        // it has signed, or found the record
)

type guard struct {
	Phase uint8
	Lease uint8 // its generation
	Read  uint8 // what it read: 1 closed; without BarrierFirst only
}

type state struct {
	Guards     [2]guard
	Inside     uint8 // bit set of the generations of requests inside V10
	Generation uint8 // V10's
	Record     uint8 // 1: the slot is recorded as closed
	Fenced     uint8 // 1: a fence is signed, V11 owns the slot
	Starts     uint8 // left
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
	if s.Fenced == 0 {
		return ""
	}
	if s.Inside&(1<<s.Generation) != 0 {
		return TwoHomes
	}
	for _, g := range s.Guards {
		if g.serves() && g.Lease == s.Generation {
			return TwoHomes
		}
	}
	return ""
}

// goal: the slot is served, by a guard or by V11.
func goal(s *state) bool {
	return s.Fenced == 1 || s.Starts == 0 || slices.ContainsFunc(s.Guards[:], func(g guard) bool {
		return g.serves() && g.Lease == s.Generation
	})
}

func (g guard) serves() bool { return g.Phase == open || g.Phase == early }

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
		"guard %d takes a generation at its start", "guard %d reads the record", "guard %d lets a request into V10",
		"V10 ends a request of generation %d", "guard %d closes the slot in memory", "guard %d records that the slot is closed",
		"guard %d writes the barrier of a fence", "guard %d signs the fence: V11 owns the slot", "guard %d ends",
		"guard %d is refused, and takes a new generation",
	}
	text := fmt.Sprintf(texts[action>>8], action&0xFF)
	if from.Generation != to.Generation {
		text += fmt.Sprintf(" (now %d)", to.Generation)
	}
	return text
}

func (m model) next(s *state, out []check.Step[state]) []check.Step[state] {
	add := func(action uint16, i int, fault bool, change func(to *state, g *guard)) {
		to := *s
		change(&to, &to.Guards[i])
		out = append(out, check.Step[state]{To: to, Action: action | uint16(i), Fault: fault})
	}
	for i := range s.Guards {
		m.start(s, i, add)
		m.serve(s, i, add)
		m.fence(s, i, add)
	}
	for g := range uint8(8) {
		if s.Inside&(1<<g) != 0 {
			add(actExecute|uint16(g), 0, false, func(to *state, _ *guard) { to.Inside &^= 1 << g })
			out[len(out)-1].Action = actExecute | uint16(g)
		}
	}
	return out
}

type adder func(action uint16, guard int, fault bool, change func(to *state, g *guard))

func (m model) start(s *state, i int, add adder) {
	take := func(to *state, g *guard) {
		to.Generation++
		g.Lease = to.Generation
	}
	switch g := s.Guards[i]; {
	case g.Phase == off && s.Starts > 0 && m.rules[BarrierFirst]:
		add(actStart, i, false, func(to *state, g *guard) {
			to.Starts--
			take(to, g)
			g.Phase = begun
		})
	case g.Phase == off && s.Starts > 0:
		add(actRead, i, false, func(to *state, g *guard) {
			to.Starts--
			g.Phase, g.Read = begun, to.Record
		})
	case g.Phase == begun && m.rules[BarrierFirst]:
		add(actRead, i, false, func(to *state, g *guard) { g.Phase = serving(to.Record) })
	case g.Phase == begun:
		add(actStart, i, false, func(to *state, g *guard) {
			take(to, g)
			g.Phase, g.Read = serving(g.Read), 0
		})
	}
	if s.Guards[i].Phase != off {
		add(actStop, i, true, func(_ *state, g *guard) { *g = guard{} })
	}
}

func serving(record uint8) uint8 {
	if record == 1 {
		return closed
	}
	return open
}

func (m model) serve(s *state, i int, add adder) {
	g := s.Guards[i]
	if !g.serves() {
		return
	}
	add(actLet, i, false, func(to *state, g *guard) { to.Inside |= 1 << g.Lease })
	switch {
	case g.Lease == s.Generation:
	case m.rules[OvertakenStops]:
		add(actStop, i, false, func(_ *state, g *guard) { *g = guard{} })
	case s.Generation < 7:
		add(actAgain, i, false, func(to *state, g *guard) {
			to.Generation++
			g.Lease = to.Generation
		})
	}
}

func (m model) fence(s *state, i int, add adder) {
	record := func(to *state, _ *guard) { to.Record = 1 }
	barrier := func(to *state, g *guard) {
		to.Generation++
		g.Lease = to.Generation
	}
	step := func(first bool, phase uint8) {
		act, change := actRecord, record
		if first != m.rules[RecordFirst] {
			act, change = actBarrier, barrier
		}
		if act == actBarrier && s.Generation == 7 {
			return
		}
		add(act, i, false, func(to *state, g *guard) {
			change(to, g)
			g.Phase = phase
		})
	}
	switch s.Guards[i].Phase {
	case open:
		add(actClose, i, false, func(_ *state, g *guard) { g.Phase = closing })
		if !m.rules[ClosedFirst] && s.Generation < 7 {
			add(actBarrier, i, false, func(to *state, g *guard) {
				barrier(to, g)
				g.Phase = early
			})
		}
	case early:
		add(actClose, i, false, func(to *state, g *guard) {
			record(to, g)
			g.Phase = ready
		})
	case closing:
		step(true, half)
	case half:
		step(false, ready)
	case ready:
		add(actSign, i, false, func(to *state, g *guard) { to.Fenced, g.Phase = 1, closed })
	case closed:
		if s.Fenced == 0 && s.Record == 1 {
			add(actClose, i, false, func(_ *state, g *guard) { g.Phase = half })
		}
	}
}

// Scenarios lists the search that is recorded.
func Scenarios() []check.Scenario {
	return []check.Scenario{{
		Name: "guards", What: "two guards at once, 3 starts", States: 3785, Depth: 20, Rules: check.Strings(Rules()),
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
