// SPDX-License-Identifier: Apache-2.0

package migration

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/aurigraph/aurigraph/internal/canary"
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/router"
)

const (
	seedsMax      = 2000
	chaosSteps    = 400
	peaceSteps    = 1500
	recordsInARow = 32
)

// sim is a world without a clock, whose things happen by chance: what moves is interrupted half-way, whoever drives is killed and reads the journal anew,
// operators want whatever they may want.
type sim struct {
	t    *testing.T
	seed uint64
	rng  *rand.Rand
	log  []string

	journal []Entry
	state   State // of who drives
	facts   Facts
	skewMs  int64 // of his clock
	task    *Action
	drill   int  // basis points that are away
	failing bool // what is done now does not work
	back    bool // who drives has seen that it went back
	calm    int  // how rarely something goes wrong
	gate    string
	alarms  []Alarm // what there is of each source, whether who has it answers or not
	raised  uint64  // drill whose alarm a validator shows
}

// TestSimulation plays many worlds. In each something goes wrong for a while, then all is well, operators do what the gates ask, and it must end.
func TestSimulation(t *testing.T) {
	seeds := uint64(seedsMax)
	if testing.Short() {
		seeds /= 10
	}
	reached := map[Phase]int{}
	kinds := map[Kind]int{}
	for seed := range seeds {
		s := newSim(t, seed)
		for range s.rng.IntN(chaosSteps) {
			s.chaos()
			s.gate = s.step().Gate
			reached[s.state.Phase]++
		}
		s.peace()
		for i := range s.journal {
			kinds[s.journal[i].Kind]++
		}
		if t.Failed() {
			s.show()
			return
		}
	}
	for _, p := range []Phase{Planned, Copy, Verify, Shadow, Canary, Cutover, Warm, Close, Archive, Decommission} { // sync is passed at once
		if reached[p] == 0 {
			t.Errorf("something went wrong at %s in no world: the test shows too little (%v)", p, reached)
		}
	}
	for _, k := range []Kind{KindPlan, KindPause, KindApprove, KindPromote, KindRollback, KindDrilled, KindSlice, KindReverse, KindFailed, KindClosed, KindStop, KindNoticed, KindOff,
		KindFailback, KindSealed, KindKnown, KindRaised} {
		if kinds[k] == 0 {
			t.Errorf("nobody ever wrote %s: %v", k, kinds)
		}
	}
}

// namedWanted are the slots of named accounts that V11 has at a weight below the whole, by how many go first.
var namedWanted = [][]chain.SlotRange{nil, {{From: 10_000, To: 10_000}}, {{From: 10_000, To: 10_000}, {From: 10_002, To: 10_002}}}

func newSim(t *testing.T, seed uint64) *sim {
	s := &sim{t: t, seed: seed, rng: rand.New(rand.NewPCG(seed, 7)), facts: goodFacts(), calm: 1 + int(seed%12)}
	s.facts.Copied = false
	s.facts.Own = map[string]uint16{"acme": 10_000, "old": 10_001, "third": 10_002}
	s.alarms = []Alarm{{Source: "evidence at node0", Count: seed % 3}, {Source: "evidence at node1"}}
	return s
}

func (s *sim) show() {
	s.t.Helper()
	for _, line := range s.log[max(0, len(s.log)-60):] {
		s.t.Log(line)
	}
}

func (s *sim) errorf(format string, args ...any) {
	s.t.Helper()
	s.t.Errorf("seed %d, entry %d, %s, %d of %d bp: %s", s.seed, s.state.Seq, s.state.Phase, s.facts.WeightBP, s.state.TargetBP, fmt.Sprintf(format, args...))
}

func (s *sim) tell(format string, args ...any) { s.log = append(s.log, fmt.Sprintf(format, args...)) }

func (s *sim) one(of int) bool { return s.rng.IntN(of) == 0 }

