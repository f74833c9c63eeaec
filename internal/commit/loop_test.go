// SPDX-License-Identifier: Apache-2.0

package commit

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/exec"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/keys"
	"github.com/aurigraph/aurigraph/internal/lane"
	"github.com/aurigraph/aurigraph/internal/ledger"
	"github.com/aurigraph/aurigraph/internal/pages"
	"github.com/aurigraph/aurigraph/internal/seglog/faultfs"
	"github.com/aurigraph/aurigraph/internal/store"
	"github.com/aurigraph/aurigraph/internal/store/memstore"
	"github.com/aurigraph/aurigraph/internal/testkit"
)

// bubble runs a test in a bubble of fake time.
func bubble(t *testing.T, f func(t *testing.T)) { synctest.Test(t, f) }

func TestPublish(t *testing.T) {
	bubble(t, func(t *testing.T) {
		d := newDisks(t)
		n := mustOpen(t, d, setup{onPublish: func(p *Published) {
			if _, err := store.ReadHeader(d.store, p.Header.Height); err != nil {
				t.Errorf("height %d is published before it is durable: %v", p.Header.Height, err)
			}
		}})
		for legs := range 5 {
			n.mustSubmit(legs + 1)
			pause(10 * time.Millisecond)
		}
		n.wait(5)
		if n.loop.Height() < 5 || n.loop.LegsOK() != 15 || n.moved() != 15 {
			t.Errorf("height %d, %d legs", n.loop.Height(), n.loop.LegsOK())
		}
		n.mustStop()
		if n.pool.LentBytes() != 0 {
			t.Errorf("%d bytes of payloads are still held", n.pool.LentBytes())
		}
		checkHistory(t, d.store, n.published)
	})
}

// TestRows publishes what is refused, and single transactions.
func TestRows(t *testing.T) {
	bubble(t, func(t *testing.T) {
		d := newDisks(t)
		n := mustOpen(t, d, setup{})
		n.work()
		synctest.Wait()
		first := n.published[0].Header.Batches[0].Batch
		raw, err := store.ReadBatch(d.store, first)
		if err != nil {
			t.Fatal(err)
		}
		// A batch that is refused whole, because its sequence is used up: its id is not taken.
		b, err := chain.NewBatch(chain.BatchHeader{Chain: testChain, Institution: 1, Key: 1, Sequence: 1, ValidUntil: 50_000}, make([]chain.Leg, 3))
		if err != nil {
			t.Fatal(err)
		}
		stale := codec.Sum(b.Bytes())
		tx := &chain.SignedTx{Tx: chain.Tx{Chain: testChain, Sender: 1, Key: 1, Nonce: 1, ValidUntil: 50_000,
			Body: &chain.Transfer{To: 2, Asset: 1, Amount: chain.Units(5)}}, Signature: []byte("any")}
		signed := codec.AppendSignedTx(nil, tx)
		cut := codec.AppendTxBatch(nil, [][]byte{[]byte("a lie"), signed, signed})
		for _, p := range []struct {
			kind chain.PayloadKind
			raw  []byte
		}{{chain.PayloadBatch, b.Bytes()}, {chain.PayloadTxs, cut}} {
			if err := n.put(p.kind, p.raw, codec.Sum(p.raw)); err != nil {
				t.Fatal(err)
			}
		}
		pause(time.Second)
		if _, err := store.ReadBatch(d.store, stale); !fault.Is(err, fault.NotFound) {
			t.Errorf("a batch that was refused whole is found: %v", err)
		}
		if again, err := store.ReadBatch(d.store, first); err != nil || string(again) != string(raw) {
			t.Errorf("the first batch moved: %v", err)
		}
		loc, err := store.ReadBatch(d.store, codec.Sum(cut))
		if err != nil {
			t.Fatal(err)
		}
		l, err := codec.DecodeLocation(loc)
		if err != nil || l.Kind != chain.PayloadTxs || l.Legs != 3 {
			t.Errorf("%+v, %v", l, err)
		}
		place, err := store.ReadTx(d.store, codec.TxID(&tx.Tx))
		if err != nil || place.Height != l.Height || place.Index != l.Index || place.Item != 1 {
			t.Errorf("the transaction is at %+v, its cut at %+v: %v", place, l, err)
		}
		if n.moved() != 6 || n.loop.LegsOK() != 2 {
			t.Errorf("%d moved, %d counted", n.moved(), n.loop.LegsOK())
		}
		checkCounted(t, n, map[string]float64{"stale": 3, "bad_field": 1, "nonce_used": 1})
		n.mustStop()
	})
}

