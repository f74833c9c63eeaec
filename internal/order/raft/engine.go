// SPDX-License-Identifier: Apache-2.0

package raft

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"iter"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/order"
	"github.com/aurigraph/aurigraph/internal/seglog"
)

// Engine is the loop around a core: its disk, its peers, its clock and its reader.
type Engine struct {
	cfg     Config
	log     *seglog.Log
	pool    *seglog.Pool // own: an engine that waited for memory among payloads would wait for itself
	metrics *metrics
	box     *mailbox
	reader  *reader
	owed    atomic.Int64 // own digests offered and not decided
	replay  []*chain.Proposal
	last    chain.Height

	// mu guards core and failed.
	mu     sync.Mutex
	core   *Core
	failed error
	broken chan struct{} // closed with failed
}

var _ order.Engine = (*Engine)(nil)

// Open reads the ordering log back. Proposals above from are decided again when Run begins; the log must not miss any of
// them. The log is the engine's alone and stays the caller's to close, after Run has returned.
func Open(ctx context.Context, log *seglog.Log, from chain.Height, cfg Config) (*Engine, error) {
	cfg.setDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	scan := scanner{ctx: ctx, log: log}
	found, err := Recover(cfg.Genesis, Start{Height: from, Fetched: cfg.Fetched, Load: decodeLoaded(log)}, scan.records())
	if scan.err != nil {
		return nil, scan.err
	}
	if err != nil {
		return nil, err
	}
	var seed [8]byte
	_, _ = rand.Read(seed[:]) // never fails
	core, err := NewCore(cfg.core(binary.LittleEndian.Uint64(seed[:])), found)
	if err != nil {
		return nil, err
	}
	e := &Engine{
		cfg: cfg, log: log, core: core, box: newMailbox(cfg.Genesis.size(), cfg.InboxMax), reader: newReader(from),
		pool:   seglog.NewPool(poolBytesMax, poolBytesMax/16),
		replay: found.Decided(), last: found.Last(),
		broken: make(chan struct{}),
	}
	e.metrics, err = newMetrics(cfg.Metrics)
	return e, err
}

// scanner gives a log's records as a sequence, and the error that ended it.
type scanner struct {
	ctx context.Context
	log *seglog.Log
	err error
}

func (s *scanner) records() iter.Seq2[seglog.Pos, Record] {
	return func(yield func(seglog.Pos, Record) bool) {
		s.err = s.log.Scan(s.ctx, seglog.Pos{}, func(at seglog.Pos, rec seglog.Record) error {
			if !yield(at, Record{Kind: rec.Kind, Meta: rec.Meta, Payload: rec.Payload}) {
				return errStopped
			}
			return nil
		})
		if s.err == errStopped {
			s.err = nil
		}
	}
}

var errStopped = fault.New(fault.Internal, "the records are not wanted any more")

// Replayed lists the digests that are decided and will come out of Decided again: the lane need not offer these. It is
// for the time before Run.
func (e *Engine) Replayed() map[chain.Hash]bool {
	seen := make(map[chain.Hash]bool)
	for _, p := range e.replay {
		for _, d := range p.Entries {
			seen[d] = true
		}
	}
	return seen
}

// ReplayedTo is the height that the log reached when it was opened. The newest heights may not be decided; no height
// that ever left Decided is above it.
func (e *Engine) ReplayedTo() chain.Height { return e.last }

// Offer asks for a lane entry to be ordered, here or by the leader.
func (e *Engine) Offer(digest chain.Hash) error {
	if err := e.failure(); err != nil {
		return err
	}
	if n := e.owed.Add(1); n > int64(e.cfg.PendingMax) {
		e.owed.Add(-1)
		return fault.Reasoned(fault.TryLater, "order_full", "%d entries wait to be ordered", n-1)
	}
	e.box.put(Offered{digest})
	return nil
}

// Withdraw takes digests back that were offered here and that the host knows to be decided, because it took a checkpoint
// in which they are executed: the engine did not see them decided.
func (e *Engine) Withdraw(digests ...chain.Hash) {
	for _, d := range digests {
		e.box.put(Withdrawn{d})
	}
}

// Nudge asks for one more height, even if it is empty.
func (e *Engine) Nudge() { e.box.put(Nudged{}) }

// Receive takes a frame that the transport knows to be from a peer, and keeps no reference to it. Invalid: it is none;
// Denied: there is no such peer; TryLater: too many of the peer's wait, and this one is dropped.
func (e *Engine) Receive(from chain.ValidatorNo, frame []byte) error {
	m, err := ParseFrame(frame)
	if err != nil {
		e.metrics.refused.WithLabelValues("malformed").Inc()
		return err
	}
	if int(from) >= e.cfg.Genesis.size() {
		e.metrics.refused.WithLabelValues("unknown_sender").Inc()
		return fault.Reasoned(fault.Denied, "unknown_sender", "there is no validator %d", from)
	}
	if err := e.box.receive(Received{From: from, Message: m}, len(frame)); err != nil {
		e.metrics.dropped.Inc()
		return err
	}
	return nil
}

// Decided is the stream of decided proposals.
func (e *Engine) Decided() <-chan *chain.Proposal { return e.reader.out }

// Run works until ctx ends or the engine must stop.
func (e *Engine) Run(ctx context.Context) error {
	defer e.metrics.unregister()
	e.replay = nil
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return e.loop(ctx, group) })
	group.Go(func() error { return e.deliver(ctx) })
	return group.Wait()
}

func (e *Engine) failure() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.failed
}

// fail stops the engine for good.
func (e *Engine) fail(err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.failed == nil {
		e.failed = err
		close(e.broken)
	}
}
