// SPDX-License-Identifier: Apache-2.0

package payfile

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/aurigraph/aurigraph/client"
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/keys"
)

const testChain = chain.ChainID(77)

// Accounts below ownKeys are custodial: of institution 2, or of 3 if odd. The others have their own key.
const ownKeys = chain.AccountNo(1000)

var errCrash = errors.New("crash")

// crasher counts the calls of a process, and from the at-th on fails all. 0 never does.
type crasher struct{ at, calls int }

func (c *crasher) dead() bool {
	c.calls++
	return c.at > 0 && c.calls >= c.at
}

// memDisk is a disk with a cache: what is not synced may be lost at a crash, in part.
type memDisk struct {
	files   map[string]*memFile
	crasher *crasher
}

type memFile struct {
	disk    *memDisk
	durable []byte
	cached  []byte // whole content
	open    bool
}

func newDisk() *memDisk { return &memDisk{files: map[string]*memFile{}, crasher: &crasher{}} }

// crash loses what is not durable but for a part of the tail, whose last byte is wrong if damage.
func (d *memDisk) crash(keep float64, damage bool) {
	for _, f := range d.files {
		if len(f.cached) > len(f.durable) {
			tail := f.cached[len(f.durable):]
			f.cached = f.cached[:len(f.durable)+int(keep*float64(len(tail)))]
			if damage && len(f.cached) > len(f.durable) {
				f.cached[len(f.cached)-1] ^= 0x40
			}
		}
		f.durable, f.open = append([]byte(nil), f.cached...), false
	}
	d.crasher = &crasher{}
}

func (d *memDisk) OpenJournal(name string) (JournalFile, error) {
	if d.crasher.dead() {
		return nil, errCrash
	}
	f := d.files[name]
	if f == nil {
		f = &memFile{disk: d}
		d.files[name] = f
	}
	if f.open {
		return nil, fault.New(fault.Conflict, "locked")
	}
	f.open = true
	return f, nil
}

func (d *memDisk) WriteFile(name string, content []byte) error {
	if d.crasher.dead() {
		return errCrash
	}
	b := append([]byte(nil), content...)
	d.files[name] = &memFile{disk: d, durable: b, cached: b}
	return nil
}

func (f *memFile) ReadAll() ([]byte, error) {
	if f.disk.crasher.dead() {
		return nil, errCrash
	}
	return append([]byte(nil), f.cached...), nil
}

func (f *memFile) Append(b []byte) error {
	if f.disk.crasher.dead() {
		f.cached = append(f.cached, b[:len(b)/2]...)
		return errCrash
	}
	f.cached = append(f.cached, b...)
	return nil
}

func (f *memFile) Truncate(size int64) error {
	if f.disk.crasher.dead() {
		return errCrash
	}
	f.cached = f.cached[:size]
	f.durable = f.durable[:min(len(f.durable), int(size))]
	return nil
}

func (f *memFile) Sync() error {
	if f.disk.crasher.dead() {
		return errCrash
	}
	f.durable = append([]byte(nil), f.cached...)
	return nil
}

func (f *memFile) Close() error {
	f.open = false
	return nil
}

// world is a ledger of two nodes. What a node admitted waits on its lane, and executes when it is asked to, in any order
// of lanes: as a node does, it survives the importing process.
type world struct {
	height    chain.Height
	lanes     [2][]func()
	doors     [2]map[channelOf]uint64 // highest admitted sequence
	sequences map[channelOf]uint64    // executed
	nonces    map[chain.AccountNo]map[uint64]bool
	highest   map[chain.AccountNo]uint64
	batches   map[chain.Hash]BatchFate
	txs       map[chain.Hash]TxFate
	paid      map[string]int // payments by reference
	executed  int
}

type channelOf struct {
	institution chain.InstitutionNo
	channel     uint8
}

func newWorld() *world {
	return &world{
		height: 10, sequences: map[channelOf]uint64{}, nonces: map[chain.AccountNo]map[uint64]bool{}, highest: map[chain.AccountNo]uint64{},
		doors:   [2]map[channelOf]uint64{{}, {}},
		batches: map[chain.Hash]BatchFate{}, txs: map[chain.Hash]TxFate{}, paid: map[string]int{},
	}
}

func (w *world) pay(reference [32]byte) {
	w.paid[strings.TrimRight(string(reference[:]), "\x00")]++
	w.executed++
}

func (w *world) runLane(n int) {
	for _, f := range w.lanes[n] {
		w.height++
		f()
	}
	w.lanes[n] = nil
}

