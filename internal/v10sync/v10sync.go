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
	"github.com/aurigraph/aurigraph/internal/sync/control"
	"github.com/aurigraph/aurigraph/internal/sync/envelope"
	"github.com/aurigraph/aurigraph/internal/sync/v10port"
)

// Bounds of a half.
const (
	// RetryPause is how long a direction that ended waits before it begins anew.
	RetryPause = time.Second
	// HoldTriesMax is how often a record that V10 does not take is tried before it waits for a person.
	HoldTriesMax = 3
)

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

// Half is one run. Run is called once; the rest is safe for any number of goroutines.
type Half struct {
	Config
	client *v10port.Client
	secret []envelope.Key
	rate   *control.Rate
	retry  chan struct{} // of one place: a person asks
	state  state
}

var _ control.Operated = (*Half)(nil)

// New makes a half. Invalid: keys that cannot be read.
func New(cfg Config) (*Half, error) {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	cfg.Bus.Log = cfg.Log
	secret, err := cfg.Bus.Keys()
	if err != nil {
		return nil, err
	}
	h := &Half{Config: cfg, client: v10port.NewClient(cfg.Port, nil), secret: secret, rate: control.NewRate(), retry: make(chan struct{}, 1)}
	h.state.enter(control.StateStarting)
	h.state.capture = control.Capture{Direction: envelope.V10.String(), State: control.StateStarting}
	_, err = obs.Register(cfg.Metrics, "V10's half of the sync", h.gauges()...)
	return h, err
}

// Run syncs until ctx ends.
func (h *Half) Run(ctx context.Context) error {
	defer h.client.Close()
	var all errgroup.Group
	all.Go(func() error { h.captures(ctx); return nil })
	all.Go(func() error { h.applies(ctx); return nil })
	all.Go(func() error { h.state.watch(ctx); return nil })
	return all.Wait()
}

// captures gives V10's changes to the topics until ctx ends. The same reason twice in a row is said once.
func (h *Half) captures(ctx context.Context) {
	said := ""
	for ctx.Err() == nil {
		err := h.capture(ctx)
		if err != nil && ctx.Err() == nil {
			h.state.heard(0, err)
			if err.Error() != said {
				said = err.Error()
				h.Log.Error("V11 is not told of V10's changes for a moment", obs.KeyReason, fault.ReasonOf(err), obs.Err(err))
			}
		}
		pause(ctx)
	}
}

// applies brings V11's changes to V10 until ctx ends.
func (h *Half) applies(ctx context.Context) {
	said := ""
	for ctx.Err() == nil {
		err := h.apply(ctx)
		if err == nil || ctx.Err() != nil {
			continue
		}
		var held *v10port.HeldError
		if errors.As(err, &held) {
			h.hold(ctx, held)
			continue
		}
		h.state.trouble(err)
		if err.Error() != said {
			said = err.Error()
			h.Log.Error("V10 does not take V11's changes for a moment", obs.KeyReason, fault.ReasonOf(err), obs.Err(err))
		}
		pause(ctx)
	}
}

func pause(ctx context.Context) {
	timer := time.NewTimer(RetryPause)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// capture puts V10's changes onto the bus.
func (h *Half) capture(ctx context.Context) error {
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
	h.state.tells(p)
	defer h.state.tells(nil)
	return v10port.Capture(ctx, v10port.CaptureConfig{
		Client: h.client, Sink: sink{p, &h.state}, Keys: h.Keys, Log: h.Log, Heard: h.state.heard, Registerer: h.Metrics,
	})
}

// sink is a publisher as a capture sees it.
type sink struct {
	*bus.Publisher
	state *state
}

// Tip is where the direction stands, and from where V10's log is asked.
func (s sink) Tip() (at envelope.Position, after uint64) {
	tip := s.Publisher.Tip()
	return tip.Position, tip.After()
}

// Newest is from where V10's log tells the newest change again.
func (s sink) Newest() (since uint64, known bool) {
	r := s.Publisher.Newest()
	if r == nil {
		return 0, false
	}
	return r.Since, true
}

// Confirm compares that change with what was published.
func (s sink) Confirm(d v10port.Draft) error { return s.Publisher.Confirm(bus.Draft(d)) }

// Publish takes a change.
func (s sink) Publish(ctx context.Context, d v10port.Draft) error {
	err := s.Publisher.Publish(ctx, bus.Draft(d))
	if err == nil {
		s.state.told(d.Position)
	}
	return err
}

// apply brings V11's changes to V10.
func (h *Half) apply(ctx context.Context) error {
	at, err := h.inbox(ctx)
	if err != nil {
		return err
	}
	r, err := bus.OpenReader(ctx, bus.ReaderConfig{Config: h.Bus, Start: at, Registerer: h.Metrics})
	if err != nil {
		return err
	}
	defer r.Close()
	h.state.begun(&at, r)
	defer h.state.ended()
	return v10port.Apply(ctx, v10port.ApplyConfig{
		Client: h.client, Records: r, Keys: h.secret, Log: h.Log, Rate: h.rate, Trouble: h.state.trouble, Registerer: h.Metrics,
		Applied: func(at envelope.Start, records int) {
			h.state.applied(&at, records)
			if h.Moved != nil {
				h.Moved(at)
			}
		},
	})
}

// inbox is where V10 stands in V11's order. One that was never opened is opened.
func (h *Half) inbox(ctx context.Context) (envelope.Start, error) {
	other := envelope.Source{Ledger: h.Other, Origin: envelope.V11, Life: 1, Incarnation: envelope.V11Incarnation(h.Other)}
	at, err := h.client.Inbox(ctx)
	if fault.ReasonOf(err) == "inbox_closed" {
		return h.client.OpenInbox(ctx, envelope.Start{Source: other, Position: h.From})
	}
	if err == nil && at.Source != other {
		err = fault.Reasoned(fault.Conflict, envelope.ReasonForeignLedger, "V10 takes the changes of %s, not of %s: it is synced with another V11", at.Source, other)
	}
	return at, err
}

// hold tries a record again in a moment, or waits for a person.
func (h *Half) hold(ctx context.Context, e *v10port.HeldError) {
	held := h.state.tried(e)
	if held.tries < HoldTriesMax {
		pause(ctx)
		return
	}
	control.Await(ctx, control.Wait{
		Park: func(ctx context.Context) error { return h.park(ctx, &held) },
		Told: func(parked bool) {
			if h.state.hold(&held, parked) {
				h.Log.Error("V10 cannot make a change of V11's, and all behind it waits for a person", obs.KeyFrom, e.Record.Position.String(),
					obs.KeyKind, envelope.KindOf(e.Record.Change), obs.KeyReason, fault.ReasonOf(e.Cause))
			}
		},
		Retry: h.retry,
		Passed: func(ctx context.Context) bool {
			at, err := h.client.Inbox(ctx)
			return err == nil && !at.Position.Before(e.Record.Position)
		},
	})
	h.state.release()
}

func (h *Half) park(ctx context.Context, held *heldRecord) error {
	err := bus.PutLetter(ctx, h.Bus, &bus.Letter{
		Record: held.record, Reason: held.reason, Text: held.text, Tries: held.tries, HeldAt: held.since, Applier: "v10 " + h.Ledger,
	})
	if err != nil {
		h.Log.Warn("the letter of a change that cannot be made is not in its topic yet", obs.KeyReason, fault.ReasonOf(err), obs.Err(err))
	}
	return err
}
