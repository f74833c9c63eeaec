// SPDX-License-Identifier: Apache-2.0

package restore

import (
	"math/bits"
	"slices"

	"github.com/aurigraph/aurigraph/model/check"
)

// Rule is one rule of crash and restore.
type Rule uint8

// The rules.
const (
	CaptureSynced      Rule = iota // capture stops at the last record on V10's disk
	AppliedWithRows                // the height that V10 has applied is stored in the same write as what it applied
	OpenAfterDurable               // the guard opens a slot that comes back when V10 has applied durably
	RestoredClosed                 // a restored V10 starts with every slot closed
	IncarnationChecked             // V11 takes records of the incarnation that governance opened, and no other
	DrainedFirst                   // the new incarnation is opened when the old one's captured records are applied
	Reconciled                     // slots are opened when both ledgers have the same
	ruleCount
)

// String is the rule's name.
func (r Rule) String() string {
	return [ruleCount]string{"capture-synced", "applied-with-rows", "open-after-durable", "restored-closed", "incarnation-checked",
		"drained-first", "reconciled"}[r]
}

// Rules lists all rules.
func Rules() []Rule {
	rules := make([]Rule, ruleCount)
	for i := range rules {
		rules[i] = Rule(i)
	}
	return rules
}

// Config bounds the search.
type Config struct {
	Crashes, Moves uint8
	V11First       bool // V11 owns the slot at the start
	Without        []Rule
}

const (
	payments = 2
	recordsN = 3 // records in one incarnation
)

// stream is what V10's captured log says, by position; a record is payment+1.
type stream [recordsN]uint8

type state struct {
	Records  stream // of the present incarnation
	Count    uint8  // executed
	Synced   uint8  // on disk
	Captured uint8  // in Kafka
	Base     uint8  // bit set of payments from before the incarnation
	Rows     uint8  // of V11's payments, applied by V10
	Durable  uint8  // of them, on disk
	Applied  uint8  // what V10 believes that it applied

	Old      stream // the captured records of the incarnation before
	OldCount uint8

	Paid        [payments + 1]uint8 // V11's client payments in order, payment+1
	PaidCount   uint8
	BySync      [payments]uint8 // times that V11 booked the payment by sync
	Inbox       uint8           // incarnation that V11 takes records of
	Position    uint8           // of the next
	Owner       uint8           // 0 V10, 1 V11
	Serves      uint8           // 1: the guard lets debits through
	Incarnation uint8
	Captures    uint8 // bit set of payments that were ever captured: their clients may rely on them

	Backup                    uint8 // 1: taken; 2: restored
	BackupCount, BackupRows   uint8
	BackupServes              uint8
	Crashes, Moves, Reconcile uint8 // left; Reconcile 1: to be done
}

type model struct {
	config Config
	rules  [ruleCount]bool
}

// Spec is the model within the bounds of c.
func Spec(c Config) check.Spec[state] {
	m := model{config: c}
	for i := range m.rules {
		m.rules[i] = !slices.Contains(c.Without, Rule(i))
	}
	first := state{Crashes: c.Crashes, Moves: c.Moves, Serves: 1}
	if c.V11First {
		first.Owner, first.Serves = 1, 0
	}
	return check.Spec[state]{Initial: []state{first}, Next: m.next, Violation: m.violation, Goal: goal, Name: name}
}

func bitOf(record uint8) uint8 { return 1 << (record - 1) }

// left counts, for V10, how often each payment is booked; right for V11.
func (s *state) left() (n [payments]uint8) {
	for p := range n {
		n[p] = s.Base >> p & 1
	}
	for _, r := range s.Records[:s.Count] {
		n[r-1]++
	}
	for _, r := range s.Paid[:s.Rows] {
		n[r-1]++
	}
	return n
}

func (s *state) right() [payments]uint8 {
	n := s.BySync
	for _, r := range s.Paid[:s.PaidCount] {
		n[r-1]++
	}
	return n
}

// Violations.
const (
	TwoHomes  = "two homes: V11 owns the slot, and the guard lets debits into V10"
	PaidTwice = "a ledger books a payment twice"
	Lost      = "a payment that was captured is in no ledger"
	Differ    = "the ledgers differ at rest"
)

func (m model) violation(s *state) string {
	left, right := s.left(), s.right()
	for p := range left {
		switch {
		case left[p] > 1 || right[p] > 1:
			return PaidTwice
		case s.Captures>>p&1 == 1 && left[p] == 0 && right[p] == 0 && !s.mayStillApply(uint8(p)+1):
			return Lost
		}
	}
	if s.Owner == 1 && s.Serves == 1 {
		return TwoHomes
	}
	if s.rest() && left != right {
		return Differ
	}
	return ""
}

// mayStillApply: the record is in Kafka, of an incarnation that V11 still takes.
func (s *state) mayStillApply(record uint8) bool {
	if s.Inbox == s.Incarnation {
		return s.Captured > s.Position && slices.Contains(s.Records[s.Position:s.Captured], record)
	}
	return s.OldCount > s.Position && slices.Contains(s.Old[s.Position:s.OldCount], record)
}

func (s *state) rest() bool {
	return s.Inbox == s.Incarnation && s.Reconcile == 0 && s.Position == s.Count && s.Captured == s.Count && s.Synced == s.Count &&
		s.Applied == s.PaidCount && s.Durable == s.Rows && s.Owner != s.Serves
}

func goal(s *state) bool { return s.rest() }

func (m model) next(s *state, out []check.Step[state]) []check.Step[state] {
	x := &stepper{m: m, from: s, out: out}
	x.payments()
	x.disk()
	x.sync()
	x.homes()
	x.backup()
	return x.out
}

func (s *state) bits() (bits uint8) {
	for p, n := range s.right() {
		if n > 0 {
			bits |= 1 << p
		}
	}
	return bits
}

func count(set uint8) int { return bits.OnesCount8(set) }
