// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/aurigraph/aurigraph/internal/canary"
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/journal"
	"github.com/aurigraph/aurigraph/internal/journal/journaltest"
	"github.com/aurigraph/aurigraph/internal/migration"
	"github.com/aurigraph/aurigraph/internal/router"
)

// planText goes by seconds where a real one goes by days.
const planText = `
window_ms: 100
shadow: {minimum_compared: 0}
canary:
  steps:
    - {weight_bp: 100, minimum_seconds: 1, minimum_requests: 10}
    - {weight_bp: 2500, minimum_seconds: 1, minimum_requests: 10, approvals: 1}
    - {weight_bp: 10000, minimum_seconds: 1, minimum_requests: 10}
drills: {count: 1, slots: 50, move_ms_max: 1000}
cutover: {approvals: 1, slice_bp: 4000}
availability: {over_seconds: 0}
warm: {checks_after_seconds: [1, 2]}
close: {approvals: 1}
decommission: {notice_days: 0}
`

const (
	testWindow = 100 * time.Millisecond
	chunk      = 100                   // basis points that the fake moves at once
	chunkTime  = 20 * time.Millisecond // that this takes
	perLook    = 200                   // requests between two looks, evenly over all slots
)

// world is a fake: it has a weight that moves chunk by chunk, and clients who pay all the time.
type world struct {
	mu      sync.Mutex
	weight  int
	closed  bool
	unknown string
	alarm   uint64
	vitals  Vitals
	alarms  []migration.Alarm
	raised  uint64   // drill whose alarm a validator shows
	calls   []string // what was begun, and how it ended
	times   []time.Time
	sent    [2]uint64 // requests, by side
	alerts  string    // why the alarms are not ready
	asked   int       // how often somebody wanted to know
	callers []string  // who call V10 all the time
	lost    string    // whose first notice finds no way

	failing func(moved int) bool // V11's answer to a request is an error
	before  func(ctx context.Context, verb migration.Verb) error
	half    func() error // stands in the middle of a drill
	looks   func()
}

func (w *world) Look(context.Context) Sight {
	if w.looks != nil {
		w.looks()
	}
	return w.sight()
}

func (w *world) sight() Sight {
	w.mu.Lock()
	defer w.mu.Unlock()
	var callers []migration.Caller
	for _, name := range w.callers {
		callers = append(callers, migration.Caller{Name: name, LastMs: nowMs()})
	}
	alarms := slices.Clone(w.alarms)
	if w.raised > 0 {
		alarms = append(alarms, migration.Alarm{Source: migration.AlarmDrill, Count: w.raised})
	}
	return Sight{Health: canary.HealthUp, Vitals: w.vitals, Facts: migration.Facts{
		Unknown: w.unknown, WeightBP: w.weight, Copied: true, Closed: w.closed, ToV11: migration.Lag{Ms: 3}, ToV10: migration.Lag{Ms: 4}, Divergences: w.alarm, Callers: callers,
		Alarms: alarms,
	}}
}

func (w *world) Requests(each func(*router.Outcome)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := range perLook {
		out := router.Outcome{ID: fmt.Sprint(i), Method: "POST", Path: "/api/v10/payments", Slot: uint16(i * chain.SlotsMax / perLook), Status: 200, Seconds: 0.01}
		side := router.V10
		if int(out.Slot) < w.weight {
			side = router.V11
			if w.failing != nil && w.failing(w.weight) {
				out.Status = 503
			}
		}
		out.Side = side.String()
		w.sent[side]++
		each(&out)
	}
}

func (w *world) Alerts(context.Context, *migration.AlertsPlan) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked++
	return w.alerts
}

// begin notes a call, and lets a test stand before it.
func (w *world) begin(ctx context.Context, verb migration.Verb, what string) (end func(error) error, err error) {
	w.mu.Lock()
	w.calls, w.times = append(w.calls, what), append(w.times, time.Now())
	w.mu.Unlock()
	end = func(err error) error {
		if err != nil {
			w.mu.Lock()
			w.calls, w.times = append(w.calls, what+" ended: "+err.Error()), append(w.times, time.Now())
			w.mu.Unlock()
		}
		return err
	}
	if w.before != nil {
		err = w.before(ctx, verb)
	}
	return end, err
}

