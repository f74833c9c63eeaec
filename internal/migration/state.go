// SPDX-License-Identifier: Apache-2.0

package migration

import (
	"slices"

	"github.com/aurigraph/aurigraph/internal/canary"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// State is what the journal's entries come to. The zero value is that of no entry.
type State struct {
	Seq     uint64 // of the newest entry
	Plan    *Plan  // nil: none
	Phase   Phase  // empty is Idle
	SinceMs uint64 // when it began

	Step      int              // of the canary: the one under way, or that is begun next
	StepSeq   uint64           // of the entry that began it; 0: none is under way
	Before    canary.Reference // what the step before left to it
	TargetBP  int              // weight that is to be
	ReachedBP int              // newest that was

	Paused    string // why; empty: it is not
	Reversed  *Entry // the reverse or rollback that nobody has resumed after
	BackSeq   uint64 // of the newest reverse or rollback
	Approvals []Entry
	Promote   *Entry // asked for
	Rehearse  *Entry // asked for
	Cutover   *Entry // asked for
	Check     *Entry // asked for
	Closing   *Entry // asked for
	Stop      *Entry // asked for

	Sealing  *Entry            // the failback that has V11 sealed, until that is done
	Sealed   *Entry            // the newest seal
	Unsealed *Entry            // the newest failure of one, if no slot has come back since
	Known    map[string]uint64 // counts of alarms that say nothing new, by source; nil: what stands there now says nothing new
	Raised   *Entry            // the alarm of the newest drill that had one

	Drills        []Entry // all that were made
	Verified      *Entry  // the newest comparison
	WarmChecks    int     // checks of the warm phase that were due and passed
	AutoRollbacks int
	Failed        *Entry // newest failure of an action that has not worked since
	Failures      int    // of that action, in a row
	Archived      *Entry
	Closed        *Entry

	Told     map[string]uint64 // who called V10 and has notice, and since when the newest
	NoticeMs uint64            // when the first had it; 0: nobody has
	Off      *Entry            // V10 is switched off
	Cleaned  *Entry
}

// Fold is the state that entries come to. Corrupt: there is a gap, or an entry is of a kind that this program does not know.
func Fold(entries []Entry) (s State, err error) {
	for i := range entries {
		if err := s.Apply(&entries[i]); err != nil {
			return s, err
		}
	}
	return s, nil
}

// Started reports whether somebody said start.
func (s *State) Started() bool { return s.Phase != "" && !s.Phase.Before(Copy) }

// Apply takes one entry more in.
func (s *State) Apply(e *Entry) error {
	if e.Seq != s.Seq+1 {
		return fault.New(fault.Corrupt, "the journal goes on with entry %d behind %d: entries are missing", e.Seq, s.Seq)
	}
	switch {
	case s.Plan == nil && e.Kind != KindPlan:
		return fault.New(fault.Corrupt, "entry %d of the journal is %.40q, and there is no plan before it", e.Seq, e.Kind)
	case e.Kind == KindStep && (e.Step < 0 || e.Step >= len(s.Plan.Canary.Steps)):
		return fault.New(fault.Corrupt, "entry %d of the journal begins step %d of %d", e.Seq, e.Step, len(s.Plan.Canary.Steps))
	case e.Kind == KindPhase && !slices.Contains(phases, e.Phase):
		return fault.New(fault.Corrupt, "entry %d of the journal begins the phase %.40q, which there is not", e.Seq, e.Phase)
	}
	s.Seq = e.Seq
	if s.byOperator(e) {
		return nil
	}
	switch e.Kind {
	case KindPlan:
		return s.plan(e)
	case KindPhase:
		s.enter(e.Phase, e.AtMs)
	case KindStep:
		s.step(e)
	case KindSlice:
		s.TargetBP = e.ToBP
	case KindReverse:
		s.AutoRollbacks++
		s.back(e)
	case KindMoved:
		s.moved(e)
	case KindKnown:
		s.Known = e.Known
	case KindSealed:
		s.Sealed, s.Sealing, s.Unsealed = e, nil, nil
		s.worked(Seal)
	case KindRaised:
		s.Raised = e
		s.worked(Raise)
	case KindDrilled:
		s.Drills, s.Rehearse = append(s.Drills, *e), nil
		s.worked(Rehearse)
	case KindVerified:
		s.verified(e)
	case KindArchived:
		s.Archived = e
		s.worked(PutAway)
	case KindClosed:
		s.Closed = e
		s.worked(EndWayBack)
	case KindNoticed:
		s.noticed(e)
	case KindOff:
		s.Off = e
		s.worked(SwitchOff)
	case KindFailed:
		s.fail(e)
	default:
		return fault.New(fault.Corrupt, "entry %d of the journal is of kind %.40q, which this program does not know: use the one that wrote it", e.Seq, e.Kind)
	}
	return nil
}

// byOperator takes in what only notes what a person wants.
func (s *State) byOperator(e *Entry) bool {
	switch e.Kind {
	case KindStart:
		s.enter(Copy, e.AtMs)
	case KindPause:
		s.Paused = e.Why
	case KindResume:
		s.resume()
	case KindApprove:
		s.Approvals = append(s.Approvals, *e)
	case KindPromote:
		s.Promote = e
	case KindRollback:
		s.back(e)
	case KindFailback:
		s.failback(e)
	case KindRehearse:
		s.Rehearse = e
	case KindCutover:
		s.Cutover = e
	case KindCheck:
		s.Check = e
	case KindClose:
		s.Closing = e
	case KindStop:
		s.Stop = e
	case KindCleaned:
		s.Cleaned = e
	default:
		return false
	}
	return true
}

func (s *State) enter(p Phase, atMs uint64) { s.Phase, s.SinceMs = p, atMs }

// plan takes another plan: the step under way is begun anew by it.
func (s *State) plan(e *Entry) error {
	p, err := ParsePlan([]byte(e.Text))
	if err != nil {
		return fault.Wrap(fault.Corrupt, err, "the plan in entry %d of the journal", e.Seq)
	}
	s.Plan = &p
	if !s.Started() {
		s.enter(Planned, e.AtMs)
		return nil
	}
	if s.Phase.Before(Warm) { // there the last step's judge goes on
		s.Step, s.StepSeq = s.stepAt(s.TargetBP), 0
	}
	return nil
}

func (s *State) step(e *Entry) {
	s.Step, s.StepSeq, s.Before = e.Step, e.Seq, canary.Reference{}
	if e.Before != nil {
		s.Before = *e.Before
	}
	s.TargetBP, s.Promote = e.ToBP, nil
	s.disapprove(ForStep)
}

// back goes back to a weight, and forgets what was wanted before.
func (s *State) back(e *Entry) {
	s.Reversed, s.BackSeq, s.TargetBP = e, e.Seq, e.ToBP
	s.Step, s.StepSeq = s.stepAt(e.ToBP), 0
	s.Promote, s.Rehearse, s.Cutover, s.Closing = nil, nil, nil, nil
	s.Approvals = nil
	if Canary.Before(s.Phase) {
		s.enter(Canary, e.AtMs)
	}
}

// failback goes back to nothing by a seal.
func (s *State) failback(e *Entry) {
	if e.By == Controller {
		s.AutoRollbacks++
	}
	s.back(e)
	s.Sealing, s.Unsealed = e, nil
	s.worked(Seal) // it is tried at once
}

// resume goes on. Who says so has seen the alarms that stand.
func (s *State) resume() {
	if s.Reversed != nil {
		s.Known = nil
	}
	s.Paused, s.Reversed, s.Failed, s.Failures = "", nil, nil, 0
	s.Sealing, s.Unsealed = nil, nil
}

func (s *State) moved(e *Entry) {
	s.ReachedBP = e.ToBP
	if e.ToBP == 0 {
		s.Sealing, s.Unsealed = nil, nil
	}
	s.worked(Weigh)
}

// stepAt is the last step whose weight is at most bp, or the first.
func (s *State) stepAt(bp int) int {
	at := 0
	for i, step := range s.Plan.Canary.Steps {
		if step.WeightBP <= bp {
			at = i
		}
	}
	return at
}

func (s *State) verified(e *Entry) {
	if s.Phase == Warm && e.OK && passed(e.Checks) && s.checkDue(e.AtMs) {
		s.WarmChecks++
	}
	s.Verified, s.Check = e, nil
	s.worked(Compare)
}

// checkDue reports whether the warm phase wants a comparison now.
func (s *State) checkDue(nowMs uint64) bool {
	after := s.Plan.Warm.ChecksAfterSeconds
	return s.WarmChecks < len(after) && nowMs >= s.SinceMs+uint64(after[s.WarmChecks])*1000
}

func (s *State) worked(v Verb) {
	if s.Failed != nil && s.Failed.Action == v {
		s.Failed, s.Failures = nil, 0
	}
}

func (s *State) fail(e *Entry) {
	if s.Failed == nil || s.Failed.Action != e.Action {
		s.Failures = 0
	}
	s.Failed = e
	s.Failures++
	switch e.Action {
	case Rehearse, Raise:
		s.Rehearse = nil // whoever asked sees it, and asks again
	case Seal:
		s.Unsealed = e
		if s.Plan.Failback.Sealed != SealedAutomatic {
			s.Sealing = nil // whoever asked sees it, and asks again
		}
	}
}

func (s *State) disapprove(what string) {
	s.Approvals = slices.DeleteFunc(s.Approvals, func(e Entry) bool { return e.For == what })
}

// Approvers are the different people who approved something.
func (s *State) Approvers(what string) []string {
	who := []string{}
	for _, e := range s.Approvals {
		if e.For == what && !slices.Contains(who, e.By) {
			who = append(who, e.By)
		}
	}
	return who
}

// GoodDrills counts the drills that the plan lets count.
func (s *State) GoodDrills() int {
	n := 0
	for _, d := range s.Drills {
		if d.OK {
			n++
		}
	}
	return n
}

// AlarmDrilled reports whether a drill that counts was begun by an alarm.
func (s *State) AlarmDrilled() bool {
	return slices.ContainsFunc(s.Drills, func(d Entry) bool { return d.OK && d.Alarm })
}

// lastStep reports whether the step under way is that of the whole weight.
func (s *State) lastStep() bool { return s.Step == len(s.Plan.Canary.Steps)-1 }
