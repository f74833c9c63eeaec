// SPDX-License-Identifier: Apache-2.0

package solo

import (
	"context"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/order"
	"github.com/aurigraph/aurigraph/internal/seglog"
)

// recordProposal is the kind of a decided proposal's record in the ordering log.
const recordProposal uint8 = 1

// Config sets the engine's pace and bounds. Zero values mean the defaults.
type Config struct {
	// WindowMax is how many decided proposals may be on their way to the executor. Default 16.
	WindowMax int
	// PendingMax bounds the digests offered and not proposed; Offer answers TryLater above it. Default 4096.
	PendingMax int
	// IntervalMin is the shortest time between two proposals: under load it makes blocks larger instead of more
	// numerous. The first proposal after a pause is cut at once. Default 2 ms.
	IntervalMin time.Duration
	// Now is the proposer's clock. Default time.Now.
	Now func() time.Time
}

// Engine orders for one validator.
type Engine struct {
	cfg     Config
	log     *seglog.Log
	pool    *seglog.Pool // own, one page a proposal of the window: see Open
	decided chan *chain.Proposal
	replay  []*chain.Proposal
	wake    chan struct{}
	window  chan struct{}        // a token for each proposal cut and not yet delivered
	logged  chan *chain.Proposal // durable, in height order; never fuller than the window

	// mu guards core and failed.
	mu     sync.Mutex
	core   core
	base   chain.Height // a proposal's height less its record's sequence: one proposal a record
	failed error
	broken chan struct{}
}

var _ order.Engine = (*Engine)(nil)

// Open reads the ordering log back. Proposals above from are delivered again through Decided when Run begins; the log
// must not miss any of them. genesisTimeUs is the time below which no block may lie.
//
// The engine's records lie in a pool of its own. Payloads give their memory back only once they are ordered and executed:
// an engine that waited for memory among them would wait for itself.
func Open(ctx context.Context, log *seglog.Log, from chain.Height, genesisTimeUs uint64, cfg Config) (*Engine, error) {
	if cfg.WindowMax == 0 {
		cfg.WindowMax = 16
	}
	if cfg.PendingMax == 0 {
		cfg.PendingMax = 4096
	}
	if cfg.IntervalMin == 0 {
		cfg.IntervalMin = 2 * time.Millisecond
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	e := &Engine{
		cfg: cfg, log: log,
		pool:    seglog.NewPool(int64(cfg.WindowMax)*seglog.PageBytes, int64(cfg.WindowMax)*seglog.PageBytes),
		decided: make(chan *chain.Proposal),
		wake:    make(chan struct{}, 1),
		window:  make(chan struct{}, cfg.WindowMax),
		logged:  make(chan *chain.Proposal, cfg.WindowMax),
		broken:  make(chan struct{}),
		core:    core{timeUs: genesisTimeUs},
	}
	if err := e.recover(ctx, from); err != nil {
		return nil, err
	}
	return e, nil
}

func (e *Engine) recover(ctx context.Context, from chain.Height) error {
	first := true
	err := e.log.Scan(ctx, seglog.Pos{}, func(pos seglog.Pos, rec seglog.Record) error {
		p, err := ParseRecord(rec)
		if err != nil {
			return err
		}
		if !first && (p.Height != e.core.height+1 || p.TimeUs <= e.core.timeUs) {
			return fault.New(fault.Corrupt, "ordering log: height %d at time %d follows height %d at time %d", p.Height, p.TimeUs, e.core.height, e.core.timeUs)
		}
		first = false
		e.base = p.Height - chain.Height(rec.Seq)
		e.core.resume(p)
		if p.Height > from {
			e.replay = append(e.replay, p)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if len(e.replay) > 0 && e.replay[0].Height != from+1 {
		return fault.New(fault.Corrupt, "ordering log begins at height %d, the state ends at %d: heights between are missing", e.replay[0].Height, from)
	}
	if e.core.height < from {
		return fault.New(fault.Corrupt, "ordering log ends at height %d, the state is already at %d", e.core.height, from)
	}
	return nil
}

// ParseRecord reads a record of the ordering log.
func ParseRecord(rec seglog.Record) (*chain.Proposal, error) {
	if rec.Kind != recordProposal {
		return nil, fault.New(fault.Corrupt, "ordering log: record kind %d", rec.Kind)
	}
	p, err := codec.DecodeProposal(rec.Meta)
	if err != nil {
		return nil, fault.Wrap(fault.Corrupt, err, "ordering log")
	}
	return p, nil
}

// Replayed lists the digests that Decided will deliver again: the lane does not offer these.
func (e *Engine) Replayed() map[chain.Hash]bool {
	seen := make(map[chain.Hash]bool)
	for _, p := range e.replay {
		for _, d := range p.Entries {
			seen[d] = true
		}
	}
	return seen
}

// ReplayedTo is the height that the log's end reaches.
func (e *Engine) ReplayedTo() chain.Height {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.core.height
}

// Offer asks for a lane entry to be ordered.
func (e *Engine) Offer(digest chain.Hash) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.failed != nil {
		return e.failed
	}
	if len(e.core.pending) >= e.cfg.PendingMax {
		return fault.Reasoned(fault.TryLater, "order_full", "%d entries wait to be ordered", len(e.core.pending))
	}
	e.core.pending = append(e.core.pending, digest)
	e.signal()
	return nil
}

// Nudge asks for one proposal even if nothing is pending.
func (e *Engine) Nudge() {
	e.mu.Lock()
	e.core.nudged = true
	e.mu.Unlock()
	e.signal()
}

func (e *Engine) signal() {
	select {
	case e.wake <- struct{}{}:
	default:
	}
}

// Decided is the stream of decided proposals.
func (e *Engine) Decided() <-chan *chain.Proposal { return e.decided }

// PendingLen is the number of digests offered and not proposed.
func (e *Engine) PendingLen() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.core.pending)
}

// Run delivers what the log holds, then cuts, logs and delivers proposals until ctx ends.
func (e *Engine) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return e.order(ctx) })
	group.Go(func() error { return e.deliver(ctx) })
	return group.Wait()
}

