// SPDX-License-Identifier: Apache-2.0

package v10port

import (
	"context"
	"encoding/binary"
	"errors"
	"log/slog"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/obs"
	"github.com/aurigraph/aurigraph/internal/sync/control"
	"github.com/aurigraph/aurigraph/internal/sync/envelope"
)

// Bounds of a call, which are V10's.
const (
	ApplyBytesMax   = 8 << 20
	ApplyRecordsMax = 4096
	// applyRecords is how many are asked of the reader at once: V10 syncs once for all of them, and other writes wait for that long.
	applyRecords = 1024
)

// Records are the other ledger's, in order; bus.Reader has them.
type Records interface {
	Next(ctx context.Context, limit int) ([]*envelope.Record, error)
}

// ApplyConfig is what Apply is told.
type ApplyConfig struct {
	Client *Client
	// Records begin where V10's inbox stands.
	Records Records
	// Keys are the sync keys: V10 checks each record's seal itself.
	Keys []envelope.Key
	Log  *slog.Logger // nil: none
	// Applied is called with V10's position after each call, and how many records it was of. It may be nil.
	Applied func(at envelope.Start, records int)
	// Trouble is called when V10 takes no records for a moment. It may be nil.
	Trouble func(error)
	// Rate bounds the records; nil: nothing does.
	Rate *control.Rate
	// Registerer takes metrics; nil: none.
	Registerer prometheus.Registerer
}

// HeldError is a record that V10 does not take, and why. Everything before it is applied. A person looks; then Apply is called again.
type HeldError struct {
	Record *envelope.Record
	Cause  error // a *fault.Error with V10's reason
}

// Error implements error.
func (e *HeldError) Error() string {
	return "V10 does not apply the record at " + e.Record.Position.String() + ": " + e.Cause.Error()
}

// Unwrap returns V10's words.
func (e *HeldError) Unwrap() error { return e.Cause }

// Apply brings records to V10 until ctx ends, which is nil, or they cannot go on: a *HeldError, an error of the reader, or "inbox_elsewhere",
// "fork" and the like of V10. Begin again with a reader from where V10's inbox stands.
func Apply(ctx context.Context, cfg ApplyConfig) error {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Applied == nil {
		cfg.Applied = func(envelope.Start, int) {}
	}
	if cfg.Trouble == nil {
		cfg.Trouble = func(error) {}
	}
	if cfg.Rate == nil {
		cfg.Rate = control.NewRate()
	}
	a := &apply{ApplyConfig: cfg, metrics: newApplyMetrics()}
	unregister, err := a.metrics.register(cfg.Registerer)
	if err != nil {
		return err
	}
	defer unregister()
	err = a.run(ctx)
	if ctx.Err() != nil {
		return nil
	}
	count(a.metrics.troubles, err)
	a.Log.Error("nothing more is applied to V10", obs.KeyReason, fault.ReasonOf(err), obs.KeyErr, err.Error())
	return err
}

type apply struct {
	ApplyConfig
	metrics *applyMetrics
}

// sealed are records as V10 is sent them.
type sealed struct {
	records []*envelope.Record
	body    []byte
}

// run brings records until something ends it. While V10 applies some, the next are made ready. What was read is applied also if there is
// no more to read.
func (a *apply) run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	ready := make(chan sealed, 1)
	var unread error // why nothing more is read, once ready is closed
	go func() {
		defer close(ready)
		unread = a.read(ctx, ready)
	}()
	for s := range ready {
		if err := a.send(ctx, s); err != nil {
			cancel()
			for range ready {
			}
			return err
		}
	}
	cancel()
	return unread
}

// read makes records ready until there are none. It always ends with an error.
func (a *apply) read(ctx context.Context, ready chan<- sealed) error {
	hand := func(s sealed) error {
		select {
		case ready <- s:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	for {
		records, err := a.Records.Next(ctx, a.Rate.Most(applyRecords))
		if err != nil {
			return err
		}
		if err := a.Rate.Take(ctx, len(records)); err != nil {
			return err
		}
		if err := a.seal(records, hand); err != nil {
			return err
		}
	}
}

// seal makes as few calls of records as have room for them.
func (a *apply) seal(records []*envelope.Record, each func(sealed) error) error {
	var body []byte
	first := 0
	for i, r := range records {
		wire, err := envelope.Reseal(a.Keys, r)
		if err != nil {
			return err
		}
		if i > first && (len(body)+4+len(wire) > ApplyBytesMax || i-first == ApplyRecordsMax) {
			if err := each(sealed{records[first:i], body}); err != nil {
				return err
			}
			body, first = nil, i
		}
		body = append(binary.BigEndian.AppendUint32(body, uint32(len(wire))), wire...)
	}
	return each(sealed{records[first:], body})
}

// send sends records until V10 has answered. V10 passes over what it has, so that sending again does no harm.
func (a *apply) send(ctx context.Context, s sealed) error {
	var p pause
	records, body := s.records, s.body
	for {
		l, err := a.Client.call(ctx, http.MethodPost, "/apply", body)
		if err == nil {
			start, err := startOf(l, nil)
			if err == nil {
				a.metrics.at.Set(float64(start.Position.Major))
				a.metrics.sent.Add(float64(len(records)))
				a.Applied(start, len(records))
			}
			return err
		}
		if at, held := heldAt(records, err); held && !mayMend(err) {
			return a.upTo(ctx, records, at, err)
		}
		if !mayMend(err) || ctx.Err() != nil {
			return err
		}
		count(a.metrics.troubles, err)
		a.Trouble(err)
		a.Log.Warn("V10 takes no records now; trying again", obs.KeyReason, fault.ReasonOf(err), obs.KeyErr, err.Error())
		p.wait(ctx)
	}
}

// upTo sends the records before the one that V10 does not take, and returns that.
func (a *apply) upTo(ctx context.Context, records []*envelope.Record, at int, why error) error {
	if at > 0 {
		if err := a.seal(records[:at], func(s sealed) error { return a.send(ctx, s) }); err != nil {
			return err
		}
	}
	return &HeldError{records[at], why}
}

// heldAt finds the record of which V10's refusal is.
func heldAt(records []*envelope.Record, err error) (int, bool) {
	var r *refusal
	if !errors.As(err, &r) || r.at == "" {
		return 0, false
	}
	for i := range records {
		if records[i].Position.String() == r.at {
			return i, true
		}
	}
	return 0, false
}
