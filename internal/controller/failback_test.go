// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aurigraph/aurigraph/internal/canary"
	"github.com/aurigraph/aurigraph/internal/migration"
)

const (
	automaticText = planText + "failback: {sealed: automatic, after_seconds: 10}\n"
	evidence      = "evidence at node0"
)

func newMembers() Vitals { return Vitals{Members: 4, Answer: 4, Led: true, Height: 100, Decided: 100} }

// atPhase drives a stage to a phase, with slots of V11's at rest.
func (s *stage) atPhase(p migration.Phase) {
	s.Helper()
	s.untilAt(2500)
	if p == migration.Canary {
		return
	}
	s.answersUntil(map[migration.Phase]string{migration.Cutover: "cutover", migration.Warm: "checks"}[p])
	s.until(string(p), func() bool { return s.state().Phase == p })
}

// TestAlarmInEachPhase goes back to nothing by itself, says which alarm, and not again for what a person has seen.
func TestAlarmInEachPhase(t *testing.T) {
	for _, p := range []migration.Phase{migration.Canary, migration.Cutover, migration.Warm} {
		t.Run(string(p), func(t *testing.T) {
			onStage(t, func(s *stage) {
				s.world.alarms = []migration.Alarm{{Source: evidence, Count: 2, Newest: "two_headers by node3"}}
				stop := s.drive("a", s.journal, s.world)
				defer stop()
				s.begin(planText)
				s.atPhase(p)
				s.world.set(func() { s.world.alarms[0].Count = 3 })
				s.untilAt(0)
				state := s.state()
				if r := state.Reversed; state.AutoRollbacks != 1 || r == nil || !strings.Contains(r.Why, evidence+": 1 more, two_headers by node3") || r.Known[evidence] != 3 {
					s.Errorf("%+v", state.Reversed)
				}
				s.want(migration.Entry{Kind: migration.KindResume})
				s.untilAt(2500)
				await(s.Context(), nil, time.Minute)
				if state := s.state(); state.AutoRollbacks != 1 || state.Known[evidence] != 3 {
					s.Errorf("what a person has seen went back again: %+v", state.Reversed)
				}
			})
		})
	}
}

// TestAlarmDrill takes the way of an alarm, with some slots, and its time begins with the alarm.
func TestAlarmDrill(t *testing.T) {
	onStage(t, func(s *stage) {
		stop := s.drive("a", s.journal, s.world)
		defer stop()
		s.begin(planText)
		s.untilAt(2500)
		s.want(migration.Entry{Kind: migration.KindRehearse, Alarm: true})
		s.until("a drill", func() bool { return s.goodDrills() == 1 })
		state := s.state()
		d := state.Drills[0]
		if !d.Alarm || !state.AlarmDrilled() || d.ReverseMs < 20 || d.ReverseMs > 20+2*float64(testWindow.Milliseconds()) || state.AutoRollbacks > 0 || state.Reversed != nil {
			s.Errorf("%+v", d)
		}
		if !slices.Equal(s.world.calls[len(s.world.calls)-2:], []string{"raise", "drill 50 of 2500"}) {
			s.Errorf("%v", s.world.calls)
		}
	})
}

// TestAlarmDrillThatNobodyRaises fails, and is not tried again by itself.
func TestAlarmDrillThatNobodyRaises(t *testing.T) {
	onStage(t, func(s *stage) {
		s.world.before = func(_ context.Context, v migration.Verb) error {
			if v == migration.Raise {
				return errors.New("no validator answers")
			}
			return nil
		}
		stop := s.drive("a", s.journal, s.world)
		defer stop()
		s.begin(planText)
		s.untilAt(2500)
		s.want(migration.Entry{Kind: migration.KindRehearse, Alarm: true})
		await(s.Context(), nil, time.Minute)
		if state := s.state(); state.Rehearse != nil || state.Failed == nil || state.Failed.Action != migration.Raise || len(s.world.begun("raise")) != 1 {
			s.Errorf("%+v, %v", state.Failed, s.world.calls)
		}
	})
}

// stand has V11 lose its quorum.
func (s *stage) stand() { s.world.set(func() { s.world.vitals.Answer = 2 }) }

