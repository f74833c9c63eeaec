// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/aurigraph/aurigraph/internal/canary"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/journal"
	"github.com/aurigraph/aurigraph/internal/migration"
	"github.com/aurigraph/aurigraph/internal/obs"
	"github.com/aurigraph/aurigraph/internal/router"
)

// Judge is what is known of the step under way: the journal's snapshot.
type Judge struct {
	Seq      uint64           `json:"seq"` // of the entry that began the step; 0: none
	Analysis *canary.Analysis `json:"analysis"`
	Verdict  *canary.Verdict  `json:"verdict"` // the newest
}

// ReadJudge reads it out of a journal, for who wants to show it. Nothing is known: its Seq is 0.
func ReadJudge(ctx context.Context, j journal.Journal) (known Judge, err error) {
	text, err := j.Snapshot(ctx)
	if err != nil || text == nil {
		return known, err
	}
	return known, fault.Wrap(fault.Corrupt, json.Unmarshal(text, &known), "the journal's snapshot")
}

// judge is that, with the time up to which it has seen requests.
type judge struct {
	Judge

	fromMs uint64
	saved  time.Time
}

// rewind has nothing of what was seen be later than now.
func (j *judge) rewind(nowMs uint64) {
	j.fromMs = min(j.fromMs, nowMs)
	if j.Analysis != nil {
		j.Analysis.Rewind(nowMs)
	}
}

// leaves is what a step leaves to the next one, nil if the judge saw another one.
func (j *judge) leaves(to int) *canary.Reference {
	if j.Seq == 0 || j.Analysis == nil || j.Analysis.Step != to-1 {
		return nil
	}
	r := j.Analysis.Reference()
	return &r
}

// restore reads the analysis that was under way.
func (d *driver) restore(ctx context.Context) (err error) {
	d.judge.Judge, err = ReadJudge(ctx, d.cfg.Journal)
	if fault.Is(err, fault.Corrupt) { // the way back must not depend on it
		d.cfg.Log.Warn("the judge's evidence is lost: the step's begins anew", obs.KeyErr, err.Error())
		d.judge.Judge, err = Judge{}, nil
	}
	d.judge.rewind(nowMs()) // the clock of who wrote that may have been ahead
	return err
}

// save keeps it. That it could not be kept costs evidence, nothing else.
func (d *driver) save(ctx context.Context) {
	if d.judge.Seq == 0 {
		return
	}
	d.judge.saved = time.Now()
	text, err := json.Marshal(&d.judge.Judge)
	if err == nil {
		err = d.cfg.Journal.SaveSnapshot(ctx, d.term, text)
	}
	if err != nil && ctx.Err() == nil {
		d.cfg.Log.Warn("the judge's evidence is not saved", obs.KeyErr, err.Error())
	}
}

// look gathers the window's requests, has them judged if a step is under way, and adds the window to those of the report.
func (d *driver) look(ctx context.Context, sight *Sight) *canary.Verdict {
	w := window{Window: journal.Window{AtMs: sight.NowMs, WeightBP: sight.WeightBP, ToV11LagMs: sight.ToV11.Ms, ToV10LagMs: sight.ToV10.Ms}}
	d.judge.rewind(sight.NowMs)
	from := d.judge.fromMs
	if sight.NowMs == from { // its requests are the next window's
		return nil
	}
	d.judge.fromMs = sight.NowMs
	judged := d.judged(sight)
	o := canary.Observation{FromMs: from, ToMs: sight.NowMs}
	var cohorts canary.Cohorts
	if judged {
		var err error
		if cohorts, err = d.state.Plan.Canary.Cohorts(d.state.Step, sight.Own); err != nil {
			judged = false
		}
	}
	d.cfg.World.Requests(func(out *router.Outcome) {
		w.add(out)
		if judged {
			observe(&d.state.Plan.Canary, &cohorts, &o, out)
		}
	})
	w.LengthMs = sight.NowMs - from
	if from > 0 && w.LengthMs <= canary.WindowMsMax {
		all := w.end()
		d.served.add(&all)
		if err := d.cfg.Journal.AddWindow(ctx, all); err != nil && ctx.Err() == nil {
			d.cfg.Log.Warn("a window is not in the report", obs.KeyErr, err.Error())
		}
	}
	if !judged || from == 0 {
		return nil
	}
	return d.verdict(ctx, sight, &o)
}

// judged reports whether the window counts for the step under way, whose analysis begins with its weight.
func (d *driver) judged(sight *Sight) bool {
	s := &d.state
	if s.StepSeq == 0 || s.Closed != nil || sight.Unknown != "" || !(s.Phase == migration.Canary || s.Phase == migration.Cutover || s.Phase == migration.Warm) {
		return false
	}
	if d.judge.Seq == s.StepSeq {
		return true
	}
	if !s.There(&sight.Facts, s.Plan.Canary.Steps[s.Step].WeightBP) {
		return false
	}
	d.judge.Judge = Judge{Seq: s.StepSeq, Analysis: canary.Begin(&s.Plan.Canary, s.Step, s.Before)}
	return false // requests of this window may be older than the step
}

func (d *driver) verdict(ctx context.Context, sight *Sight, o *canary.Observation) *canary.Verdict {
	o.Health, o.Divergences = sight.Health, sight.Divergences
	late, both := max(sight.ToV11.Ms, sight.ToV10.Ms), sight.ToV11.Ms >= 0 && sight.ToV10.Ms >= 0
	if both || late > float64(d.state.Plan.Canary.Rails.SyncLagMs) { // one that is too late is, whatever the other is
		o.SyncLag = canary.Gauge{Known: true, Ms: uint64(late)}
	}
	o.Hold = canary.Gauge{Known: true, Ms: d.held.take()}
	o.Approvers = d.state.Approvers(migration.ForStep)
	v := d.judge.Analysis.Observe(&d.state.Plan.Canary, o)
	d.judge.Verdict = &v
	d.tally.windows[v.Decision]++
	if time.Since(d.judge.saved) >= saveEvery {
		d.save(ctx)
	}
	return &v
}

// observe counts a line of the router's log: a request, or a comparison of answers. What differs by noise says nothing.
func observe(p *canary.Plan, c *canary.Cohorts, o *canary.Observation, out *router.Outcome) {
	switch out.Compared {
	case "":
		o.Add(p, c, out)
	case router.ComparedEqual, router.ComparedLate:
		o.AddCompared(c, out, false)
	case router.ComparedDiffers:
		o.AddCompared(c, out, true)
	}
}

// window gathers what the report plots.
type window struct {
	journal.Window
	seconds []float64
}

// secondsMax bounds the times of which a window's p99 is made.
const secondsMax = 100_000

func (w *window) add(out *router.Outcome) {
	if out.Compared != "" {
		return
	}
	side := router.V10
	if out.Side == router.V11.String() {
		side = router.V11
	}
	w.Requests[side]++
	if out.Status >= 500 || out.Status == 0 {
		w.Errors[side]++
	}
	if len(w.seconds) < secondsMax {
		w.seconds = append(w.seconds, out.Seconds)
	}
}

func (w *window) end() journal.Window {
	if n := len(w.seconds); n > 0 {
		slices.Sort(w.seconds)
		w.P99Ms, w.SlowestMs = w.seconds[n*99/100]*1000, w.seconds[n-1]*1000
	}
	return w.Window
}
