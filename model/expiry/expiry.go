// SPDX-License-Identifier: Apache-2.0

package expiry

import (
	"fmt"
	"slices"

	"github.com/aurigraph/aurigraph/model/check"
)

// Rule is one rule of a key's life.
type Rule uint8

// The rules.
const (
	OriginsPromise Rule = iota // a key that came by sync lives as long as its origin promised, not as the receiver's own do
	TravelMargin               // and longer by the longest time that a request may take
	SkewMargin                 // and by the most that the clocks may differ
	RequestsEnd                // a request that took longer is refused before it is decided
	ruleCount
)

// String is the rule's name.
func (r Rule) String() string {
	return [ruleCount]string{"origins-promise", "travel-margin", "skew-margin", "requests-end"}[r]
}

// Rules lists all rules.
func Rules() []Rule { return []Rule{OriginsPromise, TravelMargin, SkewMargin, RequestsEnd} }

// Config bounds a search; times are in ticks.
type Config struct {
	Promise, Own, Travel, Skew uint8 // Own: what the receiver promises for its own keys
	Last                       uint8 // the search ends there
	Sends                      uint8 // at most 3
	Without                    []Rule
}

const sendsMax = 3

type state struct {
	Now    uint8           // V10's clock
	Block  uint8           // V11's clock + Skew
	First  uint8           // tick+1 of the first attempt
	Sent   uint8           // attempts
	Flying [sendsMax]uint8 // tick+1 of each attempt under way, sorted
	Left   uint8           // tick+1 at which V10 executed it
	Right  uint8           // 1: V11 has the key; 2: and gave it up
	Made   uint8           // V11's clock+1 when V11 executed it itself
	Paid   uint8
	Moved  uint8 // 1: V11 owns the slot
}

type model struct {
	config Config
	rules  [ruleCount]bool
}

// Spec is the model within the bounds of c.
func Spec(c Config) (check.Spec[state], error) {
	if c.Sends > sendsMax || c.Last > 100 {
		return check.Spec[state]{}, fmt.Errorf("at most %d attempts and 100 ticks", sendsMax)
	}
	m := model{config: c}
	for i := range m.rules {
		m.rules[i] = !slices.Contains(c.Without, Rule(i))
	}
	return check.Spec[state]{Initial: []state{{Block: c.Skew}}, Next: m.next, Violation: violation, Name: name}, nil
}

// PaidTwice is the violation.
const PaidTwice = "a repeat within the promise is paid again"

func violation(s *state) string {
	if s.Paid > 1 {
		return PaidTwice
	}
	return ""
}

// life is how long a key lives after its first execution.
func (m model) life(promise uint8) uint8 {
	if m.rules[TravelMargin] {
		promise += m.config.Travel
	}
	return promise
}

// leftForgets: V10 counts by the clock that it promised by.
func (m model) leftForgets(s *state) bool {
	return s.Left != 0 && s.Now > s.Left-1+m.life(m.config.Promise)
}

// rightForgets: V11 compares the origin's time with its own block time. For a key of its own both ends are block time, which may have
// been late at the first and early at the second.
func (m model) rightForgets(s *state) bool {
	promise, since, skew := m.config.Promise, s.Left-1+m.config.Skew, m.config.Skew
	switch {
	case s.Made != 0:
		since, skew = s.Made-1, 2*m.config.Skew
	case !m.rules[OriginsPromise]:
		promise = m.config.Own
	}
	if !m.rules[SkewMargin] {
		skew = 0
	}
	return s.Block > since+m.life(promise)+skew
}

const (
	actTick uint16 = iota << 8
	actSend
	actLeft
	actRight
	actSync
	actMove
	actForget
	actEnd
)