// checkCounted asserts how often each outcome other than ok was counted.
func checkCounted(t *testing.T, n *node, want map[string]float64) {
	t.Helper()
	families, err := n.metrics.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, f := range families {
		if f.GetName() == "aurigraph_commit_outcomes_total" {
			for _, m := range f.GetMetric() {
				got[m.GetLabel()[0].GetValue()] = m.GetCounter().GetValue()
			}
		}
	}
	if !maps.Equal(got, want) {
		t.Errorf("counted %v, not %v", got, want)
	}
}

// checkHistory asserts that the store holds what was published, chained, certified and complete.
func checkHistory(t *testing.T, s store.Reader, published []*Published) {
	t.Helper()
	previous, height := codec.GenesisHash(genesis()), chain.Height(0)
	if len(published) > 0 {
		height, previous = published[0].Header.Height-1, published[0].Header.Previous
	}
	for _, p := range published {
		h := p.Header
		if h.Height != height+1 || h.Previous != previous {
			t.Fatalf("height %d after %s follows height %d, %s", h.Height, h.Previous, height, previous)
		}
		height, previous = h.Height, p.Hash
		checkStored(t, s, p)
	}
}

func checkStored(t *testing.T, s store.Reader, p *Published) {
	t.Helper()
	h := p.Header.Height
	header, err := store.ReadHeader(s, h)
	if err != nil || string(header) != string(p.HeaderBytes) || codec.Sum(header) != p.Hash {
		t.Fatalf("height %d: the stored header is another: %v", h, err)
	}
	proposal, err := store.ReadProposal(s, h)
	if err != nil || codec.Sum(proposal) != p.Header.Proposal {
		t.Fatalf("height %d: proposal: %v", h, err)
	}
	raw, err := store.ReadCertificate(s, h)
	if err != nil || string(raw) != string(p.CertBytes) {
		t.Fatalf("height %d: certificate: %v", h, err)
	}
	checkCertificate(t, p.Header, raw)
	for i, b := range p.Batches {
		outcome, err := store.ReadOutcome(s, h, uint32(i))
		if err != nil || string(outcome) != string(b.Packed) {
			t.Fatalf("height %d: outcome %d: %v", h, i, err)
		}
		o, err := codec.UnpackOutcomes(outcome)
		if err != nil || o.Hash() != p.Header.Batches[i].Outcomes {
			t.Fatalf("height %d: outcome %d is not the header's: %v", h, i, err)
		}
		place, err := store.ReadPlace(s, h, uint32(i))
		if loc, err2 := codec.DecodeLocation(place); err != nil || err2 != nil || loc != b.Location || loc.Height != h || loc.Seq == 0 || loc.Bytes == 0 {
			t.Fatalf("height %d: place %d: %v, %v", h, i, err, err2)
		}
		if byID, err := store.ReadBatch(s, p.Header.Batches[i].Batch); err != nil || string(byID) != string(place) {
			t.Fatalf("height %d: batch %d by id: %v", h, i, err)
		}
	}
	if len(p.Batches) > 0 {
		if at, raw, err := store.ReadHolding(s, 1, 2, h); err != nil || at != h || len(raw) != 16 {
			t.Fatalf("height %d: version of a holding: %d, %x, %v", h, at, raw, err)
		}
	}
}

