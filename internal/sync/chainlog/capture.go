// SPDX-License-Identifier: Apache-2.0

package chainlog

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/obs"
	"github.com/aurigraph/aurigraph/internal/sync/envelope"
)

// Bounds of a capture.
const (
	DraftsMax = chain.BatchLegsMax // records made at a time
	CacheMax  = 262_144            // accounts whose names are remembered, at most 100 MiB of the longest names
	FactsMax  = 8192               // numbers asked for in one call
	// RetryPause is how often what is not there yet is asked for again.
	RetryPause = 200 * time.Millisecond
)

// Chain is V11's certified chain and what never changes of its state. It is safe for concurrent use.
type Chain interface {
	// Follow calls each with every certified height from one on, in order, until ctx ends or each fails, whose error comes back.
	Follow(ctx context.Context, from chain.Height, each func(chain.Height) error) error
	// Block reads a certified block. Pruned: something of it was let go.
	Block(ctx context.Context, h chain.Height) (*Block, error)
	// Parties says which of these accounts are portable, and what these assets are, at most FactsMax of each. What does not exist is
	// left out. It is asked only for what a certified block names.
	Parties(ctx context.Context, accounts []chain.AccountNo, assets []chain.AssetNo) (portable map[chain.AccountNo]bool, known map[chain.AssetNo]Asset, err error)
	// Signs reports whether a key belongs to an institution, revoked or not.
	Signs(ctx context.Context, institution chain.InstitutionNo, key chain.KeyNo) (bool, error)
	// Closed is the height at which the migration was closed, 0 if it was not.
	Closed(ctx context.Context) (chain.Height, error)
}

// Namer knows V10 names by account number, as a names vault does. A number without a known name is left out.
type Namer interface {
	Get(ctx context.Context, numbers []chain.AccountNo) (map[chain.AccountNo]string, error)
}

// Sink takes records in order, as a bus publisher does.
type Sink interface {
	// Tip is the position of the newest record that it has, and whether that is the last one of its block.
	Tip() (at envelope.Position, end bool)
	Publish(ctx context.Context, d Draft) error
}

// Config sets a capture up.
type Config struct {
	Institution chain.InstitutionNo // the custodian of V10's accounts
	// SyncKeys are those for which the inbox is open or was before. The applier of V10's changes signs with them, and nobody else ever
	// does. Keys for which it is opened later are seen in the chain.
	SyncKeys []chain.KeyNo
}

// Parts is what a capture works with. Chain, Names and Sink are needed.
type Parts struct {
	Chain   Chain
	Names   Namer
	Sink    Sink
	Log     *slog.Logger          // nil: none
	Metrics prometheus.Registerer // nil: none
}

// Status is where a capture is.
type Status struct {
	Height chain.Height // up to here all is handed to the sink
	TimeUs uint64       // of that block
	Reason string       // why it does not go on; empty: it does
	Error  string
	Since  time.Time // since when
	Closed bool      // the migration was closed, and all up to there is handed to the sink: nothing follows
}

// Capture brings the chain to a sink.
type Capture struct {
	cfg     Config
	parts   Parts
	metrics *metrics
	// syncKeys are the configured ones and those for which the inbox was opened since. Owned by Run.
	syncKeys []chain.KeyNo
	known    map[chain.AccountNo]Account // owned by Run
	assets   map[chain.AssetNo]Asset     // owned by Run
	signs    map[signer]bool             // owned by Run

	mu     sync.Mutex // guards status
	status Status
}

type signer struct {
	institution chain.InstitutionNo
	key         chain.KeyNo
}

// New makes a capture. Invalid: something is missing.
func New(cfg Config, parts Parts) (*Capture, error) {
	if cfg.Institution == 0 || parts.Chain == nil || parts.Names == nil || parts.Sink == nil {
		return nil, fault.New(fault.Invalid, "a capture needs the custodian's institution, the chain, the names and a sink")
	}
	if parts.Log == nil {
		parts.Log = slog.New(slog.DiscardHandler)
	}
	c := &Capture{
		cfg: cfg, parts: parts, metrics: newMetrics(), syncKeys: slices.Clone(cfg.SyncKeys),
		known: map[chain.AccountNo]Account{}, assets: map[chain.AssetNo]Asset{}, signs: map[signer]bool{},
	}
	return c, nil
}

