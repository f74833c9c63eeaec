// SPDX-License-Identifier: Apache-2.0

package syncload

import (
	"context"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	v10 "github.com/aurigraph/aurigraph/internal/v10"
)

// What accounts begin with, in smallest units, and how they are opened.
const (
	payerUnits = 4_000_000_000
	onceUnits  = 100_000_000
	fundBatch  = 1024
	warmBatch  = 256
	readers    = 16 // of balances at once
)

// Bounds of waiting until each ledger has what the other did.
const (
	inStepMax = 2 * time.Minute
	lookPause = 2 * time.Millisecond
)

// unnoted is for payments before the measurement.
func unnoted(v10.TxID, Payment) {}

// prepare funds the accounts on V10, from where the sync brings them to V11, makes all desks know them, and notes where things stand.
func (r *run) prepare(ctx context.Context) error {
	a := r.accounts
	r.say("opening %d accounts", len(a.names)-1)
	var all []Payment
	for i := range a.funder() {
		p := Payment{From: a.funder(), To: i, Units: payerUnits}
		if i >= uint32(sides*a.payers) {
			p.Units = onceUnits
		}
		all = append(all, p)
	}
	for from := 0; from < len(all); from += fundBatch {
		to := min(from+fundBatch, len(all))
		if err := r.doors[V10].payMany(0, all[from:to], unnoted); err != nil {
			return err
		}
		r.progress.Show("opening", int64(to), int64(len(all)))
	}
	if err := r.inStep(ctx); err != nil {
		return err
	}
	if err := r.acquaint(ctx); err != nil {
		return err
	}
	if err := r.inStep(ctx); err != nil {
		return err
	}
	return r.noteStart(ctx)
}

// acquaint lets every validator's desk look every account up, so that none does it while it is measured: each payer of V11 pays once at
// each.
func (r *run) acquaint(ctx context.Context) error {
	r.say("making the desks know them")
	var all errgroup.Group
	for n := range r.target.REST {
		d := &drawn{accounts: r.accounts, side: V11, seed: r.cfg.Seed + uint64(n) + 100}
		all.Go(func() error {
			for from := 0; from < r.accounts.payers && ctx.Err() == nil; from += warmBatch {
				some := make([]Payment, min(warmBatch, r.accounts.payers-from))
				for i := range some {
					some[i] = d.payment()
				}
				if err := r.doors[V11].payMany(n, some, unnoted); err != nil {
					return err
				}
			}
			return context.Cause(ctx)
		})
	}
	return all.Wait()
}

// inStep waits until each ledger has all that the other had done before the call.
func (r *run) inStep(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, inStepMax, fault.New(fault.Timeout, "the ledgers were not in step after %s", inStepMax))
	defer cancel()
	// A height is all there once V10 has something of a later one: the second barrier makes one.
	for range 2 {
		generation, err := r.port.barrier(ctx)
		if err != nil {
			return err
		}
		if err := r.until(ctx, func() (bool, error) {
			in, err := r.v11.client.Inbox(ctx)
			return err == nil && in.Barrier >= generation, err
		}); err != nil {
			return err
		}
		s, err := r.v11.client.Status(ctx)
		if err != nil {
			return err
		}
		if err := r.until(ctx, func() (bool, error) {
			applied, err := r.port.applied(ctx)
			return applied >= uint64(s.Height), err
		}); err != nil {
			return err
		}
	}
	return nil
}

// mark notes where both ledgers stand: what is read back begins there.
func (r *run) mark(ctx context.Context) (err error) {
	if r.from.v10, err = r.port.head(ctx); err != nil {
		return err
	}
	s, err := r.v11.client.Status(ctx)
	if err == nil {
		r.from.v11 = s.Height + 1
	}
	return err
}

// until asks again and again.
func (r *run) until(ctx context.Context, done func() (bool, error)) error {
	for ctx.Err() == nil {
		if is, err := done(); is || err != nil && ctx.Err() == nil {
			return err
		}
		nap(lookPause)
	}
	return context.Cause(ctx)
}

// nap waits in the kernel: the runtime's timers round up to a millisecond, which is not small beside what is measured.
func nap(d time.Duration) {
	ts := unix.NsecToTimespec(d.Nanoseconds())
	_ = unix.Nanosleep(&ts, nil) // a signal ends it early, which does no harm
}

// noteStart notes from where both ledgers are read back, and what the accounts hold.
func (r *run) noteStart(ctx context.Context) (err error) {
	if err := r.mark(ctx); err != nil {
		return err
	}
	if r.from.balances, err = r.balances(ctx, V10); err != nil {
		return err
	}
	there, err := r.balances(ctx, V11)
	if err != nil {
		return err
	}
	if n := differing(r.from.balances, there); n > 0 {
		return fault.New(fault.Corrupt, "before anything is measured %d balances differ between the ledgers", n)
	}
	return nil
}

// differing counts the accounts that hold not the same.
func differing(a, b []uint64) (n int) {
	for i := range a {
		if a[i] != b[i] {
			n++
		}
	}
	return n
}

// balances reads what all accounts but the funder hold on a side, from all of its addresses in turn.
func (r *run) balances(ctx context.Context, side Side) ([]uint64, error) {
	out := make([]uint64, r.accounts.funder())
	all, ctx := errgroup.WithContext(ctx)
	for first := range readers {
		all.Go(func() (err error) {
			for i := first; i < len(out); i += readers {
				if ctx.Err() != nil {
					return context.Cause(ctx)
				}
				if out[i], err = r.doors[side].balance(i/readers, uint32(i)); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return out, all.Wait()
}

// height of V11 that a client heard of.
func (r *run) height() chain.Height { return r.v11.heard.height() }
