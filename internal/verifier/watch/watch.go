// SPDX-License-Identifier: Apache-2.0

package watch

import (
	"cmp"
	"context"
	"crypto/rand"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/keys"
	"github.com/aurigraph/aurigraph/internal/obs"
)

// EveryDefault is the time between two barriers of V10.
const EveryDefault = 10 * time.Second

// ReasonClosed is that of a network whose inbox was never opened: nothing of V10's is applied there.
const ReasonClosed = "inbox_closed"

// Config is what is compared. V10, V11 and Aliases must be set.
type Config struct {
	// V10 is the URL of V10's change log.
	V10  string
	HTTP *http.Client // nil: one of its own
	V11  Chain
	// Aliases is the network's alias key, by which V11 knows the accounts of V10's names.
	Aliases *keys.AliasKey
	// Every is the time between two barriers of V10; 0: EveryDefault.
	Every time.Duration
	// Tell is called with each verdict, from one goroutine at a time; what it takes long for holds the reading up.
	Tell func(Verdict)
	Log  *slog.Logger // nil: none
}

// watcher is one run.
type watcher struct {
	Config
	port v10Port
	mu   sync.Mutex
	of   [originCount]*comparison // guarded by mu
}

// Run compares until ctx ends, which is nil, or one of the logs cannot be read on.
func Run(ctx context.Context, cfg Config) error {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.HTTP == nil {
		transport := &http.Transport{MaxIdleConnsPerHost: 2, IdleConnTimeout: time.Minute}
		defer transport.CloseIdleConnections()
		cfg.HTTP = &http.Client{Transport: transport}
	}
	w := &watcher{Config: cfg, port: v10Port{cfg.V10, cfg.HTTP}}
	a, b, err := w.begin(ctx)
	if err != nil {
		return orEnded(ctx, err)
	}
	run, ctx2 := errgroup.WithContext(ctx)
	run.Go(func() error { return a.run(ctx2) })
	run.Go(func() error { return b.run(ctx2) })
	run.Go(func() error { return w.barriers(ctx2) })
	return orEnded(ctx, run.Wait())
}

func orEnded(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// begin finds where both logs are cut first. V11 is read from before V10's barrier, so that it is met there; V11's own rows are compared
// from a boundary on that no log has reached, whichever node said so.
func (w *watcher) begin(ctx context.Context) (*v10Tail, *v11Tail, error) {
	inbox, err := w.V11.Inbox(ctx)
	if err != nil {
		return nil, nil, err
	}
	if inbox.Life == 0 {
		return nil, nil, fault.Reasoned(fault.Refused, ReasonClosed, "governance has not opened the inbox: nothing of V10's is applied, and there is nothing to compare")
	}
	generation, incarnation, sequence, err := w.port.barrier(ctx)
	if err != nil {
		return nil, nil, err
	}
	newest, err := w.V11.Block(ctx, 0)
	if err != nil {
		return nil, nil, err
	}
	var key [KeyBytes]byte
	if _, err := rand.Read(key[:]); err != nil {
		return nil, nil, fault.Wrap(fault.Internal, err, "draw a key")
	}
	h, err := newHasher(key)
	if err != nil {
		return nil, nil, err
	}
	w.of[V10] = newComparison(V10, h, generation)
	w.of[V11] = newComparison(V11, h, slotOf(newest.TimeUs/1000)+1)
	a := &v10Tail{port: &w.port, log: v10Log{aliases: w.Aliases, next: generation + 1}, incarnation: incarnation, sequence: sequence, each: w.take, said: w.said("V10's log")}
	b := &v11Tail{chain: w.V11, log: v11Log{custodian: inbox.Institution}, next: inbox.Height + 1, each: w.take, said: w.said("V11's chain")}
	b.log.syncKeys = append(b.log.syncKeys, inbox.Key)
	return a, b, nil
}

func (w *watcher) said(what string) func(error) {
	return func(err error) {
		if err != nil {
			w.Log.Warn(what+" is not heard; trying again", obs.KeyReason, fault.ReasonOf(err), obs.KeyErr, err.Error())
		}
	}
}

// take compares what a log says.
func (w *watcher) take(events []event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := range events {
		e := &events[i]
		for _, v := range w.of[e.origin].take(e) {
			w.Tell(v)
		}
	}
}

// barriers has V10 write a barrier now and then. One that was not written is none, and the next one comes.
func (w *watcher) barriers(ctx context.Context) error {
	tick := time.NewTicker(cmp.Or(w.Every, EveryDefault))
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
		if _, _, _, err := w.port.barrier(ctx); err != nil && ctx.Err() == nil {
			if !mends(err) {
				return err
			}
			w.said("V10's port")(err)
		}
	}
}
