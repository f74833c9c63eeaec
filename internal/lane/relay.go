// SPDX-License-Identifier: Apache-2.0

package lane

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/seglog"
	"github.com/aurigraph/aurigraph/internal/spread"
)

// Peers carries frames to the other validators. Nothing here blocks; what cannot be sent is dropped, and sent again when the
// peer's acknowledgements do not come.
type Peers interface {
	// Send sends a small frame: an acknowledgement or an ask.
	Send(to chain.ValidatorNo, kind uint8, frame []byte)
	// SendEntry sends an entry: its head, and its payload, of which it takes over one reference.
	SendEntry(to chain.ValidatorNo, head []byte, payload Body)
	// Connection numbers the connection to a peer; 0: there is none.
	Connection(to chain.ValidatorNo) uint64
}

// Body is a payload that is shared by counting references.
type Body interface {
	Payload() []byte
	Release()
}

// RelayConfig says how entries reach the other validators. All but Bounds, Executed, ExecutedAt, OnDamaged, Missed, Metrics and TickInterval are needed.
type RelayConfig struct {
	Self   chain.ValidatorNo
	Quorum int           // how many must hold an entry before it is ordered; 0: of all lanes' owners
	Bounds spread.Bounds // zero: the defaults
	Peers  Peers
	// Pool lends the memory of the others' entries. It is not the doors': an own entry waits for the others' to be ordered,
	// and these must not wait for it.
	Pool *seglog.Pool
	// Check checks a payload as its door does: its hash, its framing, its signatures. TryLater: it cannot tell yet.
	Check func(head *spread.EntryHead, payload []byte) error
	// Offer is told of each entry that a quorum holds. It must not block.
	Offer func(digest chain.Hash)
	// Executed looks in the history for an entry that is nowhere else.
	Executed func(digest chain.Hash) bool
	// ExecutedAt tells where an entry lies that was executed at a line of a height, for a peer that lost it.
	ExecutedAt func(h chain.Height, index uint32) (seglog.Pos, bool)
	// OnDamaged is told of what the log said when it could not be read for a peer.
	OnDamaged func(error)
	// Missed is told once a second of an entry that the executor waits for, and since when nothing came of what is wanted.
	Missed func(digest chain.Hash, since time.Duration)
	// OnEvidence is told of contradictions about a lane. It must not block. Nil: nobody is.
	OnEvidence func(spread.Evidence)
	// OnFailed is told why the lane cannot go on.
	OnFailed func(error)
	// TickInterval is the unit of the bounds' times. Default 10 ms.
	TickInterval time.Duration
	Metrics      prometheus.Registerer
	Logger       *slog.Logger
}

// Relay joins a lane with those of the other validators: it streams own entries to them, stores theirs, and fetches what
// was ordered and is not here. The rules are spread's; this is the world around them.
type Relay struct {
	*Lane
	cfg     RelayConfig
	metrics *relayMetrics
	full    atomic.Bool // the own lane is
	fromLog chan errand
	wanted  wanted
	ahead   chan chain.Hash // to be read back from the log

	ctx    context.Context // ends when the relay stops: nobody waits for memory then
	cancel context.CancelFunc

	mu          sync.Mutex // guards what follows; held while frames are handed to Peers, so that they keep their order
	core        *spread.Core
	connections []uint64
	reading     []int // by peer: entries on their way through fromLog
}

// fromLogMax bounds the entries that wait to be read back from the log for a peer. More are dropped: the peer asks again.
const fromLogMax = 1024

// OpenRelay opens the lane in log and everything that lies there of the others'.
func OpenRelay(ctx context.Context, log *seglog.Log, cfg RelayConfig, joinEpoch chain.Epoch, lanes []Place, executed Position) (*Relay, error) {
	if cfg.Bounds == (spread.Bounds{}) {
		cfg.Bounds = spread.DefaultBounds()
	}
	if cfg.TickInterval == 0 {
		cfg.TickInterval = 10 * time.Millisecond
	}
	r := &Relay{
		cfg: cfg, fromLog: make(chan errand, fromLogMax), ahead: make(chan chain.Hash, aheadQueueMax), wanted: newWanted(),
		connections: make([]uint64, len(lanes)), reading: make([]int, len(lanes)),
	}
	var err error
	if r.Lane, err = Open(ctx, log, Config{Validator: cfg.Self, JoinEpoch: joinEpoch, Lanes: lanes, OnDurable: r.onDurable, OnFailed: cfg.OnFailed}, executed); err != nil {
		return nil, err
	}
	if r.core, err = spread.New(spread.Config{Self: cfg.Self, Quorum: cfg.Quorum, Bounds: cfg.Bounds}, r.states()); err != nil {
		return nil, err
	}
	if r.metrics, err = newRelayMetrics(cfg.Metrics); err != nil {
		return nil, err
	}
	r.ctx, r.cancel = context.WithCancel(context.Background()) //lint:context lives until Stop
	return r, nil
}

