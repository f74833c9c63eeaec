// SPDX-License-Identifier: Apache-2.0

package migration

import (
	"fmt"
	"slices"

	"github.com/aurigraph/aurigraph/internal/canary"
	"github.com/aurigraph/aurigraph/internal/chain"
)

// Facts are how things stand now.
type Facts struct {
	NowMs    uint64
	Unknown  string            // why V11's ledger could not be asked; empty: what follows is known
	Version  uint64            // of the home table
	WeightBP int               // V11's share of the hash slots
	Own      map[string]uint16 // slots of V10's accounts that have one of their own
	NamedV11 []chain.SlotRange // of these, V11's: in order, and apart from each other
	Moving   int               // slots that take no debits now
	Copied   bool              // the initial copy is done
	Closed   bool              // by the ledger: the way back has ended
	Guard    string            // why V10's guard is not in step with the ledger; empty: it is
	ToV11    Lag
	ToV10    Lag
	Shadow   ShadowFacts
	Served   ServedFacts // over the time of the plan's availability
	// Verdict is the judge's about the newest window of the step under way; nil: there is none.
	Verdict     *canary.Verdict
	Alerts      string // why the alarms are not ready; empty: they are, or nobody asked
	Divergences uint64 // confirmed differences between the ledgers that nobody has reacted to
	Alarms      []Alarm
	Stands      string // why V11 certifies nothing though it should; empty: it does, or nobody knows that it does not
	StandsMs    uint64 // how long that has been so
	Watch       string // why nobody compares the ledgers while they go on; empty: somebody does, or nobody is asked to
	Running     Verb   // what is under way; empty: nothing

	Callers    []Caller // who called V10; asked for when the way back has ended
	CallersWhy string   // nobody knows who did
}

// Lag is how late a direction of the sync is.
type Lag struct {
	Ms  float64 // below 0: not known
	Why string  // it does not go on; empty: it does
}

// ShadowFacts are what comparisons of answers have shown.
type ShadowFacts struct {
	Compared uint64
	Differs  uint64
	Why      string // nobody could be asked
}

// Gate is a condition of what comes next.
type Gate = canary.Gate

// gate makes one that holds if there is nothing to say against it.
func gate(name, why string) Gate { return Gate{Name: name, OK: why == "", Why: why} }

func unless(ok bool, format string, args ...any) string {
	if ok {
		return ""
	}
	return fmt.Sprintf(format, args...)
}

// Gates are the conditions of what comes next, those that always count first. All hold: Next goes forward.
func Gates(s *State, f *Facts) []Gate {
	if s.Plan == nil {
		return []Gate{gate("plan", "there is none: `aurigraph migrate init`")}
	}
	if s.Phase == Planned {
		return []Gate{gate("start", "nobody said so: `aurigraph migrate start`")}
	}
	return append(s.ahead(f), s.ofPhase(f)...)
}

// ahead are the gates of whatever is not in the midst of a move.
func (s *State) ahead(f *Facts) []Gate {
	g := append(always(s, f), openGate(f))
	if s.Watched() {
		g = append(g, gate("watch", f.Watch))
	}
	if f.Divergences > 0 {
		g = append(g, gate("differences", fmt.Sprintf("the watch confirms %d: docs/runbooks/divergence.md; `aurigraph migrate rollback` and `resume` when they are explained", f.Divergences)))
	}
	if a := s.alarm(f); a != nil && a.Source != AlarmDrill {
		g = append(g, gate("alarm", a.words(s)+": docs/runbooks/evidence.md; `aurigraph migrate resume` when it is explained"))
	}
	if v := s.Verified; v != nil && !v.OK && s.Closed == nil {
		g = append(g, gate("differences", fmt.Sprintf("report %s confirms %d: docs/runbooks/divergence.md, then `aurigraph migrate verify`", v.Report, v.Differences)))
	}
	return g
}

// Watched reports whether the ledgers are to be compared while they go on.
func (s *State) Watched() bool {
	return s.Plan != nil && s.Plan.Verify.Watch && s.Phase.moves() && s.Closed == nil
}

