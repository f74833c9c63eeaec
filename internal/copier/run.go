// SPDX-License-Identifier: Apache-2.0

package copier

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"os"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/imported"
	"github.com/aurigraph/aurigraph/internal/sync/v10port"
)

// copying is one run.
type copying struct {
	Config
	v10      *v10port.Client
	throttle *throttle
	state    atomic.Pointer[string]
	sequence atomic.Uint64
	meter    atomic.Pointer[meter]

	saved  *state // changed between sessions only
	rows   Rows
	survey *survey
	layout layout
	writer imported.Writer
	namer  *namer

	group   *errgroup.Group // of what runs beside the sessions
	within  context.Context // theirs
	history atomic.Pointer[history]
}

// Run copies V10, or what is left of a copy that was begun. It returns when the copy has its end and the history is complete; again
// after that it does nothing. The errors that a person must look at have a reason of this package; what may pass is tried again.
func Run(ctx context.Context, cfg Config) (Report, error) {
	if err := cfg.check(); err != nil {
		return Report{}, err
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	cfg.batchMax, cfg.pieceRows = cmp.Or(cfg.batchMax, changesMax), cmp.Or(cfg.pieceRows, chain.ChunkRowsMax)
	if cfg.HTTP == nil {
		own := &http.Transport{MaxIdleConnsPerHost: 4, IdleConnTimeout: time.Minute}
		defer own.CloseIdleConnections()
		cfg.HTTP = &http.Client{Transport: own}
	}
	held, err := lock(cfg.Dir)
	if err != nil {
		return Report{}, err
	}
	defer held.Close()
	c := &copying{Config: cfg, v10: v10port.NewClient(cfg.Changes, cfg.HTTP), throttle: &throttle{g: newGovernor(cfg.Pace)}}
	c.enter(StateCheckpoint)
	report, err := c.run(ctx)
	c.conclude(&report, err)
	return report, err
}

func (c *copying) enter(state string) { c.state.Store(&state) }

// conclude writes the last status.
func (c *copying) conclude(r *Report, err error) {
	c.enter(StateDone)
	if err != nil {
		c.enter(StateFailed)
	}
	s := c.status(time.Now())
	if err != nil {
		s.Error = fault.Public(err)
	} else {
		s.Report, s.Sequence, s.EtaS = r, r.Sequence, 0
	}
	c.note(&s)
	if c.Progress != nil {
		c.Progress(s)
	}
}

func (c *copying) run(ctx context.Context) (Report, error) {
	stop, stopped := context.WithCancel(ctx)
	var beside errgroup.Group
	defer func() {
		stopped()
		_ = beside.Wait() // they have no errors
	}()
	beside.Go(func() error { c.tell(stop); return nil })
	if c.Pace.LatencyMax > 0 {
		beside.Go(func() error { c.throttle.probe(stop, c.HTTP, c.Pace.Probe); return nil })
	}
	over, err := c.prepare(ctx)
	switch {
	case err != nil:
		return Report{}, err
	case over:
		c.saved.Report.Already = true
		return c.saved.Report, nil
	}
	return c.copy(ctx)
}

// copy copies the checkpoint.
func (c *copying) copy(ctx context.Context) (report Report, err error) {
	c.enter(StateSurvey)
	if c.rows, err = c.Open(c.saved.Checkpoint); err != nil {
		return report, err
	}
	defer func() { err = errors.Join(err, c.close()) }()
	if err := c.look(ctx); err != nil {
		return report, err
	}
	c.enter(StateCopy)
	began := time.Now()
	if err := c.sessions(ctx); err != nil {
		return report, err
	}
	c.enter(StateFinish)
	if err := c.complete(ctx); err != nil {
		return report, err
	}
	c.saved.Report.SumsEqual, c.saved.Report.RowsPerS = true, c.meter.Load().rate(time.Now())
	c.saved.Done = true
	if err := c.saved.save(c.Dir); err != nil {
		return report, err
	}
	c.Log.Info("V10 is copied", "sequence", c.saved.Sequence, "seconds", time.Since(began).Seconds())
	return c.saved.Report, nil
}

// complete makes the history readable. That it is whole was so before the end was written: then it can only have been removed since.
func (c *copying) complete(ctx context.Context) error {
	next, _, err := c.writer.Next(ctx)
	if err == nil && next != c.survey.transactions+1 {
		return fault.Reasoned(fault.NotFound, ReasonLost, "the history has %d of %d transactions, though the copy had its end: it was removed; bring it back", next-1, c.survey.transactions)
	}
	if err != nil {
		return err
	}
	return c.writer.Finish(ctx)
}

// close lets go of the checkpoint, and removes it after the end.
func (c *copying) close() error {
	var err error
	if c.writer != nil {
		err = c.writer.Close()
	}
	err = errors.Join(err, c.rows.Close())
	if c.saved.Done {
		err = errors.Join(err, c.drop())
	}
	return err
}

func (c *copying) drop() error {
	if c.Keep || c.saved.Checkpoint == "" {
		return nil
	}
	return fault.Wrap(fault.Unavailable, os.RemoveAll(c.saved.Checkpoint), "remove the checkpoint")
}

// look reads what there is to copy, and prepares all that copies it.
func (c *copying) look(ctx context.Context) (err error) {
	if c.survey, err = take(c.rows); err != nil {
		return err
	}
	s := c.survey
	if c.layout, err = layoutOf(s, c.pieceRows); err != nil {
		return err
	}
	c.saved.Report = Report{
		Sequence: c.saved.Sequence, Accounts: s.accounts, Assets: uint64(len(s.assets)), Balances: s.balances, Keys: s.keys,
		Transactions: s.transactions, Rounds: s.rounds, Foreign: s.totals.Applied,
	}
	if len(c.saved.Runs) == 0 {
		if err := c.number(ctx, span{}); err != nil {
			return err
		}
	}
	id := imported.Identity{Chain: c.Trust.ChainID, Genesis: c.Trust.GenesisHash, Sequence: c.saved.Sequence}
	if c.writer, err = c.History(ctx, id); err != nil {
		return err
	}
	c.namer = newNamer(c.Vault, s)
	m := &meter{began: time.Now(), total: [stepCount]uint64{s.accounts, s.balances, s.keys, s.transactions, s.rounds}}
	return c.count(ctx, m)
}

// count counts what an earlier run copied.
func (c *copying) count(ctx context.Context, m *meter) error {
	in, err := c.Client.Inbox(ctx)
	if err != nil {
		return err
	}
	done, err := c.layout.applied(in.Position, c.saved.Sequence)
	if err != nil {
		return err
	}
	next, _, err := c.writer.Next(ctx)
	if err != nil {
		return err
	}
	c.meter.Store(m)
	c.resumed(done)
	m.done[stepTransactions].Store(next - 1)
	m.first, _ = m.sum()
	return nil
}

// number has accounts from a place on get the next free numbers, and remembers that before they are sent.
func (c *copying) number(ctx context.Context, r span) error {
	if r.Number == 0 {
		s, err := c.Client.Status(ctx)
		if err != nil {
			return err
		}
		r.Number = chain.AccountNo(s.Accounts + 1)
	}
	c.saved.Runs = c.saved.Runs.from(r)
	return c.saved.save(c.Dir)
}

// begin begins to bring the history, whose accounts and assets have numbers now.
func (c *copying) begin(assets []chain.AssetNo) error {
	in, err := c.Client.Inbox(c.within)
	if err != nil {
		return err
	}
	done, err := c.layout.applied(in.Position, c.saved.Sequence)
	if err != nil {
		return err
	}
	h := newHistory()
	h.rows, h.survey, h.writer, h.throttle, h.meter, h.pieceRows = c.rows, c.survey, c.writer, c.throttle, c.meter.Load(), c.pieceRows
	h.runs, h.assets = c.saved.Runs, assets
	for family, st := range []stage{stageTransactions, stageRounds} {
		h.applied[family] = min(done-min(done, c.layout.start(st)), c.layout.counts[st])
	}
	c.history.Store(h)
	c.group.Go(func() error { return h.run(c.within) })
	return nil
}

// sessions sends until the copy has its end. What runs beside them ends with them.
func (c *copying) sessions(ctx context.Context) error {
	within, stop := context.WithCancel(ctx)
	defer stop()
	c.group, c.within = errgroup.WithContext(within)
	c.group.Go(func() error {
		err := c.namer.run(c.within)
		if within.Err() != nil {
			return nil
		}
		return err
	})
	c.group.Go(func() error {
		defer stop()
		return c.again(c.within)
	})
	err := c.group.Wait()
	if err == nil {
		err = ctx.Err()
	}
	if ctx.Err() != nil {
		return fault.Wrap(fault.Unavailable, ctx.Err(), "interrupted: start the copy again, and it goes on")
	}
	return err
}
