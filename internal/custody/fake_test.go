// SPDX-License-Identifier: Apache-2.0

package custody

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/keys"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	testChain   chain.ChainID       = 4711
	institution chain.InstitutionNo = 2
	house       chain.AccountNo     = 2
	keyNo       chain.KeyNo         = 3
	aur         chain.AssetNo       = 1
	blockTime                       = 5 * time.Millisecond
	genesisUs                       = 1_000_000_000_000
)

var aliasKey = &keys.AliasKey{Secret: [keys.AliasKeyBytes]byte{1, 2, 3}, Named: keys.Named{"named": chain.SlotsMax}}

func signer(t testing.TB) keys.Signer {
	t.Helper()
	s, err := keys.FromSeed(keys.Ed25519, [keys.SeedBytes]byte{9})
	must(t, err)
	return s
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// mishap is what happens to one submission of a batch.
type mishap int

const (
	none       mishap = iota
	lostBefore        // Timeout, and nothing was taken
	lostAfter         // executed, and Timeout
	late              // Timeout, and executed a second later
	tryLater
	unavailable
	denied
	hang       // until the attempt ends; nothing was taken
	revoked    // the key was, between the door and the execution
	queueAhead // refused as stale, by a door that counts what only waits to be executed
)

// fake is a ledger with the rules that a desk meets. Its faults come from trouble.
type fake struct {
	signer keys.Signer

	mu sync.Mutex // guards all below
	// trouble says what happens to submission n (from 0) of a batch.
	trouble   func(n int, b chain.Batch) mishap
	height    chain.Height
	accounts  map[chain.AccountNo]*fakeAccount
	tags      map[chain.Hash]chain.AccountNo
	channels  map[uint8]uint64
	batches   map[chain.Hash]*BatchFate
	txs       map[chain.Hash]TxFate
	keyed     map[chain.IdempotencyKey]*KeyedFate
	executed  []chain.Leg // with outcome ok, in order
	submitted int
	sizes     []int // legs of each batch that was executed
	calls     map[string]int
	v10       Homes // nil: V10 owns nothing
	flags     chain.AssetFlags
	moved     bool          // the ledger itself says that it is V10's
	down      bool          // every call is Unavailable
	slow      time.Duration // of Height
}

func (f *fake) slowHeight() {
	f.mu.Lock()
	d := f.slow
	f.mu.Unlock()
	<-time.After(d)
}

type fakeAccount struct {
	address chain.Address
	slot    uint16
	nonce   uint64
	balance chain.Amount
}

func newFake(t testing.TB) *fake {
	f := &fake{
		signer: signer(t), trouble: func(int, chain.Batch) mishap { return none },
		height: 10, accounts: map[chain.AccountNo]*fakeAccount{1: {}, house: {}}, tags: map[chain.Hash]chain.AccountNo{},
		channels: map[uint8]uint64{}, batches: map[chain.Hash]*BatchFate{}, txs: map[chain.Hash]TxFate{},
		keyed: map[chain.IdempotencyKey]*KeyedFate{}, calls: map[string]int{},
	}
	return f
}

// fund opens an account for a name.
func (f *fake) fund(name string, units uint64) chain.AccountNo {
	f.mu.Lock()
	defer f.mu.Unlock()
	no, _ := f.openLocked(aliasKey.Tag(name), keys.AliasAddress(name))
	f.accounts[no].balance = chain.Units(units)
	return no
}

func (f *fake) openLocked(tag chain.Hash, address chain.Address) (chain.AccountNo, chain.Outcome) {
	if _, taken := f.tags[tag]; taken {
		return 0, chain.AliasTaken
	}
	no := chain.AccountNo(len(f.accounts) + 1)
	f.accounts[no], f.tags[tag] = &fakeAccount{address: address}, no
	return no, chain.OK
}

func (f *fake) balance(no chain.AccountNo) uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.accounts[no].balance.Lo
}

func (f *fake) enter(name string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls[name]++
	if f.down {
		return fault.New(fault.Unavailable, "the node is down")
	}
	return nil
}

func (f *fake) Height(context.Context) (chain.Height, error) {
	err := f.enter("height")
	f.slowHeight()
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.height, err
}

// nativeAsset cannot live on V10.
const nativeAsset = "NATIVE"

// noHomes is the table of a network without a V10.
type noHomes struct{}

func (noHomes) OnV10(uint16) bool { return false }
func (noHomes) Any() bool         { return false }
func (noHomes) Migrating() bool   { return false }

func (f *fake) Homes(context.Context, Homes) (Homes, error) {
	if err := f.enter("homes"); err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.v10 == nil {
		return noHomes{}, nil
	}
	return f.v10, nil
}

