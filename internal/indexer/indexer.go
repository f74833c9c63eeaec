// SPDX-License-Identifier: Apache-2.0

package indexer

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/config"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/history"
	"github.com/aurigraph/aurigraph/internal/index"
	"github.com/aurigraph/aurigraph/internal/index/postgres"
	"github.com/aurigraph/aurigraph/internal/index/sqlite"
	"github.com/aurigraph/aurigraph/internal/obs"
)

// ReasonAway is the reason of a list while the index's database is not reached.
const ReasonAway = "index_away"

// reopenEvery is how often a database that is not reached, or that another process writes to, is tried.
const reopenEvery = 2 * time.Second

// Engine is both sides of an index, and its end.
type Engine interface {
	index.Writer
	index.Reader
	io.Closer
}

// Options say which index, and of what chain.
type Options struct {
	Settings config.Index
	Folder   string // of an engine that keeps a file
	Chain    chain.ChainID
	Genesis  chain.Hash
	Source   index.Source
	// Head is the newest height that is published already. With FromIndex it is the newest that the index has as a whole, and
	// Publish begins behind it (Opened).
	Head      chain.Height
	FromIndex bool
	Decided   chain.Height             // see index.Follower.Decided; 0: not told
	Prepare   func(index.Writer) error // what is to be done with an index before it is followed; nil: nothing
	Log       *slog.Logger
	Metrics   prometheus.Registerer
}

// Indexer is a running index. All methods but Run and Close may be called by anybody.
type Indexer struct {
	o       Options
	retries *prometheus.CounterVec
	opened  chan struct{} // closed once the index was open

	mu         sync.Mutex
	head       chain.Height // newest that was published
	base       chain.Height // head when the index was first open
	unseen     uint64       // items published while there was no follower
	engine     Engine       // nil: it is not open
	standby    standby      // what is read from while another process writes
	follower   *index.Follower
	unregister func()
	closing    sync.WaitGroup // readers that are not needed any more
}

var _ index.Reader = (*Indexer)(nil)

// New makes an indexer, and opens the index if it is a file. One of another chain is a Conflict, a damaged one Corrupt.
func New(o Options) (*Indexer, error) {
	x := &Indexer{o: o, opened: make(chan struct{}), head: o.Head, retries: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "aurigraph_index_retries_total", Help: "Groups that the index's database did not take at first, by why.",
	}, []string{"reason"})}
	connected := prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "aurigraph_index_open", Help: "1 once the query index is open."}, x.isOpen)
	if _, err := obs.Register(o.Metrics, "the query index", x.retries, connected); err != nil {
		return nil, err
	}
	if o.Settings.URL != config.IndexSQLite {
		return x, nil
	}
	db, err := sqlite.Open(o.Folder, o.Chain, o.Genesis)
	if err != nil {
		return nil, err
	}
	if err := x.attach(db); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return x, nil
}

func (x *Indexer) isOpen() float64 {
	if e, _ := x.now(); e != nil {
		return 1
	}
	return 0
}

func (x *Indexer) now() (Engine, *index.Follower) {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.engine, x.follower
}