// deliver hands proposals to the executor, those found in the log first.
func (e *Engine) deliver(ctx context.Context) error {
	for _, p := range e.replay {
		select {
		case e.decided <- p:
		case <-ctx.Done():
			return nil
		}
	}
	for {
		select {
		case p := <-e.logged:
			select {
			case e.decided <- p:
				<-e.window
			case <-ctx.Done():
				return nil
			}
		case <-ctx.Done():
			return nil
		}
	}
}

func (e *Engine) order(ctx context.Context) error {
	pace := time.NewTimer(0)
	defer pace.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-e.broken:
			return e.failure()
		case <-e.wake:
		}
		for e.has() {
			select {
			case <-pace.C: // the interval since the last cut has passed
			case <-e.broken:
				return e.failure()
			case <-ctx.Done():
				return nil
			}
			if err := e.cutOne(ctx); err != nil {
				return err
			}
			pace.Reset(e.cfg.IntervalMin)
		}
	}
}

func (e *Engine) has() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.core.ready()
}

func (e *Engine) failure() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.failed
}

// cutOne takes a place in the window, cuts a proposal and hands it to the log. It returns nil when ctx ended.
func (e *Engine) cutOne(ctx context.Context) error {
	select {
	case e.window <- struct{}{}:
	case <-e.broken: // the window may be full of proposals that were never written
		return e.failure()
	case <-ctx.Done():
		return nil
	}
	buf, err := e.pool.Get(ctx, 0)
	if err != nil {
		return ignoreEnd(ctx, err)
	}
	e.mu.Lock()
	p := e.core.cut(uint64(max(0, e.cfg.Now().UnixMicro())))
	e.mu.Unlock()
	if err := buf.SetMeta(recordProposal, codec.AppendProposal(nil, p)); err != nil {
		buf.Release()
		return fault.Halt(err, "ordering log at height %d", p.Height)
	}
	if err := e.append(ctx, buf, p); err != nil {
		buf.Release()
		return ignoreEnd(ctx, fault.Halt(err, "ordering log at height %d", p.Height))
	}
	return nil
}

// append hands p to the log, waiting while it has no room: a cut proposal may not be dropped, its heights must not have
// gaps. For the same reason nothing is written after a proposal that was not. On an error the buffer stays the caller's.
func (e *Engine) append(ctx context.Context, buf *seglog.Buffer, p *chain.Proposal) error {
	for {
		if err := e.failure(); err != nil {
			return err
		}
		err := e.log.Append(ctx, buf, func(_ seglog.Pos, err error) { e.onLogged(p, err) })
		if !fault.Is(err, fault.TryLater) {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-e.broken:
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// onLogged runs on the log's writer goroutine and never blocks: the window is not larger than the channel.
func (e *Engine) onLogged(p *chain.Proposal, err error) {
	if err == nil {
		e.logged <- p
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.failed == nil {
		e.failed = fault.Halt(err, "ordering log at height %d", p.Height)
		close(e.broken)
	}
}

func ignoreEnd(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// Trim lets the log forget proposals below a height, in whole segments.
func (e *Engine) Trim(below chain.Height) error {
	e.mu.Lock()
	base := e.base
	e.mu.Unlock()
	keep := uint64(0)
	for _, s := range e.log.Segments() {
		if chain.Height(s.FirstSeq)+base <= below {
			keep = s.Number
		}
	}
	if keep == 0 {
		return nil
	}
	_, err := e.log.Recycle(keep)
	return err
}