// Standing are the gates that count whatever is planned: the ledger answers, its guard follows, nothing is closed, both directions are in step.
func Standing(f *Facts, lagMsMax int) []Gate {
	g := []Gate{gate("ledger", f.Unknown)}
	if f.Unknown != "" {
		return g
	}
	return append(g, gate("guard", f.Guard), openGate(f), gate("sync v10_to_v11", f.ToV11.why(lagMsMax)), gate("sync v11_to_v10", f.ToV10.why(lagMsMax)))
}

func openGate(f *Facts) Gate {
	return gate("slots open", unless(f.Moving == 0, "%d slots take no debits: a move is under way, or nobody ended it (`aurigraph migrate abort`)", f.Moving))
}

// always are the gates of everything that goes forward.
func always(s *State, f *Facts) []Gate {
	g := []Gate{}
	if e := s.Unsealed; e != nil && (f.Unknown != "" || f.WeightBP > 0 || len(f.NamedV11) > 0) {
		g = append(g, gate("seal", "V11 was not sealed: "+e.Why+": docs/runbooks/failback.md"))
	}
	g = append(g,
		gate("paused", unless(s.Paused == "", "%s: `aurigraph migrate resume`", s.Paused)),
		gate("reversed", reversedWhy(s)),
		gate("ledger", f.Unknown),
	)
	if f.Unknown != "" || s.Closed != nil { // V10 is history then
		return g
	}
	return append(g, gate("certifies", f.Stands), gate("guard", f.Guard), gate("sync v10_to_v11", f.ToV11.why(s.Plan.Sync.LagMsMax)), gate("sync v11_to_v10", f.ToV10.why(s.Plan.Sync.LagMsMax)))
}

func reversedWhy(s *State) string {
	if s.Reversed == nil {
		return ""
	}
	return fmt.Sprintf("%s went back to %d bp: %s: mend the cause, then `aurigraph migrate resume`", s.Reversed.By, s.Reversed.ToBP, s.Reversed.Why)
}

func (l *Lag) why(most int) string {
	switch {
	case l.Why != "":
		return l.Why
	case l.Ms < 0:
		return "nobody knows how late it is yet"
	case l.Ms > float64(most):
		return fmt.Sprintf("it is %.0f ms late, more than %d", l.Ms, most)
	}
	return ""
}

// ofPhase are the gates of the present phase.
func (s *State) ofPhase(f *Facts) []Gate {
	switch s.Phase {
	case Copy:
		return []Gate{gate("copy", unless(f.Copied, "the initial copy is under way"))}
	case Verify:
		return []Gate{s.comparedGate(f)}
	case Shadow:
		return []Gate{s.shadowGate(f)}
	case Canary:
		return s.stepGates(f)
	case Cutover:
		return s.cutoverGates(f)
	case Warm:
		return s.warmGates()
	case Decommission:
		if s.Off != nil {
			return nil
		}
		return []Gate{s.noticeGate(f), gate("stop", unless(s.Stop != nil, "nobody said so: `aurigraph migrate stop`"))}
	}
	return nil
}

func (s *State) comparedGate(f *Facts) Gate {
	v := s.Verified
	if v == nil || !v.OK {
		return gate("compared", "both ledgers were not compared whole yet, with nothing that differs")
	}
	old := (max(f.NowMs, v.AtMs) - v.AtMs) / 1000
	return gate("compared", unless(old <= uint64(s.Plan.Verify.FreshSeconds), "the newest comparison is %d s old, more than %d: `aurigraph migrate verify`", old, s.Plan.Verify.FreshSeconds))
}

