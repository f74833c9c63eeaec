// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/migration"
	"github.com/aurigraph/aurigraph/internal/router"
)

// onStage plays on a stage in a bubble, whose clock runs when all wait.
func onStage(t *testing.T, play func(s *stage)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { play(newStage(t)) })
}

// TestWhole drives a migration to its end: each thing is done once.
func TestWhole(t *testing.T) {
	onStage(t, func(s *stage) {
		s.world.half = func() error { // it is looked at while its slots are away
			await(s.Context(), nil, 5*testWindow)
			return nil
		}
		stop := s.drive("a", s.journal, s.world)
		defer stop()
		s.begin(planText)
		s.answers()
		want := []string{
			"compare", "weigh 100", "weigh 2500", "raise", "drill 50 of 2500", "weigh 6500", "weigh 10000", "compare", "compare", "end the way back", "archive for 2557 days",
			"switch off",
		}
		if !slices.Equal(s.world.calls, want) {
			s.Errorf("it did %v, want %v", s.world.calls, want)
		}
		state := s.state()
		if state.AutoRollbacks > 0 || state.GoodDrills() != 1 || state.Archived == nil || state.Archived.Report != "manifest" || state.Closed == nil {
			s.Errorf("it ends as %+v", state)
		}
		s.wantWindows()
	})
}

// TestNotices: each who calls V10 has notice, also behind one whose notice finds no way at first, and then V10 is switched off.
func TestNotices(t *testing.T) {
	onStage(t, func(s *stage) {
		s.world.callers, s.world.lost = []string{"key/a", "key/b", "other/refused", "key/c"}, "key/b"
		stop := s.drive("a", s.journal, s.world)
		defer stop()
		s.begin(strings.Replace(planText, "notice_days: 0", "notice_days: 0, webhook: 'https://h/x', webhook_secret: f", 1))
		s.answersUntil("notice")
		s.until("a failure", func() bool { state := s.state(); return state.Failed != nil && state.Failed.Action == migration.Notify })
		if state := s.state(); len(state.Told) != 1 {
			s.Errorf("before the failure: %v", state.Told)
		}
		s.world.set(func() { s.world.lost = "" })
		s.until("four notices", func() bool { state := s.state(); return len(state.Told) == 4 })
		before := s.state().Seq
		await(s.Context(), nil, time.Minute)
		if state := s.state(); state.Seq != before || state.Failed != nil {
			s.Errorf("nobody is told twice, and it wrote %d entries; %+v", state.Seq-before, state.Failed)
		}
		s.answers()
		if state := s.state(); state.Off == nil || len(s.world.begun("switch off")) != 1 {
			s.Errorf("V10 is off: %+v", state.Off)
		}
	})
}

// wantWindows wants each request in a window, but for those from before the first look.
func (s *stage) wantWindows() {
	s.Helper()
	all, err := s.journal.Windows(s.Context())
	if err != nil {
		s.Fatal(err)
	}
	var seen [2]uint64
	last, weight := all[0].AtMs-all[0].LengthMs, 0
	for _, w := range all {
		if w.AtMs-w.LengthMs != last || w.WeightBP < weight-50 || w.ToV11LagMs != 3 || w.ToV10LagMs != 4 || w.P99Ms != 10 {
			s.Errorf("behind %d ms and %d bp comes %+v", last, weight, w)
		}
		last, weight = w.AtMs, w.WeightBP
		seen[router.V10] += w.Requests[router.V10]
		seen[router.V11] += w.Requests[router.V11]
	}
	s.world.mu.Lock()
	defer s.world.mu.Unlock()
	if seen[router.V11] != s.world.sent[router.V11] || seen[router.V10]+perLook != s.world.sent[router.V10] || weight != 10_000 {
		s.Errorf("the windows have %v requests, %v were sent", seen, s.world.sent)
	}
}

// TestIdle does nothing without a plan, and nothing with one before somebody says start.
func TestIdle(t *testing.T) {
	onStage(t, func(s *stage) {
		stop := s.drive("a", s.journal, s.world)
		defer stop()
		await(s.Context(), nil, time.Minute)
		s.want(migration.Entry{Kind: migration.KindPlan, Text: planText})
		await(s.Context(), nil, time.Minute)
		if state := s.state(); state.Seq != 1 || len(s.world.calls) > 0 {
			s.Errorf("%d entries, and it did %v", state.Seq, s.world.calls)
		}
	})
	if err := Run(t.Context(), Config{}); !fault.Is(err, fault.Invalid) {
		t.Errorf("a controller without a name: %v", err)
	}
}

