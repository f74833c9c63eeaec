// SPDX-License-Identifier: Apache-2.0

package index_test

import (
	"context"
	"encoding/binary"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/history"
	"github.com/aurigraph/aurigraph/internal/index"
	"github.com/aurigraph/aurigraph/internal/index/sqlite"
	"github.com/aurigraph/aurigraph/internal/store"
	"github.com/aurigraph/aurigraph/internal/store/memstore"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	testChain     chain.ChainID = 5
	blocksPerSeg                = 4 // payloads of so many blocks share a segment
	startTimeUs                 = 1_700_000_000_000_000
	generousRate                = 1 << 40
	accountsOfAll               = 7
)

var testGenesis = chain.Hash{5}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// ledger is a chain as package commit leaves it behind: rows in a store, payloads in segments. What a test makes of it it
// does by hand, so that a block has the batches that the test is about.
type ledger struct {
	t       testing.TB
	store   *memstore.Store
	history *history.History
	headers []*chain.ExecutedHeader // by height, from 1
	seed    uint64                  // chains of other seeds have other transfers

	mu       sync.Mutex
	payloads map[uint64][]byte // by seq
	segment  uint64            // the oldest that is retained
	reads    int               // of payloads
	onRead   func(reads int)   // is told of each
}

func newLedger(t testing.TB) *ledger {
	l := &ledger{t: t, store: memstore.New(), payloads: map[uint64][]byte{}, segment: 1}
	l.history = history.New(l.store, l.payload)
	return l
}

func (l *ledger) payload(at chain.Location) ([]byte, error) {
	l.mu.Lock()
	l.reads++
	reads := l.reads
	l.mu.Unlock()
	if l.onRead != nil {
		l.onRead(reads)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if at.Segment < l.segment {
		return nil, fault.New(fault.Pruned, "segment %d was recycled", at.Segment)
	}
	return l.payloads[at.Seq], nil
}

func segmentOf(h chain.Height) uint64 { return uint64((h-1)/blocksPerSeg) + 1 }

// recycle lets the payloads of all blocks below a height go; it is the first of its segment.
func (l *ledger) recycle(below chain.Height) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.segment = segmentOf(below)
}

func (l *ledger) head() chain.Height { return chain.Height(len(l.headers)) }

// content is what a batch holds: so many legs of a client, single transactions, or changes of V10, of which the last is held.
type content struct {
	legs    int
	txs     []chain.Body
	changes []chain.Leg
}

func legs(n int) content { return content{legs: n} }

// block appends a block.
func (l *ledger) block(contents ...content) *chain.ExecutedHeader {
	l.t.Helper()
	h := l.head() + 1
	header := &chain.ExecutedHeader{Chain: testChain, Epoch: 1, Height: h, TimeUs: startTimeUs + uint64(h), Proposal: chain.Hash{byte(l.seed)}}
	if h > 1 {
		header.Previous = codec.HeaderHash(l.headers[h-2])
	}
	var c store.Changes
	for i, in := range contents {
		header.Batches = append(header.Batches, l.batch(&c, h, uint32(i), in))
	}
	store.WriteHeader(&c, h, codec.AppendHeader(nil, header))
	store.WriteCertificate(&c, h, []byte("certificate"))
	must(l.t, l.store.Apply(&c, true))
	l.headers = append(l.headers, header)
	return header
}

func (l *ledger) batch(c *store.Changes, h chain.Height, index uint32, in content) chain.BatchResult {
	seq := uint64(h)*1000 + uint64(index)
	payload, n, kind := l.legs(seq, in.legs), in.legs, chain.PayloadBatch
	if in.txs != nil {
		payload, n, kind = l.txs(seq, in.txs), len(in.txs), chain.PayloadTxs
	}
	if in.changes != nil {
		payload, n = l.changes(seq, in.changes), chain.SyncRecordLegs*len(in.changes)
	}
	o := codec.Outcomes{Codes: make([]chain.Outcome, n)}
	for i := range o.Codes {
		switch {
		case in.changes == nil:
			o.Codes[i] = chain.Outcome(i % 3)
		case i >= n-chain.SyncRecordLegs:
			o.Codes[i] = chain.InsufficientFunds
		}
	}
	store.WritePlace(c, h, index, codec.AppendLocation(nil, chain.Location{
		Height: h, Index: index, Kind: kind, Legs: uint32(n), Segment: segmentOf(h), Offset: 4096, Bytes: 8192, Seq: seq,
	}))
	store.WriteOutcome(c, h, index, o.AppendPacked(nil))
	l.mu.Lock()
	defer l.mu.Unlock()
	l.payloads[seq] = payload
	return chain.BatchResult{Batch: codec.Sum(payload), Legs: uint32(n), Outcomes: o.Hash()}
}

