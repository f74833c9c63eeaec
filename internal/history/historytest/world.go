// SPDX-License-Identifier: Apache-2.0

package historytest

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/checkpoint"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/commit"
	"github.com/aurigraph/aurigraph/internal/exec"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/history"
	"github.com/aurigraph/aurigraph/internal/keys"
	"github.com/aurigraph/aurigraph/internal/lane"
	"github.com/aurigraph/aurigraph/internal/ledger"
	"github.com/aurigraph/aurigraph/internal/obs"
	"github.com/aurigraph/aurigraph/internal/order/solo"
	"github.com/aurigraph/aurigraph/internal/pages"
	"github.com/aurigraph/aurigraph/internal/seglog"
	"github.com/aurigraph/aurigraph/internal/seglog/faultfs"
	"github.com/aurigraph/aurigraph/internal/store/memstore"
)

// SegmentBytes is the size of a lane segment: a batch of 1,000 legs takes some 72 KiB of it.
const SegmentBytes = 192 << 10

// World is one node without edges.
type World struct {
	Genesis *chain.Genesis
	Store   *memstore.Store
	History *history.History
	Loop    *commit.Loop
	Lane    *seglog.Log

	t        testing.TB
	pool     *seglog.Pool
	orderLog *seglog.Log
	lane     *lane.Lane
	engine   *solo.Engine
	ledger   *ledger.Ledger
	publish  func(chain.Height)
	failed   chan error
	sequence uint64
	nonces   map[chain.AccountNo]uint64
	changed  chain.SyncPosition // of the newest change of V10
}

// Start starts a world of Genesis, which ends with the test. publish, if not nil, is told of each published height.
func Start(t testing.TB, publish func(chain.Height)) *World {
	t.Helper()
	return start(t, Genesis(), publish)
}

func start(t testing.TB, genesis *chain.Genesis, publish func(chain.Height)) *World {
	t.Helper()
	if publish == nil {
		publish = func(chain.Height) {}
	}
	w := &World{
		Genesis: genesis, Store: memstore.New(), t: t, publish: publish,
		pool: seglog.NewPool(16<<20, 8<<20), failed: make(chan error, 1), nonces: map[chain.AccountNo]uint64{},
	}
	fs := faultfs.New()
	w.Lane, w.orderLog = w.openLog(fs, "lane"), w.openLog(fs, "order")
	w.History = history.New(w.Store, func(l chain.Location) ([]byte, error) {
		return w.lane.ReadPayload(seglog.Pos{Segment: l.Segment, Offset: l.Offset, Bytes: l.Bytes, Seq: l.Seq})
	})
	w.open()
	ctx, cancel := context.WithCancel(t.Context())
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return w.engine.Run(ctx) })
	group.Go(func() error { return w.Loop.Run(ctx) })
	t.Cleanup(func() {
		cancel()
		w.must(group.Wait())
		w.must(w.Lane.Close())
		w.must(w.orderLog.Close())
		select {
		case err := <-w.failed:
			t.Error(err)
		default:
		}
	})
	return w
}

func (w *World) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Error(err)
	}
}

func (w *World) fatal(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *World) openLog(fs *faultfs.FS, name string) *seglog.Log {
	log, err := seglog.Open("/"+name, seglog.Options{Name: name, FS: fs, SegmentBytes: SegmentBytes, ReadyMin: 1, Pool: w.pool})
	w.fatal(err)
	return log
}

func (w *World) fail(err error) {
	select {
	case w.failed <- err:
	default:
	}
}

func (w *World) open() {
	space := pages.NewSpace()
	w.ledger = ledger.New(space, func(public []byte) (a chain.Address, ok bool) {
		sum := codec.Sum(public)
		copy(a[:], sum[:])
		return a, true
	})
	w.fatal(w.ledger.InitGenesis(w.Genesis))
	tip := exec.Tip{Hash: codec.GenesisHash(w.Genesis), TimeUs: w.Genesis.TimeUs, LastUs: w.Genesis.TimeUs}
	machine := exec.New(w.ledger, tip)
	var err error
	w.engine, err = solo.Open(w.t.Context(), w.orderLog, 0, w.Genesis.TimeUs, solo.Config{})
	w.fatal(err)
	w.lane, err = lane.Open(w.t.Context(), w.Lane, lane.Config{JoinEpoch: 1, OnFailed: w.fail, OnDurable: func(s *lane.Stored) {
		if err := w.engine.Offer(s.Digest); err != nil {
			w.fail(err)
		}
	}}, lane.Position{})
	w.fatal(err)
	checkpoints, err := checkpoint.Open(w.t.TempDir(), checkpoint.OS{}, checkpoint.Config{Chain: w.Genesis.Chain})
	w.fatal(err)
	registry := prometheus.NewRegistry()
	stages, err := obs.NewStageTimer(registry)
	w.fatal(err)
	header, root := validatorKeys()
	w.Loop, err = commit.New(commit.Parts{
		Chain: w.Genesis.Chain, Space: space, Tree: pages.NewTree(), Ledger: w.ledger, Machine: machine,
		Lane: w.lane, Engine: w.engine, Store: w.Store, Checkpoints: checkpoints,
		Certifier: &commit.Self{Header: header, Root: root},
		Segments:  keepAll{}, TrimOrder: func(chain.Height) error { return nil },
		Metrics:     commit.NewMetrics(registry, stages),
		OnKeys:      func([]ledger.KeyChange) {},
		OnPublished: func(p *commit.Published) { w.publish(p.Header.Height) },
	}, commit.Config{})
	w.fatal(err)
}

// keepAll keeps retention away: tests recycle by hand.
type keepAll struct{}

func (keepAll) Retained() []commit.Segment { return nil }
func (keepAll) Recycle(uint64) error       { return nil }

var validatorKeys = sync.OnceValues(func() (header, root keys.Signer) {
	header, err := keys.FromSeed(keys.Ed25519, [keys.SeedBytes]byte{1})
	fault.Invariant(err == nil, "no header key: %v", err)
	root, err = keys.FromSeed(keys.MLDSA65, [keys.SeedBytes]byte{2})
	fault.Invariant(err == nil, "no root key: %v", err)
	return header, root
})

// Settle lets time pass until an idle network is silent: the state root of the last work is certified.
func (w *World) Settle() {
	<-time.After(time.Minute)
	synctest.Wait()
}

// Recycle gives all lane segments but the newest keep back.
func (w *World) Recycle(keep int) {
	w.t.Helper()
	segments := w.Lane.Segments()
	if len(segments) <= keep {
		w.t.Fatalf("there are %d segments, none above %d to recycle", len(segments), keep)
	}
	_, err := w.Lane.Recycle(segments[len(segments)-keep].Number)
	w.fatal(err)
}
