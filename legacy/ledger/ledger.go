// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	v10 "github.com/aurigraph/aurigraph/internal/v10"
	"github.com/aurigraph/aurigraph/legacy/store"
)

// Bounds of the queue. At the first, Submit is refused with TryLater; the others end the gathering of a round, which the last
// submission may still pass: store.BatchBytesMax has room for it.
const (
	SubmissionsQueuedMax = 4096
	roundOrdersMax       = 8192
	roundBytesMax        = 8 << 20 // of rows, by Order.bytesMax
	OrdersPerSubmitMax   = v10.BatchItemsMax
)

// Where the ledger's own asset comes from.
const (
	Treasury      = "aurigraph-treasury" // its issuer, who holds all of it at first
	DefaultLeader = "validator-1"
	treasuryUnits = 1_000_000_000 * 100_000_000 // the billion AUR of V10's documents
)

// Config is what Open may be told; the zero value will do.
type Config struct {
	Leader   string                // of every round, DefaultLeader
	Genesis  []Holding             // what accounts hold of AUR in a new ledger, of the treasury's; each is named once
	Now      func() time.Time      // the clock, time.Now
	RoundMin time.Duration         // least time from one round to the next, 0: none. What comes meanwhile shares one
	KeysMax  uint64                // idempotency keys that are kept, KeysMax; of the other ledger as many again
	Uncached bool                  // every row is read from the store, as others change it too: damage that a test plants
	Shared   SharedKeys            // finds answers of the other ledger under a key; nil: none is found
	Named    map[string]uint16     // accounts that have a slot of their own, from chain.SlotsMax on without a gap: as V11 knows them. Never others
	Register prometheus.Registerer // nil: no metrics
}

// Holding is what an account holds from the beginning.
type Holding struct {
	Account string
	Units   chain.Amount // of AUR
}

// Ledger is safe for any number of goroutines. Run must be going for Submit to return.
type Ledger struct {
	store   store.Store
	cfg     Config
	queue   chan *submission
	totals  atomic.Pointer[Totals]
	stopped chan struct{} // closed when Run has ended
	metrics *metrics
	rows    *rowCache // owned by Run
	scales  sync.Map  // asset code to uint8, of those that are there

	recent rate
}

// submission is what one caller waits for.
type submission struct {
	orders  []Order
	note    *Note
	write   *write // instead of orders
	results []Result
	err     error
	done    chan struct{}
}

// Note travels with a submission into its round's batch: a cursor that is set together with the orders, and where they
// come from. Orders with a note have a round of their own, also if all are refused.
type Note struct {
	Cursor string // name, at most KeyBytesMax bytes; empty: none
	Value  []byte
	Origin []byte // see store.Batch.Mark
}