func name(action uint16, from, to *state) string {
	attempt := action & 0xFF
	switch action &^ 0xFF {
	case actTick:
		return fmt.Sprintf("tick %d; V11's clock has moved by %d", to.Now, to.Block-from.Block)
	case actSend:
		return fmt.Sprintf("the client sends attempt %d at tick %d", to.Sent, to.Now)
	case actLeft:
		return decision("V10", attempt, from, to)
	case actRight:
		return decision("V11", attempt, from, to)
	case actSync:
		return "sync brings the key to V11"
	case actMove:
		return "the slot moves to V11"
	case actForget:
		return "V11 gives the key up"
	}
	return fmt.Sprintf("the attempt of tick %d ends: it took too long", attempt)
}

func decision(side string, attempt uint16, from, to *state) string {
	what := "answers it as a repeat"
	if to.Paid > from.Paid {
		what = "pays it"
	}
	return fmt.Sprintf("the attempt of tick %d reaches %s, which %s", attempt, side, what)
}

func (m model) next(s *state, out []check.Step[state]) []check.Step[state] {
	add := func(action uint16, change func(to *state)) {
		to := *s
		change(&to)
		slices.Sort(to.Flying[:])
		out = append(out, check.Step[state]{To: to, Action: action})
	}
	m.time(s, add)
	if s.Sent < m.config.Sends && (s.First == 0 || s.Now <= s.First-1+m.config.Promise) {
		add(actSend, func(to *state) {
			to.Sent++
			to.Flying[0] = to.Now + 1
			if to.First == 0 {
				to.First = to.Now + 1
			}
		})
	}
	for i, at := range s.Flying {
		if at != 0 && (i == 0 || s.Flying[i-1] != at) {
			m.arrive(s, i, at-1, add)
		}
	}
	if s.Left != 0 && s.Right == 0 {
		add(actSync, func(to *state) { to.Right = 1 })
	}
	if s.Moved == 0 && (s.Left == 0 || s.Right != 0) {
		add(actMove, func(to *state) { to.Moved = 1 })
	}
	if s.Right == 1 && m.rightForgets(s) {
		add(actForget, func(to *state) { to.Right = 2 })
	}
	return out
}

// time: V10's clock goes on by one, V11's to anywhere within the skew that is not back.
func (m model) time(s *state, add func(uint16, func(*state))) {
	late := slices.ContainsFunc(s.Flying[:], func(at uint8) bool { return at != 0 && s.Now+1 > at-1+m.config.Travel })
	if s.Now == m.config.Last || (late && m.rules[RequestsEnd]) {
		return // the request must end first
	}
	for block := max(s.Block, s.Now+1); block <= s.Now+1+2*m.config.Skew; block++ {
		add(actTick, func(to *state) { to.Now, to.Block = s.Now+1, block })
	}
}

// arrive: the attempt is decided by the home of the slot, or ends undecided.
func (m model) arrive(s *state, i int, sent uint8, add func(uint16, func(*state))) {
	add(actEnd|uint16(sent), func(to *state) { to.Flying[i] = 0 })
	if s.Moved == 0 {
		add(actLeft|uint16(sent), func(to *state) {
			to.Flying[i] = 0
			if s.Left == 0 || m.leftForgets(s) {
				to.Paid++
				to.Left = s.Now + 1
			}
		})
		return
	}
	add(actRight|uint16(sent), func(to *state) {
		to.Flying[i] = 0
		if s.Right == 2 || s.Left == 0 && s.Right == 0 {
			to.Paid++
			to.Right, to.Made = 1, s.Block+1
		}
	})
}

// Scenarios lists the search that is recorded.
func Scenarios() []check.Scenario {
	return []check.Scenario{{
		Name: "expiry", What: "1 payment x 3, promise 4, travel 2, skew 1 ticks", States: 42_611, Depth: 21, Rules: check.Strings(Rules()),
		Run: func(without []string, o check.Options) (check.Report, error) {
			rules, err := check.Names(Rules(), without)
			if err != nil {
				return check.Report{}, err
			}
			spec, err := Spec(Config{Promise: 4, Own: 1, Travel: 2, Skew: 1, Last: 12, Sends: 3, Without: rules})
			if err != nil {
				return check.Report{}, err
			}
			return check.Run(spec, o)
		},
	}}
}
