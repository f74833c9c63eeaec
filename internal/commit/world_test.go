// SPDX-License-Identifier: Apache-2.0

package commit

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"
	"golang.org/x/sync/errgroup"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/checkpoint"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/exec"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/keys"
	"github.com/aurigraph/aurigraph/internal/lane"
	"github.com/aurigraph/aurigraph/internal/ledger"
	"github.com/aurigraph/aurigraph/internal/obs"
	"github.com/aurigraph/aurigraph/internal/order/solo"
	"github.com/aurigraph/aurigraph/internal/pages"
	"github.com/aurigraph/aurigraph/internal/seglog"
	"github.com/aurigraph/aurigraph/internal/seglog/faultfs"
	"github.com/aurigraph/aurigraph/internal/store"
	"github.com/aurigraph/aurigraph/internal/store/memstore"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	testChain        chain.ChainID = 9
	testSegmentBytes               = 64 << 10
)

// supply is what account 1 begins with; each batch moves one unit of it to account 2 a leg.
const supply = 1_000_000

func genesis() *chain.Genesis {
	key := make(chain.HexBytes, 33)
	key[0] = 1
	return &chain.Genesis{
		Chain: testChain, Name: "test", TimeUs: 1,
		Validators:   []chain.GenesisValidator{{Name: "v0", Ed25519: make(chain.HexBytes, 32), MLDSA65: make(chain.HexBytes, 1952)}},
		Institutions: []chain.GenesisInstitution{{Name: "governance", Keys: []chain.HexBytes{key}}},
		Accounts:     []chain.GenesisAccount{{Institution: 1, Slot: chain.SlotNone}},
		Assets:       []chain.GenesisAsset{{Code: "GOLD", Name: "Gold", Flags: chain.AssetDense | chain.AssetVersioned, Issuer: 1}},
		Holdings:     []chain.GenesisHolding{{Account: 1, Asset: 1, Amount: fmt.Sprint(supply)}},
		AccountsMax:  100,
	}
}

// disks is what outlives a node.
type disks struct {
	fs    *faultfs.FS // of both logs
	store store.Store
	dir   string // of checkpoints
	lives uint64
}

func newDisks(t *testing.T) *disks {
	return &disks{fs: faultfs.New(), store: memstore.New(), dir: t.TempDir()}
}

// setup is what a test changes of the node it opens.
type setup struct {
	commit     Config
	certifier  func(Certifier) Certifier
	onPublish  func(*Published)
	poolBytes  int64
	orderPause time.Duration
	machine    func(*exec.Machine, *ledger.Ledger)
	parts      func(*Parts)
}

// node is the writer with all it stands on, joined as in production.
type node struct {
	t           *testing.T
	pool        *seglog.Pool
	laneLog     *seglog.Log
	orderLog    *seglog.Log
	checkpoints *checkpoint.Store
	engine      *solo.Engine
	lane        *lane.Lane
	loop        *Loop
	metrics     *prometheus.Registry
	from        chain.Height // of the state it recovered

	fatal  chan error
	cancel context.CancelFunc
	end    chan error

	mu        sync.Mutex
	published []*Published
	sequence  uint64
}

// mustOpen opens a node and runs it.
func mustOpen(t *testing.T, d *disks, s setup) *node {
	t.Helper()
	n, err := open(t, d, s)
	if err != nil {
		t.Fatal(err)
	}
	n.run()
	return n
}

func open(t *testing.T, d *disks, s setup) (n *node, err error) {
	if s.poolBytes == 0 {
		s.poolBytes = 8 << 20
	}
	n = &node{t: t, pool: seglog.NewPool(s.poolBytes, s.poolBytes/2), fatal: make(chan error, 1)}
	defer func() {
		if err != nil {
			n.closeLogs()
		}
	}()
	for _, l := range []struct {
		log  **seglog.Log
		name string
	}{{&n.laneLog, "lane"}, {&n.orderLog, "order"}} {
		if *l.log, err = seglog.Open("/"+l.name, seglog.Options{
			Name: l.name, FS: d.fs, SegmentBytes: testSegmentBytes, ReadyMin: 1, Pool: n.pool,
		}); err != nil {
			return n, err
		}
	}
	if n.checkpoints, err = checkpoint.Open(d.dir, checkpoint.OS{}, checkpoint.Config{Chain: testChain}); err != nil {
		return n, err
	}
	st, err := recoverState(d.store, n.checkpoints)
	if err != nil {
		return n, err
	}
	n.from = st.height
	if err := n.openOrder(st, s); err != nil {
		return n, err
	}
	if s.machine != nil {
		s.machine(st.machine, st.ledger)
	}
	return n, n.openLoop(d, st, s)
}

// state is what recovery found.
type state struct {
	space   *pages.Space
	tree    *pages.Tree
	ledger  *ledger.Ledger
	machine *exec.Machine
	lane    lane.Position
	height  chain.Height
}

