// SPDX-License-Identifier: Apache-2.0

package remote

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/obs"
	"github.com/aurigraph/aurigraph/internal/server/grpcapi"
	"github.com/aurigraph/aurigraph/internal/upstream"
)

// keyHeader is where an API key travels.
const keyHeader = "x-api-key"

// Ledger is a network's ledger behind its validators' API. It is safe for concurrent use.
type Ledger struct {
	cfg        Config
	validators Validators
	log        *slog.Logger
	metrics    *metrics
	own        metadata.MD // of each call; it is not changed
	turn       atomic.Uint32
	seen       atomic.Uint64 // newest height in an answer to a payment or another act
	behindMs   atomic.Int64  // since when no validator reaches it, Unix ms; 0: some do

	desk   *Desk
	reader *Reader
}

// New makes a remote ledger. Invalid: a setting is out of bounds.
func New(cfg Config, p Parts) (*Ledger, error) {
	cfg.setDefaults()
	if err := cfg.validate(&p); err != nil {
		return nil, err
	}
	if p.Log == nil {
		p.Log = slog.New(slog.DiscardHandler)
	}
	if p.Metrics == nil {
		p.Metrics = prometheus.NewRegistry()
	}
	l := &Ledger{cfg: cfg, validators: p.Validators, log: p.Log}
	if cfg.Key != "" {
		l.own = metadata.Pairs(keyHeader, cfg.Key)
	}
	l.desk = newDesk(l)
	l.metrics = newMetrics(p.Metrics, l)
	l.reader = newReader(l, p.Lists)
	return l, nil
}

// Desk pays and opens accounts.
func (l *Ledger) Desk() *Desk { return l.desk }

// Reader answers from certified state.
func (l *Ledger) Reader() *Reader { return l.reader }

// Run follows the chain until ctx ends, so that counters are fresh. Without it they stay zero.
func (l *Ledger) Run(ctx context.Context) error {
	l.reader.watch.run(ctx)
	return nil
}

// call calls a validator, and another one where that is safe. ask may be called several times.
func (l *Ledger) call(ctx context.Context, c upstream.Call, ask func(ctx context.Context, conn grpc.ClientConnInterface) error) error {
	if c.Key == 0 {
		c.Key = l.turn.Add(1)
	}
	return faultOf(l.validators.Do(ctx, c, func(ctx context.Context, conn grpc.ClientConnInterface) error {
		return ask(l.outgoing(ctx), conn)
	}))
}

// outgoing puts the gateway's key to a call.
func (l *Ledger) outgoing(ctx context.Context) context.Context {
	if l.own == nil {
		return ctx
	}
	return metadata.NewOutgoingContext(ctx, l.own)
}

// read is call for what reads, as of the newest height that anybody was answered with. key is that of upstream.Call; 0: any validator
// will do.
func (l *Ledger) read(ctx context.Context, g upstream.Group, key uint32, ask func(ctx context.Context, conn grpc.ClientConnInterface) error) error {
	after := l.seen.Load()
	err := l.call(ctx, upstream.Call{Group: g, Retry: upstream.RetrySafe, Key: key}, func(ctx context.Context, conn grpc.ClientConnInterface) error {
		return ask(grpcapi.After(ctx, chain.Height(after)), conn)
	})
	l.believe(chain.Height(after), err)
	return l.metrics.refuse(err)
}

// believe notes whether some validator reaches a height. One that none reaches for FreshMax was never certified: a validator that
// made it up must not hold up all who read.
func (l *Ledger) believe(after chain.Height, err error) {
	if fault.ReasonOf(err) != grpcapi.ReasonBehind {
		if err == nil && after > 0 && l.behindMs.Load() != 0 {
			l.behindMs.Store(0)
		}
		return
	}
	now := time.Now().UnixMilli()
	if l.behindMs.CompareAndSwap(0, now) || now-l.behindMs.Load() < FreshMax.Milliseconds() {
		return
	}
	l.behindMs.Store(0)
	head := l.reader.Counters().Height
	if l.seen.CompareAndSwap(uint64(after), uint64(min(head, after))) {
		l.log.Warn("no validator reaches a height that an answer named: it is not believed any more", obs.KeyHeight, uint64(after), obs.KeyTo, uint64(head))
	}
}

// saw notes the height of an answer, so that who reads next sees what it speaks of.
func (l *Ledger) saw(h chain.Height) {
	for {
		before := l.seen.Load()
		if uint64(h) <= before || l.seen.CompareAndSwap(before, uint64(h)) {
			return
		}
	}
}