// attach makes the follower of an open index.
func (x *Indexer) attach(e Engine) error {
	if x.o.Prepare != nil {
		if err := x.o.Prepare(e); err != nil {
			return err
		}
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.o.FromIndex && x.head == 0 {
		x.head = e.Position().Complete()
	}
	r := &registrations{Registerer: x.o.Metrics}
	f := index.NewFollower(x.o.Source, e, x.head, x.o.Settings.RowsPerSecondMax, r)
	if x.o.Decided != 0 {
		f.Decided(max(x.o.Decided, x.head)) // the chain has gone on since the start
	}
	f.OnRetry(func(err error) { x.o.Log.Warn("the query index waits and tries again", obs.Err(err)) })
	x.engine, x.follower, x.unregister, x.unseen = e, f, r.unregister, 0
	x.closing.Go(x.standby.Close) // it waits for lists under way
	x.standby = standby{}
	select {
	case <-x.opened:
	default:
		x.base = x.head
		close(x.opened)
	}
	return nil
}

// detach closes the index, so that it is opened anew.
func (x *Indexer) detach() {
	x.mu.Lock()
	e, unregister := x.engine, x.unregister
	x.engine, x.follower, x.unregister = nil, nil, nil
	x.mu.Unlock()
	if e == nil {
		return
	}
	unregister()
	if err := e.Close(); err != nil {
		x.o.Log.Warn("the query index did not close well", obs.Err(err))
	}
}

// registrations remembers what was registered, to take it back: a follower registers its gauges, and another one may follow it.
type registrations struct {
	prometheus.Registerer
	done []prometheus.Collector
}

// MustRegister registers, and remembers.
func (r *registrations) MustRegister(c ...prometheus.Collector) {
	r.Registerer.MustRegister(c...)
	r.done = append(r.done, c...)
}

func (r *registrations) unregister() {
	for _, c := range r.done {
		r.Unregister(c)
	}
}

// Opened waits until the index was open, and says behind which height Publish begins with FromIndex.
func (x *Indexer) Opened(ctx context.Context) (chain.Height, error) {
	select {
	case <-x.opened:
		x.mu.Lock()
		defer x.mu.Unlock()
		return x.base, nil
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

// Publish says that a block is certified and readable. It never blocks on the index. Heights come in order.
func (x *Indexer) Publish(header *chain.ExecutedHeader) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.head = max(x.head, header.Height)
	if x.follower != nil {
		x.follower.Publish(header)
		return
	}
	for i := range header.Batches {
		x.unseen += uint64(header.Batches[i].Legs)
	}
}

// Height is the newest published height that is in the index as a whole; 0 while it is not open.
func (x *Indexer) Height() chain.Height {
	x.mu.Lock()
	f, height := x.follower, x.standby.height
	x.mu.Unlock()
	if f != nil {
		return f.Height()
	}
	return height
}

// LagRows is how many certified legs and single transactions are not indexed yet. While the index is not open it is how many were
// published meanwhile.
func (x *Indexer) LagRows() uint64 {
	x.mu.Lock()
	f, unseen := x.follower, x.unseen
	x.mu.Unlock()
	if f != nil {
		return f.LagRows()
	}
	return unseen
}

// Transfers lists transfers, newest first.
func (x *Indexer) Transfers(ctx context.Context, account chain.AccountNo, asset chain.AssetNo, before uint64, limit int) (chain.Height, []history.Transfer, uint64, error) {
	r, err := x.reader()
	if err != nil {
		return 0, nil, 0, err
	}
	return r.Transfers(ctx, account, asset, before, limit)
}

// ByOrigin finds the transfer that V10 made at a place of one of its rounds.
func (x *Indexer) ByOrigin(ctx context.Context, round uint64, place uint32) (history.Transfer, error) {
	r, err := x.reader()
	if err != nil {
		return history.Transfer{}, err
	}
	return r.ByOrigin(ctx, round, place)
}

// reader is what lists are read from now.
func (x *Indexer) reader() (index.Reader, error) {
	x.mu.Lock()
	e, other := x.engine, x.standby.Reader
	x.mu.Unlock()
	switch {
	case e != nil:
		return e, nil
	case other != nil:
		return other, nil
	}
	return nil, fault.Reasoned(fault.Unavailable, ReasonAway, "the query index's database is not reached: ask again later, or look into the log; all else is served")
}

// Run feeds the index until ctx ends (nil) or it cannot be used.
func (x *Indexer) Run(ctx context.Context) error {
	for {
		if err := x.reach(ctx); err != nil || ctx.Err() != nil {
			return err
		}
		_, f := x.now()
		err := f.Run(ctx)
		if err == nil || fault.ReasonOf(err) != postgres.ReasonMoved {
			return err
		}
		x.o.Log.Warn("the query index is opened anew", obs.Err(err))
		x.detach()
	}
}

// reach opens a database, until it is open or ctx ends.
func (x *Indexer) reach(ctx context.Context) error {
	for ctx.Err() == nil {
		if e, _ := x.now(); e != nil {
			return nil
		}
		err := x.openDatabase(ctx)
		if err == nil {
			x.o.Log.Info("the query index is open")
			return nil
		}
		if ctx.Err() != nil {
			return nil
		}
		if !fault.Is(err, fault.Unavailable) && !fault.Is(err, fault.TryLater) && !fault.Is(err, fault.Timeout) {
			return err
		}
		x.o.Log.Warn("the query index's database cannot be written to for now: it is tried again", obs.Err(err))
		x.standBy(ctx, err)
		select {
		case <-time.After(reopenEvery):
		case <-ctx.Done():
		}
	}
	return nil
}

func (x *Indexer) openDatabase(ctx context.Context) error {
	db, err := postgres.Open(ctx, postgres.Config{URL: x.o.Settings.URL, OnRetry: x.onRetry}, x.o.Chain, x.o.Genesis)
	if err != nil {
		return err
	}
	if err := x.attach(db); err != nil {
		return errors.Join(err, db.Close())
	}
	return nil
}

// standby is an index that another process writes.
type standby struct {
	*postgres.Reader
	height chain.Height
}

// standBy lists from an index that another process writes, while it does.
func (x *Indexer) standBy(ctx context.Context, why error) {
	x.mu.Lock()
	s := x.standby
	x.mu.Unlock()
	var err error
	if s.Reader == nil && fault.ReasonOf(why) == postgres.ReasonTaken {
		s.Reader, err = postgres.OpenReader(ctx, postgres.Config{URL: x.o.Settings.URL}, x.o.Chain, x.o.Genesis)
	}
	if s.Reader == nil || err != nil {
		return // what was wrong is in the log already
	}
	if height, err := s.Height(ctx); err == nil {
		s.height = height
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.standby = s
}

func (x *Indexer) onRetry(reason string, err error) {
	x.retries.WithLabelValues(reason).Inc()
	x.o.Log.Debug("a group is written again", slog.String(obs.KeyReason, reason), obs.Err(err))
}

// Close closes the index. Run must have returned.
func (x *Indexer) Close() error {
	x.mu.Lock()
	e, s := x.engine, x.standby
	x.engine, x.standby = nil, standby{}
	x.mu.Unlock()
	s.Close()
	x.closing.Wait()
	if e == nil {
		return nil
	}
	return e.Close()
}
