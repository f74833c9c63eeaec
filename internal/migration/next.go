// SPDX-License-Identifier: Apache-2.0

package migration

import (
	"fmt"
	"slices"

	"github.com/aurigraph/aurigraph/internal/canary"
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/router"
)

// Verb is what is to be done.
type Verb string

// The verbs. All but Record may take long, and may be done again.
const (
	Hold       Verb = "hold"         // nothing, for what Why says
	Record     Verb = "record"       // Entry, and then ask again
	Weigh      Verb = "weigh"        // move slots until V11 has ToBP
	Rehearse   Verb = "drill"        // give Slots of V11's to V10 and take them back
	Raise      Verb = "raise"        // have a validator raise the alarm of the drill Drill
	Seal       Verb = "seal"         // have V11 end its epoch, with all slots V10's
	Compare    Verb = "verify"       // compare both ledgers whole
	PutAway    Verb = "archive"      // archive V10
	EndWayBack Verb = "end_way_back" // have the ledger end the migration
	Notify     Verb = "notify"       // tell Due that V10 ends
	SwitchOff  Verb = "switch_off"   // have V10 end, with all that only it needs
)

// Action is a verb with what it is about.
type Action struct {
	Verb  Verb
	Why   string            // of Hold: the first gate that does not hold
	Gate  string            // its name
	ToBP  int               // of Weigh
	Named []chain.SlotRange // of Weigh: the slots of named accounts that V11 is to have
	Slots int               // of Rehearse
	Drill uint64            // of Raise, and of Rehearse behind an alarm: the number of the entry that asked for it
	Entry *Entry            // of Record
	Due   []Due             // of Notify
	EndMs uint64            // of Notify: V10 may be off from then on

	Without []string // of Seal: validators that are left out
}

// Pauses after an action that did not work.
const (
	againMsMin = 1000
	againMsMax = 60_000
)

// Next decides what is to be done now.
func Next(s *State, f *Facts) Action {
	if !s.Started() {
		return holdFor(Gates(s, f))
	}
	for _, first := range []func(*Facts) (Action, bool){s.reverse, s.seal, s.learn} {
		if a, must := first(f); must {
			return a
		}
	}
	if f.Running == Rehearse && s.Rehearse != nil { // its slots are where it has them
		return Action{Verb: Rehearse, Slots: s.drillSlots()}
	}
	if a, must := s.weigh(f); must {
		return a
	}
	if s.Rehearse != nil && s.Phase.moves() && blocked(always(s, f)) == nil {
		return s.unlessFailed(f, s.rehearse(f))
	}
	if s.Check != nil && f.Unknown == "" {
		return s.unlessFailed(f, Action{Verb: Compare})
	}
	return s.forward(f)
}

func (s *State) drillSlots() int { return min(s.Plan.Drills.Slots, s.TargetBP) }

// rehearse begins a drill. One that an alarm begins waits until the alarm is seen like any other.
func (s *State) rehearse(f *Facts) Action {
	act := Action{Verb: Rehearse, Slots: s.drillSlots()}
	if s.Rehearse.Alarm {
		act.Drill = s.Rehearse.Seq
		if a := s.alarm(f); a == nil || a.Source != AlarmDrill {
			act.Verb, act.Slots = Raise, 0
		}
	}
	return act
}

// reverse goes back where the judge or an alarm says so. Once is enough: what went back stays until a person resumes.
func (s *State) reverse(f *Facts) (Action, bool) {
	v, a := f.Verdict, s.alarm(f)
	switch {
	case !s.Phase.moves() || s.Reversed != nil || s.Closed != nil || s.TargetBP == 0:
		return Action{}, false
	case f.Divergences > 0: // whatever weight the plan goes back to otherwise
		why := fmt.Sprintf("%s: %d differences between the ledgers are confirmed", canary.RuleDivergence, f.Divergences)
		return record(Entry{Kind: KindReverse, FromBP: s.TargetBP, Why: why, Verdict: v}), true
	case a != nil && a.Source != AlarmDrill:
		return record(Entry{Kind: KindReverse, FromBP: s.TargetBP, Why: "alarm: " + a.words(s), Known: counts(f.Alarms), Verdict: v}), true
	case v != nil && v.Decision == canary.Reverse:
		return record(Entry{Kind: KindReverse, FromBP: s.TargetBP, ToBP: s.lower(v.ToBP), Why: v.Rule + ": " + v.Why, Verdict: v}), true
	case s.Verified != nil && !s.Verified.OK && s.Verified.Seq > s.BackSeq:
		why := fmt.Sprintf("%s: report %s confirms %d differences", canary.RuleDivergence, s.Verified.Report, s.Verified.Differences)
		return record(Entry{Kind: KindReverse, FromBP: s.TargetBP, Why: why}), true
	}
	return Action{}, false
}