func (f *fake) SubmitBatch(ctx context.Context, b *Batch) (*BatchFate, error) {
	if err := f.enter("batch"); err != nil {
		return nil, err
	}
	parsed, err := chain.ParseBatch(b.Bytes)
	if err != nil {
		return nil, err
	}
	f.mu.Lock()
	n := f.submitted
	f.submitted++
	trouble := f.trouble
	f.mu.Unlock()
	switch trouble(n, parsed) {
	case lostBefore:
		return nil, fault.New(fault.Timeout, "the connection was lost")
	case lostAfter:
		f.block(ctx)
		_, _ = f.execute(b, parsed)
		return nil, fault.New(fault.Timeout, "the answer was lost")
	case late:
		time.AfterFunc(time.Second, func() { _, _ = f.execute(b, parsed) })
		return nil, fault.New(fault.Timeout, "the answer was lost")
	case tryLater:
		return nil, fault.New(fault.TryLater, "the node is full")
	case unavailable:
		return nil, fault.New(fault.Unavailable, "the node is stopping")
	case denied:
		return nil, fault.Reasoned(fault.Denied, "unknown_key", "the key was revoked")
	case revoked:
		return &BatchFate{Height: 11, Outcomes: slices.Repeat([]chain.Outcome{chain.UnknownKey}, parsed.Len())}, nil
	case queueAhead:
		return nil, fault.Reasoned(fault.Refused, "stale", "jumped over")
	case hang:
		<-ctx.Done()
		return nil, ctx.Err()
	}
	if err := f.block(ctx); err != nil {
		return nil, err
	}
	return f.execute(b, parsed)
}

