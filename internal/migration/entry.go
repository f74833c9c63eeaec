// SPDX-License-Identifier: Apache-2.0

package migration

import "github.com/aurigraph/aurigraph/internal/canary"

// Kind is what an entry of the journal says.
type Kind string

// What operators write.
const (
	KindPlan     Kind = "plan"     // Text is the plan, from now on
	KindStart    Kind = "start"    // begin with the copy
	KindPause    Kind = "pause"    // nothing goes forward
	KindResume   Kind = "resume"   // it may again; also after a reverse
	KindApprove  Kind = "approve"  // For a step, the cutover, the close or being on call, by By
	KindPromote  Kind = "promote"  // do not wait for the step's time and samples
	KindRollback Kind = "rollback" // to ToBP
	KindFailback Kind = "failback" // to nothing, by a seal, because V11 cannot go on; the controller writes it too, where the plan lets it
	KindRehearse Kind = "drill"    // go back and forth with some slots
	KindCutover  Kind = "cutover"  // the operator wants all slots on V11
	KindCheck    Kind = "verify"   // compare both ledgers again
	KindClose    Kind = "close"    // the operator wants the way back to end
	KindStop     Kind = "stop"     // V10 may be switched off once its customers' notice is over
	KindCleaned  Kind = "cleaned"  // what only V10 needed is removed from the network's folder
)

// What the controller writes.
const (
	KindPhase    Kind = "phase"    // Phase began
	KindStep     Kind = "step"     // Step of the canary's plan began: its weight is to be reached
	KindSlice    Kind = "slice"    // ToBP is to be reached on the way of the cutover
	KindReverse  Kind = "reverse"  // the judge or an alarm goes back to ToBP
	KindMoved    Kind = "moved"    // the weight ToBP is reached
	KindKnown    Kind = "known"    // what validators say against others counts only above Known from here on
	KindSealed   Kind = "sealed"   // V11 ended its epoch, with all slots V10's
	KindRaised   Kind = "raised"   // a drill's alarm, at the validator Report
	KindDrilled  Kind = "drilled"  // how a drill went
	KindVerified Kind = "verified" // how a comparison went
	KindArchived Kind = "archived"
	KindClosed   Kind = "closed"
	KindNoticed  Kind = "noticed" // For, who called V10, was told that it ends; not OK: whoever was to pass that on refused it. An operator may write it too
	KindOff      Kind = "off"     // V10 is switched off
	KindFailed   Kind = "failed"  // Action did not work out: Why
)

// Controller is who writes what no person wrote.
const Controller = "controller"

// Entry is a line of the journal. Which members have a meaning, its kind says.
type Entry struct {
	Seq  uint64 `json:"seq"`   // from 1, without gaps
	AtMs uint64 `json:"at_ms"` // since 1970, by its writer's clock
	By   string `json:"by"`
	Kind Kind   `json:"kind"`
	Why  string `json:"why,omitempty"`

	Text   string `json:"text,omitempty"`   // of a plan
	Phase  Phase  `json:"phase,omitempty"`  // that begins
	For    string `json:"for,omitempty"`    // of an approval, or of a notice
	Action Verb   `json:"action,omitempty"` // that failed
	Step   int    `json:"step,omitempty"`
	FromBP int    `json:"from_bp,omitempty"`
	ToBP   int    `json:"to_bp,omitempty"`

	OK          bool              `json:"ok,omitempty"` // of a drill, comparison or notice
	Ms          float64           `json:"ms,omitempty"` // that it took
	ReverseMs   float64           `json:"reverse_ms,omitempty"`
	ForwardMs   float64           `json:"forward_ms,omitempty"`
	Slots       int               `json:"slots,omitempty"`
	Rows        uint64            `json:"rows,omitempty"`
	Differences uint64            `json:"differences,omitempty"`
	Bytes       uint64            `json:"bytes,omitempty"`   // that were removed
	Report      string            `json:"report,omitempty"`  // its id, or the archive's manifest
	Alarm       bool              `json:"alarm,omitempty"`   // of a drill: an alarm begins it
	Without     []string          `json:"without,omitempty"` // validators that a seal leaves out
	Known       map[string]uint64 `json:"known,omitempty"`   // counts of alarms, by source
	Checks      []Gate            `json:"checks,omitempty"`  // of a comparison in the warm phase: what else was looked at
	Verdict     *canary.Verdict   `json:"verdict,omitempty"`
	Before      *canary.Reference `json:"before,omitempty"` // what the step before leaves to this one
}

// What an approval is for, besides the steps of the canary.
const (
	ForStep    = "step"
	ForCutover = "cutover"
	ForClose   = "close"
	ForOncall  = "oncall" // who is woken by alarms is there
)