// TestUnknownHolds: when nobody knows how things stand nothing is begun and nothing written.
func TestUnknownHolds(t *testing.T) {
	onStage(t, func(s *stage) {
		stop := s.drive("a", s.journal, s.world)
		defer stop()
		s.begin(planText)
		s.untilAt(100)
		s.world.set(func() { s.world.unknown = "no route" })
		await(s.Context(), nil, time.Second)
		before, calls := s.state().Seq, len(s.world.calls)
		await(s.Context(), nil, time.Minute)
		if after := s.state().Seq; after != before || len(s.world.calls) != calls {
			s.Errorf("it wrote %d entries and did %v", after-before, s.world.calls[calls:])
		}
		s.world.set(func() { s.world.unknown = "" })
		s.untilAt(2500)
	})
}

// TestOperatorsAreHeard within a window, and a way back begins at once.
func TestOperatorsAreHeard(t *testing.T) {
	onStage(t, func(s *stage) {
		stop := s.drive("a", s.journal, s.world)
		defer stop()
		s.begin(planText)
		s.untilAt(100)
		said := time.Now()
		s.want(migration.Entry{Kind: migration.KindRollback, Why: "no"})
		s.until("a way back", func() bool { return len(s.world.begun("weigh 0")) > 0 })
		if late := s.world.begun("weigh 0")[0].Sub(said); late > testWindow {
			s.Errorf("it was heard after %v", late)
		}
		s.untilAt(0)
		await(s.Context(), nil, time.Minute)
		if at := s.world.now(); at != 0 || len(s.world.begun("weigh 100")) != 1 {
			s.Errorf("it went on to %d bp by itself", at)
		}
		s.want(migration.Entry{Kind: migration.KindResume})
		s.untilAt(2500)
	})
}

// TestOperatorBetween has a person write between the look and what is written of it: it is decided anew, and goes on under the same lease.
func TestOperatorBetween(t *testing.T) {
	onStage(t, func(s *stage) {
		l := &link{Journal: s.journal}
		paused := false
		l.append = func(when string, e *migration.Entry) {
			if when == "before" && e.Kind == migration.KindStep && !paused {
				paused = true
				s.want(migration.Entry{Kind: migration.KindPause, Why: "not now"})
			}
		}
		stop := s.drive("a", l, s.world)
		s.begin(planText)
		await(s.Context(), nil, time.Minute)
		if state := s.state(); !paused || state.Paused == "" || state.StepSeq != 0 || len(s.world.begun("weigh 100")) > 0 {
			s.Errorf("it went on behind a pause: %+v", state)
		}
		s.want(migration.Entry{Kind: migration.KindResume})
		s.untilAt(2500)
		stop()
		if _, leases := l.has(); len(leases) != 1 {
			s.Errorf("it began anew under the leases %v", leases)
		}
	})
}

// TestRollbackOfWhatHasNotMoved ends a move that has been begun and has not moved a slot: to be where one is to go back to is not enough.
func TestRollbackOfWhatHasNotMoved(t *testing.T) {
	for name, c := range map[string]struct {
		to, from int
		begun    string
	}{
		"to nothing": {0, 0, "weigh 100"},
		"to a step":  {100, 100, "weigh 2500"},
	} {
		t.Run(name, func(t *testing.T) {
			onStage(t, func(s *stage) {
				s.world.before = func(ctx context.Context, _ migration.Verb) error { // slow to begin with
					if len(s.world.begun(c.begun)) == 1 {
						await(ctx, nil, 10*time.Second)
					}
					return ctx.Err()
				}
				stop := s.drive("a", s.journal, s.world)
				defer stop()
				s.begin(planText)
				s.until("the begin", func() bool { return len(s.world.begun(c.begun)) == 1 })
				s.want(migration.Entry{Kind: migration.KindRollback, ToBP: c.to, Why: "no"})
				most := 0
				for range 600 {
					await(s.Context(), nil, testWindow)
					most = max(most, s.world.now())
				}
				if most != c.from {
					s.Errorf("behind a rollback to %d bp V11 got %d: %v", c.to, most, s.world.calls)
				}
			})
		})
	}
}

