// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"context"
	"slices"
	"time"

	"github.com/aurigraph/aurigraph/internal/migration"
)

// task is an action under way. A nil task is none.
type task struct {
	action migration.Action
	cancel context.CancelFunc
	done   chan struct{}
	entry  migration.Entry   // when done: what came of it; without a kind there is nothing to write
	before []migration.Entry // that are written before that, also when it did not work
	usage  []migration.Usage // of a check of the warm phase
	err    error
}

func (t *task) ended() <-chan struct{} {
	if t == nil {
		return nil
	}
	return t.done
}

func (t *task) isOver() bool {
	select {
	case <-t.ended():
		return true
	default:
		return false
	}
}

func (t *task) verb() migration.Verb {
	if t == nil {
		return ""
	}
	return t.action.Verb
}

// start begins an action, unless it is under way. What is under way and is another one ends first.
func (d *driver) start(ctx context.Context, a *migration.Action) {
	if d.task != nil {
		if d.task.action.Verb == a.Verb && d.task.action.ToBP == a.ToBP && slices.Equal(d.task.action.Without, a.Without) && slices.Equal(d.task.action.Named, a.Named) {
			return
		}
		d.cfg.Log.Info("ends what is under way", "verb", d.task.action.Verb, "for", a.Verb)
		d.drop()
	}
	running, cancel := context.WithCancel(ctx)
	t := &task{action: *a, cancel: cancel, done: make(chan struct{})}
	d.task = t
	from := d.state.ReachedBP
	how := *d.state.Plan
	most := time.Duration(d.state.Plan.Drills.MoveMsMax) * time.Millisecond
	bp := d.state.TargetBP
	raised := d.raisedFor(a)
	warm := d.state.Phase == migration.Warm
	w := d.cfg.World
	d.cfg.Log.Info("begins", "verb", a.Verb, "to_bp", a.ToBP)
	go func() {
		defer close(t.done)
		began := time.Now()
		switch a.Verb {
		case migration.Weigh:
			t.err = w.Weigh(running, a.ToBP, a.Named)
			t.entry = migration.Entry{Kind: migration.KindMoved, FromBP: from, ToBP: a.ToBP}
		case migration.Rehearse:
			var r Drilled
			r, t.err = w.Drill(running, bp, a.Slots)
			r.Back += raised
			t.entry = drilledEntry(&r, a, most)
		case migration.Raise:
			t.entry.Kind = migration.KindRaised
			t.entry.Report, t.err = w.Raise(running, a.Drill)
		case migration.Seal:
			t.entry.Kind = migration.KindSealed
			t.entry.Report, t.err = w.Seal(running, a.Without)
		case migration.Compare:
			var r Compared
			r, t.err = w.Compare(running)
			t.entry = migration.Entry{Kind: migration.KindVerified, OK: r.Differences == 0, Rows: r.Rows, Differences: r.Differences, Report: r.Report}
			if warm {
				t.usage = w.Usage(running)
			}
		case migration.PutAway:
			t.entry.Kind = migration.KindArchived
			t.entry.Report, t.err = w.PutAway(running, how.Archive)
		case migration.EndWayBack:
			t.err = w.EndWayBack(running)
		case migration.Notify:
			var all []Noticed
			all, t.err = w.Notify(running, how.Decommission, a.Due, a.EndMs)
			t.before = noticedEntries(all)
		case migration.SwitchOff:
			t.entry.Kind = migration.KindOff
			t.err = w.SwitchOff(running)
		}
		t.entry.Ms = float64(time.Since(began).Microseconds()) / 1000
	}()
}

// raisedFor is how long ago the alarm was raised that begins a drill: its way back begins there.
func (d *driver) raisedFor(a *migration.Action) time.Duration {
	r := d.state.Raised
	if a.Verb != migration.Rehearse || a.Drill == 0 || r == nil || r.Seq < a.Drill || nowMs() < r.AtMs { // the clock of who raised it was ahead
		return 0
	}
	return time.Duration(nowMs()-r.AtMs) * time.Millisecond
}

func drilledEntry(r *Drilled, a *migration.Action, most time.Duration) migration.Entry {
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	e := migration.Entry{Kind: migration.KindDrilled, Slots: a.Slots, Alarm: a.Drill > 0, ReverseMs: ms(r.Back), ForwardMs: ms(r.Forward), OK: r.Back <= most}
	if !e.OK {
		e.Why = "the way back took longer than the plan allows"
	}
	return e
}

func noticedEntries(all []Noticed) (entries []migration.Entry) {
	for _, n := range all {
		entries = append(entries, migration.Entry{Kind: migration.KindNoticed, For: n.Caller, OK: n.Refused == "", Why: n.Refused})
	}
	return entries
}

// drop ends what is under way, and waits for its end. Nothing is written of it.
func (d *driver) drop() {
	if d.task == nil {
		return
	}
	d.task.cancel()
	<-d.task.done
	d.held.note(d.task)
	d.task = nil
}

// finish writes down what came of an action that has ended.
func (d *driver) finish(ctx context.Context) error {
	t := d.task
	if t == nil {
		return nil
	}
	select {
	case <-t.done:
	default:
		return nil
	}
	t.cancel()
	d.task = nil
	d.held.note(t)
	for _, e := range t.before {
		if err := d.appendBehind(ctx, e); err != nil {
			return err
		}
	}
	if t.err != nil {
		return d.appendBehind(ctx, migration.Entry{Kind: migration.KindFailed, Action: t.action.Verb, ToBP: t.action.ToBP, Why: t.err.Error(), Ms: t.entry.Ms})
	}
	if t.entry.Kind == "" {
		return nil
	}
	if t.entry.Kind == migration.KindVerified && d.state.Phase == migration.Warm {
		t.entry.Checks = d.state.Validate(d.newest(), t.usage)
	}
	return d.appendBehind(ctx, t.entry)
}

// newest is the newest look. What the judge said last stands, also where its newest window is to be judged yet.
func (d *driver) newest() *migration.Facts {
	f := d.facts
	if f.Verdict == nil && d.judge.Seq != 0 && d.judge.Seq == d.state.StepSeq {
		f.Verdict = d.judge.Verdict
	}
	return &f
}

// held is the longest that a payment may have waited for a move since somebody asked.
type held struct{ ms uint64 }

func (h *held) note(t *task) {
	if v := t.action.Verb; v == migration.Weigh || v == migration.Rehearse {
		h.ms = max(h.ms, uint64(t.entry.Ms))
	}
}

func (h *held) take() uint64 {
	ms := h.ms
	h.ms = 0
	return ms
}