func (w *world) Weigh(ctx context.Context, bp int, named []chain.SlotRange) error {
	end, err := w.begin(ctx, migration.Weigh, fmt.Sprint("weigh ", bp))
	if err == nil {
		err = w.move(ctx, bp)
	}
	return end(err)
}

// move goes to a weight chunk by chunk.
func (w *world) move(ctx context.Context, bp int) error {
	for {
		await(ctx, nil, chunkTime)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		w.mu.Lock()
		w.weight = max(w.weight-chunk, min(w.weight+chunk, bp))
		there := w.weight == bp
		w.mu.Unlock()
		if there {
			return nil
		}
	}
}

func (w *world) Drill(ctx context.Context, bp, slots int) (d Drilled, err error) {
	end, err := w.begin(ctx, migration.Rehearse, fmt.Sprintf("drill %d of %d", slots, bp))
	began := time.Now()
	if err == nil {
		err = w.move(ctx, bp-slots)
	}
	d.Back = time.Since(began)
	if err == nil && w.half != nil {
		err = w.half()
	}
	if err == nil {
		err = w.move(ctx, bp)
	}
	d.Forward = time.Since(began) - d.Back
	return d, end(err)
}

func (w *world) Raise(ctx context.Context, drill uint64) (string, error) {
	end, err := w.begin(ctx, migration.Raise, "raise")
	if err == nil {
		w.set(func() { w.raised = drill })
	}
	return "node0", end(err)
}

func (w *world) Seal(ctx context.Context, without []string) (string, error) {
	end, err := w.begin(ctx, migration.Seal, fmt.Sprint("seal ", without))
	if err == nil {
		w.set(func() {
			w.weight, w.unknown, w.vitals.Answer, w.vitals.Height = 0, "", w.vitals.Members, w.vitals.Height+1
		})
	}
	return "epoch 1 ended", end(err)
}

func (w *world) Compare(ctx context.Context) (Compared, error) {
	end, err := w.begin(ctx, migration.Compare, "compare")
	return Compared{Rows: 9, Report: "r-1"}, end(err)
}

func (w *world) PutAway(ctx context.Context, how migration.ArchivePlan) (string, error) {
	end, err := w.begin(ctx, migration.PutAway, fmt.Sprintf("archive for %d days", how.RetainDays))
	return "manifest", end(err)
}

func (w *world) EndWayBack(ctx context.Context) error {
	end, err := w.begin(ctx, migration.EndWayBack, "end the way back")
	if err == nil {
		w.mu.Lock()
		w.closed = true
		w.mu.Unlock()
	}
	return end(err)
}

func (w *world) Notify(ctx context.Context, how migration.DecommissionPlan, due []migration.Due, _ uint64) (told []Noticed, err error) {
	end, err := w.begin(ctx, migration.Notify, fmt.Sprint("notices of ", how.Webhook))
	for _, d := range due {
		if err == nil && d.EarlierMs == 0 && d.Caller == w.lost {
			err = fault.New(fault.Unavailable, "no route")
		}
		if err != nil {
			break
		}
		n := Noticed{Caller: d.Caller}
		if d.Caller == "other/refused" {
			n.Refused = "nobody knows them"
		}
		told = append(told, n)
	}
	return told, end(err)
}

func (w *world) SwitchOff(ctx context.Context) error {
	end, err := w.begin(ctx, migration.SwitchOff, "switch off")
	return end(err)
}

func (w *world) set(change func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change()
}

func (w *world) now() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.weight
}

// begun are the calls that contain a word, with their times.
func (w *world) begun(what string) (times []time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i, c := range w.calls {
		if c == what {
			times = append(times, w.times[i])
		}
	}
	return times
}

// stage is a journal and a world, and whoever drives on it.
type stage struct {
	*testing.T
	journal *journaltest.Memory
	world   *world

	mu     sync.Mutex
	folded migration.State
}

func newStage(t *testing.T) *stage {
	return &stage{T: t, journal: &journaltest.Memory{}, world: &world{}}
}