// TestAlarmEndsWhatIsUnderWay: a move upwards, a comparison and a drill end where they are, and the weight goes down.
func TestAlarmEndsWhatIsUnderWay(t *testing.T) {
	for name, c := range map[string]struct {
		prepare func(s *stage)
		during  string
	}{
		"a move":       {func(*stage) {}, "weigh 2500"},
		"a comparison": {func(s *stage) { s.want(migration.Entry{Kind: migration.KindCheck}) }, "compare"},
		"a drill":      {func(s *stage) { s.want(migration.Entry{Kind: migration.KindRehearse}) }, "drill 50 of 100"},
	} {
		t.Run(name, func(t *testing.T) {
			onStage(t, func(s *stage) {
				stop := s.drive("a", s.journal, s.world)
				defer stop()
				s.begin(planText)
				s.untilAt(100)
				s.world.set(func() {
					s.world.before = func(ctx context.Context, v migration.Verb) error {
						if v != migration.Weigh {
							await(ctx, nil, time.Hour)
						}
						return ctx.Err()
					}
				})
				have := len(s.world.begun(c.during))
				c.prepare(s)
				s.until(c.during, func() bool { return len(s.world.begun(c.during)) > have })
				await(s.Context(), nil, 2*chunkTime+chunkTime/2)
				s.world.set(func() { s.world.alarm = 3 })
				s.until("a way back", func() bool { return s.world.now() == 0 })
				if ended := s.world.begun(c.during + " ended: " + context.Canceled.Error()); len(ended) != 1 {
					s.Errorf("it did %v, want %s to end", s.world.calls, c.during)
				}
				state := s.state()
				if state.AutoRollbacks != 1 || state.Reversed == nil || !strings.Contains(state.Reversed.Why, "3 differences") {
					s.Errorf("reversed %+v", state.Reversed)
				}
			})
		})
	}
}

// TestJudgeReverses what fails on V11, with its verdict, and only once.
func TestJudgeReverses(t *testing.T) {
	onStage(t, func(s *stage) {
		s.world.failing = func(bp int) bool { return bp == 2500 && s.state().ReachedBP == 2500 }
		stop := s.drive("a", s.journal, s.world)
		defer stop()
		s.begin(planText)
		s.until("a way back", func() bool { return s.state().Reversed != nil && s.world.now() == 0 })
		await(s.Context(), nil, time.Minute)
		state := s.state()
		v := state.Reversed.Verdict
		if state.AutoRollbacks != 1 || v == nil || v.Rule != "errors" || len(v.Samples) == 0 || len(v.Numbers) == 0 || state.Reversed.FromBP != 2500 {
			s.Errorf("reversed by %+v", state.Reversed)
		}
	})
}

// TestNotJudgedBefore: what fails while the step's weight is not reached yet is the move's, not the step's.
func TestNotJudgedBefore(t *testing.T) {
	onStage(t, func(s *stage) {
		s.world.failing = func(bp int) bool { return bp != 100 && bp != 2500 && bp != 6500 && bp != 10_000 }
		stop := s.drive("a", s.journal, s.world)
		defer stop()
		s.begin(planText)
		s.untilAt(2500)
		s.until("an analysis", func() bool {
			k, err := ReadJudge(s.Context(), s.journal)
			return err == nil && k.Seq == s.state().StepSeq
		})
		await(s.Context(), nil, 5*time.Second)
		known, err := ReadJudge(s.Context(), s.journal)
		if err != nil || known.Analysis.Errors.Canary.Bad != 0 || known.Analysis.Errors.Canary.Of == 0 {
			s.Errorf("judged were %+v, %v", known.Analysis.Errors.Canary, err)
		}
		if state := s.state(); state.AutoRollbacks > 0 {
			s.Errorf("it went back: %+v", state.Reversed)
		}
	})
}

// TestEvidenceOutlivesARestart: the analysis of a step goes on where it was.
func TestEvidenceOutlivesARestart(t *testing.T) {
	onStage(t, func(s *stage) {
		stop := s.drive("a", s.journal, s.world)
		s.begin(planText)
		s.untilAt(2500) // an approval is missing, so it stays
		await(s.Context(), nil, 30*time.Second)
		s.until("the middle between two savings", func() bool {
			known, err := ReadJudge(s.Context(), s.journal)
			return err == nil && nowMs()-known.Analysis.SeenMs >= 5*uint64(testWindow.Milliseconds())
		})
		stop()
		before, err := ReadJudge(s.Context(), s.journal)
		if err != nil || before.Seq != s.state().StepSeq || before.Analysis.CoveredMs < 29_000 || nowMs()-before.Analysis.SeenMs > uint64(testWindow.Milliseconds()) {
			s.Fatalf("%+v, %v", before, err)
		}
		stop = s.drive("b", s.journal, s.world)
		await(s.Context(), nil, 10*time.Second)
		stop()
		after, err := ReadJudge(s.Context(), s.journal)
		if err != nil || after.Seq != before.Seq {
			s.Fatalf("%+v, %v", after, err)
		}
		// What ended while nobody looked is not judged.
		if more := after.Analysis.CoveredMs - before.Analysis.CoveredMs; more < 9_000 || more > 10_000 {
			s.Errorf("after 10 s more the judge has seen %d ms more", more)
		}
	})
}

