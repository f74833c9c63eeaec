// SPDX-License-Identifier: Apache-2.0

package sealing

import (
	"fmt"
	"slices"

	"github.com/aurigraph/aurigraph/model/check"
)

// Rule is one rule of the seal.
type Rule uint8

// The rules.
const (
	RefusalIsDurable   Rule = iota // a sealer persists its refusal of later work before it reveals
	CertificatesDecide             // a reveal is a certificate, not a header
	PublishedWhenHeld              // a height is published only when q hold its certificate
	QuorumReveals                  // the height is the highest of q reveals
	NotBelowOwn                    // nobody signs a statement below its own certificate
	SigningRefuses                 // whoever signs a statement takes no later work, whether it was asked for a reveal or not
	SignedOnce                     // at most one statement an epoch
	VerdictInStatement             // the statement says what becomes of the slots
	VotesStand                     // where heights are published at their certificate: what may have one stands
	TwoClaim                       // and nobody signs a height that only one claims to have
	ruleCount
)

// String is the rule's name.
func (r Rule) String() string {
	return [ruleCount]string{"refusal-is-durable", "certificates-decide", "published-when-held", "quorum-reveals", "not-below-own",
		"signing-refuses", "signed-once", "verdict-in-statement", "votes-stand", "two-claim"}[r]
}

// Rules lists all rules.
func Rules() []Rule {
	rules := make([]Rule, ruleCount)
	for i := range rules {
		rules[i] = Rule(i)
	}
	return rules
}

const (
	honest   = 3 // validators; the fourth lies
	invented = 3 // a height that nobody executed
	leases   = 2
)

type validator struct {
	Signed  uint8 // highest executed header that it signed
	Holds   uint8 // highest certificate that it holds, durably
	Refuses uint8 // 1: it takes no later work
	Votes   uint8 // bit set of the coordinators whose statement it signed
}

type coordinator struct {
	Reveals   [honest + 1]uint8 // height+1, 0 is none yet; the last is the liar's
	Signed    [honest + 1]uint8 // what each of them shows that it signed; only with Config.AtCertificate
	Statement uint8             // 1 + 2*height + verdict, 0 is none yet
}

type state struct {
	Validators   [honest]validator
	Coordinators [leases]coordinator
	Lease        uint8 // the coordinator that validators listen to, from 1; 0: nobody has asked
	Told         uint8 // highest height that a reader saw
	Crashes      uint8 // left
}

// Config bounds the search.
type Config struct {
	Heights uint8 // 1 or 2
	Crashes uint8
	// AtCertificate has heights published as soon as somebody holds their certificate. Then validators reveal what they signed too.
	AtCertificate bool
	Deceit        bool // coordinators propose any height for which a certificate exists, whatever was revealed
	Without       []Rule
}

type model struct {
	config Config
	rules  [ruleCount]bool
}

// Spec is the seal within the bounds of c.
func Spec(c Config) check.Spec[state] {
	m := model{config: c}
	for i := range m.rules {
		m.rules[i] = !slices.Contains(c.Without, Rule(i))
	}
	return check.Spec[state]{
		Initial: []state{{Crashes: c.Crashes}}, Next: m.next, Violation: m.violation, Goal: m.goal, Name: name,
	}
}

// formed is the highest height with a certificate: two honest signatures and the liar's.
func (s *state) formed() uint8 {
	signed := []uint8{s.Validators[0].Signed, s.Validators[1].Signed, s.Validators[2].Signed}
	slices.Sort(signed)
	return signed[honest-2]
}

// held is the highest height of which three seem to hold the certificate: two honest ones, and the liar says so.
func (s *state) held() uint8 {
	holds := []uint8{s.Validators[0].Holds, s.Validators[1].Holds, s.Validators[2].Holds}
	slices.Sort(holds)
	return holds[honest-2]
}

// decided says whether a coordinator's statement has q signatures; the liar always signs.
func (s *state) decided(c int) bool {
	n := 0
	for i := range s.Validators {
		n += int(s.Validators[i].Votes >> c & 1)
	}
	return n >= 2
}

// executed is the highest height that an honest validator signed.
func (s *state) executed() uint8 {
	return max(s.Validators[0].Signed, s.Validators[1].Signed, s.Validators[2].Signed)
}

func height(statement uint8) uint8 { return (statement - 1) / 2 }

// Violations.
const (
	TwoSeals = "two different seals have a quorum"
	Lost     = "a height that was published lies above the seal"
	Unproved = "the seal's height has no certificate"
)

