// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"context"
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
		if d.task.action.Verb == a.Verb && d.task.action.ToBP == a.ToBP {
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
	w := d.cfg.World
	d.cfg.Log.Info("begins", "verb", a.Verb, "to_bp", a.ToBP)
	go func() {
		defer close(t.done)
		began := time.Now()
		switch a.Verb {
		case migration.Weigh:
			t.err = w.Weigh(running, a.ToBP)
			t.entry = migration.Entry{Kind: migration.KindMoved, FromBP: from, ToBP: a.ToBP}
		case migration.Rehearse:
			var r Drilled
			r, t.err = w.Drill(running, bp, a.Slots)
			t.entry = drilledEntry(&r, a.Slots, most)
		case migration.Compare:
			var r Compared
			r, t.err = w.Compare(running)
			t.entry = migration.Entry{Kind: migration.KindVerified, OK: r.Differences == 0, Rows: r.Rows, Differences: r.Differences, Report: r.Report}
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

func drilledEntry(r *Drilled, slots int, most time.Duration) migration.Entry {
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	e := migration.Entry{Kind: migration.KindDrilled, Slots: slots, ReverseMs: ms(r.Back), ForwardMs: ms(r.Forward), OK: r.Back <= most}
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
	return d.appendBehind(ctx, t.entry)
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
