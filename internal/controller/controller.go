// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"time"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/journal"
	"github.com/aurigraph/aurigraph/internal/migration"
	"github.com/aurigraph/aurigraph/internal/obs"
)

// Times.
const (
	LeaseDefault = 6 * time.Second
	idlePoll     = 500 * time.Millisecond // between two looks while nothing is planned, and for a lease that another has
	lookMax      = 3 * time.Second
	saveEvery    = time.Second
	recordsMax   = 32 // entries in a row without an action between them
	appendsMax   = 16 // tries of an entry while operators write
	lastMax      = 5 * time.Second
)

// Config says what to drive, and how.
type Config struct {
	Journal journal.Journal
	World   World
	Holder  string        // this process, by a name that no other has
	Lease   time.Duration // 0: LeaseDefault
	Log     *slog.Logger  // nil: nothing is told
	Metrics *Metrics      // nil: nothing is shown
	Watch   Watch         // nil: nobody watches
}

// Run drives until ctx ends. What does not answer is tried again.
func Run(ctx context.Context, cfg Config) error {
	if cfg.Lease == 0 {
		cfg.Lease = LeaseDefault
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.NewTextHandler(io.Discard, nil))
	}
	if cfg.Holder == "" {
		return fault.New(fault.Invalid, "a controller needs a name that no other has")
	}
	for quiet := false; ctx.Err() == nil; {
		term, err := cfg.Journal.Lease(ctx, cfg.Holder, cfg.Lease)
		if err == nil {
			cfg.Log.Info("drives the migration", "term", term)
			err = newDriver(&cfg, term).drive(ctx)
			quiet = false
		}
		if err != nil && !quiet && ctx.Err() == nil {
			cfg.Log.Warn("does not drive the migration for now", obs.KeyReason, fault.ReasonOf(err), obs.KeyErr, err.Error())
		}
		quiet = err != nil
		await(ctx, nil, idlePoll)
	}
	return nil
}

// await waits for a while, for done or for ctx's end.
func await(ctx context.Context, done <-chan struct{}, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-done:
	case <-t.C:
	}
}

// driver drives under one term of the lease.
type driver struct {
	cfg    *Config
	term   uint64
	state  migration.State
	judge  judge
	task   *task // under way; nil: none
	held   held
	tally  tally
	alerts alerts
	pulse  pulse
	served served
	facts  migration.Facts // of the newest look

	watched *watching // nil: nobody watches now
}

func newDriver(cfg *Config, term uint64) *driver {
	return &driver{cfg: cfg, term: term, tally: newTally()}
}

// drive goes on until ctx or the lease ends.
func (d *driver) drive(ctx context.Context) (err error) {
	defer func() {
		d.drop()
		d.watched.end()
		d.cfg.Metrics.end()
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastMax)
		defer cancel()
		d.save(last)
		if e := d.cfg.Journal.Release(last, d.term); e != nil {
			err = errors.Join(err, e)
		}
	}()
	if err := d.restore(ctx); err != nil {
		return err
	}
	for at := time.Now(); ctx.Err() == nil; {
		if err := d.renew(ctx); err != nil {
			return err
		}
		if err := d.tick(ctx); err != nil {
			return err
		}
		at = at.Add(d.every())
		if behind := time.Since(at); behind > 0 { // windows may be longer, never many at once
			at = at.Add(behind)
		}
		if err := d.wait(ctx, at); err != nil {
			return err
		}
		if now := time.Now(); now.Before(at) { // what was under way has ended
			at = now
		}
	}
	return nil
}

// renew keeps the lease. Conflict, with ReasonLease: it had run out, and others may have driven between.
func (d *driver) renew(ctx context.Context) error {
	term, err := d.cfg.Journal.Lease(ctx, d.cfg.Holder, d.cfg.Lease)
	if err != nil || term == d.term {
		return err
	}
	return errors.Join(fault.Reasoned(fault.Conflict, journal.ReasonLease, "the lease of term %d had run out", d.term), d.cfg.Journal.Release(ctx, term))
}