func checkCertificate(t *testing.T, h *chain.ExecutedHeader, raw []byte) {
	t.Helper()
	c, err := codec.DecodeCertificate(raw)
	if err != nil || c.Height != h.Height || c.Epoch != h.Epoch || c.Header != codec.HeaderHash(h) || len(c.Signatures) != 1 {
		t.Fatalf("height %d: certificate %+v, %v", h.Height, c, err)
	}
	header, root := validatorKeys()
	verify := func(s keys.Signer, message, sig []byte) bool {
		v, err := keys.NewVerifier(s.Public())
		return err == nil && v.Verify(message, sig)
	}
	word := c.Signatures[0]
	if !verify(header, keys.HeaderMessage(testChain, c.Header), word.Header) {
		t.Fatalf("height %d: the header's signature does not verify", h.Height)
	}
	if h.RootAt == 0 && len(word.Root) != 0 || h.RootAt != 0 && !verify(root, keys.RootMessage(testChain, h.Epoch, h.RootAt, h.StateRoot), word.Root) {
		t.Fatalf("height %d: the root's signature does not verify", h.Height)
	}
}

// TestSettle counts the blocks after traffic stops: as many as the last state needs until its root is certified.
func TestSettle(t *testing.T) {
	bubble(t, func(t *testing.T) {
		d := newDisks(t)
		n := mustOpen(t, d, setup{})
		silent := func(want chain.Height) {
			t.Helper()
			pause(time.Minute)
			if h := n.loop.Height(); h != want {
				t.Errorf("the network came to rest at height %d, not %d", h, want)
			}
			at, _ := n.loop.Root()
			if at != want-chain.RootDelay {
				t.Errorf("the newest certified root is that of height %d", at)
			}
			ops, applies := d.fs.Ops(), d.store.(*memstore.Store).Applies()
			pause(24 * time.Hour)
			if d.fs.Ops() != ops || d.store.(*memstore.Store).Applies() != applies || n.loop.Height() != want {
				t.Error("an idle network writes")
			}
		}
		silent0 := d.store.(*memstore.Store).Applies()
		pause(time.Hour)
		if n.loop.Height() != 0 || d.store.(*memstore.Store).Applies() != silent0 {
			t.Fatal("a new network makes blocks by itself")
		}
		n.work() // 1: long after the genesis, so a root is due, and 8 blocks until it appears
		silent(1 + chain.RootDelay)
		n.work()                     // 10: due again
		pause(50 * time.Millisecond) // not due
		n.work()                     // 11
		silent(12 + chain.RootDelay)
		if n.moved() != 3 {
			t.Error(n.moved())
		}
		n.mustStop()

		// A restart finds everything certified: nothing to settle.
		n = mustOpen(t, d, setup{})
		if n.from != 12 {
			t.Errorf("recovery began at height %d", n.from)
		}
		silent(12 + chain.RootDelay)
		n.mustStop()
	})
}

// TestSettleSlowly: blocks that take longer than the time after which a root is due owe one each. The network comes to rest
// all the same.
func TestSettleSlowly(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := mustOpen(t, newDisks(t), setup{orderPause: 300 * time.Millisecond})
		n.work()
		pause(time.Hour)
		if h := n.loop.Height(); h != 1+chain.RootDelay {
			t.Errorf("the network came to rest at height %d", h)
		}
		n.mustStop()
	})
}

