// SPDX-License-Identifier: Apache-2.0

package seal

import (
	"cmp"
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/epoch"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/keys"
	"github.com/aurigraph/aurigraph/internal/seglog/faultfs"
)

const (
	testChain = chain.ChainID(77)
	testEpoch = chain.Epoch(3)
)

// testBase is where the tested epoch begins.
var testBase = Point{40, chain.Hash{40}}

func signer(t testing.TB, s keys.Scheme, v int) keys.Signer {
	t.Helper()
	k, err := keys.FromSeed(s, [keys.SeedBytes]byte{byte(s), byte(v + 1)})
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func headerKey(t testing.TB, v chain.ValidatorNo) keys.Signer { return signer(t, keys.Ed25519, int(v)) }

var epochs sync.Map // by size: working the keys out costs

// epochOf is an epoch of n members.
func epochOf(t testing.TB, n int) *Epoch {
	t.Helper()
	if e, ok := epochs.Load(n); ok {
		return e.(*Epoch)
	}
	m := &chain.Membership{Epoch: testEpoch}
	for i := range n {
		m.Members = append(m.Members, chain.Member{
			No: chain.ValidatorNo(i), JoinEpoch: 1, Name: fmt.Sprintf("node%d", i),
			Ed25519: headerKey(t, chain.ValidatorNo(i)).Public().Bytes()[1:], MLDSA65: signer(t, keys.MLDSA65, i).Public().Bytes()[1:],
		})
	}
	set, err := epoch.NewSet(testChain, m)
	if err != nil {
		t.Fatal(err)
	}
	e := &Epoch{Set: set, Base: testBase}
	epochs.Store(n, e)
	return e
}

// headerAt is the header of a height on a branch; all branches are one below height 45.
func headerAt(h chain.Height, branch int) ([]byte, Point) {
	if h < 45 {
		branch = 0
	}
	b := codec.AppendHeader(nil, &chain.ExecutedHeader{Chain: testChain, Epoch: testEpoch, Height: h, TimeUs: uint64(branch)})
	return b, Point{h, codec.Sum(b)}
}

func pointAt(h chain.Height, branch int) Point { _, p := headerAt(h, branch); return p }

func mustSign(t testing.TB, v chain.ValidatorNo, message []byte) []byte {
	t.Helper()
	s, err := headerKey(t, v).Sign(message)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func voteOf(t testing.TB, v chain.ValidatorNo, p Point) Vote {
	t.Helper()
	return Vote{p, mustSign(t, v, keys.HeaderMessage(testChain, p.Header))}
}

// certificateOf is one of a quorum.
func certificateOf(t testing.TB, e *Epoch, p Point) *chain.Certificate {
	t.Helper()
	c := &chain.Certificate{Epoch: testEpoch, Height: p.Height, Header: p.Header}
	for v := range chain.ValidatorNo(e.Quorum()) {
		c.Signatures = append(c.Signatures, chain.ValidatorSignature{Validator: v, Header: mustSign(t, v, keys.HeaderMessage(testChain, p.Header))})
	}
	return c
}

// knownTo is what a validator knows that has a certificate of one height (0: none) and voted up to another, on a branch.
func knownTo(t testing.TB, e *Epoch, v chain.ValidatorNo, certified, voted chain.Height, branch int) *Known {
	t.Helper()
	k := &Known{}
	from := testBase.Height
	if certified > 0 {
		header, p := headerAt(certified, branch)
		k.Certificate, k.Header, from = certificateOf(t, e, p), header, certified
	}
	for h := from + 1; h <= voted; h++ {
		k.Votes = append(k.Votes, voteOf(t, v, pointAt(h, branch)))
	}
	return k
}

// revealOf is a signed reveal of what a validator knows.
func revealOf(t testing.TB, v chain.ValidatorNo, k *Known) *Reveal {
	t.Helper()
	r := &Reveal{Chain: testChain, Epoch: testEpoch, Validator: v, Certificate: k.Certificate, Header: k.Header, Votes: k.Votes}
	if err := r.Sign(headerKey(t, v)); err != nil {
		t.Fatal(err)
	}
	return r
}

// host is a node behind a sealer. It reaches every header that it knows.
type host struct {
	mu       sync.Mutex
	known    *Known
	refused  bool
	cannot   error
	root     func(*Choice, *chain.Membership) chain.Hash
	homes    uint64 // home version of the state; 0: 7
	finished *chain.ProvedHandover
	onFinish func(*chain.ProvedHandover)
}

func (h *host) Refuse(context.Context) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.refused = true
	return nil
}

func (h *host) Reveal(context.Context) (*Known, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.refused {
		return nil, fault.New(fault.Internal, "revealed before it refused")
	}
	k := *h.known
	return &k, nil
}

func (h *host) Prepare(_ context.Context, c *Choice, next *chain.Membership, v chain.Verdict) (*Prepared, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.cannot != nil {
		return nil, h.cannot
	}
	x := &Prepared{}
	if v == chain.VerdictToV10 {
		x.HomeVersion = cmp.Or(h.homes, 7) + 1
	}
	root := rootOf
	if h.root != nil {
		root = h.root
	}
	for branch := range 3 {
		if b, p := headerAt(c.Height, branch); p == c.Point {
			x.Header, x.Root = b, root(c, next)
			return x, nil
		}
	}
	return nil, fault.New(fault.Conflict, "no such header")
}

// rootOf is the right root.
func rootOf(c *Choice, next *chain.Membership) chain.Hash {
	return codec.Sum(codec.AppendMembership(c.Header[:], next))
}

func (h *host) Finish(_ context.Context, p *chain.ProvedHandover) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.finished = p
	if h.onFinish != nil {
		h.onFinish(p)
	}
	return nil
}

// open opens the sealer of a validator over its disk.
func open(t testing.TB, e *Epoch, v chain.ValidatorNo, fs *faultfs.FS, h *host) *Sealer {
	t.Helper()
	s, err := Open(fs, "data/seal", Config{Epoch: e, Self: v, Key: headerKey(t, v), Host: h})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func newDisk(t testing.TB) *faultfs.FS {
	t.Helper()
	fs := faultfs.New()
	if err := fs.MkdirAll("data"); err != nil {
		t.Fatal(err)
	}
	return fs
}

// wantFault checks an error's kind and reason; a zero reason is any.
func wantFault(t testing.TB, err error, kind fault.Kind, reason string) {
	t.Helper()
	if !fault.Is(err, kind) || reason != "" && fault.ReasonOf(err) != reason {
		t.Errorf("got %v (%s, %s), want %s %s", err, fault.KindOf(err), fault.ReasonOf(err), kind, reason)
	}
}