func (m model) violation(s *state) string {
	for c := range s.Coordinators {
		st := s.Coordinators[c].Statement
		if st == 0 || !s.decided(c) {
			continue
		}
		switch {
		case s.Told > height(st):
			return Lost
		case height(st) > s.formed() && !m.config.AtCertificate || height(st) > s.executed():
			return Unproved
		case c == 1 && s.decided(0) && s.Coordinators[0].Statement != st:
			return TwoSeals
		}
	}
	return m.withoutVerdict(s)
}

// withoutVerdict: if the verdict is not in what validators sign, their signatures on one height count for both.
func (m model) withoutVerdict(s *state) string {
	a, b := s.Coordinators[0].Statement, s.Coordinators[1].Statement
	if !m.rules[VerdictInStatement] && a != 0 && b != 0 && a != b && height(a) == height(b) && (s.decided(0) || s.decided(1)) {
		return TwoSeals
	}
	return ""
}

// goal: V11 still runs, a seal is decided, or no honest validator can sign any more: then a person decides, by the runbook.
func (m model) goal(s *state) bool {
	if s.Lease == 0 || s.decided(0) || s.decided(1) {
		return true
	}
	last := s.Coordinators[s.Lease-1].Statement
	return last != 0 && !slices.ContainsFunc(s.Validators[:], func(v validator) bool { return m.signs(s, &v, last) })
}

func (m model) signs(s *state, v *validator, statement uint8) bool {
	if m.config.AtCertificate && m.rules[TwoClaim] && height(statement) > s.executed() {
		return false
	}
	if m.rules[NotBelowOwn] && height(statement) < v.Holds {
		return false
	}
	return v.Votes == 0 || !m.rules[SignedOnce]
}

const (
	actSign uint16 = iota << 8
	actHold
	actPublish
	actLease
	actReveal
	actLie
	actPropose
	actVote
	actCrash
	actShow
)

func name(action uint16, _, to *state) string {
	argument := action & 0xFF
	switch action &^ 0xFF {
	case actSign:
		return fmt.Sprintf("validator %d signs header %d", argument, to.Validators[argument].Signed)
	case actHold:
		return fmt.Sprintf("validator %d holds certificate %d", argument, to.Validators[argument].Holds)
	case actPublish:
		return fmt.Sprintf("height %d is published", to.Told)
	case actLease:
		return fmt.Sprintf("coordinator %d has the lease", to.Lease)
	case actReveal:
		return fmt.Sprintf("validator %d refuses later work, and reveals certificate %d to coordinator %d", argument,
			to.Coordinators[to.Lease-1].Reveals[argument]-1, to.Lease)
	case actLie:
		return fmt.Sprintf("the liar reveals %d", argument)
	case actShow:
		return fmt.Sprintf("the liar shows that it signed %d", argument)
	case actPropose:
		return fmt.Sprintf("coordinator %d proposes height %d, %s", to.Lease, (argument-1)/2,
			[]string{"slots unchanged", "all slots to V10"}[(argument-1)%2])
	case actVote:
		return fmt.Sprintf("validator %d signs the statement of coordinator %d", argument, to.Lease)
	}
	return fmt.Sprintf("validator %d crashes and restarts", argument)
}

type stepper struct {
	m    model
	from *state
	out  []check.Step[state]
}

func (x *stepper) add(action uint16, argument int, fault bool, change func(to *state)) {
	to := *x.from
	change(&to)
	x.out = append(x.out, check.Step[state]{To: to, Action: action | uint16(argument), Fault: fault})
}

func (m model) next(s *state, out []check.Step[state]) []check.Step[state] {
	x := &stepper{m, s, out}
	for i := range s.Validators {
		x.validator(i)
	}
	x.publish()
	x.coordinator()
	return x.out
}

// validator works until it refuses; then it votes.
func (x *stepper) validator(i int) {
	s, v := x.from, &x.from.Validators[i]
	if v.Refuses == 0 {
		if v.Signed < x.m.config.Heights && v.Signed <= v.Holds {
			x.add(actSign, i, false, func(to *state) { to.Validators[i].Signed++ })
		}
		if v.Holds < s.formed() {
			x.add(actHold, i, false, func(to *state) {
				to.Validators[i].Holds++
				to.Validators[i].Signed = max(to.Validators[i].Signed, to.Validators[i].Holds)
			})
		}
	}
	if s.Crashes > 0 {
		x.add(actCrash, i, true, func(to *state) {
			to.Crashes--
			if !x.m.rules[RefusalIsDurable] {
				to.Validators[i].Refuses = 0
			}
		})
	}
	if s.Lease == 0 {
		return
	}
	c := s.Lease - 1
	if s.Coordinators[c].Reveals[i] == 0 && s.Coordinators[c].Statement == 0 {
		x.add(actReveal, i, false, func(to *state) {
			to.Validators[i].Refuses = 1
			to.Coordinators[c].Reveals[i] = v.Holds + 1
			if x.m.config.AtCertificate {
				to.Coordinators[c].Signed[i] = v.Signed
			}
		})
	}
	if st := s.Coordinators[c].Statement; st != 0 && v.Votes>>c&1 == 0 && x.m.signs(s, v, st) {
		x.add(actVote, i, false, func(to *state) {
			to.Validators[i].Votes |= 1 << c
			if x.m.rules[SigningRefuses] {
				to.Validators[i].Refuses = 1
			}
		})
	}
}