// TestSealedByItself only where the plan says so, only when V11 has stood for long enough, and once.
func TestSealedByItself(t *testing.T) {
	for name, plan := range map[string]string{"automatic": automaticText, "by hand": planText} {
		t.Run(name, func(t *testing.T) {
			onStage(t, func(s *stage) {
				s.world.vitals = newMembers()
				stop := s.drive("a", s.journal, s.world)
				defer stop()
				s.begin(plan)
				s.untilAt(2500)
				s.stand()
				began := time.Now()
				await(s.Context(), nil, 9*time.Second)
				if state := s.state(); state.Sealing != nil || state.Reversed != nil {
					s.Errorf("after 9 s: %+v", state.Sealing)
				}
				await(s.Context(), nil, time.Minute)
				sealed := s.world.begun("seal []")
				if name == "by hand" {
					if len(sealed) > 0 || s.world.now() != 2500 {
						s.Errorf("nobody wanted a seal: %v", s.world.calls)
					}
					return
				}
				if len(sealed) != 1 || sealed[0].Sub(began) > 11*time.Second {
					s.Fatalf("sealed at %v, it stands since %v", sealed, began)
				}
				s.untilAt(0)
				state := s.state()
				if state.AutoRollbacks != 1 || state.Sealed == nil || state.Sealing != nil || !strings.Contains(state.Reversed.Why, "2 of 4 validators") {
					s.Errorf("%+v", state.Reversed)
				}
				s.want(migration.Entry{Kind: migration.KindResume})
				s.untilAt(2500)
			})
		})
	}
}

// TestSealedByHand: a quorum that is missing is said once, and it is done when a person asks again.
func TestSealedByHand(t *testing.T) {
	onStage(t, func(s *stage) {
		s.world.vitals = newMembers()
		quorum := false
		s.world.before = func(_ context.Context, v migration.Verb) error {
			if v == migration.Seal && !quorum {
				return errors.New("no quorum")
			}
			return nil
		}
		stop := s.drive("a", s.journal, s.world)
		defer stop()
		s.begin(planText)
		s.untilAt(2500)
		s.stand()
		s.world.set(func() { s.world.unknown = "no route" })
		s.want(migration.Entry{Kind: migration.KindFailback, Why: "lost"})
		await(s.Context(), nil, time.Minute)
		state, facts := s.state(), s.world.sight().Facts
		if a := migration.Next(&state, &facts); len(s.world.begun("seal []")) != 1 || a.Gate != "seal" || !strings.Contains(a.Why, "no quorum") {
			s.Errorf("%+v, %v", a, s.world.calls)
		}
		s.world.set(func() { quorum = true })
		s.want(migration.Entry{Kind: migration.KindFailback, Why: "lost", Without: []string{"node3"}})
		s.untilAt(0)
		if len(s.world.begun("seal [node3]")) != 1 {
			s.Errorf("%v", s.world.calls)
		}
	})
}

// TestNoQuorumIsTriedAgain where the plan is automatic, with pauses that grow, until there is one.
func TestNoQuorumIsTriedAgain(t *testing.T) {
	onStage(t, func(s *stage) {
		s.world.vitals = newMembers()
		s.world.before = func(_ context.Context, v migration.Verb) error {
			if v == migration.Seal && len(s.world.begun("seal []")) <= 5 {
				return errors.New("no quorum")
			}
			return nil
		}
		stop := s.drive("a", s.journal, s.world)
		defer stop()
		s.begin(automaticText)
		s.untilAt(2500)
		s.stand()
		s.untilAt(0)
		tries := s.world.begun("seal []")
		for i := 1; i < len(tries); i++ {
			if gap, least := tries[i].Sub(tries[i-1]), time.Second<<(i-1); gap < least || gap > least+3*testWindow {
				s.Errorf("try %d came %v after the one before, want %v", i+1, gap, least)
			}
		}
		if len(tries) != 6 || s.state().AutoRollbacks != 1 {
			s.Errorf("%d tries, %d failbacks", len(tries), s.state().AutoRollbacks)
		}
	})
}

