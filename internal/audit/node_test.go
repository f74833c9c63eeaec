// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/checkpoint"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/commit"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/keys"
	"github.com/aurigraph/aurigraph/internal/lane"
	"github.com/aurigraph/aurigraph/internal/ledger"
	"github.com/aurigraph/aurigraph/internal/node"
	"github.com/aurigraph/aurigraph/internal/obs"
	"github.com/aurigraph/aurigraph/internal/order"
	"github.com/aurigraph/aurigraph/internal/order/solo"
	"github.com/aurigraph/aurigraph/internal/seglog"
	"github.com/aurigraph/aurigraph/internal/store"
	"github.com/aurigraph/aurigraph/internal/store/pebblestore"
)

// settings are what a run of the node is told.
type settings struct {
	segmentBytes, retainBytes int64
	checkpointEvery           time.Duration
	rowsOutlivePayloads       chain.Height
	parts                     func(*commit.Parts) // changes what the writer is given; nil: nothing
}

var small = settings{segmentBytes: 256 << 10, retainBytes: 1 << 30, checkpointEvery: time.Millisecond}

// tight lets payloads go while a test writes some dozens of them.
var tight = settings{segmentBytes: 64 << 10, retainBytes: 256 << 10, checkpointEvery: time.Millisecond}

// running is the node's writer without its doors.
type running struct {
	*network
	settings settings
	pool     *seglog.Pool
	store    *pebblestore.Store
	laneLog  *seglog.Log
	orderLog *seglog.Log
	saved    *checkpoint.Store
	state    *node.State
	lane     laneParts
	engine   engine
	loop     *commit.Loop
	batches  chan struct{} // one for each published batch, in a network of one
	ids      sync.Map      // of published payloads
	ended    chan error
	stop     context.CancelFunc
	closers  []func() error
	lastWork atomic.Uint64 // height
}

const publishedMax = 1 << 16

// laneParts is a lane alone, or a relay among several.
type laneParts interface {
	commit.Lane
	Append(context.Context, lane.Item) error
	Pending() []chain.Hash
	ReadPayload(seglog.Pos) ([]byte, error)
}

type engine interface {
	order.Engine
	Replayed() map[chain.Hash]bool
	ReplayedTo() chain.Height
	Trim(chain.Height) error
}

// run opens the folder and runs the writer on it.
func (n *network) run(s settings) *running {
	n.t.Helper()
	r := n.open(s)
	engine, err := solo.Open(n.t.Context(), r.orderLog, r.state.Height, n.genesis.TimeUs, solo.Config{IntervalMin: time.Microsecond, Now: n.now})
	must(n.t, err)
	r.engine = engine
	r.lane, err = lane.Open(n.t.Context(), r.laneLog, lane.Config{
		JoinEpoch: 1,
		OnDurable: func(s *lane.Stored) { must(n.t, engine.Offer(s.Digest)) },
		OnFailed:  func(err error) { n.t.Error(err) },
	}, r.state.Lane)
	must(n.t, err)
	replayed := engine.Replayed()
	for _, d := range r.lane.Pending() {
		if !replayed[d] {
			must(n.t, engine.Offer(d))
		}
	}
	r.start(&commit.Self{Header: n.header, Root: n.root}, engine.Trim)
	must(n.t, r.loop.Wait(n.t.Context(), engine.ReplayedTo()))
	return r
}

// open opens the folder and recovers the state.
func (n *network) open(s settings) *running {
	t := n.t
	t.Helper()
	r := &running{network: n, settings: s, pool: seglog.NewPool(64<<20, 1<<20), batches: make(chan struct{}, publishedMax), ended: make(chan error, 1)}
	for _, d := range []string{"lane", "votes", "checkpoints", "index"} {
		if d == "votes" && len(n.genesis.Validators) == 1 {
			continue
		}
		must(t, os.MkdirAll(n.data(d), 0o755))
	}
	var err error
	r.store, err = pebblestore.Open(n.data("blocks"), pebblestore.Options{})
	must(t, err)
	var c store.Changes
	hash := codec.GenesisHash(n.genesis)
	store.WriteMeta(&c, metaGenesis, hash[:])
	must(t, store.EnsureFormat(r.store))
	must(t, r.store.Apply(&c, true))
	r.laneLog = n.log("lane", s.segmentBytes, r.pool)
	r.saved, err = checkpoint.Open(n.data("checkpoints"), checkpoint.OS{}, checkpoint.Config{Chain: testChain})
	must(t, err)
	r.state = n.recover(r.store, r.saved)
	r.orderLog = n.openOrder(r.state.Ledger.Membership().Epoch, r.pool)
	r.closers = []func() error{r.orderLog.Close, r.laneLog.Close, r.store.Close}
	return r
}