func (s *State) shadowGate(f *Facts) Gate {
	want, of := s.Plan.Shadow, f.Shadow
	switch {
	case want.MinimumCompared == 0:
		return gate("shadow", "")
	case of.Why != "":
		return gate("shadow", of.Why)
	case of.Compared < uint64(want.MinimumCompared):
		return gate("shadow", fmt.Sprintf("%d answers are compared, of %d", of.Compared, want.MinimumCompared))
	case of.Differs*10_000 > of.Compared*uint64(want.DiffersBP):
		return gate("shadow", fmt.Sprintf("%d of %d answers differ, more than %d bp", of.Differs, of.Compared, want.DiffersBP))
	}
	return gate("shadow", "")
}

// stepGates are the judge's, which come with its verdict.
func (s *State) stepGates(f *Facts) []Gate {
	if s.StepSeq == 0 || s.Promote != nil {
		return nil
	}
	if f.Verdict == nil {
		return []Gate{gate("judge", "no window of requests is judged yet")}
	}
	gates := append([]Gate{}, f.Verdict.Gates...)
	if f.Verdict.Decision != canary.Promote && blocked(gates) == nil {
		gates = append(gates, gate("judge", f.Verdict.Why))
	}
	return gates
}

func (s *State) cutoverGates(f *Facts) []Gate {
	if s.lastStep() && s.StepSeq > 0 {
		return s.stepGates(f)
	}
	p := s.Plan
	return []Gate{
		s.shadowGate(f),
		s.comparedGate(f),
		s.availabilityGate(f),
		gate("drills", unless(s.GoodDrills() >= p.Drills.Count, "%d good ones, of %d: `aurigraph migrate drill`", s.GoodDrills(), p.Drills.Count)),
		gate("alarm drill", unless(p.Drills.Count == 0 || !p.Drills.Alarm || s.AlarmDrilled(), "no good drill was begun by an alarm: `aurigraph migrate drill --alarm`")),
		s.approvalGate(ForCutover, p.Cutover.Approvals),
		s.alertsGate(f),
		{Name: "registry", OK: true, Why: "absent"}, // of real-world assets: there is none
		gate("cutover", unless(s.Cutover != nil, "nobody said so: `aurigraph migrate cutover`")),
	}
}

// alertsGate is about who is woken if it goes wrong.
func (s *State) alertsGate(f *Facts) Gate {
	want := &s.Plan.Alerts
	who := s.Approvers(ForOncall)
	switch {
	case want.Prometheus == "":
		return Gate{Name: "alerts", OK: true, Why: "not asked for"}
	case f.Alerts != "":
		return gate("alerts", f.Alerts)
	case want.Oncall != "":
		return gate("alerts", unless(slices.Contains(who, want.Oncall), "%s is not known to be on call: `aurigraph migrate approve --for oncall --as %[1]q`", want.Oncall))
	}
	return gate("alerts", unless(len(who) > 0, "nobody said that they are on call: `aurigraph migrate approve --for oncall`"))
}

func (s *State) approvalGate(what string, want int) Gate {
	have := len(s.Approvers(what))
	return gate("approvals", unless(have >= want, "%d people, of %d: `aurigraph migrate approve --for %s`", have, want, what))
}

func (s *State) warmGates() []Gate {
	return []Gate{s.checksGate(), s.approvalGate(ForClose, s.Plan.Close.Approvals), gate("close", unless(s.Closing != nil, "nobody said so: `aurigraph migrate close`"))}
}

func (s *State) nextCheck() int {
	after := s.Plan.Warm.ChecksAfterSeconds
	return after[min(s.WarmChecks, len(after)-1)]
}

// RollbackReady says why slots could not go back to V10 now; empty: they could.
func RollbackReady(s *State, f *Facts) string {
	switch {
	case s.Closed != nil || f.Closed:
		return "the way back has ended with the close"
	case f.Unknown != "":
		return "V11's ledger does not answer: " + f.Unknown + " (docs/runbooks/seal.md)"
	case f.Stands != "":
		return "V11 certifies nothing: " + f.Stands + " (docs/runbooks/failback.md)"
	case f.Guard != "":
		return "V10's guard: " + f.Guard
	case f.ToV10.Why != "":
		return "V10 does not follow V11: " + f.ToV10.Why
	}
	return ""
}