// Run keeps the time until ctx ends.
func (r *Relay) Run(ctx context.Context) error {
	defer r.metrics.unregister()
	defer r.readsAhead(ctx).Wait()
	defer r.Stop()
	tick := time.NewTicker(r.cfg.TickInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case s := <-r.fromLog:
			r.sendFromLog(s)
		case <-tick.C:
			r.tick()
		}
	}
}

// Stop ends what waits: a frame of a peer that waits for memory is dropped.
func (r *Relay) Stop() { r.cancel() }

// tick tells the core the time, which peers come and go, and what has been missed long enough.
func (r *Relay) tick() {
	inputs := []spread.Input{spread.Tick{}}
	for _, d := range r.wanted.due() {
		if !r.Holds(d) {
			inputs = append(inputs, spread.Missing{Digest: d})
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for v := range r.connections {
		peer := chain.ValidatorNo(v)
		if peer == r.cfg.Self {
			continue
		}
		now := r.cfg.Peers.Connection(peer)
		if now == r.connections[v] {
			continue
		}
		if r.connections[v] != 0 {
			inputs = append(inputs, spread.Disconnected{Peer: peer})
		}
		if now != 0 {
			inputs = append(inputs, spread.Connected{Peer: peer})
		}
		r.connections[v] = now
	}
	r.step(inputs...)
}

// Append puts an item on the own lane; TryLater while too much of it is not executed.
func (r *Relay) Append(ctx context.Context, it Item) error {
	if r.full.Load() {
		it.Payload.Release()
		return fault.Reasoned(fault.TryLater, "lane_full", "too much of this validator's lane waits to be ordered: send it again in a moment")
	}
	return r.Lane.Append(ctx, it)
}

// onDurable runs on the log's writer goroutine.
func (r *Relay) onDurable(s *Stored) {
	var in spread.Input = spread.PeerStored{Lane: s.Entry.Validator, Sequence: s.Entry.Sequence, Digest: s.Digest}
	if s.Entry.Validator == r.cfg.Self {
		in = spread.OwnStored{Entry: s.Entry}
	}
	r.mu.Lock()
	r.step(in)
	r.mu.Unlock()
	r.wanted.arrived(s.Digest)
}

// Want says that entries will be fetched soon. Those that do not come by themselves are asked for, and those that are on disk
// only are read.
func (r *Relay) Want(digests []chain.Hash) {
	for _, d := range digests {
		if r.Holds(d) {
			r.wantRead(d)
		} else {
			r.wanted.add(d)
		}
	}
}

// How long an entry is missed before the history is searched for it, once: it does not grow while the executor waits. And how
// often Missed is told.
const (
	lookAfter   = 200 * time.Millisecond
	missedEvery = time.Second
)

// Fetch returns an entry that was ordered, waiting until it is on this node's disk. One that was executed before may come
// without a payload, and without anything but its digest.
func (r *Relay) Fetch(ctx context.Context, digest chain.Hash) (*Stored, error) {
	begin, looked := time.Now(), false
	look := time.NewTimer(lookAfter)
	defer look.Stop()
	for {
		r.wanted.add(digest) // before the look: what arrives after it wakes this
		came := r.wanted.next()
		s, err := r.fetch(digest)
		if !fault.Is(err, fault.NotFound) {
			r.wanted.drop(digest)
			return s, err
		}
		select {
		case <-came:
			begin = time.Now()
		case <-look.C:
			if !looked && r.cfg.Executed != nil && r.cfg.Executed(digest) {
				r.wanted.drop(digest)
				r.metrics.foundExecuted.Inc()
				return &Stored{Digest: digest, Executed: true}, nil
			}
			looked = true
			if r.cfg.Missed != nil {
				r.cfg.Missed(digest, time.Since(begin))
			}
			look.Reset(missedEvery)
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// Executed says that entries were executed, and returns how far the lanes are then.
func (r *Relay) Executed(entries []*Stored) Position {
	at := r.Lane.Executed(entries)
	inputs := make([]spread.Input, len(entries))
	for i, s := range entries {
		inputs[i] = spread.Executed{Lane: s.Entry.Validator, Sequence: s.Entry.Sequence, Digest: s.Digest}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.step(inputs...)
	return at
}

// Offer offers what a quorum holds already: after a restart nothing new may come that would.
func (r *Relay) Offer() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.step()
}

// Evidence lists what was found about a validator's lane since the start.
func (r *Relay) Evidence(v chain.ValidatorNo) []spread.Evidence {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.core.Evidence(v)
}