func TestViewSeesCertified(t *testing.T) {
	bubble(t, func(t *testing.T) {
		open := make(chan struct{})
		n := mustOpen(t, newDisks(t), setup{certifier: func(c Certifier) Certifier { return gate{c, open} }})
		n.mustSubmit(3)
		pause(time.Second)
		if n.loop.ExecutedHeight() == 0 || n.loop.Height() != 0 {
			t.Fatalf("executed %d, published %d", n.loop.ExecutedHeight(), n.loop.Height())
		}
		type answer struct {
			h   chain.Height
			err error
		}
		answers := make(chan answer, 1)
		var seen uint64
		go func() {
			h, err := n.loop.View(context.Background(), func(l *ledger.Ledger) { seen = l.Balance(2, 1).Lo })
			answers <- answer{h, err}
		}()
		pause(time.Second)
		select {
		case a := <-answers:
			t.Errorf("a view of what is not certified returned: %+v", a)
		default:
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if _, err := n.loop.View(ctx, func(*ledger.Ledger) {}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a view that is given up: %v", err)
		}
		close(open)
		if a := <-answers; a.err != nil || seen != 3 || a.h > n.loop.Height() || a.h == 0 {
			t.Errorf("%+v, saw %d at published height %d", a, seen, n.loop.Height())
		}
		n.mustStop()
		if _, err := n.loop.View(context.Background(), func(*ledger.Ledger) {}); !fault.Is(err, fault.Unavailable) {
			t.Errorf("a view after the end: %v", err)
		}
		if err := n.loop.Wait(context.Background(), 1<<40); !fault.Is(err, fault.Unavailable) {
			t.Errorf("a wait after the end: %v", err)
		}
		if _, _, _, err := n.loop.Prove(context.Background(), nil); !fault.Is(err, fault.Unavailable) {
			t.Errorf("a proof after the end: %v", err)
		}
	})
}

func TestTooManyViews(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n, err := open(t, newDisks(t), setup{commit: Config{ViewsMax: 2}})
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for range 2 {
			wg.Go(func() {
				if h, err := n.loop.View(context.Background(), func(*ledger.Ledger) {}); err != nil || h != 0 {
					t.Errorf("height %d, %v", h, err)
				}
			})
		}
		synctest.Wait()
		if _, err := n.loop.View(context.Background(), nil); !fault.Is(err, fault.TryLater) || fault.ReasonOf(err) != "readers_full" {
			t.Errorf("one too many: %v", err)
		}
		n.run()
		wg.Wait()
		n.mustStop()
	})
}

func TestProve(t *testing.T)      { testProve(t, Config{}) }
func TestProveBrief(t *testing.T) { testProve(t, Config{BriefPagesMin: 1}) }