// executeBatch is the ledger's rule.
func (w *world) executeBatch(id chain.Hash, b chain.Batch) BatchFate {
	h := b.Header()
	c := channelOf{h.Institution, h.Channel}
	f := BatchFate{Height: w.height, Outcomes: make([]chain.Outcome, b.Len())}
	refuse := func(o chain.Outcome) BatchFate {
		for i := range f.Outcomes {
			f.Outcomes[i] = o
		}
		return f
	}
	switch {
	case w.height > h.ValidUntil:
		return refuse(chain.Expired)
	case h.Sequence <= w.sequences[c]:
		return refuse(chain.Stale)
	}
	w.sequences[c] = h.Sequence
	for i := range b.Len() {
		if l := b.Leg(i); l.Amount == chain.Units(666) {
			f.Outcomes[i] = chain.InsufficientFunds
		} else {
			w.pay(l.Reference)
		}
	}
	w.batches[id] = f
	return f
}

func (w *world) executeTx(id chain.Hash, tx *chain.SignedTx) TxFate {
	f := TxFate{Height: w.height}
	used := w.nonces[tx.Sender]
	switch {
	case w.height > tx.ValidUntil:
		f.Outcome = chain.Expired
		return f
	case used[tx.Nonce], tx.Nonce+chain.NonceWindow <= w.highest[tx.Sender]:
		f.Outcome = chain.NonceUsed
		return f
	}
	if used == nil {
		used = map[uint64]bool{}
		w.nonces[tx.Sender] = used
	}
	used[tx.Nonce] = true
	w.highest[tx.Sender] = max(w.highest[tx.Sender], tx.Nonce)
	w.pay(tx.Body.(*chain.Transfer).Reference)
	w.txs[id] = f
	return f
}

// link is a process's connection to the world. fail, if set, is asked at each send and each answer.
type link struct {
	w       *world
	signers map[chain.InstitutionNo]client.Signer
	own     client.Signer
	lane    int
	fail    func(call string) error
	crasher *crasher
	sent    [][]byte // batches, as handed over
	calls   int
}

func newLink(t testing.TB, w *world) *link {
	t.Helper()
	s := &link{w: w, signers: map[chain.InstitutionNo]client.Signer{}, crasher: &crasher{}}
	for i, scheme := range []keys.Scheme{keys.MLDSA65, keys.Ed25519} {
		signer, err := keys.FromSeed(scheme, [32]byte{byte(i + 1)})
		if err != nil {
			t.Fatal(err)
		}
		s.signers[chain.InstitutionNo(i+2)] = signer
	}
	s.own = s.signers[3]
	return s
}

func (s *link) ask(call string) error {
	s.calls++
	if s.crasher.dead() {
		return errCrash
	}
	if s.fail != nil {
		return s.fail(call)
	}
	return nil
}

func (s *link) Height(context.Context) (chain.Height, error) { return s.w.height, s.ask("height") }

func (s *link) Sequence(_ context.Context, i chain.InstitutionNo, ch uint8) (uint64, error) {
	s.w.runLane(0)
	s.w.runLane(1) // time passes
	return s.w.sequences[channelOf{i, ch}], s.ask("sequence")
}

func (s *link) Nonce(_ context.Context, a chain.AccountNo) (uint64, error) {
	return s.w.highest[a], s.ask("nonce")
}

func (s *link) SignBatch(h chain.BatchHeader, legs []chain.Leg) (*client.SignedBatch, error) {
	return client.SignBatch(s.signers[h.Institution], h, legs)
}

func (s *link) SignTx(tx chain.Tx) ([]byte, error) { return client.SignTx(s.own, tx) }

func (s *link) SendBatch(_ context.Context, b *client.SignedBatch) (func() (BatchFate, error), error) {
	if err := s.ask("send"); err != nil {
		return nil, err
	}
	s.sent = append(s.sent, b.Bytes)
	lane, w := s.lane, s.w
	parsed, err := chain.ParseBatch(b.Bytes)
	if err != nil {
		return nil, err
	}
	h := parsed.Header()
	c := channelOf{h.Institution, h.Channel}
	if f, ok := w.batches[b.ID]; ok {
		return func() (BatchFate, error) { return f, s.ask("answer") }, nil
	}
	if h.Sequence <= max(w.doors[lane][c], w.sequences[c]) {
		return func() (BatchFate, error) {
			return BatchFate{}, errors.Join(s.ask("answer"), fault.Reasoned(fault.Refused, "stale", "jumped over"))
		}, nil
	}
	w.doors[lane][c] = h.Sequence
	var f BatchFate
	w.lanes[lane] = append(w.lanes[lane], func() {
		f = w.executeBatch(b.ID, parsed)
		if first, ok := w.batches[b.ID]; ok {
			f = first
		}
	})
	return func() (BatchFate, error) {
		if err := s.ask("answer"); err != nil {
			return BatchFate{}, err
		}
		w.runLane(lane)
		return f, nil
	}, nil
}