func newLedger(space *pages.Space) *ledger.Ledger {
	return ledger.New(space, func(public []byte) (a chain.Address, ok bool) {
		sum := codec.Sum(public)
		copy(a[:], sum[:])
		return a, true
	})
}

func recoverState(s store.Reader, c *checkpoint.Store) (*state, error) {
	loaded, _, err := c.LoadVerified(func(m checkpoint.Meta) bool {
		h, err := readHeader(s, m.Height+chain.RootDelay)
		return err == nil && h.RootAt == m.Height && h.StateRoot == m.Root
	})
	if err == nil {
		return stateAt(s, loaded.Space, loaded.Tree, loaded.Meta)
	}
	g := genesis()
	st := &state{space: pages.NewSpace(), tree: pages.NewTree()}
	st.ledger = newLedger(st.space)
	if err := st.ledger.InitGenesis(g); err != nil {
		return nil, err
	}
	st.machine = exec.New(st.ledger, exec.Tip{Hash: codec.GenesisHash(g), TimeUs: g.TimeUs, LastUs: g.TimeUs})
	return st, nil
}

func stateAt(s store.Reader, space *pages.Space, tree *pages.Tree, m checkpoint.Meta) (*state, error) {
	st := &state{space: space, tree: tree, ledger: newLedger(space), height: m.Height}
	var err error
	if st.lane, err = ParsePosition(m.Blob); err != nil {
		return nil, err
	}
	if err := st.ledger.Attach(); err != nil {
		return nil, err
	}
	h, err := readHeader(s, m.Height)
	if err != nil {
		return nil, err
	}
	st.machine = exec.New(st.ledger, exec.Tip{Height: m.Height, Hash: codec.HeaderHash(h), TimeUs: h.TimeUs, LastRoot: m.Height, LastUs: h.TimeUs})
	for i := m.Height + 1; i <= m.Height+chain.RootDelay; i++ {
		h, err := readHeader(s, i)
		if err != nil {
			return nil, err
		}
		if h.RootAt != 0 {
			st.machine.Restore(h.RootAt, h.StateRoot)
		}
	}
	return st, nil
}

func readHeader(s store.Reader, h chain.Height) (*chain.ExecutedHeader, error) {
	raw, err := store.ReadHeader(s, h)
	if err != nil {
		return nil, err
	}
	return codec.DecodeHeader(raw)
}

func (n *node) openOrder(st *state, s setup) (err error) {
	ctx := context.Background()
	if n.engine, err = solo.Open(ctx, n.orderLog, st.height, genesis().TimeUs, solo.Config{IntervalMin: s.orderPause}); err != nil {
		return err
	}
	if n.lane, err = lane.Open(ctx, n.laneLog, lane.Config{JoinEpoch: 1, OnFailed: n.fail, OnDurable: func(s *lane.Stored) {
		if err := n.engine.Offer(s.Digest); err != nil {
			n.fail(err)
		}
	}}, st.lane); err != nil {
		return err
	}
	decided := n.engine.Replayed()
	for _, d := range n.lane.Pending() {
		if !decided[d] {
			if err := n.engine.Offer(d); err != nil {
				return err
			}
		}
	}
	return nil
}

func (n *node) fail(err error) {
	select {
	case n.fatal <- err:
	default:
	}
}

var validatorKeys = sync.OnceValues(func() (header, root keys.Signer) {
	header, err := keys.FromSeed(keys.Ed25519, [keys.SeedBytes]byte{1})
	if err != nil {
		panic(err)
	}
	if root, err = keys.FromSeed(keys.MLDSA65, [keys.SeedBytes]byte{2}); err != nil {
		panic(err)
	}
	return header, root
})

// logSegments is what retention sees of the lane's log.
type logSegments struct{ log *seglog.Log }

func (s logSegments) Retained() (out []Segment) {
	for _, in := range s.log.Segments() {
		out = append(out, Segment{in.Number, in.Bytes})
	}
	return out
}

func (s logSegments) Recycle(number uint64) error {
	_, err := s.log.Recycle(number)
	return err
}

func (n *node) openLoop(d *disks, st *state, s setup) (err error) {
	registry := prometheus.NewRegistry()
	stages, err := obs.NewStageTimer(registry)
	if err != nil {
		return err
	}
	header, root := validatorKeys()
	var certifier Certifier = &Self{Header: header, Root: root}
	if s.certifier != nil {
		certifier = s.certifier(certifier)
	}
	parts := Parts{
		Chain: testChain, Space: st.space, Tree: st.tree, Ledger: st.ledger, Machine: st.machine,
		Lane: n.lane, Start: st.lane, StartRoot: st.height, Engine: n.engine, Store: d.store, Checkpoints: n.checkpoints,
		Certifier: certifier,
		Segments:  logSegments{n.laneLog},
		TrimOrder: n.engine.Trim,
		Metrics:   NewMetrics(registry, stages),
		OnKeys:    func([]ledger.KeyChange) {},
		OnPublished: func(p *Published) {
			n.mu.Lock()
			n.published = append(n.published, p)
			n.mu.Unlock()
			if s.onPublish != nil {
				s.onPublish(p)
			}
		},
	}
	if s.parts != nil {
		s.parts(&parts)
	}
	n.metrics = registry
	n.loop, err = New(parts, s.commit)
	d.lives++
	n.sequence = 1000 * d.lives // above every earlier life's
	return err
}

