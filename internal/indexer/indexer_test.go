// SPDX-License-Identifier: Apache-2.0

package indexer

import (
	"context"
	"io"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/config"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/history"
	"github.com/aurigraph/aurigraph/internal/testkit/pgserver"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	legsPerBlock = 5
	patience     = 60 * time.Second
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// blocks is a chain without an end, each block of one batch.
type blocks struct{}

func header(h chain.Height) *chain.ExecutedHeader {
	return &chain.ExecutedHeader{Chain: 9, Height: h, TimeUs: uint64(h), Batches: []chain.BatchResult{{Legs: legsPerBlock}}}
}

func (blocks) Header(h chain.Height) (*chain.ExecutedHeader, chain.Hash, error) {
	return header(h), chain.Hash{byte(h)}, nil
}

func (blocks) BatchTransfers(header *chain.ExecutedHeader, _ uint32, each func(*history.Transfer) error) error {
	for i := range legsPerBlock {
		t := transfer(header.Height, uint32(i))
		if err := each(&t); err != nil {
			return err
		}
	}
	return nil
}

func (blocks) Retained(from, _ chain.Height) (chain.Height, error) { return from, nil }

func transfer(h chain.Height, item uint32) history.Transfer {
	return history.Transfer{Height: h, Item: item, From: 1, To: 2, Asset: 1, Amount: chain.Units(uint64(h)), Kind: history.KindTransfer, TimeUs: uint64(h)}
}

// wantUpTo wants the index to list the chain up to a height, each transfer once, in a while.
func wantUpTo(t *testing.T, x *Indexer, head chain.Height) {
	t.Helper()
	var have []history.Transfer
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); <-time.After(20 * time.Millisecond) {
		if x.Height() == head && x.LagRows() == 0 {
			break
		}
	}
	at, have, _, err := x.Transfers(t.Context(), 1, 0, 0, 1000)
	must(t, err)
	var want []history.Transfer
	for h := head; h > 0; h-- {
		for i := legsPerBlock - 1; i >= 0; i-- {
			want = append(want, transfer(h, uint32(i)))
		}
	}
	if at != head || x.Height() != head || x.LagRows() != 0 || !slices.Equal(have, want) {
		t.Fatalf("it lists %d transfers at %d, want %d at %d; height %d, lag %d", len(have), at, len(want), head, x.Height(), x.LagRows())
	}
}

type running struct {
	*Indexer
	stop func()
}

func start(t *testing.T, settings config.Index, folder string, head chain.Height) *running {
	t.Helper()
	x, err := New(Options{
		Settings: settings, Folder: folder, Chain: 9, Genesis: chain.Hash{9}, Source: blocks{}, Head: head,
		Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Metrics: prometheus.NewRegistry(),
	})
	must(t, err)
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- x.Run(ctx) }()
	stopped := false
	r := &running{x, func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		must(t, x.Close())
	}}
	t.Cleanup(r.stop)
	return r
}

func settings(url string) config.Index { return config.DefaultGateway().Index.At(url) }

// TestFile follows and lists with the engine in a file, over a restart.
func TestFile(t *testing.T) {
	dir := t.TempDir()
	x := start(t, settings(config.IndexSQLite), dir, 3)
	x.Publish(header(4))
	wantUpTo(t, x.Indexer, 4)
	x.stop()
	x = start(t, settings(config.IndexSQLite), dir, 6)
	wantUpTo(t, x.Indexer, 6)
}

// TestDatabaseIsLate starts while the database is away: the lag is seen, lists are refused, and all is there once it is back.
func TestDatabaseIsLate(t *testing.T) {
	s := pgserver.Start(t, pgserver.Options{})
	url := s.Database(t)
	s.Stop()
	x := start(t, settings(url), "", 2)
	x.Publish(header(3))
	if _, _, _, err := x.Transfers(t.Context(), 0, 0, 0, 10); !fault.Is(err, fault.Unavailable) || fault.ReasonOf(err) != ReasonAway {
		t.Errorf("a list without a database: %v", err)
	}
	if x.Height() != 0 || x.LagRows() != legsPerBlock || x.isOpen() != 0 {
		t.Errorf("height %d, lag %d", x.Height(), x.LagRows())
	}
	s.Restart()
	wantUpTo(t, x.Indexer, 3)
	s.Kill()
	for h := chain.Height(4); h < 20; h++ {
		x.Publish(header(h))
	}
	if x.LagRows() == 0 {
		t.Error("a killed database is not seen in the lag")
	}
	s.Restart()
	wantUpTo(t, x.Indexer, 19)
}

// TestTwo runs two indexers on one database: one writes, the other waits, and goes on when the first ends.
func TestTwo(t *testing.T) {
	s := pgserver.Start(t, pgserver.Options{})
	url := s.Database(t)
	a := start(t, settings(url), "", 5)
	wantUpTo(t, a.Indexer, 5)
	b := start(t, settings(url), "", 5)
	b.Publish(header(6))
	if b.isOpen() != 0 {
		t.Error("both write")
	}
	a.Publish(header(6))
	a.Publish(header(7))
	wantUpTo(t, a.Indexer, 7)
	for deadline := time.Now().Add(patience); b.Height() != 7 && time.Now().Before(deadline); <-time.After(20 * time.Millisecond) {
	}
	at, have, _, err := b.Transfers(t.Context(), 1, 0, 0, 1000)
	if err != nil || at != 7 || len(have) != 7*legsPerBlock || b.isOpen() != 0 {
		t.Errorf("who stands by lists %d transfers at %d, %v", len(have), at, err)
	}
	a.stop()
	b.Publish(header(7))
	b.Publish(header(8))
	wantUpTo(t, b.Indexer, 8)
}

// TestTakenOver lets another indexer take the database over while the first has lost it, and end: the first goes on behind it.
func TestTakenOver(t *testing.T) {
	s := pgserver.Start(t, pgserver.Options{})
	url := s.Database(t)
	a := start(t, settings(url), "", 5)
	wantUpTo(t, a.Indexer, 5)
	s.Kill()
	s.Restart()
	b := start(t, settings(url), "", 9) // the first has not noticed: it has nothing to write
	wantUpTo(t, b.Indexer, 9)
	a.Publish(header(6))
	b.stop()
	for h := chain.Height(7); h < 12; h++ {
		a.Publish(header(h))
	}
	wantUpTo(t, a.Indexer, 11)
}

// TestForeign ends with the database of another chain.
func TestForeign(t *testing.T) {
	s := pgserver.Start(t, pgserver.Options{})
	url := s.Database(t)
	a := start(t, settings(url), "", 2)
	wantUpTo(t, a.Indexer, 2)
	a.stop()
	x, err := New(Options{
		Settings: settings(url), Chain: 10, Genesis: chain.Hash{9}, Source: blocks{},
		Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Metrics: prometheus.NewRegistry(),
	})
	must(t, err)
	if err := x.Run(t.Context()); !fault.Is(err, fault.Conflict) {
		t.Error(err)
	}
}
