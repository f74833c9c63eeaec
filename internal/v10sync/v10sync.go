// SPDX-License-Identifier: Apache-2.0

package v10sync

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/aurigraph/aurigraph/internal/custody"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/obs"
	"github.com/aurigraph/aurigraph/internal/sync/bus"
	"github.com/aurigraph/aurigraph/internal/sync/envelope"
	"github.com/aurigraph/aurigraph/internal/sync/v10port"
)

// RetryPause is how long a direction that ended waits before it begins anew.
const RetryPause = time.Second

// Config is what the half is told.
type Config struct {
	Bus    bus.Config
	Port   string // URL at which V10 serves its change log
	Ledger string // V10's name of itself, for ever
	// Start is the sequence of V10's log from which V11 is told, if the topics hold nothing of V10 yet: that of the copy which V11
	// begins with. 0: from its beginning.
	Start uint64
	// Other is V11's ledger: the hash of its genesis. From is where V10 begins to take its changes: the state of V11 that V10 begins with.
	Other envelope.LedgerID
	From  envelope.Position
	// Keys makes the network's idempotency keys of V10's.
	Keys custody.SharedKeys

	Log     *slog.Logger          // nil: none
	Metrics prometheus.Registerer // nil: none
	// Moved is called with where V10 stands in V11's order, after each step. It may be nil.
	Moved func(envelope.Start)
}

// half is one run.
type half struct {
	Config
	client *v10port.Client
	secret []envelope.Key
}

// Run syncs until ctx ends. An error is one of the settings: keys that cannot be read.
func Run(ctx context.Context, cfg Config) error {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	cfg.Bus.Log = cfg.Log
	secret, err := cfg.Bus.Keys()
	if err != nil {
		return err
	}
	h := &half{Config: cfg, client: v10port.NewClient(cfg.Port, nil), secret: secret}
	defer h.client.Close()
	var both errgroup.Group
	both.Go(func() error { h.again(ctx, "V11 is not told of V10's changes for a moment", h.capture); return nil })
	both.Go(func() error { h.again(ctx, "V10 does not take V11's changes for a moment", h.apply); return nil })
	return both.Wait()
}

// again runs a direction until ctx ends. The same reason twice in a row is said once.
func (h *half) again(ctx context.Context, trouble string, run func(context.Context) error) {
	said := ""
	for ctx.Err() == nil {
		err := run(ctx)
		if err != nil && ctx.Err() == nil && err.Error() != said {
			said = err.Error()
			h.Log.Error(trouble, obs.KeyReason, fault.ReasonOf(err), obs.Err(err))
		}
		select {
		case <-ctx.Done():
		case <-time.After(RetryPause):
		}
	}
}

// capture puts V10's changes onto the bus.
func (h *half) capture(ctx context.Context) error {
	life, _, err := h.client.Head(ctx)
	if err != nil {
		return err
	}
	var start envelope.Position
	if h.Start > 0 {
		start = envelope.EndOf(h.Start)
	}
	p, err := bus.OpenPublisher(ctx, bus.PublisherConfig{
		Config: h.Bus, Start: start, Registerer: h.Metrics,
		Source: envelope.Source{Ledger: envelope.V10Ledger(h.Ledger), Origin: envelope.V10, Incarnation: life},
	})
	if err != nil {
		return err
	}
	defer p.Close()
	return v10port.Capture(ctx, v10port.CaptureConfig{Client: h.client, Sink: sink{p}, Keys: h.Keys, Log: h.Log, Registerer: h.Metrics})
}

// sink is a publisher as a capture sees it.
type sink struct{ *bus.Publisher }

// Tip is where the direction stands, and from where V10's log is asked.
func (s sink) Tip() (at envelope.Position, after uint64) {
	tip := s.Publisher.Tip()
	return tip.Position, tip.After()
}

// Publish takes a change.
func (s sink) Publish(ctx context.Context, d v10port.Draft) error {
	return s.Publisher.Publish(ctx, bus.Draft(d))
}

// apply brings V11's changes to V10.
func (h *half) apply(ctx context.Context) error {
	at, err := h.inbox(ctx)
	if err != nil {
		return err
	}
	r, err := bus.OpenReader(ctx, bus.ReaderConfig{Config: h.Bus, Start: at, Registerer: h.Metrics})
	if err != nil {
		return err
	}
	defer r.Close()
	return v10port.Apply(ctx, v10port.ApplyConfig{Client: h.client, Records: r, Keys: h.secret, Log: h.Log, Applied: h.Moved, Registerer: h.Metrics})
}

// inbox is where V10 stands in V11's order. One that was never opened is opened.
func (h *half) inbox(ctx context.Context) (envelope.Start, error) {
	other := envelope.Source{Ledger: h.Other, Origin: envelope.V11, Life: 1, Incarnation: envelope.V11Incarnation(h.Other)}
	at, err := h.client.Inbox(ctx)
	var f *fault.Error
	if errors.As(err, &f) && f.Reason == "inbox_closed" {
		return h.client.OpenInbox(ctx, envelope.Start{Source: other, Position: h.From})
	}
	if err == nil && at.Source != other {
		err = fault.Reasoned(fault.Conflict, envelope.ReasonForeignLedger, "V10 takes the changes of %s, not of %s: it is synced with another V11", at.Source, other)
	}
	return at, err
}