// wait waits for a time or the end of what is under way. Windows may be longer than the lease.
func (d *driver) wait(ctx context.Context, until time.Time) error {
	for {
		left := time.Until(until)
		await(ctx, d.task.ended(), min(left, d.cfg.Lease/3))
		if ctx.Err() != nil || d.task.isOver() || left <= d.cfg.Lease/3 {
			return nil
		}
		if err := d.renew(ctx); err != nil {
			return err
		}
	}
}

func (d *driver) every() time.Duration {
	if !d.state.Started() {
		return idlePoll
	}
	return time.Duration(d.state.Plan.WindowMs) * time.Millisecond
}

// tick reads what operators want, looks, judges, and does what is next.
func (d *driver) tick(ctx context.Context) error {
	if err := d.read(ctx); err != nil {
		return err
	}
	if !d.state.Started() {
		d.cfg.Metrics.show(&d.state, &d.tally, nil)
		return nil
	}
	if err := d.finish(ctx); err != nil {
		return err
	}
	look, cancel := context.WithTimeout(ctx, lookMax)
	sight := d.cfg.World.Look(look)
	cancel()
	if ctx.Err() != nil {
		return nil
	}
	sight.NowMs = nowMs()
	d.pulse.feel(time.Now(), &d.state, &sight)
	d.watch(ctx, &sight.Facts) // the judge is told of what is confirmed
	sight.Verdict = d.look(ctx, &sight)
	d.askAlerts(ctx, &sight.Facts)
	d.askServed(ctx, &sight.Facts)
	d.facts = sight.Facts
	d.cfg.Metrics.show(&d.state, &d.tally, &sight.Facts)
	return d.act(ctx, &sight.Facts)
}

func nowMs() uint64 { return uint64(time.Now().UnixMilli()) }

// read takes in the entries that others wrote.
func (d *driver) read(ctx context.Context) error {
	entries, err := d.cfg.Journal.Read(ctx, d.state.Seq)
	if err != nil {
		return err
	}
	for i := range entries {
		if err := d.take(&entries[i]); err != nil {
			return err
		}
		d.cfg.Log.Info("journal", "seq", entries[i].Seq, "kind", entries[i].Kind, "by", entries[i].By, "why", entries[i].Why)
	}
	return nil
}

// take takes an entry in.
func (d *driver) take(e *migration.Entry) error {
	d.tally.note(e)
	return d.state.Apply(e)
}

// act does what is next, until that takes time.
func (d *driver) act(ctx context.Context, f *migration.Facts) error {
	for range recordsMax {
		f.Running = d.task.verb()
		a := migration.Next(&d.state, f)
		switch a.Verb {
		case migration.Hold:
			if d.task.verb() == migration.Weigh && d.task.action.ToBP != d.state.TargetBP {
				d.drop() // it goes elsewhere than where the weight is to be, and is already
			}
			return nil
		case migration.Record:
			if err := d.record(ctx, a.Entry); err != nil {
				return err
			}
			f.Verdict = nil // it counted once
		default:
			d.start(ctx, &a)
			return nil
		}
	}
	return fault.New(fault.Internal, "the migration made %d steps without doing anything", recordsMax)
}

// record makes an entry of the controller's, unless others came before: then it is decided anew.
func (d *driver) record(ctx context.Context, e *migration.Entry) error {
	if e.Kind == migration.KindStep {
		e.Before = d.judge.leaves(e.Step)
	}
	err := d.append(ctx, *e)
	if fault.ReasonOf(err) == journal.ReasonBehind {
		return d.read(ctx)
	}
	return err
}

// append makes an entry durable behind all that this driver has read.
func (d *driver) append(ctx context.Context, e migration.Entry) error {
	e.AtMs, e.By = nowMs(), migration.Controller
	made, err := d.cfg.Journal.Append(ctx, d.state.Seq, d.term, e)
	if err != nil {
		return err
	}
	d.cfg.Log.Info("journal", "seq", made.Seq, "kind", made.Kind, "why", made.Why)
	return d.take(&made)
}

// appendBehind makes an entry durable that is true whatever others wrote.
func (d *driver) appendBehind(ctx context.Context, e migration.Entry) (err error) {
	for range appendsMax {
		if err = d.append(ctx, e); fault.ReasonOf(err) != journal.ReasonBehind {
			return err
		}
		if err := d.read(ctx); err != nil {
			return err
		}
	}
	return err
}
