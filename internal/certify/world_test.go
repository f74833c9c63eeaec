// SPDX-License-Identifier: Apache-2.0

package certify

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"go.uber.org/goleak"
	"golang.org/x/sync/errgroup"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/keys"
	"github.com/aurigraph/aurigraph/internal/seglog"
	"github.com/aurigraph/aurigraph/internal/seglog/faultfs"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const testChain = chain.ChainID(77)

// signer is the key of a scheme and a validator.
func signer(t testing.TB, s keys.Scheme, validator int) keys.Signer {
	t.Helper()
	k, err := keys.FromSeed(s, [keys.SeedBytes]byte{byte(s), byte(validator + 1)})
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func membersOf(t testing.TB, n int) (list []Member) {
	for i := range n {
		list = append(list, Member{Header: signer(t, keys.Ed25519, i).Public(), Root: signer(t, keys.MLDSA65, i).Public()})
	}
	return list
}

func membership(t testing.TB, n int) *Membership {
	t.Helper()
	m, err := NewMembership(testChain, testEpoch, membersOf(t, n))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// rootless makes headers without state roots, until it is reset.
var rootless atomic.Bool

// header is the executed header of a height in a history.
func header(h chain.Height, history int) (*chain.ExecutedHeader, chain.Hash) {
	x := &chain.ExecutedHeader{Chain: testChain, Epoch: testEpoch, Height: h, TimeUs: uint64(history + 1)}
	if h%rootEvery == 0 && !rootless.Load() {
		x.RootAt, x.StateRoot = h/2, hashOf(h/2, history)
	}
	return x, codec.HeaderHash(x)
}

// frameIn is a frame on its way to a node.
type frameIn struct {
	from  chain.ValidatorNo
	frame []byte
}

// wire joins certifiers in one process: a bounded queue into each, from which its frames are taken in order.
type wire struct {
	mu    sync.Mutex
	boxes []chan frameIn
	lose  func(from, to chain.ValidatorNo, frame []byte) bool // guarded by mu
}

func (w *wire) setLose(lose func(from, to chain.ValidatorNo, frame []byte) bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lose = lose
}

// outlet is what one node sends by.
type outlet struct {
	*wire
	from chain.ValidatorNo
}

func (o outlet) Send(to chain.ValidatorNo, frame []byte) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.lose != nil && o.lose(o.from, to, frame) {
		return
	}
	select {
	case o.boxes[to] <- frameIn{o.from, frame}:
	default:
	}
}

// node is a running certifier.
type node struct {
	*Certifier
	cfg   Config
	fs    *faultfs.FS
	log   *seglog.Log
	stop  func() error
	mu    sync.Mutex
	store map[chain.Height]*chain.Certificate // guarded by mu
}

func (n *node) stored(h chain.Height) (*chain.Certificate, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if x := n.store[h]; x != nil {
		return x, nil
	}
	return nil, errors.New("none")
}

func openLog(t testing.TB, fs *faultfs.FS) *seglog.Log {
	t.Helper()
	log, err := tryLog(fs)
	if err != nil {
		t.Fatal(err)
	}
	return log
}

func tryLog(fs *faultfs.FS) (*seglog.Log, error) {
	return seglog.Open("/votes", seglog.Options{
		Name: "votes", Reserve: true, SegmentBytes: 16 * seglog.PageBytes, FS: fs, Rand: rand.NewChaCha8([32]byte{7}), PrepareRetryDelay: time.Millisecond,
	})
}

// testConfig is the configuration of a validator of n.
func testConfig(t testing.TB, self, n int, peers Peers) Config {
	return Config{
		Self: chain.ValidatorNo(self), Members: membership(t, n), Peers: peers, Metrics: prometheus.NewRegistry(),
		Header: signer(t, keys.Ed25519, self), Root: signer(t, keys.MLDSA65, self),
		TickInterval: time.Millisecond, RetryInterval: 5 * time.Millisecond,
	}
}

// start opens a certifier over a file system and runs it.
func start(t testing.TB, w *wire, fs *faultfs.FS, published chain.Height, cfg Config) *node {
	t.Helper()
	n := &node{cfg: cfg, fs: fs, log: openLog(t, fs), store: map[chain.Height]*chain.Certificate{}}
	n.cfg.Stored = n.stored
	var err error
	if n.Certifier, err = Open(context.Background(), n.log, published, n.cfg); err != nil {
		t.Fatal(err)
	}
	n.run(w)
	return n
}

func (n *node) run(w *wire) {
	ctx, cancel := context.WithCancel(context.Background())
	var err error
	var group sync.WaitGroup
	group.Go(func() { err = n.Run(ctx) })
	if w != nil {
		group.Go(func() {
			for {
				select {
				case f := <-w.boxes[n.cfg.Self]:
					_ = n.Receive(f.from, f.frame)
				case <-ctx.Done():
					return
				}
			}
		})
	}
	n.stop = sync.OnceValue(func() error {
		cancel()
		group.Wait()
		_ = n.log.Close()
		return err
	})
}

// newNetwork starts n validators. Those above up are members without a node.
func newNetwork(t testing.TB, n, up int) (*wire, []*node) {
	t.Helper()
	w := &wire{}
	for range n {
		w.boxes = append(w.boxes, make(chan frameIn, 4096))
	}
	var nodes []*node
	for i := range up {
		x := start(t, w, faultfs.New(), 0, testConfig(t, i, n, outlet{w, chain.ValidatorNo(i)}))
		t.Cleanup(func() { _ = x.stop() })
		nodes = append(nodes, x)
	}
	return w, nodes
}

func testContext(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// sign signs the right header of a height.
func (n *node) sign(ctx context.Context, h chain.Height) error {
	x, hash := header(h, 0)
	return n.Sign(ctx, x, hash)
}

// await takes a certificate, checks it and stores it.
func (n *node) await(ctx context.Context, h chain.Height) error {
	cert, err := n.Await(ctx, h)
	if err == nil {
		err = checkCertificate(n.cfg.Members, cert, h)
	}
	if err != nil {
		return fmt.Errorf("validator %d, height %d: %w", n.cfg.Self, h, err)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.store[h] = cert
	return nil
}

// checkCertificate checks a certificate of the right header as an auditor does.
func checkCertificate(m *Membership, cert *chain.Certificate, h chain.Height) error {
	x, hash := header(h, 0)
	own := Vote{Epoch: testEpoch, Height: h, Hash: hash, RootAt: x.RootAt, StateRoot: x.StateRoot}
	if cert.Height != h || cert.Epoch != testEpoch || cert.Header != hash || !m.VerifyCertificate(cert, &own) {
		return fmt.Errorf("certificate %+v", cert)
	}
	seen := map[chain.ValidatorNo]bool{}
	for _, s := range cert.Signatures {
		seen[s.Validator] = true
	}
	if len(seen) < chain.Quorum(m.Size()) || len(seen) != len(cert.Signatures) {
		return fmt.Errorf("signed by %v", seen)
	}
	return nil
}

// pipeline runs heights through a node, several on their way at once.
func (n *node) pipeline(ctx context.Context, from, to, depth chain.Height) error {
	for h := from; h <= to+depth; h++ {
		if h <= to {
			if err := n.sign(ctx, h); err != nil {
				return err
			}
		}
		if h >= from+depth {
			if err := n.await(ctx, h-depth); err != nil {
				return err
			}
		}
	}
	return nil
}

// all runs heights through nodes at the same time.
func all(t testing.TB, nodes []*node, from, to chain.Height) {
	t.Helper()
	group, ctx := errgroup.WithContext(testContext(t))
	for _, n := range nodes {
		group.Go(func() error { return n.pipeline(ctx, from, to, min(to-from, 8)) })
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
}

// realVote is a vote with real signatures.
func realVote(t testing.TB, validator int, h chain.Height, history int) Vote {
	t.Helper()
	x, hash := header(h, history)
	c := &Certifier{cfg: Config{Self: chain.ValidatorNo(validator), Header: signer(t, keys.Ed25519, validator), Root: signer(t, keys.MLDSA65, validator)}}
	v, err := c.newVote(x, hash)
	if err != nil {
		t.Fatal(err)
	}
	return *v
}

// counted reads a counter.
func counted(t testing.TB, c prometheus.Metric) float64 {
	t.Helper()
	var m dto.Metric
	if err := c.Write(&m); err != nil {
		t.Fatal(err)
	}
	return m.Counter.GetValue()
}