func (l *ledger) legs(seq uint64, n int) []byte {
	if n == 0 {
		return nil
	}
	list := make([]chain.Leg, n)
	for i := range list {
		from := chain.AccountNo(1 + (i+int(seq))%accountsOfAll)
		list[i] = chain.Leg{From: from, To: 1 + from%accountsOfAll, Asset: chain.AssetNo(1 + i%2), Amount: chain.Units(seq<<16 + uint64(i) + 1)}
		if i%4 == 0 {
			binary.BigEndian.PutUint64(list[i].Reference[:], seq)
		}
	}
	b, err := chain.NewBatch(chain.BatchHeader{Chain: testChain, Institution: 1, Key: 1, Sequence: seq + l.seed<<32, ValidUntil: 1 << 30}, list)
	must(l.t, err)
	return b.Bytes()
}

func (l *ledger) changes(seq uint64, changes []chain.Leg) []byte {
	var list []chain.Leg
	for i, c := range changes {
		o := chain.SyncOrigin{Position: chain.SyncPosition{Major: seq, Minor: uint32(i)}, TimeMs: seq + 1, Height: seq, Place: uint32(i)}
		if c.Kind == chain.LegRefused {
			o.Outcome = chain.FrozenSlot
		}
		list = append(list, c, o.Leg())
	}
	b, err := chain.NewSyncBatch(chain.BatchHeader{Chain: testChain, Institution: 1, Key: 1, Sequence: seq, ValidUntil: 1 << 30}, chain.SyncHead{Life: 1, HomeVersion: 1}, list)
	must(l.t, err)
	return b.Bytes()
}

func (l *ledger) txs(seq uint64, bodies []chain.Body) []byte {
	var signed [][]byte
	for i, body := range bodies {
		tx := chain.Tx{Chain: testChain, Sender: 3, Key: 1, Nonce: seq*100 + uint64(i), ValidUntil: 1 << 30, Body: body}
		signed = append(signed, codec.AppendSignedTx(nil, &chain.SignedTx{Tx: tx, Signature: []byte("signature")}))
	}
	return codec.AppendTxBatch(nil, signed)
}

// kept copies a ledger up to a height, as a power cut leaves the block store. What comes then is made again.
func (l *ledger) kept(upTo chain.Height) *ledger {
	k := newLedger(l.t)
	k.seed = l.seed
	for _, h := range l.headers[:upTo] {
		l.again(k, h)
	}
	return k
}

// again makes a block of l anew in another ledger.
func (l *ledger) again(in *ledger, h *chain.ExecutedHeader) *chain.ExecutedHeader {
	var contents []content
	for _, b := range h.Batches {
		contents = append(contents, legs(int(b.Legs)))
	}
	return in.block(contents...)
}

// transfers are those of all heights, as history derives them.
func (l *ledger) transfers(from, to chain.Height) (all []history.Transfer) {
	l.t.Helper()
	for h := from; h <= to; h++ {
		must(l.t, l.history.Transfers(h, func(t *history.Transfer) error {
			all = append(all, *t)
			return nil
		}))
	}
	return all
}

// openIndex opens an index in a folder, to be closed by the test's end.
func openIndex(t testing.TB, dir string) *sqlite.DB {
	t.Helper()
	db, err := sqlite.Open(dir, testChain, testGenesis)
	must(t, err)
	t.Cleanup(func() { must(t, db.Close()) })
	return db
}