// Run brings every block to the sink, from the sink's newest record on, until ctx ends or the migration was closed (Status.Closed). What
// stops it for a while is asked for again; an error other than ctx's end is final: what follows cannot be had, or cannot be told.
func (c *Capture) Run(ctx context.Context) error {
	unregister, err := obs.Register(c.parts.Metrics, "the capture of V11", c.metrics.all(c)...)
	if err != nil {
		return err
	}
	defer unregister()
	err = c.run(ctx)
	switch {
	case ctx.Err() != nil:
		return nil
	case errors.Is(err, errClosed):
		c.parts.Log.Info("the migration is closed: V10 is told nothing of V11 any more")
		return nil
	}
	c.stopped(err)
	return err
}

// errClosed ends a run: the migration was closed, and V10 is told of all before that.
var errClosed = errors.New("the migration is closed")

// run is Run, and never returns nil.
func (c *Capture) run(ctx context.Context) error {
	tip, end := c.parts.Sink.Tip()
	closed, err := c.parts.Chain.Closed(ctx)
	if err != nil {
		return err
	}
	if closed != 0 && end && tip.Major >= uint64(closed) { // the block itself may be gone
		c.went(Status{Height: closed, Closed: true})
		return errClosed
	}
	from := chain.Height(max(tip.Major, 1)) // a block of which the sink has a part is made again
	return c.parts.Chain.Follow(ctx, from, func(h chain.Height) error { return c.height(ctx, h, tip) })
}

// Status says where the capture is.
func (c *Capture) Status() Status {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.status
}

// height brings one block to the sink, and tries as long as that may help. errClosed: that was the last one.
func (c *Capture) height(ctx context.Context, h chain.Height, tip envelope.Position) error {
	for {
		err := c.block(ctx, h, tip)
		if err == nil || ctx.Err() != nil || !heals(err) {
			return err
		}
		c.stopped(err)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(RetryPause):
		}
		now, _ := c.parts.Sink.Tip()
		tip = maxPosition(tip, now) // what was published before it stopped is there
	}
}

// heals reports an error that time may mend.
func heals(err error) bool {
	switch fault.KindOf(err) {
	case fault.Unavailable, fault.TryLater, fault.Timeout:
		return true
	}
	return false
}

func maxPosition(p, q envelope.Position) envelope.Position {
	if p.Before(q) {
		return q
	}
	return p
}

// block makes the records of a block and publishes those above tip.
func (c *Capture) block(ctx context.Context, h chain.Height, tip envelope.Position) error {
	b, err := c.parts.Chain.Block(ctx, h)
	if fault.Is(err, fault.Pruned) {
		return fault.Wrap(fault.Pruned, err, "block %d was let go before V10 was told of it: copy V10 anew from a state of V11 (docs/adr/0030-v11-sync.md)", h)
	}
	if err != nil {
		return err
	}
	at := Begin(b)
	for i := 0; i < len(b.Batches) && !at.Closed; i++ {
		f, err := c.facts(ctx, b, i)
		if err != nil {
			return err
		}
		drafts, next, err := Translate(b, i, f, at)
		if err != nil {
			return err
		}
		at = next
		if err := c.publish(ctx, drafts, tip); err != nil {
			return err
		}
	}
	if err := c.publish(ctx, []Draft{EndOf(b, at)}, tip); err != nil {
		return err
	}
	c.went(Status{Height: h, TimeUs: b.Header.TimeUs, Closed: at.Closed})
	if at.Closed {
		return errClosed
	}
	return nil
}

// went notes how far all is handed to the sink.
func (c *Capture) went(s Status) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.status = s
}

func (c *Capture) publish(ctx context.Context, drafts []Draft, tip envelope.Position) error {
	for _, d := range drafts {
		if !tip.Before(d.Position) {
			continue
		}
		if err := c.parts.Sink.Publish(ctx, d); err != nil {
			return err
		}
		c.metrics.captured.WithLabelValues(d.Change.Topic().String()).Inc()
	}
	return nil
}

// stopped notes why the direction does not go on.
func (c *Capture) stopped(err error) {
	reason := fault.ReasonOf(err)
	if reason == "" {
		reason = fault.KindOf(err).String()
	}
	c.metrics.stops.WithLabelValues(reason).Inc()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.status.Reason == "" {
		c.status.Since = time.Now()
		c.parts.Log.Error("the capture of V11 does not go on", slog.String(obs.KeyReason, reason), obs.Err(err))
	}
	c.status.Reason, c.status.Error = reason, err.Error()
}