func (x *stepper) publish() {
	up := x.from.held()
	if !x.m.rules[PublishedWhenHeld] || x.m.config.AtCertificate {
		for _, v := range x.from.Validators {
			up = max(up, v.Holds)
		}
	}
	if x.from.Told < up {
		x.add(actPublish, 0, false, func(to *state) { to.Told++ })
	}
}

func (x *stepper) coordinator() {
	s := x.from
	if s.Lease < leases {
		x.add(actLease, 0, s.Lease > 0, func(to *state) { to.Lease++ })
	}
	if s.Lease == 0 || s.Coordinators[s.Lease-1].Statement != 0 {
		return
	}
	c := s.Lease - 1
	reveals := s.Coordinators[c].Reveals
	if reveals[honest] == 0 {
		for h := range s.formed() + 1 {
			x.add(actLie, int(h), true, func(to *state) { to.Coordinators[c].Reveals[honest] = h + 1 })
		}
		if !x.m.rules[CertificatesDecide] {
			x.add(actLie, invented, true, func(to *state) { to.Coordinators[c].Reveals[honest] = invented + 1 })
		}
	}
	if x.m.config.AtCertificate && reveals[honest] > 0 && s.Coordinators[c].Signed[honest] == 0 {
		for _, h := range []uint8{1, invented} {
			x.add(actShow, int(h), true, func(to *state) { to.Coordinators[c].Signed[honest] = h })
		}
	}
	x.propose(c, reveals)
}

func (x *stepper) propose(c uint8, reveals [honest + 1]uint8) {
	count := 0
	for _, r := range reveals {
		if r != 0 {
			count++
		}
	}
	need := 3
	if !x.m.rules[QuorumReveals] {
		need = 2
	}
	if count < need {
		return
	}
	low := max(slices.Max(reveals[:]), 1) - 1
	if x.m.config.AtCertificate && x.m.rules[VotesStand] {
		low = x.from.Coordinators[c].stands(low)
	}
	high := low
	if x.m.config.Deceit {
		low, high = 0, max(high, x.from.formed())
	}
	for h := low; h <= high; h++ {
		for verdict := range uint8(2) {
			st := 1 + 2*h + verdict
			x.add(actPropose, int(st), false, func(to *state) { to.Coordinators[c].Statement = st })
		}
	}
}

// stands is the highest height that may have a certificate, by what is shown: those who are not heard may have signed it, and one of the
// others hides that it did.
func (c *coordinator) stands(certified uint8) uint8 {
	for h := certified + 1; h <= invented; h++ {
		heard, signed := 0, 0
		for i, r := range c.Reveals {
			if r > 0 {
				heard++
			}
			if r > 0 && c.Signed[i] >= h {
				signed++
			}
		}
		if signed+(honest+1-heard)+min(1, heard-signed) < 3 {
			return h - 1
		}
	}
	return invented
}

// Scenarios lists the searches that are recorded.
func Scenarios() []check.Scenario {
	return []check.Scenario{
		scenario("sealing", "4 validators, one lies, 1 height, 2 coordinators, crash", check.Test, 912_054, 22, Config{Heights: 1, Crashes: 1}),
		scenario("sealing-two", "the same with 2 heights", check.Long, 8_559_774, 28, Config{Heights: 2, Crashes: 1}),
		scenario("deceit", "1 height, and the coordinators lie too", check.Test, 1_800_966, 22, Config{Heights: 1, Crashes: 1, Deceit: true}),
		scenario("at-certificate", "1 height, published at its certificate; no crash", check.Test, 3_162_894, 23, Config{Heights: 1, AtCertificate: true}),
		scenario("deceit-two", "2 heights, and the coordinators lie too", check.Long, 23_083_302, 28, Config{Heights: 2, Crashes: 1, Deceit: true}),
	}
}

func scenario(name, what string, tier check.Tier, states int64, depth int, c Config) check.Scenario {
	return check.Scenario{
		Name: name, What: what, Tier: tier, States: states, Depth: depth, Rules: check.Strings(Rules()),
		Run: func(without []string, o check.Options) (check.Report, error) {
			rules, err := check.Names(Rules(), without)
			if err != nil {
				return check.Report{}, err
			}
			own := c
			own.Without = rules
			return check.Run(Spec(own), o)
		},
	}
}