// start makes the writer and runs it, with what else the node consists of.
func (r *running) start(certifier commit.Certifier, trim func(chain.Height) error, also ...func(context.Context) error) {
	t, state := r.t, r.state
	t.Helper()
	stages, err := obs.NewStageTimer(obs.NewRegistry())
	must(t, err)
	parts := commit.Parts{
		Chain: testChain, Space: state.Space, Tree: state.Tree, Ledger: state.Ledger, Machine: state.Machine,
		Lane: r.lane, Start: state.Lane, StartRoot: state.Height, Engine: r.engine, Store: r.store, Checkpoints: r.saved,
		Certifier: certifier, Segments: segments{r.laneLog}, TrimOrder: trim,
		Metrics:     commit.NewMetrics(obs.NewRegistry(), stages),
		OnKeys:      func([]ledger.KeyChange) {},
		OnPublished: r.onPublished,
	}
	if r.settings.parts != nil {
		r.settings.parts(&parts)
	}
	r.loop, err = commit.New(parts, commit.Config{
		CheckpointInterval: r.settings.checkpointEvery, RetainBytes: r.settings.retainBytes, SettleDelay: time.Millisecond,
		RowsOutlivePayloads: r.settings.rowsOutlivePayloads,
	})
	must(t, err)
	var ctx context.Context
	ctx, r.stop = context.WithCancel(context.Background())
	group, ctx := errgroup.WithContext(ctx)
	for _, run := range append(also, r.engine.Run, r.loop.Run) {
		group.Go(func() error { return run(ctx) })
	}
	go func() { r.ended <- group.Wait() }()
}

func (r *running) onPublished(p *commit.Published) {
	for i := range p.Batches {
		r.lastWork.Store(uint64(p.Header.Height))
		r.ids.Store(p.Header.Batches[i].Batch, true)
		select {
		case r.batches <- struct{}{}:
		default: // among several nobody takes them
		}
	}
}

// published is the newest height in the store.
func (r *running) published() chain.Height {
	h, _, err := store.LastHeader(r.store)
	if err != nil && !fault.Is(err, fault.NotFound) {
		r.t.Fatal(err)
	}
	return h
}

// awaitPublished waits until a payload was published since the start.
func (r *running) awaitPublished(id chain.Hash) {
	r.t.Helper()
	for range 20_000 {
		if _, ok := r.ids.Load(id); ok {
			return
		}
		select {
		case err := <-r.ended:
			r.t.Fatalf("validator %d ended: %v", r.no, err)
		case <-time.After(time.Millisecond):
		}
	}
	r.t.Fatalf("validator %d did not publish %s; it stands at height %d, executed %d", r.no, id, r.loop.Height(), r.loop.ExecutedHeight())
}

func (n *network) log(name string, segmentBytes int64, pool *seglog.Pool) *seglog.Log {
	var id seglog.Identity
	binary.LittleEndian.PutUint64(id[:], uint64(testChain))
	copy(id[8:], name)
	l, err := seglog.Open(n.data(name), seglog.Options{Name: name, Identity: id, SegmentBytes: segmentBytes, Pool: pool})
	must(n.t, err)
	return l
}

func (n *network) recover(s store.Reader, checkpoints *checkpoint.Store) *node.State {
	loaded, _, err := checkpoints.LoadVerified(func(m checkpoint.Meta) bool {
		if p := handoverAt(n.t, s, m.Height); p != nil {
			return p.Root == m.Root
		}
		raw, err := store.ReadHeaderAhead(s, m.Height+chain.RootDelay)
		if err != nil {
			return false
		}
		h, err := codec.DecodeHeader(raw)
		return err == nil && h.RootAt == m.Height && h.StateRoot == m.Root
	})
	var state *node.State
	if fault.Is(err, fault.NotFound) {
		state, err = node.GenesisState(n.genesis)
	} else if err == nil {
		state, err = node.StateAt(n.genesis, s, loaded)
	}
	must(n.t, err)
	return state
}

