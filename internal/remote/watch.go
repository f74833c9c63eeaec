// SPDX-License-Identifier: Apache-2.0

package remote

import (
	"context"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"

	ledgerv1 "github.com/aurigraph/aurigraph/gen/aurigraph/ledger/v1"
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/obs"
	"github.com/aurigraph/aurigraph/internal/upstream"
)

// Times of following the chain.
const (
	countEvery  = 250 * time.Millisecond // how often the ledger's counts are asked for
	stallMax    = time.Second            // that a followed validator may be behind what another one says
	resumeFirst = 100 * time.Millisecond // pause until another validator is followed, doubled while that fails
	resumeMax   = 2 * time.Second
)

// Counts are a ledger at a glance.
type Counts struct {
	Height    chain.Height // certified
	Transfers uint64       // with outcome ok, since the genesis
}

// watch follows one validator, and another one when that is lost or stalls. There is one for all who want to know.
type watch struct {
	ledger *Ledger

	mu    sync.Mutex // guards all below
	known bool       // a validator has said something
	now   Counts
	news  chan struct{} // closed when one of these changes
}

func newWatch(l *Ledger) *watch { return &watch{ledger: l, news: make(chan struct{})} }

// counts is what is known, and what tells that more is.
func (w *watch) counts() (Counts, <-chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now, w.news
}

// await waits until something is known, or ctx ends.
func (w *watch) await(ctx context.Context) error {
	for {
		w.mu.Lock()
		known, news := w.known, w.news
		w.mu.Unlock()
		if known {
			return nil
		}
		select {
		case <-news:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// note takes what a validator says. What is less than is known already is old.
func (w *watch) note(h chain.Height, transfers uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	next := Counts{max(w.now.Height, h), max(w.now.Transfers, transfers)}
	if next != w.now || !w.known {
		w.now, w.known = next, true
		close(w.news)
		w.news = make(chan struct{})
	}
}

// run follows until ctx ends.
func (w *watch) run(ctx context.Context) {
	for wait := resumeFirst; ctx.Err() == nil; wait = min(2*wait, resumeMax) {
		before, _ := w.counts()
		err := w.follow(ctx)
		if ctx.Err() != nil {
			return
		}
		w.ledger.log.Debug("the validator that was followed is lost: the next one is", obs.Err(err))
		if after, _ := w.counts(); after != before {
			wait = resumeFirst
		}
		if pause(ctx, wait) != nil {
			return
		}
	}
}

// follow follows one validator until it is lost, stalls, or ctx ends.
func (w *watch) follow(ctx context.Context) (err error) {
	conn, done, err := w.ledger.validators.Stream(ctx, upstream.Call{Group: upstream.GroupChain, Key: w.ledger.turn.Add(1)})
	if err != nil {
		return err
	}
	defer func() { done(err) }()
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return w.stream(ctx, conn) })
	group.Go(func() error { return w.count(ctx) })
	return group.Wait()
}

// stream notes heights as one validator certifies them.
func (w *watch) stream(ctx context.Context, conn grpc.ClientConnInterface) error {
	blocks, err := ledgerv1.NewLedgerClient(conn).StreamBlocks(w.ledger.outgoing(ctx), &ledgerv1.StreamBlocksRequest{})
	if err != nil {
		return err
	}
	for {
		b, err := blocks.Recv()
		if err != nil {
			return err
		}
		w.note(chain.Height(b.Height), 0)
	}
}

// count asks, each time another validator, for the ledger's counts. It ends when the followed one does not keep up with them.
func (w *watch) count(ctx context.Context) error {
	tick := time.NewTicker(countEvery)
	defer tick.Stop()
	behind := time.Duration(0)
	for {
		before, _ := w.counts()
		st, err := w.ledger.reader.status(ctx, 0)
		if err == nil {
			if behind += countEvery; st.Height <= before.Height {
				behind = 0
			}
			if behind > stallMax {
				return fault.New(fault.Unavailable, "the followed validator is at height %d, another one at %d", before.Height, st.Height)
			}
			w.note(st.Height, st.Legs)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// heights calls each with every certified height from the next one on, until ctx ends or each fails.
func (w *watch) heights(ctx context.Context, each func(chain.Height) error) error {
	told, _ := w.counts()
	for {
		now, news := w.counts()
		for ; told.Height < now.Height; told.Height++ {
			if err := each(told.Height + 1); err != nil {
				return err
			}
		}
		select {
		case <-news:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