func testProve(t *testing.T, cfg Config) {
	bubble(t, func(t *testing.T) {
		d := newDisks(t)
		n := mustOpen(t, d, setup{commit: cfg})
		if _, _, _, err := n.loop.Prove(context.Background(), nil); !fault.Is(err, fault.Unavailable) {
			t.Errorf("a proof of genesis: %v", err)
		}
		if at, root := n.loop.Root(); at != 0 || !root.IsZero() {
			t.Errorf("a root at genesis: %d", at)
		}
		prove := func() {
			t.Helper()
			var root chain.Hash
			at, headerBytes, cert, err := n.loop.Prove(context.Background(), func(_ *pages.Snapshot, tree *pages.Tree) error {
				root = tree.Root()
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			h, err := codec.DecodeHeader(headerBytes)
			if err != nil || h.RootAt != at || h.StateRoot != root || h.Height != at+chain.RootDelay {
				t.Errorf("proof of height %d by %+v, %v", at, h, err)
			}
			checkCertificate(t, h, cert)
			if newest, _ := n.loop.Root(); newest < at {
				t.Errorf("the newest root is that of %d", newest)
			}
		}
		n.work()
		prove()       // waits for the header
		for range 3 { // while the state moves on
			n.work()
			pause(150 * time.Millisecond)
			prove()
		}
		pause(time.Minute)
		prove()
		failed := errors.New("no such page")
		if _, _, _, err := n.loop.Prove(context.Background(), func(*pages.Snapshot, *pages.Tree) error { return failed }); !errors.Is(err, failed) {
			t.Errorf("a reader's error: %v", err)
		}
		n.mustStop()
		n = mustOpen(t, d, setup{commit: cfg})
		if n.from == 0 {
			t.Error("the checkpoint was not used")
		}
		prove() // of the state that was loaded
		n.mustStop()
	})
}

func TestProveIsGivenUp(t *testing.T) {
	bubble(t, func(t *testing.T) {
		open := make(chan struct{})
		n := mustOpen(t, newDisks(t), setup{certifier: func(c Certifier) Certifier { return gate{c, open} }})
		n.mustSubmit(1)
		pause(time.Second) // hashed, and nothing is certified
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		read := func(*pages.Snapshot, *pages.Tree) error { return nil }
		if _, _, _, err := n.loop.Prove(ctx, read); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a proof that is given up: %v", err)
		}
		if _, _, _, err := n.loop.Prove(ctx, read); !errors.Is(err, context.DeadlineExceeded) && !fault.Is(err, fault.Unavailable) {
			t.Errorf("a proof after its time: %v", err)
		}
		result := make(chan error, 1)
		go func() {
			_, _, _, err := n.loop.Prove(context.Background(), read)
			result <- err
		}()
		pause(time.Second)
		n.mustStop()
		if err := <-result; !fault.Is(err, fault.Unavailable) {
			t.Errorf("a proof at the end: %v", err)
		}
	})
}

func TestRootBoard(t *testing.T) {
	b := rootBoard{changed: make(chan struct{})}
	for at := chain.Height(1); at <= 20; at++ {
		b.settle(&chain.ExecutedHeader{RootAt: at}, []byte{byte(at)}, nil)
	}
	if _, _, _, err := b.await(context.Background(), nil, 20-chain.RootDelay); !fault.Is(err, fault.TryLater) {
		t.Errorf("a root that was passed by: %v", err)
	}
	for at := chain.Height(21 - chain.RootDelay); at <= 20; at++ {
		if got, header, _, err := b.await(context.Background(), nil, at); err != nil || got != at || header[0] != byte(at) {
			t.Errorf("root %d: %d, %v", at, got, err)
		}
	}
}

// TestCheckpointNeedsAFlush offers the checkpointer, which waits, a root whose header may not be on disk.
func TestCheckpointNeedsAFlush(t *testing.T) {
	bubble(t, func(t *testing.T) {
		l := &Loop{durable: make(chan *stateRoot), board: rootBoard{changed: make(chan struct{})}}
		given := make(chan chain.Height, 1)
		go func() { given <- (<-l.durable).at }()
		for at := chain.Height(1); at <= 2; at++ {
			synctest.Wait()
			l.board.add(newStateRoot(at, lane.Position{}, pages.NewSpace().Snapshot()))
			l.rootCertified(&chain.ExecutedHeader{RootAt: at}, nil, nil, at == 2)
		}
		if at := <-given; at != 2 {
			t.Errorf("the checkpointer was given root %d", at)
		}
	})
}

func TestDepth(t *testing.T) {
	bubble(t, func(t *testing.T) {
		const depth = 3
		open := make(chan struct{})
		n := mustOpen(t, newDisks(t), setup{
			commit:    Config{DepthMax: depth},
			certifier: func(c Certifier) Certifier { return gate{c, open} },
		})
		for range 8 {
			n.mustSubmit(1)
			pause(10 * time.Millisecond)
		}
		pause(time.Minute)
		if e, p := n.loop.ExecutedHeight(), n.loop.Height(); e != depth || p != 0 {
			t.Errorf("%d blocks are executed and %d published, the bound is %d", e, p, depth)
		}
		close(open)
		n.wait(8)
		if n.moved() != 8 {
			t.Error(n.moved())
		}
		n.mustStop()
	})
}

// TestFullPool fills the payload memory to the last byte with entries that are not ordered yet: ordering needs none of it.
func TestFullPool(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n, err := open(t, newDisks(t), setup{poolBytes: 64 << 10})
		if err != nil {
			t.Fatal(err)
		}
		for range 8 {
			n.mustSubmit(1)
		}
		pause(time.Second) // durable and offered, all of them
		if n.pool.LentBytes() != 64<<10 {
			t.Fatalf("%d bytes are lent", n.pool.LentBytes())
		}
		n.run()
		n.wait(1)
		if n.moved() != 8 {
			t.Error("not all were executed")
		}
		n.mustStop()
	})
}