// Open reads the ledger in s, and makes it if s is empty: with the account Treasury, which issues the asset AUR and holds all of it,
// but for what the genesis gives others. Refused: that is more than there is.
func Open(s store.Store, cfg Config) (*Ledger, error) {
	if cfg.Leader == "" {
		cfg.Leader = DefaultLeader
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.KeysMax == 0 {
		cfg.KeysMax = KeysMax
	}
	l := &Ledger{store: s, cfg: cfg, queue: make(chan *submission, SubmissionsQueuedMax), stopped: make(chan struct{}), rows: newRowCache(rowsCachedMax)}
	if cfg.Uncached {
		l.rows = newRowCache(0)
	}
	var err error
	if l.metrics, err = newMetrics(cfg.Register); err != nil {
		return nil, err
	}
	var t Totals
	err = readRow(s, store.Meta, []byte(totalsKey), &t)
	if fault.Is(err, fault.NotFound) {
		t, err = l.begin()
	}
	l.totals.Store(&t)
	return l, err
}

// genesis is what round 0 does. What accounts hold from the beginning is issued to them: it is no payment.
func (l *Ledger) genesis() ([]Order, error) {
	left := chain.Units(treasuryUnits)
	orders := []Order{
		{Kind: OpenAccount, To: Treasury},
		{Kind: CreateAsset, From: Treasury, Asset: v10.DefaultAsset, Title: "Aurigraph", Scale: v10.DefaultScale},
	}
	for _, h := range l.cfg.Genesis {
		var ok bool
		if left, ok = left.Sub(h.Units); !ok || left.IsZero() {
			return nil, fault.Reasoned(fault.Refused, "genesis", "the genesis gives away all that the treasury has: give less to %q", h.Account)
		}
		orders = append(orders, Order{Kind: Issue, From: Treasury, To: h.Account, Asset: v10.DefaultAsset, Units: h.Units})
	}
	return append(orders, Order{Kind: Issue, From: Treasury, To: Treasury, Asset: v10.DefaultAsset, Units: left}), nil
}

// begin writes round 0.
func (l *Ledger) begin() (Totals, error) {
	r := l.newRounding(Totals{})
	r.number = 0
	orders, err := l.genesis()
	if err != nil {
		return Totals{}, err
	}
	for _, o := range orders {
		if result, err := r.add(&o); err != nil || result.Err != nil || result.Outcome != chain.OK {
			return Totals{}, fault.Wrap(fault.Internal, errors.Join(err, result.Err), "make the ledger")
		}
	}
	if _, _, err := r.seal(); err != nil {
		return Totals{}, err
	}
	var b store.Batch
	r.fill(&b)
	_, err = l.store.Apply(&b)
	return r.totals, err
}

func (l *Ledger) nowMs() uint64 { return uint64(max(0, l.cfg.Now().UnixMilli())) }

// Totals are the counts as of the last round.
func (l *Ledger) Totals() Totals { return *l.totals.Load() }

// Leader leads every round.
func (l *Ledger) Leader() string { return l.cfg.Leader }

// Submit has orders executed, at most OrdersPerSubmitMax, each for itself, and returns a result for each once their round
// is synced. TryLater: the queue is full, nothing was done. Unavailable: the ledger stops, nothing was done. Timeout: ctx
// ended first, the outcome is unknown. Halted: the store failed, the outcome is unknown until the next start.
func (l *Ledger) Submit(ctx context.Context, orders []Order) ([]Result, error) {
	return l.SubmitNoted(ctx, orders, nil)
}

// SubmitNoted is Submit with a note for the round's batch.
func (l *Ledger) SubmitNoted(ctx context.Context, orders []Order, note *Note) ([]Result, error) {
	if len(orders) == 0 || len(orders) > OrdersPerSubmitMax {
		return nil, fault.Reasoned(fault.Invalid, "orders", "%d orders at once: 1 to %d", len(orders), OrdersPerSubmitMax)
	}
	if note != nil && (len(note.Cursor) > KeyBytesMax || len(note.Origin) > store.OriginBytes) {
		return nil, fault.Reasoned(fault.Invalid, "note", "a note's cursor has at most %d bytes, its origin %d", KeyBytesMax, store.OriginBytes)
	}
	s := &submission{orders: orders, note: note, done: make(chan struct{})}
	return l.wait(ctx, s)
}

// wait has a submission executed.
func (l *Ledger) wait(ctx context.Context, s *submission) ([]Result, error) {
	select {
	case <-l.stopped:
		return nil, errStopped
	default:
	}
	select {
	case l.queue <- s:
	default:
		l.metrics.shed.Inc()
		return nil, fault.Reasoned(fault.TryLater, "queue_full", "%d requests wait already: send it again in a moment", SubmissionsQueuedMax)
	}
	select {
	case <-s.done:
		return s.results, s.err
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-l.stopped:
	}
	// Run answered it, or it waited when Run ended.
	select {
	case <-s.done:
		return s.results, s.err
	default:
		return nil, errStopped
	}
}

var errStopped = fault.Reasoned(fault.Unavailable, "stopping", "the ledger is stopping: nothing was done")

// Run executes what is submitted until ctx ends, and then what waits already. It returns the store's fault, if that ended
// it. It is called once.
func (l *Ledger) Run(ctx context.Context) (err error) {
	defer close(l.stopped)
	defer fault.Recover(&err)
	for {
		select {
		case s := <-l.queue:
			began := time.Now()
			if err := l.commit(l.gather(s)); err != nil {
				return err
			}
			l.pause(ctx, began)
		case <-ctx.Done():
			return l.drain()
		}
	}
}

// pause waits until the round that began may have a follower.
func (l *Ledger) pause(ctx context.Context, began time.Time) {
	left := l.cfg.RoundMin - time.Since(began)
	if left <= 0 {
		return
	}
	select {
	case <-time.After(left):
	case <-ctx.Done():
	}
}

func (l *Ledger) drain() error {
	for {
		select {
		case s := <-l.queue:
			if err := l.commit(l.gather(s)); err != nil {
				return err
			}
		default:
			return nil
		}
	}
}

// Running reports whether orders are taken: Run has not ended.
func (l *Ledger) Running() bool {
	select {
	case <-l.stopped:
		return false
	default:
		return true
	}
}

// Waiting is how many submissions are in the queue.
func (l *Ledger) Waiting() int { return len(l.queue) }
