// SPDX-License-Identifier: Apache-2.0

package intake

import (
	"context"
	"runtime"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/semaphore"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/lane"
	"github.com/aurigraph/aurigraph/internal/obs"
	"github.com/aurigraph/aurigraph/internal/seglog"
)

// Config sets the door's bounds. Zero values mean the defaults.
type Config struct {
	// AdmitWaitMax is how long a submission waits for room before it is told to try later. Default 250 ms.
	AdmitWaitMax time.Duration
	// TxQueueBytesMax bounds single transactions that wait to be cut. Default 8 MiB.
	TxQueueBytesMax int64
	// CutDelay is how long a cut waits for more single transactions after its first. Default 1 ms.
	CutDelay time.Duration
	// Alone says that one validator orders by itself: a change of the membership is refused at the door, for the node could
	// not open its folder again with an ordering engine that others take part in.
	Alone bool
	// CutBytesMax bounds one cut. Default 512 KiB.
	CutBytesMax int
}

func (c *Config) setDefaults() {
	if c.AdmitWaitMax == 0 {
		c.AdmitWaitMax = 250 * time.Millisecond
	}
	if c.TxQueueBytesMax == 0 {
		c.TxQueueBytesMax = 8 << 20
	}
	if c.CutDelay == 0 {
		c.CutDelay = time.Millisecond
	}
	if c.CutBytesMax == 0 {
		c.CutBytesMax = 512 << 10
	}
}

// txQueueLen bounds the queue of single transactions in number; the bytes are what usually binds.
const txQueueLen = 16384

// Lane is where admitted work goes.
type Lane interface {
	// Append takes over the item's buffer. An error means it is not on the lane.
	Append(ctx context.Context, item lane.Item) error
}

// History finds what was executed before.
type History interface {
	Receipt(batch chain.Hash) (chain.Receipt, error)
	TxReceipt(id chain.Hash) (r chain.Receipt, item uint32, err error)
	// BatchesFrom is the height from which on everything that was executed is found.
	BatchesFrom() (chain.Height, error)
}

// Parts is what the door works with. All fields but Portable are needed.
type Parts struct {
	Chain   chain.ChainID
	Pool    *seglog.Pool
	Keys    *Directory
	Lane    Lane
	History History
	Stages  *obs.StageTimer
	// Height is the newest published height.
	Height func() chain.Height
	// ChannelSequence reads a channel's last executed sequence from the ledger.
	ChannelSequence func(ctx context.Context, institution chain.InstitutionNo, channel uint8) (uint64, error)
	Metrics         prometheus.Registerer
	// Portable bounds portable work; nil: nothing does.
	Portable Portable
}

// Intake admits batches and transactions.
type Intake struct {
	Parts
	cfg     Config
	metrics *metrics

	channelsMu sync.Mutex // guards channels
	channels   map[channelKey]*channel

	// waitersMu guards waiters and closed. A payload id has several waiters when the same single transaction, cut alone,
	// is on its way more than once: they settle in lane order.
	waitersMu sync.Mutex
	waiters   map[chain.Hash][]waiter
	closed    bool // nobody will settle what is registered now

	verifiers txVerifiers
	txQueue   chan *TxTicket
	txRoom    *semaphore.Weighted
	stopped   chan struct{}
}

// waiter is who waits for a lane payload: a client batch's ticket, or those of the transactions in a cut.
type waiter struct {
	ticket *Ticket
	txs    []*TxTicket
}

// New makes a door. Run must run for single transactions to be cut.
func New(p Parts, cfg Config) *Intake {
	cfg.setDefaults()
	in := &Intake{
		Parts: p, cfg: cfg,
		channels:  make(map[channelKey]*channel),
		waiters:   make(map[chain.Hash][]waiter),
		verifiers: make(txVerifiers, runtime.GOMAXPROCS(0)),
		txQueue:   make(chan *TxTicket, txQueueLen),
		txRoom:    semaphore.NewWeighted(cfg.TxQueueBytesMax),
		stopped:   make(chan struct{}),
	}
	in.metrics = newMetrics(p.Metrics, in)
	return in
}

// Run cuts single transactions until ctx ends, then tells everyone who still waits that the outcome is unknown to them.
func (in *Intake) Run(ctx context.Context) error {
	err := in.runCutter(ctx)
	close(in.stopped)
	in.abandon()
	return err
}

// OnPublished settles the tickets of a published block. outcomes are those of its batches, by place.
func (in *Intake) OnPublished(c *chain.Certified, outcomes []codec.Outcomes) {
	for i := range c.Batches {
		b := &c.Batches[i]
		w, ok := in.take(c.Header.Batches[i].Batch)
		if !ok {
			continue // submitted before a restart
		}
		in.settlePortable(&w, c.Header.Height)
		r := &chain.Receipt{Batch: c.Header.Batches[i].Batch, Location: b.Location, Header: c.HeaderBytes, Certificate: c.CertBytes, Outcomes: b.Packed}
		if w.ticket != nil {
			in.settleBatch(w.ticket, r, outcomes[i].Codes)
		}
		for _, t := range w.txs {
			in.settleTx(t, r, outcomes[i].Codes[t.item])
		}
	}
}