// TestSealSurvives the death of who drives before the seal, in it, and before what came of it is written: another one ends it, once for V11.
func TestSealSurvives(t *testing.T) {
	for _, when := range []string{"before", "in it", "behind it"} {
		t.Run(when, func(t *testing.T) {
			onStage(t, func(s *stage) {
				s.world.vitals = newMembers()
				l := &link{Journal: s.journal}
				reached, died := make(chan struct{}), false
				die := func() {
					if !died {
						died = true
						close(reached)
						l.sever()
					}
				}
				l.append = func(at string, e *migration.Entry) {
					if when == "before" && at == "after" && e.Kind == migration.KindFailback || when == "behind it" && at == "before" && e.Kind == migration.KindSealed {
						die()
					}
				}
				s.world.before = func(ctx context.Context, v migration.Verb) error {
					if when == "in it" && v == migration.Seal && len(s.world.begun("seal []")) == 1 {
						die()
						await(ctx, nil, time.Hour)
					}
					return ctx.Err()
				}
				stop := s.drive("a", l, s.world)
				defer stop()
				s.begin(automaticText)
				s.untilAt(2500)
				s.stand()
				other := s.drive("b", s.journal, s.world)
				defer other()
				<-reached
				s.untilAt(0)
				state := s.state()
				if state.AutoRollbacks != 1 || state.Sealing != nil || s.world.now() != 0 {
					s.Errorf("%+v, %v", state.Sealing, s.world.calls)
				}
				if n := len(s.world.begun("seal []")); n > 2 {
					s.Errorf("sealed %d times: %v", n, s.world.calls)
				}
			})
		})
	}
}

// TestGoesOnWithoutASeal: a V11 that is back before it could be sealed gives its slots back itself.
func TestGoesOnWithoutASeal(t *testing.T) {
	onStage(t, func(s *stage) {
		s.world.vitals = newMembers()
		s.world.before = func(_ context.Context, v migration.Verb) error {
			if v == migration.Seal {
				return errors.New("no quorum")
			}
			return nil
		}
		stop := s.drive("a", s.journal, s.world)
		defer stop()
		s.begin(automaticText)
		s.untilAt(2500)
		s.stand()
		s.until("a failure", func() bool { return s.state().Unsealed != nil })
		s.world.set(func() { s.world.vitals.Answer = 4 })
		s.untilAt(0)
		if state := s.state(); state.Sealed != nil || state.Sealing != nil || len(s.world.begun("weigh 0")) == 0 {
			s.Errorf("%+v, %v", state.Sealed, s.world.calls)
		}
	})
}

// TestPulse tells one that cannot from one that has nothing to do.
func TestPulse(t *testing.T) {
	failed := migration.Entry{Action: migration.Weigh, Why: "timeout"}
	for name, c := range map[string]struct {
		set    func(v *Vitals, second int)
		state  migration.State
		sight  Sight
		stands string
		ms     uint64
	}{
		"idle":               {set: func(*Vitals, int) {}},
		"nobody knows":       {set: func(v *Vitals, _ int) { *v = Vitals{} }},
		"busy":               {set: func(v *Vitals, s int) { v.Height += uint64(s); v.Decided = v.Height + 3 }},
		"no quorum":          {set: func(v *Vitals, _ int) { v.Answer = 2 }, stands: "2 of 4", ms: 30_000},
		"no leader":          {set: func(v *Vitals, s int) { v.Led = s < 10 }, stands: "no leader", ms: 20_000},
		"without f":          {set: func(v *Vitals, _ int) { v.Answer = 3 }},
		"a short while":      {set: func(v *Vitals, s int) { v.Led = s < 28 }},
		"on and off":         {set: func(v *Vitals, s int) { v.Led = s%3 > 0 }},
		"grows all the same": {set: func(v *Vitals, s int) { v.Answer = 2; v.Height += uint64(s) }},
		"stuck":              {set: func(v *Vitals, s int) { v.Decided = 107 }, stands: "107 is decided", ms: 30_000},
		"ledger is silent":   {set: func(*Vitals, int) {}, sight: Sight{Facts: migration.Facts{Unknown: "no route"}}, stands: "no route", ms: 30_000},
		"orders nothing":     {set: func(*Vitals, int) {}, state: migration.State{Failed: &failed}, sight: Sight{Facts: migration.Facts{WeightBP: 100}}, stands: "timeout", ms: 30_000},
		"the guard is late":  {set: func(*Vitals, int) {}, state: migration.State{Failed: &failed}},
	} {
		p, begin := pulse{}, time.Now()
		var sight Sight
		for s := range 31 {
			sight = c.sight
			sight.Health, sight.Vitals = canary.HealthUp, newMembers()
			c.set(&sight.Vitals, s)
			p.feel(begin.Add(time.Duration(s)*time.Second), &c.state, &sight)
		}
		if sight.StandsMs != c.ms || (sight.Stands == "") != (c.stands == "") || !strings.Contains(sight.Stands, c.stands) {
			t.Errorf("%s: %q for %d ms, want %q for %d", name, sight.Stands, sight.StandsMs, c.stands, c.ms)
		}
	}
}
