// SPDX-License-Identifier: Apache-2.0

package syncload

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/aurigraph/aurigraph/internal/chain"
)

// Launch starts the pair of a run.
type Launch func(context.Context, Config) (*Target, error)

// run is a run in progress.
type run struct {
	cfg      Config
	target   *Target
	progress Progress
	report   *Report
	began    time.Time

	accounts *accounts
	book     *Book
	doors    [sides]*door
	drawn    [sides]*drawn
	port     port
	v11      *v11
	sampled  [sides]int         // payees that were paid
	rows     map[arrival]uint64 // in which batch of V10 a payment is; known when V10 was read back
	unsure   tally              // requests without an answer that says that they were made

	from struct { // where the measurement began
		v10      position
		v11      chain.Height
		balances []uint64
	}
}

// Run measures a pair. The target is stopped when it returns.
func Run(ctx context.Context, cfg Config, launch Launch, progress Progress) (*Report, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	target, err := launch(ctx, cfg)
	if err != nil {
		return nil, err
	}
	r := newRun(cfg, target, progress)
	err = r.connected(ctx)
	r.say("stopping the pair")
	return r.report, errors.Join(err, target.Stop())
}

func newRun(cfg Config, target *Target, progress Progress) *run {
	r := &run{cfg: cfg, target: target, progress: progress, report: newReport(cfg, target), began: time.Now(), book: NewBook(), port: port{target.Changes}, rows: map[arrival]uint64{}}
	r.accounts = newAccounts(cfg.Accounts, cfg.samplesMax(), target.V10Owns, target.Funder)
	r.doors = [sides]*door{newDoor(r.accounts, target.V10), newDoor(r.accounts, target.REST...)}
	for s := range r.drawn {
		r.drawn[s] = &drawn{accounts: r.accounts, side: Side(s), seed: cfg.Seed}
	}
	return r
}

func (r *run) say(format string, args ...any) { fmt.Fprintf(r.progress, format+"\n", args...) }

func (r *run) since() time.Duration { return time.Since(r.began) }

// connected measures with a client of V11 that hears every block.
func (r *run) connected(ctx context.Context) (err error) {
	defer r.doors[V10].close()
	defer r.doors[V11].close()
	if r.v11, err = dialV11(ctx, r.target); err != nil {
		return err
	}
	defer r.v11.close()
	s, err := r.v11.client.Status(ctx)
	if err != nil {
		return err
	}
	all, ctx := errgroup.WithContext(ctx)
	ctx, stop := context.WithCancel(ctx)
	all.Go(func() error { return r.v11.listen(ctx, s.Height+1, r.since) })
	all.Go(func() error {
		defer stop()
		return r.measure(ctx)
	})
	return all.Wait()
}

func (r *run) measure(ctx context.Context) error {
	for _, step := range []func(context.Context) error{r.prepare, r.latency, r.sustain, r.readBack, r.compareBalances} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	r.report.end(r)
	return nil
}
