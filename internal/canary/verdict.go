// SPDX-License-Identifier: Apache-2.0

package canary

// Decision is what to do with the step.
type Decision string

// Decisions.
const (
	Hold    Decision = "hold"
	Promote Decision = "promote"
	Reverse Decision = "reverse"
)

// Rules that verdicts come from. A gate of others is a rule by its own name, behind RuleGate.
const (
	RuleDivergence   = "divergence"    // rail
	RuleErrorRate    = "error_rate"    // rail
	RuleP99          = "p99"           // rail
	RuleHealth       = "health"        // rail
	RuleSyncLag      = "sync_lag"      // rail
	RuleHoldTime     = "hold_time"     // rail
	RuleErrors       = "errors"        // test
	RuleWrong        = "wrong_answers" // test
	RuleSlow         = "slow"          // test, against the objective
	RuleSlower       = "slower"        // test, against the step before
	RuleObservation  = "observation"   // hold: it is not one
	RuleEnded        = "ended"         // hold: the analysis was ended
	RuleNoData       = "no_data"       // hold
	RuleTime         = "time"          // gate
	RuleRequests     = "requests"      // gate
	RuleApprovals    = "approvals"     // gate
	RuleDoubt        = "doubt"         // gate: a test is on its way to a reverse
	RuleObjective    = "objective"     // gate: the step as a whole does not keep the errors
	RuleObjectiveP99 = "objective_p99" // gate
	RuleGate         = "gate:"
	RulePlan         = "plan" // promote: all that it asks for is there
)

// Verdict is what an observation led to, and why.
type Verdict struct {
	Decision Decision `json:"decision"`
	Rule     string   `json:"rule"`
	Why      string   `json:"why"`
	ToBP     int      `json:"to_bp"` // V11's weight from now on; the present one on hold, and after the last step
	AtMs     uint64   `json:"at_ms"` // the observation's end
	Numbers  []Number `json:"numbers"`
	Gates    []Gate   `json:"gates"`   // of a hold or promote: all of them
	Samples  []Sample `json:"samples"` // at most SamplesMax that speak against V11, of the rule's class if it has one
}

// Number is a measurement with what it is compared with.
type Number struct {
	Name  string  `json:"name"`
	Value float64 `json:"value"`
	Limit float64 `json:"limit"`
}

// classOf is the class of the samples that show a rule.
func classOf(rule string) Class {
	switch rule {
	case RuleErrorRate, RuleErrors, RuleObjective:
		return ClassError
	case RuleWrong, RuleDivergence:
		return ClassWrong
	case RuleP99, RuleSlow, RuleSlower, RuleObjectiveP99:
		return ClassSlow
	}
	return ""
}

// show picks samples for a rule, the newest last.
func show(all []Sample, rule string) []Sample {
	class, out := classOf(rule), []Sample{}
	for _, s := range all {
		if class == "" || s.Class == class {
			out = append(out, s)
		}
	}
	return out[max(0, len(out)-SamplesMax):]
}