// lower is the highest weight of the plan that is at most bp and below the target: 0 if there is none.
func (s *State) lower(bp int) int {
	to := 0
	for _, step := range s.Plan.Canary.Steps {
		if step.WeightBP <= bp && step.WeightBP < s.TargetBP {
			to = step.WeightBP
		}
	}
	return to
}

// weigh brings V11's share to what it is to be. On the way back no gate but the ledger counts.
func (s *State) weigh(f *Facts) (Action, bool) {
	if !s.Phase.moves() || s.Closed != nil || f.Unknown != "" {
		return Action{}, false
	}
	there := s.There(f, s.TargetBP)
	weigh := Action{Verb: Weigh, ToBP: s.TargetBP, Named: s.named(f, s.TargetBP)}
	switch {
	case there && s.ReachedBP == s.TargetBP:
		return Action{}, false
	case there && f.Running == Weigh: // it says itself that it is done
		return weigh, true
	case there && s.Reversed != nil && (f.Guard != "" || f.Moving > 0): // the ledger has given them back, V10 has not taken them
		return s.unlessFailed(f, weigh), true
	case there:
		return record(Entry{Kind: KindMoved, ToBP: s.TargetBP, FromBP: s.ReachedBP}), true
	case f.WeightBP < s.TargetBP || f.WeightBP == s.TargetBP && !covers(f.NamedV11, weigh.Named):
		if g := blocked(always(s, f)); g != nil {
			return Action{Verb: Hold, Gate: g.Name, Why: g.Why}, true
		}
	}
	return s.unlessFailed(f, weigh), true
}

// named are the slots of named accounts that V11 has at a weight.
func (s *State) named(f *Facts, bp int) []chain.SlotRange { return s.Plan.Canary.Named.V11(bp, f.Own) }

// There reports whether V11 has just a weight, with the named accounts whose turn it is then.
func (s *State) There(f *Facts, bp int) bool {
	return f.WeightBP == bp && slices.Equal(f.NamedV11, s.named(f, bp))
}

// covers reports whether ranges that are apart from each other have each slot of others.
func covers(ranges, others []chain.SlotRange) bool {
	return !slices.ContainsFunc(others, func(o chain.SlotRange) bool {
		return !slices.ContainsFunc(ranges, func(r chain.SlotRange) bool { return r.From <= o.From && o.To <= r.To })
	})
}

// unlessFailed waits a little with what has just failed.
func (s *State) unlessFailed(f *Facts, a Action) Action {
	if s.Failed == nil || s.Failed.Action != a.Verb {
		return a
	}
	pause := min(uint64(againMsMin)<<min(s.Failures-1, 10), againMsMax)
	if a.Verb == Weigh && a.ToBP < f.WeightBP {
		pause = againMsMin // a way back does not wait longer
	}
	if f.NowMs >= s.Failed.AtMs+pause || f.NowMs < s.Failed.AtMs { // the clock of who wrote that was ahead
		return a
	}
	return Action{Verb: Hold, Gate: "failed", Why: fmt.Sprintf("%s did not work: %s; it is tried again in %d s", a.Verb, s.Failed.Why, (s.Failed.AtMs+pause-f.NowMs)/1000+1)}
}