// drive starts a controller, and returns what stops it and waits for its end.
func (s *stage) drive(holder string, j journal.Journal, w World) (stop func()) {
	ctx, cancel := context.WithCancel(s.Context())
	ended := make(chan error, 1)
	go func() { ended <- Run(ctx, Config{Journal: j, World: w, Holder: holder}) }()
	return sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			s.Errorf("%s: %v", holder, err)
		}
	})
}

// state is what the journal's entries come to, those that are new taken in.
func (s *stage) state() migration.State {
	s.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	entries, err := s.journal.Read(s.Context(), s.folded.Seq)
	for i := 0; err == nil && i < len(entries); i++ {
		err = s.folded.Apply(&entries[i])
	}
	if err != nil {
		s.Fatal(err)
	}
	return s.folded
}

func (s *stage) goodDrills() int {
	s.Helper()
	state := s.state()
	return state.GoodDrills()
}

// want writes what a person wants, and fails if that may not be.
func (s *stage) want(e migration.Entry) {
	s.Helper()
	if e.By == "" {
		e.By = "alice"
	}
	e.AtMs = nowMs()
	for {
		state := s.state()
		if err := migration.May(&state, &e); err != nil {
			s.Fatalf("%s: %v", e.Kind, err)
		}
		_, err := s.journal.Append(s.Context(), state.Seq, journal.NoTerm, e)
		if err == nil {
			return
		}
		if fault.ReasonOf(err) != journal.ReasonBehind {
			s.Fatal(err)
		}
	}
}

// begin has a plan, and starts.
func (s *stage) begin(text string) {
	s.Helper()
	s.want(migration.Entry{Kind: migration.KindPlan, Text: text})
	s.want(migration.Entry{Kind: migration.KindStart})
}

// until waits, by the bubble's clock, until something is so.
func (s *stage) until(what string, is func() bool) {
	s.Helper()
	for range 20_000 {
		if is() {
			return
		}
		await(s.Context(), nil, 10*time.Millisecond)
	}
	s.Fatalf("after minutes there is not: %s; state %+v, calls %v", what, s.state(), s.world.calls)
}

// untilAt waits until a step's weight is reached.
func (s *stage) untilAt(bp int) {
	s.Helper()
	s.until(fmt.Sprint(bp, " bp"), func() bool {
		state := s.state()
		return state.TargetBP == bp && state.ReachedBP == bp && s.world.now() == bp
	})
}

// answers does what the gates ask of people, until the migration is over.
func (s *stage) answers() { s.answersUntil("end") }

// answersUntil does what the gates ask of people until one of them stands.
func (s *stage) answersUntil(gate string) {
	s.Helper()
	s.until("the gate "+gate, func() bool {
		state := s.state()
		facts := s.world.sight().Facts
		facts.NowMs = nowMs()
		known, err := ReadJudge(s.Context(), s.journal)
		if err != nil {
			s.Fatal(err)
		}
		if known.Seq == state.StepSeq {
			facts.Verdict = known.Verdict
		}
		if facts.Served, err = ReadServed(s.Context(), s.journal, &state.Plan.Availability, facts.NowMs); err != nil {
			s.Fatal(err)
		}
		a := migration.Next(&state, &facts)
		if e, is := answer(&state, a.Gate); is && migration.May(&state, &e) == nil {
			s.want(e)
		}
		return a.Gate == gate || a.Verb == migration.Notify && gate == "notice"
	})
}

func answer(state *migration.State, gate string) (migration.Entry, bool) {
	approve := func(what string) (migration.Entry, bool) {
		return migration.Entry{By: "alice", Kind: migration.KindApprove, For: what}, true
	}
	kinds := map[string]migration.Kind{
		"cutover": migration.KindCutover, "close": migration.KindClose, "stop": migration.KindStop,
		"paused": migration.KindResume, "reversed": migration.KindResume,
	}
	switch {
	case gate == "drills":
		return migration.Entry{By: "alice", Kind: migration.KindRehearse, Alarm: true}, true
	case gate == canary.RuleApprovals && state.Phase == migration.Warm:
		return approve(migration.ForClose)
	case gate == canary.RuleApprovals && state.Phase == migration.Cutover:
		return approve(migration.ForCutover)
	case gate == canary.RuleApprovals:
		return approve(migration.ForStep)
	}
	kind, is := kinds[gate]
	return migration.Entry{By: "alice", Kind: kind}, is
}
