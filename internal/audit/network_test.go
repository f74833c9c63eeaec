// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/checkpoint"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/commit"
	"github.com/aurigraph/aurigraph/internal/config"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/keys"
	"github.com/aurigraph/aurigraph/internal/lane"
	"github.com/aurigraph/aurigraph/internal/ledger"
	"github.com/aurigraph/aurigraph/internal/node"
	"github.com/aurigraph/aurigraph/internal/obs"
	"github.com/aurigraph/aurigraph/internal/order/solo"
	"github.com/aurigraph/aurigraph/internal/seglog"
	"github.com/aurigraph/aurigraph/internal/store"
	"github.com/aurigraph/aurigraph/internal/store/pebblestore"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	testChain    chain.ChainID = 4711
	testAccounts               = 100
	bankHouse                  = chain.AccountNo(2)
)

// network is a genesis with the keys behind it, and the folder of its one node.
type network struct {
	t       testing.TB
	dir     string
	genesis *chain.Genesis

	header, root keys.Signer // the validator's
	bank         keys.Signer // ML-DSA-65: key 2, of institution 2, for batches and its house account
	person       keys.Signer // Ed25519: key 3, of account 3

	sequence, bankNonce, personNonce uint64
}

func signer(t testing.TB, s keys.Scheme, n byte) keys.Signer {
	t.Helper()
	k, err := keys.FromSeed(s, [keys.SeedBytes]byte{n})
	must(t, err)
	return k
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// newNetwork makes a node's folder as it is before its first start. Asset 1 is dense, 2 sparse, 3 versioned.
func newNetwork(t testing.TB) *network {
	t.Helper()
	n := &network{
		t: t, dir: t.TempDir(),
		header: signer(t, keys.Ed25519, 1), root: signer(t, keys.MLDSA65, 2),
		bank: signer(t, keys.MLDSA65, 3), person: signer(t, keys.Ed25519, 4),
	}
	governance := signer(t, keys.Ed25519, 5)
	n.genesis = &chain.Genesis{
		Chain: testChain, Name: "audit", TimeUs: 1_000_000,
		Validators:   []chain.GenesisValidator{{Name: "v0", Ed25519: n.header.Public().Bytes()[1:], MLDSA65: n.root.Public().Bytes()[1:]}},
		Institutions: []chain.GenesisInstitution{{Name: "governance", Keys: []chain.HexBytes{governance.Public().Bytes()}}, {Name: "bank", Keys: []chain.HexBytes{n.bank.Public().Bytes()}}},
		Accounts:     []chain.GenesisAccount{{PublicKey: n.person.Public().Bytes(), Slot: chain.SlotNone}},
		Assets: []chain.GenesisAsset{
			{Code: "GOLD", Name: "Gold", Scale: 2, Flags: chain.AssetDense, Issuer: bankHouse},
			{Code: "SILVER", Name: "Silver", Scale: 2, Issuer: bankHouse},
			{Code: "BOND", Name: "Bond", Scale: 2, Flags: chain.AssetVersioned, Issuer: bankHouse},
		},
		AccountsMax: 1 << 20,
	}
	for range testAccounts {
		n.genesis.Accounts = append(n.genesis.Accounts, chain.GenesisAccount{Institution: 2, Slot: chain.SlotNone})
	}
	for i := range testAccounts + 1 {
		for asset := chain.AssetNo(1); asset <= 3; asset++ {
			n.genesis.Holdings = append(n.genesis.Holdings, chain.GenesisHolding{Account: chain.AccountNo(3 + i), Asset: asset, Amount: "1000000"})
		}
	}
	text, err := json.MarshalIndent(n.genesis, "", "  ")
	must(t, err)
	must(t, os.WriteFile(filepath.Join(n.dir, "genesis.json"), append(text, '\n'), 0o644))
	must(t, config.Write(n.dir, config.Default()))
	return n
}

func (n *network) data(name string) string { return filepath.Join(n.dir, "data", name) }

// batch signs a client batch of transfers among the bank's accounts; every tenth asks for too much.
func (n *network) batch(legs int) lane.Item {
	n.sequence++
	list := make([]chain.Leg, legs)
	for i := range list {
		from := chain.AccountNo(4 + (i*7+int(n.sequence))%testAccounts)
		to := chain.AccountNo(4 + (i*13+int(n.sequence)+1)%testAccounts)
		if to == from {
			to = 4 + (to-3)%testAccounts
		}
		list[i] = chain.Leg{From: from, To: to, Asset: chain.AssetNo(1 + i%3), Amount: chain.Units(uint64(1 + i%5))}
		if i%10 == 9 {
			list[i].Amount = chain.Units(1 << 50)
		}
	}
	b, err := chain.NewBatch(chain.BatchHeader{Chain: testChain, Institution: 2, Key: 2, Sequence: n.sequence, ValidUntil: 90_000}, list)
	must(n.t, err)
	id := codec.Sum(b.Bytes())
	sig, err := n.bank.Sign(keys.BatchMessage(testChain, id))
	must(n.t, err)
	return lane.Item{Kind: chain.PayloadBatch, ID: id, Key: 2, Signature: sig, Payload: buffer(n.t, b.Bytes())}
}

// buffer puts a payload in memory of a pool of its own.
func buffer(t testing.TB, payload []byte) *seglog.Buffer {
	t.Helper()
	b, err := seglog.NewPool(1<<20, 0).Get(t.Context(), len(payload))
	must(t, err)
	copy(b.Payload(), payload)
	return b
}

// txs signs single transactions and cuts them into one payload.
func (n *network) txs(bodies ...chain.Body) lane.Item {
	var signed [][]byte
	for _, body := range bodies {
		tx := chain.Tx{Chain: testChain, ValidUntil: 90_000, Body: body}
		k := n.bank
		switch body.(type) {
		case *chain.Transfer, *chain.Hold:
			n.personNonce++
			k, tx.Sender, tx.Key, tx.Nonce = n.person, 3, 3, n.personNonce
		default:
			n.bankNonce++
			tx.Sender, tx.Key, tx.Nonce = bankHouse, 2, n.bankNonce
		}
		sig, err := k.Sign(keys.TxMessage(testChain, codec.TxID(&tx)))
		must(n.t, err)
		signed = append(signed, codec.AppendSignedTx(nil, &chain.SignedTx{Tx: tx, Signature: sig}))
	}
	payload := codec.AppendTxBatch(nil, signed)
	return lane.Item{Kind: chain.PayloadTxs, ID: codec.Sum(payload), Payload: buffer(n.t, payload)}
}

// settings are what a run of the node is told.
type settings struct {
	segmentBytes, retainBytes int64
	checkpointEvery           time.Duration
	rowsOutlivePayloads       chain.Height
	parts                     func(*commit.Parts) // changes what the writer is given; nil: nothing
}

var small = settings{segmentBytes: 256 << 10, retainBytes: 1 << 30, checkpointEvery: time.Millisecond}

// running is the node's writer without its doors.
type running struct {
	*network
	store    *pebblestore.Store
	lane     *lane.Lane
	loop     *commit.Loop
	batches  chan struct{} // one for each published batch
	ended    chan error
	stop     context.CancelFunc
	closers  []func() error
	lastWork atomic.Uint64 // height
}

const publishedMax = 1 << 16

// run opens the folder and runs the writer on it.
func (n *network) run(s settings) *running {
	t := n.t
	t.Helper()
	r := &running{network: n, batches: make(chan struct{}, publishedMax), ended: make(chan error, 1)}
	for _, d := range []string{"lane", "order", "checkpoints", "index"} {
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
	pool := seglog.NewPool(64<<20, 1<<20)
	laneLog, orderLog := n.log("lane", s.segmentBytes, pool), n.log("order", 64<<10, pool)
	checkpoints, err := checkpoint.Open(n.data("checkpoints"), checkpoint.OS{}, checkpoint.Config{Chain: testChain})
	must(t, err)
	state := n.recover(r.store, checkpoints)
	engine, err := solo.Open(t.Context(), orderLog, state.Height, n.genesis.TimeUs, solo.Config{IntervalMin: time.Microsecond})
	must(t, err)
	r.lane, err = lane.Open(t.Context(), laneLog, lane.Config{
		JoinEpoch: 1,
		OnDurable: func(s *lane.Stored) { must(t, engine.Offer(s.Digest)) },
		OnFailed:  func(err error) { t.Error(err) },
	}, state.Lane)
	must(t, err)
	replayed := engine.Replayed()
	for _, d := range r.lane.Pending() {
		if !replayed[d] {
			must(t, engine.Offer(d))
		}
	}
	stages, err := obs.NewStageTimer(obs.NewRegistry())
	must(t, err)
	parts := commit.Parts{
		Chain: testChain, Space: state.Space, Tree: state.Tree, Ledger: state.Ledger, Machine: state.Machine,
		Lane: r.lane, Start: state.Lane, StartRoot: state.Height, Engine: engine, Store: r.store, Checkpoints: checkpoints,
		Certifier: &commit.Self{Header: n.header, Root: n.root}, Segments: segments{laneLog}, TrimOrder: engine.Trim,
		Metrics: commit.NewMetrics(obs.NewRegistry(), stages),
		OnKeys:  func([]ledger.KeyChange) {},
		OnPublished: func(p *commit.Published) {
			for range p.Batches {
				r.lastWork.Store(uint64(p.Header.Height))
				r.batches <- struct{}{}
			}
		},
	}
	if s.parts != nil {
		s.parts(&parts)
	}
	r.loop, err = commit.New(parts, commit.Config{CheckpointInterval: s.checkpointEvery, RetainBytes: s.retainBytes, SettleDelay: time.Millisecond, RowsOutlivePayloads: s.rowsOutlivePayloads})
	must(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	r.stop = cancel
	ended := make(chan error, 2)
	go func() { ended <- engine.Run(ctx) }()
	go func() { ended <- r.loop.Run(ctx) }()
	go func() {
		err := <-ended
		if second := <-ended; err == nil {
			err = second
		}
		r.ended <- err
	}()
	r.closers = []func() error{orderLog.Close, laneLog.Close, r.store.Close}
	must(t, r.loop.Wait(t.Context(), engine.ReplayedTo()))
	return r
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
		raw, err := store.ReadHeader(s, m.Height+chain.RootDelay)
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
	must(r.t, <-r.ended)
	for _, f := range r.closers {
		must(r.t, f())
	}
	must(r.t, os.WriteFile(r.data(lockName), nil, 0o644))
}

// killed copies the running node's folder as a kill would leave it.
func (r *running) killed() string {
	r.t.Helper()
	dir := r.t.TempDir()
	must(r.t, os.CopyFS(dir, os.DirFS(r.dir)))
	return dir
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