// randomPlan has steps and bounds by chance. A plan of one step has no drills: there is nothing to make them with.
func (s *sim) randomPlan() string {
	weights := []int{}
	for bp := 0; len(weights) < 4; {
		if bp += []int{100, 500, 2400, 5000}[s.rng.IntN(4)]; bp >= router.WeightWhole {
			break
		}
		weights = append(weights, bp)
	}
	if s.state.TargetBP > 0 && s.state.TargetBP < router.WeightWhole && s.one(2) { // one that may follow
		weights = []int{s.state.TargetBP}
	}
	steps := ""
	for _, bp := range append(weights, router.WeightWhole) {
		steps += fmt.Sprintf("    - {weight_bp: %d, minimum_seconds: 60, minimum_requests: 1, approvals: %d}\n", bp, s.rng.IntN(2))
	}
	return fmt.Sprintf("verify: {fresh_seconds: %d}\nshadow: {minimum_compared: %d}\ncanary:\n  steps:\n%s  reverse_to_bp: %d\n  named: {first: %s, back: [old]}\nfailback: {sealed: %s}\n"+
		"drills: {count: %d, slots: %d, alarm: %t}\n"+
		"cutover: {approvals: %d, slice_bp: %d}\navailability: {over_seconds: 100}\nwarm: {checks_after_seconds: [%d, 400]}\nclose: {approvals: %d}\ndecommission: {notice_days: %d%s}\n",
		100+s.rng.IntN(2000), s.rng.IntN(2)*500, steps, s.rng.IntN(2)*500, []string{"[]", "[acme]", "[acme, third]"}[s.rng.IntN(3)], []string{SealedByHand, SealedAutomatic}[s.rng.IntN(2)],
		min(s.rng.IntN(3), len(weights)), 1+s.rng.IntN(3000), s.one(2),
		s.rng.IntN(3), 700+s.rng.IntN(6000), s.rng.IntN(300), s.rng.IntN(2), s.rng.IntN(3), []string{"", ", webhook: 'https://h/x', webhook_secret: s"}[s.rng.IntN(2)])
}

// now is the time by the clock of who drives.
func (s *sim) now() uint64 { return uint64(int64(s.facts.NowMs) + s.skewMs) }

// write puts an entry behind the others, as a journal keeps it, and lets who drives read it.
func (s *sim) write(e Entry) {
	e.Seq, e.AtMs = s.state.Seq+1, s.now()
	e = kept(s.t, e)
	s.tell("%d %s %s %s%s to %d step %d ok %v: %s", e.Seq, e.By, e.Kind, e.Phase, e.For, e.ToBP, e.Step, e.OK, e.Why)
	before := s.state.Phase
	s.journal = append(s.journal, e)
	if err := s.state.Apply(&e); err != nil {
		s.errorf("%s: %v", e.Kind, err)
	}
	s.checkPhase(before)
}

// checkPhase wants phases in order, and back to the canary only.
func (s *sim) checkPhase(before Phase) {
	if s.state.Phase == before {
		return
	}
	order := map[Phase]int{"": 0}
	for i, p := range Phases() {
		order[p] = i
	}
	on := order[s.state.Phase] == order[before]+1
	back := s.state.Phase == Canary && (before == Cutover || before == Warm)
	if !on && !back {
		s.errorf("behind %s comes %s", before, s.state.Phase)
	}
}

// chaos lets something happen, or several things.
func (s *sim) chaos() {
	s.facts.NowMs += uint64(s.rng.IntN(60_000))
	if s.one(40) {
		s.facts.NowMs += dayMs
	}
	if !s.one(s.calm) {
		s.good()
		s.judge(canary.Promote)
		s.answer(s.gate)
		return
	}
	s.trouble()
	if s.one(15) {
		s.crash()
	}
	if s.one(2) {
		s.operator()
	}
	s.judge([]canary.Decision{canary.Hold, canary.Promote, canary.Promote, canary.Promote, canary.Reverse}[s.rng.IntN(5)])
	if s.one(6) {
		s.facts.Verdict = nil
	}
}