// listed is all that an index lists, oldest first.
func listed(t testing.TB, r index.Reader) (at chain.Height, all []history.Transfer) {
	t.Helper()
	for before := uint64(0); ; {
		h, rows, next, err := r.Transfers(context.Background(), 0, 0, before, sqlite.RowsPerAnswerMax)
		must(t, err)
		all = append(all, rows...)
		if at, before = h, next; next == 0 {
			break
		}
	}
	slices.Reverse(all)
	return at, all
}

// writer is an index's writing side that takes time, fails when told to, and remembers its groups.
type writer struct {
	index.Writer
	takes  time.Duration
	failAt int   // the Apply, counted from 1, that fails
	fails  int   // how often; 0: for ever
	err    error // with what
	before func()

	mu     sync.Mutex
	groups []index.Group
	rows   []int
}

var (
	errDamaged = fault.New(fault.Corrupt, "a page is damaged")
	errFull    = fault.New(fault.Unavailable, "the disk is full")
)

func (w *writer) Apply(g *index.Group) error {
	<-time.After(w.takes)
	if w.before != nil {
		w.before()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.groups)+1 == w.failAt {
		if w.fails--; w.fails == 0 {
			w.failAt = 0
		}
		return w.err
	}
	kept := *g
	kept.Blocks, kept.Rows, kept.Gaps = append([]index.Block(nil), g.Blocks...), nil, append([]index.Gap(nil), g.Gaps...)
	w.groups, w.rows = append(w.groups, kept), append(w.rows, len(g.Rows))
	return w.Writer.Apply(g)
}

// following is a follower that runs.
type following struct {
	*index.Follower
	t      testing.TB
	gauges *prometheus.Registry
	cancel context.CancelFunc
	ended  chan error
}

// follow runs a follower of a chain that has reached base.
func follow(t testing.TB, l *ledger, w index.Writer, base chain.Height, rate int) *following {
	f := newFollowing(t, l, w, base, rate)
	f.run()
	return f
}

func newFollowing(t testing.TB, l *ledger, w index.Writer, base chain.Height, rate int) *following {
	r := prometheus.NewRegistry()
	return &following{Follower: index.NewFollower(l.history, w, base, rate, r), t: t, gauges: r, ended: make(chan error, 1)}
}

func (f *following) run() {
	ctx, cancel := context.WithCancel(context.Background())
	f.cancel = cancel
	go func() { f.ended <- f.Run(ctx) }()
}

// stop ends the follower, which must end well.
func (f *following) stop() {
	f.t.Helper()
	f.cancel()
	must(f.t, <-f.ended)
}

// wantLag compares the lag with what it must be, the gauges too.
func (f *following) wantLag(rows uint64, blocks int) {
	f.t.Helper()
	if have := f.LagRows(); have != rows {
		f.t.Errorf("it lags by %d rows, want %d", have, rows)
	}
	for name, want := range map[string]float64{"aurigraph_index_lag_rows": float64(rows), "aurigraph_index_lag_blocks": float64(blocks)} {
		if have := f.gauge(name); have != want {
			f.t.Errorf("%s is %v, want %v", name, have, want)
		}
	}
}

func (f *following) gauge(name string) float64 {
	families, err := f.gauges.Gather()
	must(f.t, err)
	for _, m := range families {
		if m.GetName() == name {
			return m.GetMetric()[0].GetGauge().GetValue()
		}
	}
	f.t.Fatalf("there is no gauge %s", name)
	return 0
}

// openOnce opens an index that the test closes itself.
func openOnce(dir string) (*sqlite.DB, error) { return sqlite.Open(dir, testChain, testGenesis) }

// prune removes the places and outcomes of all heights below one, as is done long after their payloads were recycled.
func (l *ledger) prune(below chain.Height) {
	l.t.Helper()
	var c store.Changes
	for h := chain.Height(1); h < below; h++ {
		for i := range l.headers[h-1].Batches {
			store.DeleteOutcome(&c, h, uint32(i))
			store.DeletePlace(&c, h, uint32(i))
		}
	}
	store.WriteBatchesFrom(&c, below)
	must(l.t, l.store.Apply(&c, true))
}