func (s *link) SendTxs(_ context.Context, signed [][]byte) (func() ([]TxFate, error), error) {
	if err := s.ask("send"); err != nil {
		return nil, err
	}
	fates, lane, w := make([]TxFate, len(signed)), s.lane, s.w
	w.lanes[lane] = append(w.lanes[lane], func() {
		for i, raw := range signed {
			tx, id, err := codec.DecodeSignedTx(raw)
			if err != nil {
				fates[i].Refused = err
				continue
			}
			if fates[i].Refused = s.refuseTx(tx); fates[i].Refused != nil {
				continue
			}
			fates[i] = w.executeTx(id, tx)
			if first, ok := w.txs[id]; ok {
				fates[i] = first
			}
		}
	})
	return func() ([]TxFate, error) {
		if err := s.ask("answer"); err != nil {
			return nil, err
		}
		w.runLane(lane)
		return fates, nil
	}, nil
}

func (s *link) refuseTx(tx *chain.SignedTx) error {
	if s.w.height > tx.ValidUntil {
		return fault.Reasoned(fault.Refused, "expired", "too late")
	}
	if s.fail != nil {
		return s.fail("tx")
	}
	return nil
}

func (s *link) FindBatch(_ context.Context, id chain.Hash) (BatchFate, error) {
	if err := s.ask("find"); err != nil {
		return BatchFate{}, err
	}
	if f, ok := s.w.batches[id]; ok {
		return f, nil
	}
	return BatchFate{}, fault.New(fault.NotFound, "no batch %s", id)
}

func (s *link) FindTx(_ context.Context, id chain.Hash) (TxFate, error) {
	if err := s.ask("find"); err != nil {
		return TxFate{}, err
	}
	if f, ok := s.w.txs[id]; ok {
		return f, nil
	}
	return TxFate{}, fault.New(fault.NotFound, "no transaction %s", id)
}

// book resolves numbers as they are.
type book struct{ fail map[string]error }

func (b book) Payer(_ context.Context, name string) (Payer, error) {
	if err := b.fail[name]; err != nil {
		return Payer{}, err
	}
	no, _, err := ParseAccount(name)
	if no >= ownKeys {
		return Payer{No: no, Key: 9}, err
	}
	return Payer{No: no, Institution: 2 + chain.InstitutionNo(no%2), Key: 5}, err
}

func (b book) Payee(_ context.Context, name string) (chain.AccountNo, error) {
	if err := b.fail[name]; err != nil {
		return 0, err
	}
	no, _, err := ParseAccount(name)
	return no, err
}

func (b book) Asset(_ context.Context, code string) (Asset, error) {
	return Asset{No: 1, Scale: 2}, b.fail[code]
}

// manyLines is a CSV with n payments, each with its own reference. from gives the payer of line i.
func manyLines(n int, from func(i int) int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "%d,%d,1.5,AUR,r%d\n", from(i), 500, i)
	}
	return b.String()
}

func planOf(t testing.TB, text string) *Plan {
	t.Helper()
	f, err := Parse("f.csv", strings.NewReader(text), DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	p, err := NewPlan(t.Context(), f, book{})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// importOnce is one process: it opens the journal and runs.
func importOnce(ctx context.Context, p *Plan, d *memDisk, s Sender, o Options) (*Report, error) {
	j, err := OpenJournal(d, "f.csv", p.file, testChain, 7)
	if err != nil {
		return nil, err
	}
	defer func() { _ = j.Close() }()
	return Run(ctx, p, j, s, o)
}

// paidOnce checks that each of n lines was paid exactly once.
func (w *world) paidOnce(t testing.TB, n int) {
	t.Helper()
	for i := range n {
		if c := w.paid[fmt.Sprintf("r%d", i)]; c != 1 {
			t.Fatalf("line %d was paid %d times", i+1, c)
		}
	}
	if w.executed != n {
		t.Fatalf("%d payments executed for %d lines", w.executed, n)
	}
}