// trouble has something go wrong that no person does, or be well again.
func (s *sim) trouble() {
	f := &s.facts
	switch s.rng.IntN(24) {
	case 0:
		f.Unknown = "no route"
	case 1:
		f.Guard = "2 versions behind"
	case 2:
		f.ToV11 = Lag{Ms: float64(s.rng.IntN(3000) - 200)}
	case 3:
		f.ToV10 = Lag{Why: "a record is refused"}
	case 4:
		f.Moving = s.rng.IntN(2) * 100
	case 5:
		f.Divergences = uint64(s.rng.IntN(5) / 4)
	case 6:
		f.Shadow = ShadowFacts{Compared: uint64(s.rng.IntN(1000)), Differs: uint64(s.rng.IntN(2))}
	case 7:
		s.failing = !s.failing
	case 8:
		f.Copied = s.state.Phase != Copy || s.one(2)
	case 9, 10:
		f.Callers = append(f.Callers, Caller{fmt.Sprint("key/", len(f.Callers)), s.now()})
	case 11:
		f.CallersWhy = "the guard does not answer"
	case 12, 13:
		f.Stands, f.StandsMs = "2 of 4 validators answer", uint64(s.rng.IntN(120_000))
		f.Unknown = []string{"", "no route"}[s.rng.IntN(2)]
	case 14:
		s.alarms[s.rng.IntN(len(s.alarms))].Count++
	case 15:
		s.alarms[s.rng.IntN(len(s.alarms))].Count = 0 // its folder was made anew
	case 16:
		f.Served = ServedFacts{KnownMs: uint64(s.rng.IntN(100_000)), Requests: uint64(s.rng.IntN(20_000)), Failed: uint64(s.rng.IntN(3))}
	default:
		s.good()
	}
}

// good makes all well that goes wrong by itself.
func (s *sim) good() {
	was := s.facts
	s.facts, s.failing = goodFacts(), false
	s.facts.NowMs, s.facts.WeightBP, s.facts.Closed, s.facts.Running = was.NowMs, was.WeightBP, was.Closed, was.Running
	s.facts.Own, s.facts.NamedV11 = was.Own, was.NamedV11
	s.facts.Callers = was.Callers
}

// judge has the judge say something about the step under way, if its requests are judged now.
func (s *sim) judge(d canary.Decision) {
	s.facts.Verdict = nil
	if s.state.StepSeq == 0 || !s.state.Phase.judged() || s.facts.Unknown != "" || !s.state.There(&s.facts, s.state.TargetBP) {
		return
	}
	if d == canary.Reverse && !s.one(4) {
		d = canary.Promote
	}
	s.facts.Verdict = verdict(&s.state, d)
	switch {
	case d == canary.Hold && s.one(2):
		s.facts.Verdict = noData()
	case d == canary.Reverse:
		s.facts.Verdict.ToBP = s.rng.IntN(2) * s.rng.IntN(router.WeightWhole)
	}
}

// crash kills who drives. Another one, whose clock is another, knows the journal only.
func (s *sim) crash() {
	s.tell("crash")
	s.task, s.facts.Running = nil, ""
	s.skewMs = int64(s.rng.IntN(2)) * int64(s.rng.IntN(360_000)-180_000)
	folded, err := Fold(s.journal)
	if err != nil || !reflect.DeepEqual(folded, s.state) {
		s.errorf("folded anew the journal is %+v, %v; it was %+v", folded, err, s.state)
	}
	s.state = folded
}

// operator has a person want something. What may not be is not written.
func (s *sim) operator() {
	names := []string{
		"plan", "start", "start", "pause", "resume", "resume", "resume", "approve-step", "approve-step", "approve-cutover", "approve-cutover", "approve-close", "promote",
		"rollback-0", "rollback-100", "failback", "failback-without", "drill", "drill-alarm", "drill-alarm", "cutover", "cutover", "verify", "verify", "close", "stop",
	}
	name := names[s.rng.IntN(len(names))]
	e := by([]string{"alice", "bob", "carol"}[s.rng.IntN(3)], name)
	switch {
	case name == "plan":
		e.Text = s.randomPlan()
	case (name == "rollback-0" || strings.HasPrefix(name, "failback")) && !s.one(4), name == "pause" && !s.one(3):
		return
	case name == "rollback-100" && s.state.Plan != nil:
		e.ToBP = s.state.Plan.Canary.Steps[s.rng.IntN(len(s.state.Plan.Canary.Steps))].WeightBP
	}
	s.want(e)
}

// want writes what may be.
func (s *sim) want(e Entry) bool {
	if err := May(&s.state, &e); err != nil {
		s.tell("  %s may not %s: %v", e.By, e.Kind, err)
		return false
	}
	if e.Kind == KindRollback && (Warm.Before(s.state.Phase) || e.ToBP > s.state.TargetBP) {
		s.errorf("a rollback to %d may be", e.ToBP)
	}
	s.write(e)
	return true
}

