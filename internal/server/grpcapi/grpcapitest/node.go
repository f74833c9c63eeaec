// SPDX-License-Identifier: Apache-2.0

package grpcapitest

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"sync"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/keys"
	"github.com/aurigraph/aurigraph/internal/query"
	"github.com/aurigraph/aurigraph/internal/seglog"
	"github.com/aurigraph/aurigraph/internal/server/grpcapi"
)

// rootEvery is how often a header carries a state root, in blocks.
const rootEvery = 4

// Node is the fake. Its exported fields are set before use.
type Node struct {
	Genesis *chain.Genesis
	Pool    *seglog.Pool
	// Fail, if set, is asked in every method first; what it returns is the method's error.
	Fail func(method string) error
	// Hold, if set, keeps submissions unsettled until it is closed.
	Hold chan struct{}

	mu      sync.Mutex
	grown   chan struct{} // closed and renewed at each block
	members chain.Membership
	signers map[chain.ValidatorNo]signers // of the members
	moves   []query.HomeMove              // of the versions from 2 on

	handovers [][]byte
	blocks    []entry
	batches   map[chain.Hash]int // index in blocks
	txs       map[chain.Hash]txPlace
}

type entry struct {
	header  *chain.ExecutedHeader
	hash    chain.Hash
	payload []byte
	legsOK  uint32
	receipt chain.Receipt
}

type txPlace struct {
	block int
	item  uint32
}

// New makes a fake with that many validators, whose keys follow from their numbers.
func New(validators int) *Node {
	n := &Node{
		Genesis: &chain.Genesis{
			Chain: 7, Name: "fake", AccountsMax: 1000,
			Institutions: []chain.GenesisInstitution{{Name: "governance", Keys: []chain.HexBytes{make([]byte, 33)}}},
		},
		Pool:    seglog.NewPool(64<<20, 16<<20),
		grown:   make(chan struct{}),
		signers: map[chain.ValidatorNo]signers{},
		batches: map[chain.Hash]int{},
		txs:     map[chain.Hash]txPlace{},
	}
	for i := range validators {
		s := signersOf(uint64(i))
		n.signers[chain.ValidatorNo(i)] = s
		n.Genesis.Validators = append(n.Genesis.Validators, chain.GenesisValidator{
			Name: "v", Ed25519: s.header.Public().Bytes()[1:], MLDSA65: s.root.Public().Bytes()[1:],
		})
	}
	n.members = *n.Genesis.Membership()
	return n
}

// signers are a member's.
type signers struct{ header, root keys.Signer }

func signersOf(n uint64) signers { return signers{Signer(keys.Ed25519, n), Signer(keys.MLDSA65, n)} }

// Signer is the n-th key of a scheme: the same one each time.
func Signer(s keys.Scheme, n uint64) keys.Signer {
	seed := sha256.Sum256(binary.LittleEndian.AppendUint64([]byte{byte(s)}, n))
	signer, err := keys.FromSeed(s, seed)
	fault.Invariant(err == nil, "no signer: %v", err)
	return signer
}

func (n *Node) fail(method string) error {
	if n.Fail == nil {
		return nil
	}
	return n.Fail(method)
}

// Buffer lends from Pool.
func (n *Node) Buffer(ctx context.Context, payloadBytes int) (*seglog.Buffer, error) {
	if err := n.fail("Buffer"); err != nil {
		return nil, err
	}
	return n.Pool.Get(ctx, payloadBytes)
}

