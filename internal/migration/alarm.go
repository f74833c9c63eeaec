// SPDX-License-Identifier: Apache-2.0

package migration

import (
	"fmt"
	"maps"
)

// Alarm is what speaks against V11, as one source of it has it.
type Alarm struct {
	Source string // AlarmDrill, or what is counted and by whom, like "evidence at node2"
	Count  uint64 // of what there is in all; of a drill its number
	Newest string // what is newest, for people; empty: nothing is there
}

// AlarmDrill is the source of alarms that a drill has raised.
const AlarmDrill = "drill"

// alarm is the alarm that stands: something is there that was not known, or, if nothing is, the drill that is asked for. nil: none stands.
func (s *State) alarm(f *Facts) (stands *Alarm) {
	for i := range f.Alarms {
		a := &f.Alarms[i]
		known, is := s.Known[a.Source]
		switch {
		case a.Source == AlarmDrill:
			if r := s.Rehearse; r != nil && r.Alarm && a.Count == r.Seq {
				stands = a
			}
		case is && a.Count > known && s.Phase.moves() && s.Closed == nil:
			return a
		}
	}
	return stands
}

// words say what is new about an alarm.
func (a *Alarm) words(s *State) string {
	return fmt.Sprintf("%s: %d more, %s", a.Source, a.Count-s.Known[a.Source], a.Newest)
}

// counts are those of alarms by source, without drills.
func counts(alarms []Alarm) map[string]uint64 {
	all := map[string]uint64{}
	for _, a := range alarms {
		if a.Source != AlarmDrill {
			all[a.Source] = a.Count
		}
	}
	return all
}

// learn writes down what speaks against V11 before it has slots, of a source that is seen for the first time, or that has less than it had: only what
// comes behind that is an alarm.
func (s *State) learn(f *Facts) (Action, bool) {
	if !s.Phase.moves() || s.Closed != nil || s.Reversed != nil {
		return Action{}, false
	}
	known := map[string]uint64{}
	maps.Copy(known, s.Known)
	maps.Copy(known, counts(f.Alarms))
	if maps.Equal(known, s.Known) {
		return Action{}, false
	}
	return record(Entry{Kind: KindKnown, Known: known}), true
}

// seal has V11 end its epoch with all slots V10's, where a person says so, or the plan lets that be done by itself.
func (s *State) seal(f *Facts) (Action, bool) {
	switch {
	case !s.Phase.moves() || s.Closed != nil:
	case s.sealsItself(f):
		why := fmt.Sprintf("V11 has certified nothing for %d s: %s", f.StandsMs/1000, f.Stands)
		return record(Entry{Kind: KindFailback, FromBP: s.TargetBP, Why: why}), true
	case s.Sealing == nil:
	case s.Sealing.By == Controller && f.Stands == "" && f.Unknown == "" && f.Running != Seal: // it goes on, and its ledger gives them back
	default:
		return s.unlessFailed(f, Action{Verb: Seal, Without: s.Sealing.Without}), true
	}
	return Action{}, false
}

// sealsItself reports whether V11 has stood long enough, also since the last seal.
func (s *State) sealsItself(f *Facts) bool {
	after := uint64(s.Plan.Failback.AfterSeconds) * 1000
	if s.Plan.Failback.Sealed != SealedAutomatic || s.Sealing != nil || f.StandsMs < after || s.TargetBP == 0 && s.ReachedBP == 0 {
		return false
	}
	return s.Sealed == nil || f.NowMs >= s.Sealed.AtMs+after || f.NowMs < s.Sealed.AtMs // the clock of who wrote that was ahead
}