// forward does what the present phase is for, or begins the next one.
func (s *State) forward(f *Facts) Action {
	if g := blocked(s.ahead(f)); g != nil {
		return Action{Verb: Hold, Gate: g.Name, Why: g.Why}
	}
	switch {
	case s.Phase == Verify && (s.Verified == nil || s.Verified.OK && !s.comparedGate(f).OK):
		return s.unlessFailed(f, Action{Verb: Compare})
	case s.Phase == Cutover && s.TargetBP < router.WeightWhole && s.Verified != nil && s.Verified.OK && !s.comparedGate(f).OK: // it is too old
		return s.unlessFailed(f, Action{Verb: Compare})
	case s.warmCheck(f.NowMs):
		return s.unlessFailed(f, Action{Verb: Compare})
	case s.Phase == Close && !f.Closed:
		return s.unlessFailed(f, Action{Verb: EndWayBack})
	case s.Phase == Close && s.Closed == nil:
		return record(Entry{Kind: KindClosed})
	case s.Phase == Archive && s.Archived == nil:
		return s.unlessFailed(f, Action{Verb: PutAway})
	case s.Phase == Canary && s.StepSeq == 0 && !s.lastStep():
		return s.begin(s.Step)
	}
	if g := blocked(s.ofPhase(f)); g != nil {
		if due := s.Due(f); len(due) > 0 {
			return s.unlessFailed(f, Action{Verb: Notify, Due: due, EndMs: s.EndMs(f.NowMs)})
		}
		return Action{Verb: Hold, Gate: g.Name, Why: g.Why}
	}
	switch s.Phase {
	case Canary:
		return s.climb(f)
	case Cutover:
		return s.slice()
	case Decommission:
		return s.last(f)
	}
	return enter(phases[slices.Index(phases, s.Phase)+1])
}

// climb leaves a step of the canary: for the next one, or for the cutover, which makes the last one.
func (s *State) climb(f *Facts) Action {
	promoted := s.Promote != nil || f.Verdict != nil && f.Verdict.Decision == canary.Promote
	switch {
	case s.StepSeq != 0 && !promoted:
		return Action{Verb: Hold, Gate: "judge", Why: "the judge has not said promote: " + f.Verdict.Why}
	case s.StepSeq == 0 || s.Step+1 >= len(s.Plan.Canary.Steps)-1:
		return enter(Cutover)
	}
	return s.begin(s.Step + 1)
}

// slice moves the remaining slots bit by bit, and then has the judge look at the whole.
func (s *State) slice() Action {
	last := len(s.Plan.Canary.Steps) - 1
	switch {
	case s.TargetBP < router.WeightWhole:
		return record(Entry{Kind: KindSlice, FromBP: s.TargetBP, ToBP: min(s.TargetBP+s.Plan.Cutover.SliceBP, router.WeightWhole)})
	case s.StepSeq == 0 || s.Step != last:
		return s.begin(last)
	}
	return enter(Warm)
}

// last switches V10 off. What comes then is a person's.
func (s *State) last(f *Facts) Action {
	switch {
	case s.Off == nil:
		return s.unlessFailed(f, Action{Verb: SwitchOff})
	case s.Cleaned == nil:
		return Action{Verb: Hold, Gate: "end", Why: "the migration is over and V10 is off: `aurigraph migrate cleanup` removes what only it needed (docs/runbooks/decommission.md)"}
	}
	return Action{Verb: Hold, Gate: "end", Why: "the migration is over, and what only V10 needed is removed"}
}

// begin begins a step. Who records it adds what the step before leaves to it.
func (s *State) begin(step int) Action {
	return record(Entry{Kind: KindStep, Step: step, FromBP: s.TargetBP, ToBP: s.Plan.Canary.Steps[step].WeightBP})
}

func enter(p Phase) Action { return record(Entry{Kind: KindPhase, Phase: p}) }

func record(e Entry) Action {
	e.By = Controller
	return Action{Verb: Record, Entry: &e}
}

func blocked(gates []Gate) *Gate {
	for i := range gates {
		if !gates[i].OK {
			return &gates[i]
		}
	}
	return nil
}

func holdFor(gates []Gate) Action {
	if g := blocked(gates); g != nil {
		return Action{Verb: Hold, Gate: g.Name, Why: g.Why}
	}
	return Action{Verb: Hold}
}