// Change makes a block of one change of V10: its receipt is that of the leg.
func (n *Node) Change(leg chain.Leg, o chain.SyncOrigin) (chain.Receipt, error) {
	b, err := chain.NewSyncBatch(chain.BatchHeader{Chain: 7, Institution: 1, Key: 1, Sequence: 1, ValidUntil: 9}, chain.SyncHead{Life: 1, HomeVersion: 1}, []chain.Leg{leg, o.Leg()})
	if err != nil {
		return chain.Receipt{}, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	at := n.grow(chain.PayloadBatch, b.Bytes(), codec.Outcomes{Codes: make([]chain.Outcome, b.Len())})
	n.batches[codec.Sum(b.Bytes())] = at
	return n.blocks[at].receipt, nil
}

// SubmitBatch makes a block of a batch. Legs of amount 0 have the outcome BadField.
func (n *Node) SubmitBatch(_ context.Context, buf *seglog.Buffer, signature []byte) (grpcapi.Pending, error) {
	defer buf.Release()
	if err := n.fail("SubmitBatch"); err != nil {
		return nil, err
	}
	if len(signature) == 0 {
		return nil, fault.Reasoned(fault.Denied, "bad_signature", "the batch is not signed")
	}
	b, err := chain.ParseBatch(append([]byte(nil), buf.Payload()...))
	if err != nil {
		return nil, err
	}
	o := codec.Outcomes{Codes: make([]chain.Outcome, b.Len())}
	for i := range o.Codes {
		if b.Leg(i).Amount.IsZero() {
			o.Codes[i] = chain.BadField
		}
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	id := codec.Sum(b.Bytes())
	at, known := n.batches[id]
	if !known {
		at = n.grow(chain.PayloadBatch, b.Bytes(), o)
		n.batches[id] = at
	}
	return &pending{receipt: n.blocks[at].receipt, first: !known, done: n.settled()}, nil
}

// SubmitTxs makes one block of all that decode and were not seen before. Each has the outcome OK; the result is its item.
func (n *Node) SubmitTxs(_ context.Context, signed [][]byte) []grpcapi.TxPending {
	n.mu.Lock()
	defer n.mu.Unlock()
	answers := make([]grpcapi.TxPending, len(signed))
	var fresh [][]byte
	items := map[chain.Hash]uint32{}
	for i, raw := range signed {
		p := &txPending{}
		answers[i] = p
		if p.refused = n.fail("SubmitTxs"); p.refused == nil {
			_, p.id, p.refused = codec.DecodeSignedTx(raw)
		}
		if _, known := n.txs[p.id]; known || p.refused != nil {
			continue
		}
		if _, twice := items[p.id]; !twice {
			items[p.id] = uint32(len(fresh))
			fresh = append(fresh, raw)
			p.first = true
		}
	}
	if len(fresh) > 0 {
		o := codec.Outcomes{Codes: make([]chain.Outcome, len(fresh)), Results: make([]uint32, len(fresh))}
		for i := range o.Results {
			o.Results[i] = uint32(i)
		}
		at := n.grow(chain.PayloadTxs, codec.AppendTxBatch(nil, fresh), o)
		for id, item := range items {
			n.txs[id] = txPlace{at, item}
		}
	}
	for _, a := range answers {
		if p := a.(*txPending); p.refused == nil {
			at := n.txs[p.id]
			p.item, p.receipt, p.done = at.item, n.blocks[at.block].receipt, n.settled()
		}
	}
	return answers
}

func (n *Node) settled() <-chan struct{} {
	if n.Hold != nil {
		return n.Hold
	}
	done := make(chan struct{})
	close(done)
	return done
}

// grow adds a block with one batch and returns its index.
func (n *Node) grow(kind chain.PayloadKind, payload []byte, o codec.Outcomes) int {
	_, id := codec.NewSlices(payload)
	h := n.nextHeader()
	h.Batches = []chain.BatchResult{{Batch: id, Legs: uint32(len(o.Codes)), Outcomes: o.Hash()}}
	if h.Height%rootEvery == 0 {
		h.RootAt, h.StateRoot = h.Height-1, codec.Sum([]byte("state"))
	}
	e := entry{header: h, hash: codec.HeaderHash(h), payload: payload}
	for _, c := range o.Codes {
		if c == chain.OK {
			e.legsOK++
		}
	}
	e.receipt = chain.Receipt{
		Batch:       id,
		Location:    chain.Location{Height: h.Height, Kind: kind, Legs: uint32(len(o.Codes)), Bytes: uint32(len(payload))},
		Header:      codec.AppendHeader(nil, h),
		Certificate: codec.AppendCertificate(nil, n.Certify(h)),
		Outcomes:    o.AppendPacked(nil),
	}
	return n.add(e)
}

func (n *Node) nextHeader() *chain.ExecutedHeader {
	h := &chain.ExecutedHeader{
		Chain: n.Genesis.Chain, Epoch: n.members.Epoch, Height: chain.Height(len(n.blocks) + 1), Previous: codec.GenesisHash(n.Genesis),
		TimeUs: uint64(len(n.blocks)+1) * 1000,
	}
	if len(n.blocks) > 0 {
		h.Previous = n.blocks[len(n.blocks)-1].hash
	}
	return h
}

func (n *Node) add(e entry) int {
	n.blocks = append(n.blocks, e)
	close(n.grown)
	n.grown = make(chan struct{})
	return len(n.blocks) - 1
}

// Certify signs a header as all members of the present epoch.
func (n *Node) Certify(h *chain.ExecutedHeader) *chain.Certificate {
	c := &chain.Certificate{Epoch: h.Epoch, Height: h.Height, Header: codec.HeaderHash(h)}
	for _, m := range n.members.Members {
		by := n.signers[m.No]
		s := chain.ValidatorSignature{Validator: m.No}
		s.Header = sign(by.header, keys.HeaderMessage(h.Chain, c.Header))
		if h.RootAt != 0 {
			s.Root = sign(by.root, keys.RootMessage(h.Chain, h.Epoch, h.RootAt, h.StateRoot))
		}
		c.Signatures = append(c.Signatures, s)
	}
	return c
}

func sign(s keys.Signer, msg []byte) []byte {
	sig, err := s.Sign(msg)
	fault.Invariant(err == nil, "cannot sign: %v", err)
	return sig
}

type pending struct {
	receipt chain.Receipt
	first   bool
	done    <-chan struct{}
}

func (p *pending) Done() <-chan struct{}                 { return p.done }
func (p *pending) Receipt() (chain.Receipt, bool, error) { return p.receipt, p.first, nil }

type txPending struct {
	pending
	id      chain.Hash
	item    uint32
	refused error
}

func (p *txPending) ID() chain.Hash { return p.id }
func (p *txPending) Refused() error { return p.refused }
func (p *txPending) Item() uint32   { return p.item }