// TestDivergence changes a stored header: the node that executes its block again must not sign another.
func TestDivergence(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*store.Changes, store.Reader)
		text   string
	}{
		"another header": {func(c *store.Changes, r store.Reader) {
			h, _ := readHeader(r, 2)
			h.TimeUs++
			store.WriteHeader(c, 2, codec.AppendHeader(nil, h))
		}, "height 2 diverges"},
		"no certificate": {func(c *store.Changes, r store.Reader) {
			low, high := deleted(r, func(c *store.Changes) { store.WriteCertificate(c, 2, nil) })
			c.DeleteRange(low, high)
		}, "certificate of height 2"},
		"no header": {func(c *store.Changes, r store.Reader) {
			low, high := deleted(r, func(c *store.Changes) { store.WriteHeader(c, 2, nil) })
			c.DeleteRange(low, high)
		}, "read back height 2"},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				d := newDisks(t)
				n := mustOpen(t, d, setup{})
				for range 3 {
					n.work()
				}
				n.mustStop()
				var changes store.Changes
				c.change(&changes, d.store)
				if err := d.store.Apply(&changes, true); err != nil {
					t.Fatal(err)
				}
				n = mustOpen(t, d, setup{})
				if err := n.died(); !strings.Contains(err.Error(), c.text) {
					t.Errorf("it ended with %v", err)
				}
				if len(n.published) != 0 {
					t.Error("something was published")
				}
			})
		})
	}
}

// deleted is the range of the one key that write puts.
func deleted(_ store.Reader, write func(*store.Changes)) (low, high []byte) {
	var c store.Changes
	write(&c)
	_ = c.Each(func(op store.Op) error {
		low = append([]byte(nil), op.Key...)
		return nil
	})
	return low, append(append([]byte(nil), low...), 0)
}

type failingCertifier struct{ err error }

func (f failingCertifier) Sign(context.Context, *chain.ExecutedHeader, chain.Hash) error { return nil }

func (f failingCertifier) Await(context.Context, chain.Height) (*chain.Certificate, error) {
	return nil, f.err
}

type badSigner struct{ keys.Signer }

func (badSigner) Sign([]byte) ([]byte, error) { return nil, errors.New("no key") }

func TestSelfNeedsBothKeys(t *testing.T) {
	header, _ := validatorKeys()
	s := &Self{Header: header, Root: badSigner{}}
	if err := s.Sign(context.Background(), &chain.ExecutedHeader{Height: 1}, chain.Hash{}); err != nil {
		t.Errorf("a header without a root: %v", err)
	}
	if err := s.Sign(context.Background(), &chain.ExecutedHeader{Height: 9, RootAt: 1}, chain.Hash{}); err == nil {
		t.Error("a root without its signature")
	}
	if c, err := s.Await(context.Background(), 1); err != nil || c.Height != 1 {
		t.Errorf("%+v, %v", c, err)
	}
	if _, err := s.Await(context.Background(), 9); !fault.Is(err, fault.Internal) {
		t.Errorf("a height that was not signed has a certificate: %v", err)
	}
}