// block waits for the next block.
func (f *fake) block(ctx context.Context) error {
	select {
	case <-time.After(blockTime):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (f *fake) execute(b *Batch, parsed chain.Batch) (*BatchFate, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if fate := f.batches[b.ID]; fate != nil {
		return fate, nil
	}
	h := parsed.Header()
	switch {
	case f.height+1 > h.ValidUntil:
		return nil, fault.Reasoned(fault.Refused, "expired", "too late")
	case h.Sequence <= f.channels[h.Channel]:
		return nil, fault.Reasoned(fault.Refused, "stale", "jumped over")
	}
	f.channels[h.Channel] = h.Sequence
	f.height++
	fate := &BatchFate{Height: f.height, TimeUs: genesisUs + uint64(f.height), Index: 1, Outcomes: make([]chain.Outcome, parsed.Len())}
	for i := range parsed.Len() {
		fate.Outcomes[i] = f.leg(parsed.Leg(i), fate, i)
	}
	f.batches[b.ID] = fate
	f.sizes = append(f.sizes, parsed.Len())
	return fate, nil
}

func (f *fake) leg(leg chain.Leg, at *BatchFate, item int) chain.Outcome {
	key, isKeyed := leg.Key()
	if isKeyed && f.keyed[key] != nil {
		return chain.Duplicate
	}
	out := f.move(leg)
	if isKeyed {
		f.keyed[key] = &KeyedFate{Height: at.Height, TimeUs: at.TimeUs, Index: at.Index, Item: uint32(item), Outcome: out, Body: [16]byte(leg.Reference[16:]), BodyKnown: true}
	}
	return out
}

func (f *fake) move(leg chain.Leg) chain.Outcome {
	if f.moved {
		return chain.NotHome
	}
	from, to := f.accounts[leg.From], f.accounts[leg.To]
	if from == nil || to == nil {
		return chain.UnknownAccount
	}
	rest, ok := from.balance.Sub(leg.Amount)
	if !ok {
		return chain.InsufficientFunds
	}
	from.balance = rest
	to.balance, _ = to.balance.Add(leg.Amount)
	f.executed = append(f.executed, leg)
	return chain.OK
}

func (f *fake) SubmitTxs(ctx context.Context, signed [][]byte) []TxAnswer {
	out := make([]TxAnswer, len(signed))
	err := f.enter("txs")
	if err == nil {
		err = f.block(ctx)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.height++
	for i, raw := range signed {
		if out[i].Err = err; err == nil {
			out[i] = f.tx(raw, uint32(i))
		}
	}
	return out
}

func (f *fake) tx(raw []byte, item uint32) (a TxAnswer) {
	tx, id, err := codec.DecodeSignedTx(raw)
	if err != nil {
		return TxAnswer{Err: err}
	}
	if fate, ok := f.txs[id]; ok {
		return TxAnswer{TxFate: fate}
	}
	a.Height, a.TimeUs, a.Item = f.height, genesisUs+uint64(f.height), item
	sender := f.accounts[tx.Sender]
	if tx.Nonce <= sender.nonce { // stricter than the ledger, which looks back on 256
		a.Outcome = chain.NonceUsed
		return a
	}
	sender.nonce = tx.Nonce
	switch b := tx.Body.(type) {
	case *chain.OpenAccount:
		no, outcome := f.openLocked(b.AliasTag, b.Address)
		if outcome == chain.OK {
			f.accounts[no].slot = b.Slot
		}
		a.Result, a.Outcome = uint32(no), outcome
	case *chain.CreateAsset:
		a.Result = 2
	case *chain.Issue:
		f.accounts[b.To].balance, _ = f.accounts[b.To].balance.Add(b.Amount)
	case *chain.Redeem:
		if rest, ok := sender.balance.Sub(b.Amount); ok {
			sender.balance = rest
		} else {
			a.Outcome = chain.InsufficientFunds
		}
	}
	f.txs[id] = a.TxFate
	return a
}

func (f *fake) FindBatch(_ context.Context, id chain.Hash, after chain.Height) (*BatchFate, error) {
	if err := f.enter("find"); err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.batches[id] != nil:
		return f.batches[id], nil
	case f.height < after:
		return nil, fault.New(fault.TryLater, "behind")
	}
	return nil, fault.New(fault.NotFound, "no such batch")
}

func (f *fake) Account(_ context.Context, name AccountName) (*Account, error) {
	if err := f.enter("account"); err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	no := name.Number
	if !name.AliasTag.IsZero() {
		no = f.tags[name.AliasTag]
	}
	for n, a := range f.accounts {
		if !name.Address.IsZero() && a.address == name.Address {
			no = n
		}
	}
	a := f.accounts[no]
	if a == nil {
		return nil, fault.New(fault.NotFound, "no such account")
	}
	return &Account{Number: no, Address: a.address, Institution: institution, Slot: a.slot, Nonce: a.nonce}, nil
}

func (f *fake) Asset(_ context.Context, code string) (*Asset, error) {
	if err := f.enter("asset"); err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	switch code {
	case DefaultAsset:
		return &Asset{Number: aur, Code: code, Scale: 8, Issuer: house, Flags: f.flags}, nil
	case nativeAsset:
		return &Asset{Number: aur, Code: code, Scale: 8, Issuer: house}, nil
	}
	return nil, fault.New(fault.NotFound, "no such asset")
}

func (f *fake) Institution(_ context.Context, _ chain.InstitutionNo, channel uint8) (*Institution, error) {
	if err := f.enter("institution"); err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return &Institution{Height: f.height, House: house, Sequence: f.channels[channel]}, nil
}

func (f *fake) Keyed(_ context.Context, no chain.InstitutionNo, key chain.IdempotencyKey, after chain.Height) (*KeyedFate, error) {
	if err := f.enter("keyed"); err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	switch fate := f.keyed[key]; {
	case no != institution:
		return nil, fault.New(fault.NotFound, "not this institution's")
	case fate != nil:
		return fate, nil
	case f.height < after:
		return nil, fault.New(fault.TryLater, "behind")
	}
	return nil, fault.New(fault.NotFound, "no such key")
}

// fakeVault keeps names in memory.
type fakeVault struct {
	mu    sync.Mutex
	names map[chain.AccountNo]string
	err   error
}

func (v *fakeVault) Put(_ context.Context, names map[chain.AccountNo]string) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	for no, name := range names {
		if v.names[no] == "" && v.err == nil {
			v.names[no] = name
		}
	}
	return v.err
}

func (v *fakeVault) Get(_ context.Context, numbers []chain.AccountNo) (map[chain.AccountNo]string, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	out := map[chain.AccountNo]string{}
	for _, no := range numbers {
		if name := v.names[no]; name != "" {
			out[no] = name
		}
	}
	return out, v.err
}

// world is a desk over a fake ledger.
type world struct {
	t     *testing.T
	fake  *fake
	vault *fakeVault
	desk  *Desk
	stop  context.CancelFunc
	ended chan struct{}
}

// start runs a desk. change may alter its settings.
func start(t *testing.T, change func(*Config)) *world {
	t.Helper()
	w := &world{t: t, fake: newFake(t), vault: &fakeVault{names: map[chain.AccountNo]string{}}}
	w.open(change)
	return w
}

func (w *world) open(change func(*Config)) {
	w.t.Helper()
	cfg := Config{
		Chain: testChain, Institution: institution, Key: keyNo, Signer: w.fake.signer, AliasKey: aliasKey, Carriers: 2,
		ChannelFirst: 10, ChannelLast: 19,
	}
	if change != nil {
		change(&cfg)
	}
	var err error
	w.desk, err = New(cfg, Parts{Chain: w.fake, Vault: w.vault, Metrics: prometheus.NewRegistry()})
	must(w.t, err)
	ctx, stop := context.WithCancel(w.t.Context())
	w.stop, w.ended = stop, make(chan struct{})
	go func() {
		defer close(w.ended)
		_ = w.desk.Run(ctx)
	}()
}

func (w *world) close() {
	w.stop()
	<-w.ended
}

func (w *world) pay(from, to string, units uint64) (Result, error) {
	return w.desk.Pay(w.t.Context(), Payment{From: from, To: to, Amount: chain.Units(units)})
}

// dice are random numbers for several goroutines, from a seed.
type dice struct {
	mu sync.Mutex
	r  *rand.Rand
}

func newDice(seed uint64) *dice { return &dice{r: rand.New(rand.NewPCG(seed, 1))} }

func (d *dice) n(sides int) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.r.IntN(sides)
}