// step lets the world go on with what is under way, and who drives do what is next.
func (s *sim) step() Action {
	s.work()
	defer func() { s.back = s.state.Reversed != nil }()
	for range recordsInARow {
		f := s.facts
		f.NowMs, f.Alarms = s.now(), s.seen()
		a := Next(&s.state, &f)
		s.checkAlarm(&a, &f)
		switch a.Verb {
		case Record:
			s.checkRecord(a.Entry, &f)
			s.write(*a.Entry)
			s.facts.Verdict = nil
		case Hold:
			s.checkHold(&a, &f)
			if s.task != nil && s.task.Verb == Weigh && s.task.ToBP != s.state.TargetBP {
				s.end()
			}
			return a
		default:
			s.begin(&a, &f)
			return a
		}
		if s.t.Failed() {
			return a
		}
	}
	s.errorf("%d entries in a row, and nothing to wait for", recordsInARow)
	return Action{}
}

// seen are the alarms that somebody answers with.
func (s *sim) seen() (all []Alarm) {
	for _, a := range s.alarms {
		if !s.one(9) {
			all = append(all, a)
		}
	}
	if s.raised > 0 {
		all = append(all, Alarm{Source: AlarmDrill, Count: s.raised})
	}
	return all
}

// checkAlarm wants what was not known to go back at once, and what was known not to.
func (s *sim) checkAlarm(a *Action, f *Facts) {
	st := &s.state
	news := slices.ContainsFunc(f.Alarms, func(a Alarm) bool {
		known, is := st.Known[a.Source]
		return a.Source != AlarmDrill && is && a.Count > known
	})
	reverses := a.Verb == Record && a.Entry.Kind == KindReverse
	if news && st.Phase.moves() && st.Closed == nil && st.Reversed == nil && st.TargetBP > 0 && (!reverses || a.Entry.ToBP != 0) {
		s.errorf("there is an alarm (%v, known %v), and what is done is %s", f.Alarms, st.Known, a.Verb)
	}
	if reverses && a.Entry.Known != nil && !news {
		s.errorf("%s, and all of %v was known: %v", a.Entry.Why, f.Alarms, st.Known)
	}
}

// mayForward wants all to hold that must hold before anything goes forward.
func (s *sim) mayForward(f *Facts, what string) {
	if g := blocked(always(&s.state, f)); g != nil {
		s.errorf("%s, while %s does not hold: %s", what, g.Name, g.Why)
	}
}

// checkRecord wants what is written forward to be allowed, and a promote to count once.
func (s *sim) checkRecord(e *Entry, f *Facts) {
	st := &s.state
	switch e.Kind {
	case KindStep, KindSlice, KindPhase:
		s.mayForward(f, string(e.Kind))
		if f.Moving > 0 {
			s.errorf("%s, while slots take no debits", e.Kind)
		}
		if e.ToBP < st.TargetBP && e.Kind != KindPhase {
			s.errorf("%s goes down to %d", e.Kind, e.ToBP)
		}
	case KindReverse:
		if st.Closed != nil || Warm.Before(st.Phase) || e.ToBP >= st.TargetBP || st.Reversed != nil || e.Why == "" {
			s.errorf("reverses to %d", e.ToBP)
		}
	case KindFailback:
		if st.Closed != nil || !st.Phase.moves() || st.Plan.Failback.Sealed != SealedAutomatic || f.StandsMs < 60_000 || st.TargetBP == 0 && st.ReachedBP == 0 {
			s.errorf("is sealed by itself")
		}
	case KindKnown:
		for source, count := range st.Known {
			if e.Known[source] > count && st.TargetBP > 0 {
				s.errorf("an alarm is made known, and nothing went back: %v, %v", e.Known, st.Known)
			}
		}
	}
	promoted := st.Promote != nil || f.Verdict != nil && f.Verdict.Decision == canary.Promote
	leaves := e.Kind == KindStep && st.Phase == Canary || e.Kind == KindPhase && (e.Phase == Cutover || e.Phase == Warm)
	if want := namedWanted[len(st.Plan.Canary.Named.First)]; leaves && st.TargetBP > 0 && st.TargetBP < router.WeightWhole && !slices.Equal(f.NamedV11, want) {
		s.errorf("%s leaves a step, and V11 has %v of the named ones, not %v", e.Kind, f.NamedV11, want)
	}
	if leaves && st.StepSeq > 0 && !promoted {
		s.errorf("%s %s leaves a step that nobody promoted", e.Kind, e.Phase)
	}
}