func TestHalts(t *testing.T) {
	disk := errors.New("the disk is gone")
	for name, c := range map[string]struct {
		setup setup
		work  func(n *node, d *disks)
		text  string
	}{
		"the store fails": {setup{}, func(n *node, d *disks) {
			d.store.(*memstore.Store).FailApply(1)
			n.mustSubmit(1)
		}, "persist height 1"},
		"nobody certifies":          {setup{certifier: func(Certifier) Certifier { return failingCertifier{disk} }}, func(n *node, _ *disks) { n.mustSubmit(1) }, "certify height 1"},
		"the validator's key fails": {setup{certifier: func(c Certifier) Certifier { return &Self{Header: badSigner{}, Root: badSigner{}} }}, func(n *node, _ *disks) { n.mustSubmit(1) }, "sign height 1"},
		"an invariant breaks": {setup{machine: func(_ *exec.Machine, l *ledger.Ledger) {
			l.BeginBlock(1, 5) // behind the machine's back
		}}, func(n *node, _ *disks) { n.mustSubmit(1) }, "execute height 1: the writer stopped: invariant broken"},
		"a payload is missing": {setup{}, func(n *node, _ *disks) {
			if err := n.engine.Offer(chain.Hash{1}); err != nil {
				n.t.Fatal(err)
			}
		}, "fetch the payload of entry 0 of height 1"},
		"the lane's disk fails": {setup{}, func(n *node, d *disks) {
			d.fs.Inject(func(op faultfs.Op) error {
				if op.Kind == faultfs.OpWrite && strings.HasPrefix(op.Path, "/lane") {
					return faultfs.ErrCrashed
				}
				return nil
			})
			n.mustSubmit(1)
		}, "lane entry 1 was not written"},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				d := newDisks(t)
				n := mustOpen(t, d, c.setup)
				c.work(n, d)
				if err := n.died(); !strings.Contains(err.Error(), c.text) {
					t.Errorf("it ended with %v", err)
				}
				if len(n.published) != 0 || n.loop.Height() != 0 {
					t.Error("something was published")
				}
			})
		})
	}
}

// TestStopsWhileCertifying ends a node that waits for its quorum: that is no fault.
func TestStopsWhileCertifying(t *testing.T) {
	bubble(t, func(t *testing.T) {
		d := newDisks(t)
		n := mustOpen(t, d, setup{commit: Config{DepthMax: 1}, certifier: func(c Certifier) Certifier { return gate{c, nil} }})
		for range 3 {
			n.mustSubmit(1)
			pause(time.Second)
		}
		n.mustStop()
		n = mustOpen(t, d, setup{})
		n.wait(3)
		pause(time.Minute) // height 3 may be an empty block that lets a root appear
		if moved := n.moved(); moved != 3 {
			t.Errorf("%d legs were executed", moved)
		}
		n.mustStop()
	})
}

func TestNewNeedsAReadableStore(t *testing.T) {
	bubble(t, func(t *testing.T) {
		d := newDisks(t)
		n := mustOpen(t, d, setup{})
		n.work()
		n.mustStop()
		if err := d.store.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := open(t, d, setup{}); err == nil {
			t.Error("a closed store is no error")
		}
	})
}

// tracedStore tells of each write.
type tracedStore struct {
	store.Store
	trace func(string)
}

func (s tracedStore) Apply(c *store.Changes, durable bool) error {
	s.trace(fmt.Sprintf("store: apply %d changes, durable %v", c.Len(), durable))
	return s.Store.Apply(c, durable)
}

// TestTrace shows what one commit does to the disks, in order: a flush that is lost or comes too late is seen here.
func TestTrace(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var mu sync.Mutex
		var lines []string
		trace := func(line string) {
			mu.Lock()
			defer mu.Unlock()
			lines = append(lines, line)
		}
		d := newDisks(t)
		d.store = tracedStore{d.store, trace}
		n := mustOpen(t, d, setup{onPublish: func(p *Published) { trace(fmt.Sprintf("publish: %d batches", len(p.Batches))) }})
		n.work() // begins the segments
		pause(time.Hour)
		d.fs.Inject(func(op faultfs.Op) error {
			switch op.Kind {
			case faultfs.OpRead, faultfs.OpOpen:
			default:
				trace(fmt.Sprintf("%s: %s %d bytes", strings.Split(op.Path, "/")[1], op.Kind, op.Bytes))
			}
			return nil
		})
		mu.Lock()
		lines = nil
		mu.Unlock()
		n.work()
		synctest.Wait()
		mu.Lock()
		text := strings.Join(lines, "\n") + "\n"
		mu.Unlock()
		n.mustStop()
		testkit.Golden(t, "commit_trace.txt", []byte(text))
	})
}