// openOrder opens the ordering log of an epoch. That of the one before goes.
func (n *network) openOrder(e chain.Epoch, pool *seglog.Pool) *seglog.Log {
	name := orderName
	if e > 1 {
		name = fmt.Sprintf("%s-%d", orderName, e)
	}
	for _, old := range []string{orderName, fmt.Sprintf("%s-%d", orderName, e-1)} {
		if old != name {
			must(n.t, os.RemoveAll(n.data(old)))
		}
	}
	must(n.t, os.MkdirAll(n.data(name), 0o755))
	return n.log(name, 64<<10, pool)
}

// handoverAt is the handover that ended an epoch at a height, nil if none did.
func handoverAt(t testing.TB, s store.Reader, h chain.Height) *chain.ProvedHandover {
	t.Helper()
	rows, err := store.ReadHandovers(s, chain.FirstHandover)
	must(t, err)
	for _, raw := range rows {
		p, err := codec.DecodeProvedHandover(raw)
		must(t, err)
		if p.Height == h {
			return p
		}
	}
	return nil
}

type segments struct{ log *seglog.Log }

func (s segments) Retained() []commit.Segment {
	var out []commit.Segment
	for _, in := range s.log.Segments() {
		out = append(out, commit.Segment{Number: in.Number, Bytes: in.Bytes})
	}
	return out
}

func (s segments) Recycle(number uint64) error {
	_, err := s.log.Recycle(number)
	return err
}

// submit puts items on the lane and waits until they are published.
func (r *running) submit(items ...lane.Item) {
	r.t.Helper()
	for _, it := range items {
		must(r.t, r.lane.Append(r.t.Context(), it))
	}
	for range items {
		select {
		case <-r.batches:
		case err := <-r.ended:
			r.t.Fatalf("the writer ended: %v", err)
		}
	}
}

// settle waits until a certified root covers the last batch.
func (r *running) settle() {
	r.t.Helper()
	for {
		if at, _ := r.loop.Root(); at >= chain.Height(r.lastWork.Load()) {
			return
		}
		// The root appears a moment after its block, which may be the last: so not for ever.
		ctx, cancel := context.WithTimeout(r.t.Context(), 10*time.Millisecond)
		if err := r.loop.Wait(ctx, r.loop.Height()+1); !errors.Is(err, context.DeadlineExceeded) {
			must(r.t, err)
		}
		cancel()
	}
}

// close stops the node cleanly.
func (r *running) close() {
	r.t.Helper()
	r.stop()
	r.closed(<-r.ended)
}

// closed closes the folder of a node whose writer has ended.
func (r *running) closed(err error) {
	r.t.Helper()
	if err != nil && !errors.Is(err, commit.ErrEpochEnded) {
		r.t.Fatal(err)
	}
	for _, f := range r.closers {
		must(r.t, f())
	}
	must(r.t, os.WriteFile(r.data(lockName), nil, 0o644))
}

// killed copies the running node's folder as a kill would leave it. A file that goes meanwhile is a spare of a log.
func (r *running) killed() string {
	r.t.Helper()
	dir := r.t.TempDir()
	must(r.t, filepath.WalkDir(r.dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		to := filepath.Join(dir, strings.TrimPrefix(path, r.dir))
		if e.IsDir() {
			return os.MkdirAll(to, 0o755)
		}
		text, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return errors.Join(err, os.WriteFile(to, text, 0o644))
	}))
	return dir
}

// fill makes a node let payloads go.
func (n *network) fill(r *running) {
	for range 12 {
		r.submit(n.batch(150), n.batch(150), n.batch(150))
		r.settle()
	}
}

// life fills a node with all kinds of work.
func (n *network) life(r *running) {
	r.submit(n.batch(200), n.txs(&chain.OpenAccount{Slot: chain.SlotNone}, &chain.Transfer{To: 4, Asset: 1, Amount: chain.Units(5)}))
	r.submit(n.txs(&chain.AddKey{PublicKey: signer(n.t, keys.Ed25519, 9).Public().Bytes()}, &chain.CreateAsset{Code: "TIN", Name: "Tin", Scale: 1}))
	for range 3 {
		r.submit(n.batch(300), n.txs(&chain.Hold{To: 5, Asset: 3, Amount: chain.Units(2), Blocks: 3}), n.batch(1))
	}
	n.sequence-- // the same sequence again: refused as a whole
	r.submit(n.batch(2))
	r.settle()
}