// checkHold wants a hold to say for what.
func (s *sim) checkHold(a *Action, f *Facts) {
	if a.Gate == "" || a.Why == "" {
		s.errorf("holds, and does not say for what: %+v", *a)
	}
	if blocked(Gates(&s.state, f)) == nil && a.Gate != "failed" && a.Gate != "end" {
		s.errorf("holds for %s (%s), and all gates hold", a.Gate, a.Why)
	}
}

// begin begins an action, unless it is under way.
func (s *sim) begin(a *Action, f *Facts) {
	if s.task != nil && s.task.Verb == a.Verb && s.task.ToBP == a.ToBP && slices.Equal(s.task.Without, a.Without) {
		return
	}
	if s.task != nil && s.task.Verb == Rehearse && s.state.Rehearse != nil {
		s.errorf("%s ends a drill that nobody has taken back", a.Verb)
	}
	s.end()
	s.tell("begins %s %d", a.Verb, a.ToBP)
	last := 0
	for _, e := range s.journal {
		if e.Kind == KindStep || e.Kind == KindSlice || e.Kind == KindReverse || e.Kind == KindRollback || e.Kind == KindFailback {
			last = e.ToBP
		}
	}
	switch {
	case a.Verb == Seal && (s.state.Sealing == nil || s.state.TargetBP != 0 || s.state.Closed != nil):
		s.errorf("V11 is sealed, and nobody wants that")
	case f.Unknown != "" && a.Verb != PutAway && a.Verb != Seal:
		s.errorf("%s, while nobody knows how things stand", a.Verb)
	case a.Verb == Weigh && a.ToBP != last:
		s.errorf("weighs %d bp, the journal says %d", a.ToBP, last)
	case a.Verb == Weigh && (a.ToBP > f.WeightBP || a.ToBP == f.WeightBP && !covers(f.NamedV11, a.Named)), a.Verb == Rehearse, a.Verb == EndWayBack:
		s.mayForward(f, string(a.Verb))
	}
	if a.Verb == Rehearse && a.Drill > 0 && (s.raised != a.Drill || a.Drill != s.state.Rehearse.Seq) {
		s.errorf("the drill %d, and the alarm of %d was raised", a.Drill, s.raised)
	}
	if a.Verb == Rehearse && (a.Slots < 1 || a.Slots > f.WeightBP || f.WeightBP != s.state.TargetBP) {
		s.errorf("a drill of %d slots", a.Slots)
	}
	began := *a
	s.task, s.drill, s.facts.Running = &began, 0, a.Verb
}

// end ends what is under way, wherever it is.
func (s *sim) end() { s.task, s.facts.Running = nil, "" }

// work goes on with what is under way: a bit, or to its end.
func (s *sim) work() {
	a := s.task
	if a == nil {
		return
	}
	if s.failing || s.facts.Unknown != "" && a.Verb != PutAway && a.Verb != Seal || a.Verb == Seal && s.one(3) { // no quorum
		if s.one(2) {
			s.end()
			s.write(Entry{By: Controller, Kind: KindFailed, Action: a.Verb, ToBP: a.ToBP, Why: "it broke"})
		}
		return
	}
	if s.one(2) {
		s.half(a)
		return
	}
	s.end()
	s.write(s.whole(a))
}

