// SPDX-License-Identifier: Apache-2.0

package report

import (
	"fmt"
	"strings"

	"github.com/aurigraph/aurigraph/internal/canary"
	"github.com/aurigraph/aurigraph/internal/migration"
)

// How far a phase or a step is.
const (
	Done  = "done"
	Now   = "now"
	Ahead = "ahead"
)

// Stage is a phase of a plan.
type Stage struct {
	Phase   migration.Phase `json:"phase"`
	Is      string          `json:"is"`
	Does    string          `json:"does"`
	BeganMs uint64          `json:"began_ms,omitempty"` // the last time, since 1970
	EndedMs uint64          `json:"ended_ms,omitempty"`
	Waits   []string        `json:"waits"` // for, before the next one begins
	Steps   []Step          `json:"steps,omitempty"`
}

// Step is one of the canary's.
type Step struct {
	WeightBP int      `json:"weight_bp"`
	Is       string   `json:"is"`
	BeganMs  uint64   `json:"began_ms,omitempty"` // the last time
	Waits    []string `json:"waits"`
}

// CourseOf tells the phases of a plan in order, and how far a journal is. Without entries all are ahead.
func CourseOf(p *migration.Plan, entries []migration.Entry) ([]Stage, error) {
	h, err := historyOf(entries)
	if err != nil {
		return nil, err
	}
	var course []Stage
	for _, phase := range migration.Phases() {
		if phase == migration.Idle {
			continue
		}
		s := Stage{Phase: phase, Is: Ahead, Does: does[phase], Waits: waits(p, phase)}
		for _, at := range h.spans {
			if at.phase == phase {
				s.BeganMs, s.EndedMs = at.fromMs, at.toMs
			}
		}
		switch now := h.phase(); {
		case phase == now:
			s.Is, s.EndedMs = Now, 0
		case phase.Before(now):
			s.Is = Done
		default: // a reverse leads back, and what was before it comes again
			s.BeganMs, s.EndedMs = 0, 0
		}
		if phase == migration.Canary {
			s.Steps = h.steps(p)
		}
		course = append(course, s)
	}
	return course, nil
}

// does says what each phase is for.
var does = map[migration.Phase]string{
	migration.Planned:      "the plan is written",
	migration.Copy:         "V10's state is copied",
	migration.Sync:         "both directions come into step",
	migration.Verify:       "both ledgers are compared whole",
	migration.Shadow:       "answers of one side are compared with the other's",
	migration.Canary:       "V11's share grows step by step",
	migration.Cutover:      "the remaining slots move",
	migration.Warm:         "all is V11's, and can go back",
	migration.Close:        "the way back ends, for good",
	migration.Archive:      "V10 is put away",
	migration.Decommission: "V10's customers have notice",
}

// waits is what the plan wants of a phase before the next one begins.
func waits(p *migration.Plan, phase migration.Phase) []string {
	switch phase {
	case migration.Planned:
		return []string{"`aurigraph migrate start`"}
	case migration.Copy:
		return []string{"the initial copy is whole"}
	case migration.Sync:
		return []string{fmt.Sprintf("each direction is at most %s late", Length(float64(p.Sync.LagMsMax)))}
	case migration.Verify:
		return []string{"no difference is confirmed"}
	case migration.Shadow:
		return shadowWaits(p)
	case migration.Canary:
		return []string{"the judge lets each step go"}
	case migration.Cutover:
		return cutoverWaits(p)
	case migration.Warm:
		after := make([]string, len(p.Warm.ChecksAfterSeconds))
		for i, s := range p.Warm.ChecksAfterSeconds {
			after[i] = seconds(s)
		}
		w := []string{"checks that pass, after " + strings.Join(after, ", ")}
		return append(people(w, p.Close.Approvals, migration.ForClose), "`aurigraph migrate close`")
	case migration.Close:
		return []string{"governance ends the migration in the ledger"}
	case migration.Archive:
		return []string{"V10's archive is kept for " + count(p.Archive.RetainDays, "day")}
	case migration.Decommission:
		return []string{count(p.Decommission.NoticeDays, "day") + " of notice", "an operator says stop"}
	}
	return []string{}
}

func shadowWaits(p *migration.Plan) []string {
	if p.Shadow.MinimumCompared == 0 {
		return []string{}
	}
	return []string{fmt.Sprintf("%s compared, of which at most %s differ", count(p.Shadow.MinimumCompared, "answer"), percent(p.Shadow.DiffersBP))}
}

func cutoverWaits(p *migration.Plan) []string {
	w := shadowWaits(p)
	w = append(w, "the newest comparison is at most "+seconds(p.Verify.FreshSeconds)+" old")
	if p.Drills.Count > 0 {
		w = append(w, fmt.Sprintf("%s with %s, whose way back takes at most %s", count(p.Drills.Count, "drill"), count(p.Drills.Slots, "slot"), Length(float64(p.Drills.MoveMsMax))))
	}
	if over := p.Availability.OverSeconds; over > 0 {
		w = append(w, fmt.Sprintf("of the requests of the last %s at most %s had no good answer", seconds(over), perMillion(1_000_000-p.Availability.LeastPPM)))
	}
	w = people(w, p.Cutover.Approvals, migration.ForCutover)
	if p.Alerts.Prometheus != "" {
		w = append(w, "alerts loaded in "+p.Alerts.Prometheus+", none that pages is firing, and somebody is on call")
	}
	w = append(w, "`aurigraph migrate cutover`", "slices of "+percent(p.Cutover.SliceBP)+" until V11 has all")
	last := &p.Canary.Steps[len(p.Canary.Steps)-1]
	if then := stepWaits(last); len(then) > 0 {
		w = append(w, "with all: "+strings.Join(then, ", "))
	}
	return w
}

func people(w []string, n int, what string) []string {
	switch n {
	case 0:
		return w
	case 1:
		return append(w, "an approval of the "+what)
	}
	return append(w, fmt.Sprintf("%d approvals of the %s, by different people", n, what))
}

func stepWaits(s *canary.Step) []string {
	w := []string{}
	if s.MinimumSeconds > 0 {
		w = append(w, seconds(s.MinimumSeconds)+" with requests")
	}
	if s.MinimumRequests > 0 {
		w = append(w, count(s.MinimumRequests, "request"))
	}
	return people(w, s.Approvals, migration.ForStep)
}

// steps are the canary's but the last, which is the cutover's.
func (h *history) steps(p *migration.Plan) []Step {
	began := map[int]uint64{}
	for i := range h.entries {
		switch e := &h.entries[i]; e.Kind {
		case migration.KindStep:
			began[e.Step] = e.AtMs
		case migration.KindPlan: // its steps are others
			clear(began)
		}
	}
	all := []Step{}
	for i := range p.Canary.Steps[:len(p.Canary.Steps)-1] {
		s := Step{WeightBP: p.Canary.Steps[i].WeightBP, Is: Ahead, Waits: stepWaits(&p.Canary.Steps[i])}
		switch phase := h.phase(); {
		case migration.Canary.Before(phase) || phase == migration.Canary && i < h.state.Step:
			s.Is, s.BeganMs = Done, began[i]
		case phase == migration.Canary && i == h.state.Step && h.state.StepSeq != 0:
			s.Is, s.BeganMs = Now, began[i]
		}
		all = append(all, s)
	}
	return all
}

func perMillion(n int) string { return thousands(uint64(n)) + " of a million" }

func seconds(n int) string { return Length(float64(n) * 1000) }