// TestDrillThatFails half-way leaves slots at V10: they are taken back by a move, and the drill is not tried again by itself.
func TestDrillThatFails(t *testing.T) {
	onStage(t, func(s *stage) {
		s.world.half = func() error { return errors.New("no guard") }
		stop := s.drive("a", s.journal, s.world)
		defer stop()
		s.begin(planText)
		s.untilAt(2500)
		s.want(migration.Entry{Kind: migration.KindRehearse})
		s.until("a failure", func() bool {
			f := s.state().Failed
			return f != nil && f.Action == migration.Rehearse && strings.Contains(f.Why, "no guard")
		})
		s.untilAt(2500)
		await(s.Context(), nil, time.Minute)
		if len(s.world.begun("drill 50 of 2500")) != 1 || len(s.world.begun("weigh 2500")) != 2 || s.goodDrills() != 0 {
			s.Errorf("it did %v", s.world.calls)
		}
		s.world.set(func() { s.world.half = nil })
		s.want(migration.Entry{Kind: migration.KindRehearse})
		s.until("a good drill", func() bool { return s.goodDrills() == 1 })
	})
}

// TestSlowDrill does not count.
func TestSlowDrill(t *testing.T) {
	onStage(t, func(s *stage) {
		stop := s.drive("a", s.journal, s.world)
		defer stop()
		s.begin(strings.Replace(planText, "move_ms_max: 1000", "move_ms_max: 1", 1))
		s.untilAt(2500)
		s.want(migration.Entry{Kind: migration.KindRehearse})
		s.until("a drill", func() bool { return len(s.state().Drills) == 1 })
		d := s.state().Drills[0]
		if d.OK || d.Why == "" || d.ReverseMs != 20 || d.ForwardMs != 20 || d.Slots != 50 {
			s.Errorf("the drill is %+v", d)
		}
	})
}

// TestTriedAgain with pauses that grow.
func TestTriedAgain(t *testing.T) {
	onStage(t, func(s *stage) {
		s.world.before = func(_ context.Context, v migration.Verb) error {
			if v == migration.Weigh && len(s.world.begun("weigh 100")) <= 5 {
				return errors.New("no guard")
			}
			return nil
		}
		stop := s.drive("a", s.journal, s.world)
		defer stop()
		s.begin(planText)
		s.untilAt(100)
		tries := s.world.begun("weigh 100")
		if len(tries) != 6 {
			s.Fatalf("%d tries", len(tries))
		}
		for i := 1; i < len(tries); i++ {
			least := time.Second << (i - 1)
			if gap := tries[i].Sub(tries[i-1]); gap < least || gap > least+3*testWindow {
				s.Errorf("try %d came %v after the one before, want %v", i+1, gap, least)
			}
		}
		if state := s.state(); state.Failed != nil || state.Failures != 0 {
			s.Errorf("it has worked, and %+v", state.Failed)
		}
	})
}

// TestAlarmsAreAskedFor at the cutover, not for each window, and it waits for them.
func TestAlarmsAreAskedFor(t *testing.T) {
	onStage(t, func(s *stage) {
		s.world.alerts = "SyncLagging fires"
		stop := s.drive("a", s.journal, s.world)
		defer stop()
		s.begin(planText + "alerts: {prometheus: \"http://127.0.0.1:9090\"}\n")
		s.untilAt(2500)
		s.world.set(func() {
			if s.world.asked > 0 {
				s.Errorf("the alarms were asked for %d times before the cutover", s.world.asked)
			}
		})
		s.want(migration.Entry{Kind: migration.KindApprove, For: migration.ForStep})
		s.until("the cutover", func() bool { return s.state().Phase == migration.Cutover })
		for _, e := range []migration.Entry{
			{Kind: migration.KindApprove, For: migration.ForOncall}, {Kind: migration.KindApprove, For: migration.ForCutover}, {Kind: migration.KindRehearse, Alarm: true}, {Kind: migration.KindCutover},
		} {
			s.want(e)
		}
		await(s.Context(), nil, time.Minute)
		var asked int
		s.world.set(func() { asked = s.world.asked })
		if s.world.now() != 2500 || asked < 10 || asked > 14 {
			s.Errorf("in a minute the alarms were asked for %d times, and V11 has %d bp", asked, s.world.now())
		}
		s.world.set(func() { s.world.alerts = "" })
		s.untilAt(10_000)
	})
}
