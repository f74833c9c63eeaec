// SPDX-License-Identifier: Apache-2.0

package legacy

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/sync/envelope"
	v10 "github.com/aurigraph/aurigraph/internal/v10"
	"github.com/aurigraph/aurigraph/legacy/changefeed"
	"github.com/aurigraph/aurigraph/legacy/ledger"
	"github.com/aurigraph/aurigraph/legacy/rest"
	"github.com/aurigraph/aurigraph/legacy/store"
	"github.com/aurigraph/aurigraph/legacy/tamper"
)

// Config is a V10 reference ledger.
type Config struct {
	Dir      string // of the store
	Engine   string // EnginePebble or EngineRocksDB
	Listen   string // address of the V10 dialect, host:port; port 0 is a free one
	Changes  string // address of the change log; empty: it is not served
	LogBytes int64  // bound of the change log, 0: store.LogBytesDefault
	// TestSocket is where a test may change rows behind the ledger's back, see package tamper; empty: nowhere.
	TestSocket string
	Fund       []Fund
	RoundMin   time.Duration     // least time from one round to the next, 0: none
	SyncKeys   []envelope.Key    // of records of V11 that are applied; none: none is
	Shared     ledger.SharedKeys // nil: answers that V11 gave under an idempotency key are not found
	Named      map[string]uint16 // accounts that have a slot of their own, see ledger.Config
	Version    string            // of the program
	Log        *slog.Logger
	Register   prometheus.Registerer
}

// Fund is what an account gets, once in a ledger's life: from the genesis of a new ledger, by a payment from the treasury in one
// that exists and does not know the account.
type Fund = ledger.Holding

// Addresses are where a ledger listens.
type Addresses struct{ Rest, Changes string }

// Run opens the ledger and serves until ctx ends; it calls ready once it serves. It returns the store's fault, if that ended
// it.
func Run(ctx context.Context, cfg Config, ready func(Addresses)) error {
	return with(ctx, cfg, func(ctx context.Context, s store.Store, l *ledger.Ledger) error {
		if err := fund(ctx, l, cfg.Fund); err != nil {
			return err
		}
		return serve(ctx, cfg, s, l, ready)
	})
}

// With opens the ledger, runs work on it without serving anybody, and closes it.
func With(ctx context.Context, cfg Config, work func(context.Context, *ledger.Ledger) error) error {
	return with(ctx, cfg, func(ctx context.Context, _ store.Store, l *ledger.Ledger) error { return work(ctx, l) })
}

func with(ctx context.Context, cfg Config, work func(context.Context, store.Store, *ledger.Ledger) error) (err error) {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	s, err := OpenStore(cfg.Engine, cfg.Dir, cfg.LogBytes, cfg.Log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	l, err := ledger.Open(s, ledger.Config{Register: cfg.Register, Genesis: cfg.Fund, Shared: cfg.Shared, Named: cfg.Named, RoundMin: cfg.RoundMin, Uncached: cfg.TestSocket != ""})
	if err != nil {
		return err
	}
	return runLedger(ctx, l, func(ctx context.Context) error { return work(ctx, s, l) })
}

// runLedger runs the ledger's loop beside work, and stops it when work ends. If the loop ends by itself, work's ctx ends.
func runLedger(ctx context.Context, l *ledger.Ledger, work func(context.Context) error) error {
	working, stop := context.WithCancel(ctx)
	defer stop()
	looping, end := context.WithCancel(context.WithoutCancel(ctx))
	ran := make(chan error, 1)
	go func() {
		err := l.Run(looping)
		stop()
		ran <- err
	}()
	err := work(working)
	end()
	return errors.Join(err, <-ran)
}

// fund pays the accounts that did not exist before: who was funded once, and spent it, is not funded again.
func fund(ctx context.Context, l *ledger.Ledger, funds []Fund) error {
	for _, f := range funds {
		if _, err := l.Account(f.Account); !fault.Is(err, fault.NotFound) {
			if err != nil {
				return err
			}
			continue
		}
		results, err := l.Submit(ctx, []ledger.Order{{
			Kind: ledger.Transfer, From: ledger.Treasury, To: f.Account, Asset: v10.DefaultAsset, Units: f.Units,
		}})
		if err != nil {
			return err
		}
		if r := results[0]; r.Err != nil || r.Outcome != chain.OK {
			return fault.Wrap(fault.Refused, errors.Join(r.Err, fault.New(fault.Refused, "%s", r.Outcome)), "fund %q", f.Account)
		}
	}
	return nil
}

func serve(ctx context.Context, cfg Config, s store.Store, l *ledger.Ledger, ready func(Addresses)) error {
	server, err := rest.New(l, rest.Config{Log: cfg.Log, Register: cfg.Register, Version: cfg.Version, Engine: cfg.Engine})
	if err != nil {
		return err
	}
	listener, err := listen(cfg.Listen)
	if err != nil {
		return err
	}
	addresses := Addresses{Rest: listener.Addr().String()}
	parts := []func(context.Context) error{
		func(ctx context.Context) error { return server.Serve(ctx, listener) },
		func(ctx context.Context) error { server.Sample(ctx); return nil },
	}
	if cfg.Changes != "" {
		feed, err := listen(cfg.Changes)
		if err != nil {
			return errors.Join(err, listener.Close())
		}
		addresses.Changes = feed.Addr().String()
		parts = append(parts, func(ctx context.Context) error {
			return changefeed.Serve(ctx, feed, changefeed.Config{Store: s, Ledger: l, Keys: cfg.SyncKeys})
		})
	}
	if cfg.TestSocket != "" {
		socket, err := tamper.Listen(cfg.TestSocket)
		if err != nil {
			return err
		}
		parts = append(parts, func(ctx context.Context) error { return tamper.Serve(ctx, socket, s) })
	}
	ready(addresses)
	return together(ctx, parts)
}

func listen(address string) (net.Listener, error) {
	l, err := net.Listen("tcp", address)
	return l, fault.Wrap(fault.Unavailable, err, "listen on %s: does something run there already?", address)
}

// together runs parts until ctx ends or one of them does, and waits for all.
func together(ctx context.Context, parts []func(context.Context) error) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	errs := make([]error, len(parts))
	var all sync.WaitGroup
	for i, part := range parts {
		all.Go(func() {
			defer stop()
			errs[i] = part(ctx)
		})
	}
	all.Wait()
	return errors.Join(errs...)
}