// settleBatch ends a batch's ticket. A batch that came out stale may have executed before a restart, or on another lane: then
// its first receipt is the answer.
func (in *Intake) settleBatch(t *Ticket, r *chain.Receipt, codes []chain.Outcome) {
	if codes[0] != chain.Stale {
		t.settle(r, true, nil)
		return
	}
	first, err := in.History.Receipt(r.Batch)
	switch {
	case err == nil:
		t.settle(&first, false, nil)
	case in.tells():
		t.settle(r, true, nil)
	default:
		t.settle(nil, true, errGap())
	}
}

// settleTx ends a transaction's ticket; one whose nonce was used by itself answers with its first receipt.
func (in *Intake) settleTx(t *TxTicket, r *chain.Receipt, code chain.Outcome) {
	if code != chain.NonceUsed {
		t.settle(r, true, nil)
		return
	}
	first, item, err := in.History.TxReceipt(t.id)
	switch {
	case err == nil:
		t.item = item
		t.settle(&first, false, nil)
	case in.tells():
		t.settle(r, true, nil)
	default:
		t.settle(nil, true, errGap())
	}
}

// tells reports whether this node finds everything that was executed and can still be valid. After it went on from a peer's
// state it does not for a while: then nobody here can tell whether what comes out stale was executed before, and to call it
// refused would have it signed and paid again.
func (in *Intake) tells() bool {
	from, err := in.History.BatchesFrom()
	return err == nil && (from <= 1 || from+chain.ValidityBlocksMax <= in.Height()+1)
}

func errGap() error {
	return fault.Reasoned(fault.Timeout, "history_gap", "this node went on from another's state and does not know whether it was executed before: ask another node for its receipt")
}

// await registers who waits for a payload, before the lane has it. After the stop it is refused: nobody would settle it.
func (in *Intake) await(id chain.Hash, w waiter) error {
	in.waitersMu.Lock()
	defer in.waitersMu.Unlock()
	if in.closed {
		return errStopping()
	}
	in.waiters[id] = append(in.waiters[id], w)
	return nil
}

// take gives the waiter whose payload went on the lane first.
func (in *Intake) take(id chain.Hash) (waiter, bool) {
	in.waitersMu.Lock()
	defer in.waitersMu.Unlock()
	ws := in.waiters[id]
	if len(ws) == 0 {
		return waiter{}, false
	}
	in.setWaiters(id, ws[1:])
	return ws[0], true
}

// withdraw takes back the newest waiter of a payload, which the lane refused. At the stop abandon may have settled it.
func (in *Intake) withdraw(id chain.Hash) {
	in.waitersMu.Lock()
	defer in.waitersMu.Unlock()
	if ws := in.waiters[id]; len(ws) > 0 {
		in.setWaiters(id, ws[:len(ws)-1])
	}
}

func (in *Intake) setWaiters(id chain.Hash, ws []waiter) {
	if len(ws) == 0 {
		delete(in.waiters, id)
		return
	}
	in.waiters[id] = ws
}

func (in *Intake) waiting(id chain.Hash) (waiter, bool) {
	in.waitersMu.Lock()
	defer in.waitersMu.Unlock()
	ws := in.waiters[id]
	if len(ws) == 0 {
		return waiter{}, false
	}
	return ws[0], true
}

func (in *Intake) abandon() {
	in.waitersMu.Lock()
	left := in.waiters
	in.waiters, in.closed = make(map[chain.Hash][]waiter), true
	in.waitersMu.Unlock()
	for _, ws := range left {
		for _, w := range ws {
			if w.ticket != nil {
				w.ticket.settle(nil, true, errUnknown())
			}
			settleTxs(w.txs, errUnknown())
		}
	}
	in.abandonQueue()
}

// abandonQueue refuses what waits to be cut after the cutter ended.
func (in *Intake) abandonQueue() {
	for {
		select {
		case t := <-in.txQueue:
			in.txRoom.Release(int64(len(t.signed)))
			t.settle(nil, true, in.refuse(errStopping()))
		default:
			return
		}
	}
}

func errStopping() error {
	return fault.Reasoned(fault.Unavailable, "stopping", "the node is stopping; it was not accepted")
}

func errUnknown() error {
	return fault.Reasoned(fault.Timeout, "stopping", "the node stopped before the block was certified: ask for the receipt by id later")
}

// refuse counts a refusal by its reason and passes it on.
func (in *Intake) refuse(err error) error {
	in.metrics.refused.WithLabelValues(fault.ReasonOf(err)).Inc()
	return err
}