// run runs the node.
func (n *node) run() {
	ctx, cancel := context.WithCancel(context.Background())
	n.cancel, n.end = cancel, make(chan error, 1)
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return n.engine.Run(ctx) })
	group.Go(func() error { return n.loop.Run(ctx) })
	group.Go(func() error {
		select {
		case err := <-n.fatal:
			return err
		case <-ctx.Done():
			return nil
		}
	})
	go func() { n.end <- group.Wait() }()
}

// stop stops the node and returns what it ended with.
func (n *node) stop() error {
	n.cancel()
	err := <-n.end
	n.closeLogs()
	return err
}

// mustStop stops a healthy node.
func (n *node) mustStop() {
	n.t.Helper()
	if err := n.stop(); err != nil {
		n.t.Errorf("the node ended with %v", err)
	}
}

// died waits for a node to end by itself, which must be a halt.
func (n *node) died() error {
	n.t.Helper()
	select {
	case err := <-n.end:
		if !fault.Is(err, fault.Halted) {
			n.t.Errorf("the node ended with %v", err)
		}
		n.closeLogs()
		return err
	case <-time.After(time.Hour):
		n.t.Fatal("the node goes on")
		return nil
	}
}

func (n *node) closeLogs() {
	for _, l := range []*seglog.Log{n.laneLog, n.orderLog} {
		if l == nil {
			continue
		}
		if err := l.Close(); err != nil && !errors.Is(err, faultfs.ErrCrashed) {
			n.t.Errorf("close: %v", err)
		}
	}
}

// batch makes a payload that moves one unit a leg.
func (n *node) batch(legs int) ([]byte, chain.Hash) {
	n.t.Helper()
	n.sequence++
	list := make([]chain.Leg, legs)
	for i := range list {
		list[i] = chain.Leg{From: 1, To: 2, Asset: 1, Amount: chain.Units(1)}
	}
	b, err := chain.NewBatch(chain.BatchHeader{Chain: testChain, Institution: 1, Key: 1, Sequence: n.sequence, ValidUntil: 50_000}, list)
	if err != nil {
		n.t.Fatal(err)
	}
	return b.Bytes(), codec.Sum(b.Bytes())
}

// submit puts a batch on the lane.
func (n *node) submit(legs int) error {
	n.t.Helper()
	raw, id := n.batch(legs)
	return n.put(chain.PayloadBatch, raw, id)
}

// put puts a payload on the lane.
func (n *node) put(kind chain.PayloadKind, raw []byte, id chain.Hash) error {
	n.t.Helper()
	buf, err := n.pool.Get(context.Background(), len(raw))
	if err != nil {
		return err
	}
	copy(buf.Payload(), raw)
	return n.lane.Append(context.Background(), lane.Item{Kind: kind, ID: id, Key: 1, Signature: []byte("signature"), Payload: buf})
}

func (n *node) mustSubmit(legs int) {
	n.t.Helper()
	if err := n.submit(legs); err != nil {
		n.t.Fatal(err)
	}
}

// wait waits until a height is published.
func (n *node) wait(h chain.Height) {
	n.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
	defer cancel()
	if err := n.loop.Wait(ctx, h); err != nil {
		n.t.Fatalf("height %d is not published: %v", h, err)
	}
}

// work submits a batch of one leg and waits until it is published.
func (n *node) work() {
	n.t.Helper()
	done := n.loop.Height() + 1
	n.mustSubmit(1)
	n.wait(done)
}

// moved is how much account 2 has, in certified state.
func (n *node) moved() uint64 {
	n.t.Helper()
	var amount, rest chain.Amount
	_, err := n.loop.View(context.Background(), func(l *ledger.Ledger) {
		amount, rest = l.Balance(2, 1), l.Balance(1, 1)
	})
	if err != nil {
		n.t.Fatal(err)
	}
	if amount.Lo+rest.Lo != supply {
		n.t.Errorf("account 1 has %v, account 2 %v: not %d together", rest, amount, supply)
	}
	return amount.Lo
}

// pause lets time pass, and then the node come to rest.
func pause(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// gate is a certifier that waits to be opened.
type gate struct {
	Certifier
	open chan struct{}
}

func (g gate) Await(ctx context.Context, h chain.Height) (*chain.Certificate, error) {
	select {
	case <-g.open:
		return g.Certifier.Await(ctx, h)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