// half does a part of an action.
func (s *sim) half(a *Action) {
	f := &s.facts
	switch {
	case a.Verb == Weigh && s.back && a.ToBP > f.WeightBP:
		s.errorf("the weight rises to %d behind a way back", a.ToBP)
	case a.Verb == Weigh && s.one(3): // the named ones first, or some of them: by a hand too
		if f.NamedV11 = a.Named; len(a.Named) > 0 && s.one(2) {
			f.NamedV11 = a.Named[:1]
		}
	case a.Verb == Weigh && f.WeightBP != a.ToBP:
		f.WeightBP += s.rng.IntN(max(a.ToBP-f.WeightBP, f.WeightBP-a.ToBP)+1) * (1 - 2*b2i(a.ToBP < f.WeightBP))
	case a.Verb == Rehearse && s.drill == 0:
		s.drill = s.rng.IntN(a.Slots + 1)
		f.WeightBP -= s.drill
	}
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

// whole does what is left of an action, and returns what is written of it.
func (s *sim) whole(a *Action) Entry {
	f := &s.facts
	e := Entry{By: Controller}
	switch a.Verb {
	case Weigh:
		if s.back && a.ToBP > f.WeightBP {
			s.errorf("the weight rises to %d behind a way back", a.ToBP)
		}
		f.WeightBP, f.NamedV11 = a.ToBP, a.Named
		e.Kind, e.ToBP = KindMoved, a.ToBP
	case Rehearse:
		f.WeightBP += s.drill
		e.Kind, e.OK, e.Slots, e.Alarm = KindDrilled, !s.one(5), a.Slots, a.Drill > 0
	case Raise:
		s.raised = a.Drill
		e.Kind = KindRaised
	case Seal:
		f.WeightBP, f.NamedV11 = 0, nil
		e.Kind = KindSealed
	case Compare:
		e.Kind, e.OK = KindVerified, !s.one(8)
		e.Differences = uint64(b2i(!e.OK))
		if s.state.Phase == Warm {
			e.Checks = s.state.Validate(f, []Usage{{Name: "node0", MemoryBytes: 100 << 20}})
		}
	case PutAway:
		e.Kind, e.Report = KindArchived, "manifest"
	case EndWayBack:
		f.Closed = true
		e.Kind = KindClosed
	case Notify:
		if at, was := s.state.Told[a.Due[0].Caller]; was && s.now() < at+7*dayMs {
			s.errorf("%s has notice again", a.Due[0].Caller)
		}
		e.Kind, e.For, e.OK = KindNoticed, a.Due[0].Caller, !s.one(3)
	case SwitchOff:
		if s.state.Stop == nil || s.state.Archived == nil || !f.Closed {
			s.errorf("V10 is switched off")
		}
		e.Kind = KindOff
	default:
		s.errorf("nobody can %s", a.Verb)
	}
	return e
}

// peace is a world in which all is well, and operators do what the gates ask: it ends.
func (s *sim) peace() {
	s.crash()
	s.skewMs = 0
	for range peaceSteps {
		s.good()
		if s.raised != 0 && s.one(5) {
			s.raised = 0 // it is over after a while
		}
		s.facts.NowMs += 20_000
		s.judge(canary.Promote)
		a := s.step()
		if s.t.Failed() || a.Gate == "end" {
			break
		}
		s.answer(a.Gate)
	}
	if s.t.Failed() {
		return
	}
	f := s.facts
	a := Next(&s.state, &f)
	if a.Gate != "end" || s.state.Phase != Decommission || s.facts.WeightBP != router.WeightWhole || len(s.facts.NamedV11) != 1 || len(s.facts.Own) != 3 || !s.facts.Closed || s.state.Archived == nil || s.state.Off == nil {
		s.errorf("all is well and it does not end: %+v", a)
	}
}

// answer is what a person does about a gate.
func (s *sim) answer(gate string) {
	people := func(what string) {
		for _, who := range []string{"alice", "bob", "carol"} {
			if s.want(Entry{By: who, Kind: KindApprove, For: what}) {
				return
			}
		}
	}
	switch gate {
	case "plan":
		s.want(Entry{By: "alice", Kind: KindPlan, Text: s.randomPlan()})
	case "start":
		s.want(by("alice", "start"))
	case "paused", "reversed":
		s.want(by("alice", "resume"))
	case "compared", "checks", "differences":
		if v := s.state.Verified; v != nil && !v.OK || gate != "checks" {
			s.want(by("alice", "verify"))
		}
	case "drills":
		s.want(by("alice", "drill"))
	case "alarm drill":
		s.want(by("alice", "drill-alarm"))
	case canary.RuleApprovals:
		switch {
		case s.state.Phase == Warm:
			people(ForClose)
		case s.state.StepSeq > 0 && (s.state.Phase == Canary || s.state.lastStep()):
			people(ForStep)
		default:
			people(ForCutover)
		}
	case "cutover":
		s.want(by("alice", "cutover"))
	case "close":
		s.want(by("alice", "close"))
	case "notice":
		s.facts.NowMs += dayMs
	case "stop":
		s.want(by("alice", "stop"))
	}
}
