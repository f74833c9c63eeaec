// SPDX-License-Identifier: Apache-2.0

package catchup

import (
	"bytes"
	"context"
	"math/rand/v2"
	"testing"

	"go.uber.org/goleak"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/checkpoint"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/pages"
	"github.com/aurigraph/aurigraph/internal/store"
	"github.com/aurigraph/aurigraph/internal/store/memstore"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	testChain  chain.ChainID = 77
	testEpoch  chain.Epoch   = 1
	validators               = 4
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// allKnown is a node that wants no headers below the state.
const allKnown chain.Height = 1 << 40

// testRules take a signature that repeats what it is over.
func testRules() Rules {
	return Rules{Chain: testChain, Epoch: testEpoch, Validators: validators, Verify: func(h *chain.ExecutedHeader, hash chain.Hash, c *chain.Certificate) bool {
		for _, s := range c.Signatures {
			if !bytes.Equal(s.Header, hash[:]) || (h.RootAt != 0) != bytes.Equal(s.Root, h.StateRoot[:]) {
				return false
			}
		}
		return true
	}}
}

func certify(h *chain.ExecutedHeader, signers ...chain.ValidatorNo) []byte {
	c := &chain.Certificate{Epoch: h.Epoch, Height: h.Height, Header: codec.HeaderHash(h)}
	for _, v := range signers {
		s := chain.ValidatorSignature{Validator: v, Header: bytes.Clone(c.Header[:])}
		if h.RootAt != 0 {
			s.Root = bytes.Clone(h.StateRoot[:])
		}
		c.Signatures = append(c.Signatures, s)
	}
	return codec.AppendCertificate(nil, c)
}

// ledger is a state of three sections that changes from height to height.
type ledger struct {
	space *pages.Space
	tree  *pages.Tree
	rng   *rand.Rand
	hot   *pages.Column[[64]byte] // hotPages
	cold  *pages.Column[uint64]   // 30 pages, with holes
}

const (
	hotPages    = 160
	hotRecords  = hotPages * 256
	coldRecords = 60 * 2048
)

func newLedger(seed uint64) *ledger {
	l := &ledger{space: pages.NewSpace(), tree: pages.NewTree(), rng: rand.New(rand.NewPCG(seed, 1))}
	l.hot = pages.NewColumn[[64]byte](l.space, 3, hotRecords)
	l.cold = pages.NewColumn[uint64](l.space, 0x10001, coldRecords)
	pages.NewColumn[[100]byte](l.space, 9, 1000) // never used
	for p := range uint64(30) {
		*l.cold.Mut(2 * p * 2048) = l.rng.Uint64() | 1
	}
	return l
}

// advance changes so many of the hot pages, and makes another one zero.
func (l *ledger) advance(changes int) {
	for range changes {
		l.hot.Mut(l.rng.Uint64N(hotRecords))[l.rng.IntN(64)] = byte(l.rng.IntN(256))
	}
	p := l.rng.Uint64N(hotPages)
	for i := range uint64(256) {
		*l.hot.Mut(p*256 + i) = [64]byte{}
	}
}

// node is a validator's folder: checkpoints, and a chain that certifies them.
type node struct {
	t           testing.TB
	dir         string
	blocks      store.Store
	checkpoints *checkpoint.Store
	config      checkpoint.Config
	signers     []chain.ValidatorNo
	previous    chain.Hash // of the next checkpoint's header; zero: of nothing that is here
}

func newNode(t testing.TB) *node {
	n := &node{t: t, dir: t.TempDir(), blocks: memstore.New(), config: checkpoint.Config{Chain: testChain, BytesPerSecond: 1 << 40}, signers: []chain.ValidatorNo{0, 1, 2}}
	var err error
	n.checkpoints, err = checkpoint.Open(n.dir, checkpoint.OS{}, n.config)
	must(t, err)
	return n
}

// write writes a checkpoint of l, and an anchor if asked, and certifies its root.
func (n *node) write(l *ledger, h chain.Height, anchor bool) checkpoint.Meta {
	n.t.Helper()
	sn := l.space.Snapshot()
	defer sn.Release()
	meta := checkpoint.Meta{Chain: testChain, Height: h, Root: l.tree.Update(sn)}
	_, err := n.checkpoints.Write(context.Background(), sn, meta)
	must(n.t, err)
	if anchor {
		must(n.t, n.checkpoints.WriteAnchor(context.Background(), sn, meta))
	}
	n.certify(meta)
	return meta
}

// certify puts the blocks behind a checkpoint into the store.
func (n *node) certify(m checkpoint.Meta) {
	n.t.Helper()
	var c store.Changes
	n.putChain(&c, m)
	must(n.t, n.blocks.Apply(&c, true))
}

func (n *node) putChain(c *store.Changes, m checkpoint.Meta) {
	previous := n.previous
	if previous.IsZero() {
		previous = chain.Hash{byte(m.Height)}
	}
	for h := m.Height; h <= m.Height+chain.RootDelay; h++ {
		proposal := codec.AppendProposal(nil, &chain.Proposal{Height: h, Term: 1, TimeUs: uint64(h), Entries: []chain.Hash{{1}}})
		header := &chain.ExecutedHeader{Chain: testChain, Epoch: testEpoch, Height: h, Previous: previous, Proposal: codec.Sum(proposal), TimeUs: uint64(h)}
		if h == m.Height+chain.RootDelay {
			header.RootAt, header.StateRoot = m.Height, m.Root
		}
		store.WriteHeader(c, h, codec.AppendHeader(nil, header))
		store.WriteCertificate(c, h, certify(header, n.signers...))
		store.WriteProposal(c, h, proposal)
		previous = codec.HeaderHash(header)
	}
}

// offer is what the node would offer of a checkpoint.
func (n *node) offer(m checkpoint.Meta) *Offer {
	n.t.Helper()
	o, err := offerOf(n.blocks, m)
	must(n.t, err)
	return o
}

// reader opens the newest checkpoint.
func (n *node) reader() *checkpoint.Reader {
	n.t.Helper()
	found, _ := checkpoint.Find(n.dir, checkpoint.OS{}, testChain)
	r, err := checkpoint.OpenReader(n.dir, checkpoint.OS{}, found[0].Name)
	must(n.t, err)
	n.t.Cleanup(func() { must(n.t, r.Close()) })
	return r
}
