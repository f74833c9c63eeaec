// SPDX-License-Identifier: Apache-2.0

package migration

import (
	"reflect"
	"slices"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// ReasonOrder is the reason of an operator's entry that cannot stand here.
const ReasonOrder = "migration_order" // Refused

// ReasonAlready is the reason of one that would change nothing: it is as it says.
const ReasonAlready = "migration_already" // Conflict

// May says why an operator's entry may not stand behind the others, and what would help; nil: it may.
func May(s *State, e *Entry) error {
	if e.Kind == KindPlan {
		return s.mayPlan(e)
	}
	switch {
	case s.Plan == nil:
		return order("there is no plan: `aurigraph migrate init`")
	case e.Kind == KindStart && s.Started():
		return already("it was started: it is in the phase %s", s.Phase)
	case e.Kind == KindStart:
		return nil
	case !s.Started():
		return order("it was not started: `aurigraph migrate start`")
	}
	switch e.Kind {
	case KindPause:
		if e.Why == "" {
			return fault.New(fault.Invalid, "a pause needs a reason: whoever looks next wants to know it")
		}
		return unlessAlready(s.Paused != "", "it is paused: %s", s.Paused)
	case KindResume:
		return unlessAlready(s.Paused == "" && s.Reversed == nil && s.Failed == nil, "there is nothing to resume after")
	case KindApprove:
		return s.mayApprove(e)
	case KindPromote:
		return s.mayPromote()
	case KindRollback:
		return s.mayRollback(e)
	case KindFailback:
		return s.mayFailback(e)
	case KindRehearse:
		return s.mayRehearse()
	case KindCutover:
		return s.mayCutover()
	case KindCheck:
		switch {
		case s.Phase == Copy:
			return order("the initial copy is under way: there is nothing to compare yet")
		case s.Closed != nil || Warm.Before(s.Phase):
			return order("the migration is closed, and V11 has gone on without V10")
		}
		return unlessAlready(s.Check != nil, "a comparison is asked for")
	case KindClose:
		return s.mayClose()
	case KindStop:
		if s.Phase != Decommission {
			return order("V10 is stopped when its archive is made: the phase is %s", s.Phase)
		}
		return unlessAlready(s.Stop != nil, "it was said")
	case KindNoticed:
		return s.mayNotice(e)
	case KindCleaned:
		if s.Off == nil {
			return order("V10 is not switched off yet: the phase is %s", s.Phase)
		}
		return unlessAlready(s.Cleaned != nil, "it was done")
	}
	return fault.New(fault.Invalid, "an operator does not write %q", e.Kind)
}

func order(format string, args ...any) error {
	return fault.Reasoned(fault.Refused, ReasonOrder, format, args...)
}

func already(format string, args ...any) error {
	return fault.Reasoned(fault.Conflict, ReasonAlready, format, args...)
}

func unlessAlready(is bool, format string, args ...any) error {
	if is {
		return already(format, args...)
	}
	return nil
}

func (s *State) mayPlan(e *Entry) error {
	p, err := ParsePlan([]byte(e.Text))
	switch {
	case err != nil:
		return err
	case !s.Started():
		return nil
	case s.Phase == Decommission && s.Off == nil && s.onlyDecommission(p):
		return nil
	case Warm.Before(s.Phase):
		return order("the migration is closed: its plan stays, but for how V10's customers have notice")
	case s.Paused == "" && s.Reversed == nil:
		return order("the plan is followed: `aurigraph migrate pause` first")
	case s.TargetBP != 0 && !slices.Contains(p.weights(), s.TargetBP):
		return order("V11 has %d bp, which is no step of the new plan: add one, or roll back first", s.TargetBP)
	}
	return nil
}

// onlyDecommission reports whether a plan is the present one but for V10's last days.
func (s *State) onlyDecommission(p Plan) bool {
	p.Decommission = s.Plan.Decommission
	return reflect.DeepEqual(p, *s.Plan)
}

func (s *State) mayNotice(e *Entry) error {
	switch {
	case e.For == "":
		return fault.New(fault.Invalid, "a notice is for somebody")
	case s.Phase != Decommission:
		return order("V10's customers have notice when its archive is made: the phase is %s", s.Phase)
	case s.Off != nil:
		return order("V10 is off: a notice comes too late")
	}
	return nil
}

func (p *Plan) weights() []int {
	var all []int
	for _, s := range p.Canary.Steps {
		all = append(all, s.WeightBP)
	}
	return all
}

func (s *State) mayApprove(e *Entry) error {
	climbs := s.Phase == Canary || s.Phase == Cutover
	in := map[string]bool{ForStep: climbs, ForCutover: climbs, ForOncall: climbs, ForClose: s.Phase == Warm}
	now, known := in[e.For]
	switch {
	case !known:
		return fault.New(fault.Invalid, "an approval is for %s, %s, %s or %s", ForStep, ForCutover, ForOncall, ForClose)
	case !now:
		return order("%s cannot be approved in the phase %s", e.For, s.Phase)
	}
	return unlessAlready(slices.Contains(s.Approvers(e.For), e.By), "%s has approved %s", e.By, e.For)
}

// halted says why nothing may be asked for that goes forward; nil: it may.
func (s *State) halted() error {
	switch {
	case s.Paused != "":
		return order("it is paused: %s: `aurigraph migrate resume`", s.Paused)
	case s.Reversed != nil:
		return order("it went back to %d bp: %s: `aurigraph migrate resume`", s.Reversed.ToBP, s.Reversed.Why)
	}
	return nil
}

func (s *State) mayPromote() error {
	if err := s.halted(); err != nil {
		return err
	}
	if s.Phase != Canary && s.Phase != Cutover || s.StepSeq == 0 {
		return order("no step of the canary is under way: the phase is %s", s.Phase)
	}
	return unlessAlready(s.Promote != nil, "it was asked for")
}

func (s *State) mayRollback(e *Entry) error {
	switch {
	case Warm.Before(s.Phase):
		return order("the way back has ended: the phase is %s", s.Phase)
	case e.ToBP != 0 && !slices.Contains(s.Plan.weights(), e.ToBP):
		return fault.New(fault.Invalid, "%d bp is no step of the plan: 0, or one of %v", e.ToBP, s.Plan.weights())
	case s.Reversed != nil && s.TargetBP == e.ToBP:
		return already("it went back to %d bp", e.ToBP)
	case e.ToBP > s.TargetBP || e.ToBP == s.TargetBP && e.ToBP > 0:
		return order("V11 is to have %d bp: %d is no way back", s.TargetBP, e.ToBP)
	}
	return nil
}

// mayFailback lets V11 be sealed while it has slots, or while nobody knows that it has none.
func (s *State) mayFailback(e *Entry) error {
	switch {
	case Warm.Before(s.Phase):
		return order("the way back has ended: the phase is %s", s.Phase)
	case !s.Phase.moves():
		return order("V11 has no slots yet: the phase is %s", s.Phase)
	case len(e.Without) > chain.ValidatorsMax || slices.Contains(e.Without, ""):
		return fault.New(fault.Invalid, "who is left out are names of validators, at most %d", chain.ValidatorsMax)
	case s.Sealing != nil && slices.Equal(s.Sealing.Without, e.Without):
		return already("a seal is asked for: `aurigraph migrate explain` says what it waits for")
	}
	return unlessAlready(s.TargetBP == 0 && s.ReachedBP == 0, "all slots are V10's")
}

func (s *State) mayRehearse() error {
	if err := s.halted(); err != nil {
		return err
	}
	if !s.Phase.moves() || s.TargetBP == 0 || s.ReachedBP != s.TargetBP {
		return order("V11 has no slots at rest that could go back: the phase is %s, %d of %d bp", s.Phase, s.ReachedBP, s.TargetBP)
	}
	return unlessAlready(s.Rehearse != nil, "a drill is asked for")
}

func (s *State) mayCutover() error {
	if err := s.halted(); err != nil {
		return err
	}
	switch {
	case s.Phase.Before(Cutover):
		return order("the canary's steps come first: the phase is %s, step %d of %d", s.Phase, s.Step+1, len(s.Plan.Canary.Steps)-1)
	case s.Cutover != nil || Cutover.Before(s.Phase):
		return already("it was said")
	}
	return nil
}

func (s *State) mayClose() error {
	if err := s.halted(); err != nil {
		return err
	}
	switch want := len(s.Plan.Warm.ChecksAfterSeconds); {
	case Warm.Before(s.Phase) || s.Closing != nil:
		return already("it was said")
	case s.Phase != Warm:
		return order("all slots are V11's first: the phase is %s", s.Phase)
	case s.WarmChecks < want:
		return order("%d of %d comparisons of the warm phase are made", s.WarmChecks, want)
	}
	return nil
}
