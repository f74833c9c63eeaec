// SPDX-License-Identifier: Apache-2.0

package watch

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/aurigraph/aurigraph/client"
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/keys"
	"github.com/aurigraph/aurigraph/internal/sync/applier"
	"github.com/aurigraph/aurigraph/internal/sync/chainlog"
	"github.com/aurigraph/aurigraph/internal/sync/envelope"
	"github.com/aurigraph/aurigraph/internal/sync/v10port"
	v10 "github.com/aurigraph/aurigraph/internal/v10"
	"github.com/aurigraph/aurigraph/legacy"
	"github.com/aurigraph/aurigraph/legacy/changefeed"
	"github.com/aurigraph/aurigraph/legacy/ledger"
	"github.com/aurigraph/aurigraph/legacy/store"
)

const (
	custodian chain.InstitutionNo = 2
	deskKey   chain.KeyNo         = 5
	syncKey   chain.KeyNo         = 6
	half                          = 5000 // slots below are V10's
)

// plainKeys are shared keys that anybody can make.
type plainKeys struct{}

func (plainKeys) Key(caller, key string) (k chain.IdempotencyKey) {
	sum := codec.Sum([]byte(caller + "\x00" + key))
	return chain.IdempotencyKey(sum[:16])
}

func (plainKeys) Body(from, to, asset string, units chain.Amount) (b [16]byte) {
	sum := codec.Sum(fmt.Append(nil, from, to, asset, units))
	return [16]byte(sum[:16])
}

// world is a real V10, with its change log over HTTP, and a chain that is made of what the real capture, planner and translator say.
// Tests reach in between.
type world struct {
	t       testing.TB
	rng     *rand.Rand
	aliases *keys.AliasKey
	secret  envelope.Key

	store  store.Store
	ledger *ledger.Ledger
	port   *v10port.Client
	url    string

	toV11 []*envelope.Record // captured, not yet made
	at11  envelope.Position  // captured up to here
	known applier.Known
	seq   uint64

	toV10   chain.Height // told to V10 up to here
	at10    envelope.Position
	tag10   envelope.Tag
	since10 uint64
	own     []chain.Leg // V11's own legs of the next block
	mangle  func(legs []chain.Leg) []chain.Leg
	forge   func(d *chainlog.Draft) bool // false: it is left out

	mu     sync.Mutex // guards what follows
	names  []string   // of accounts, from number 1
	codes  []string   // of assets, from number 1
	blocks []*client.Block
	inside [][]client.BatchContents
	grown  chan struct{}
}

func newWorld(t testing.TB, seed uint64) *world {
	t.Helper()
	w := &world{t: t, rng: rand.New(rand.NewPCG(seed, 9)), grown: make(chan struct{}), mangle: func(l []chain.Leg) []chain.Leg { return l }, forge: func(*chainlog.Draft) bool { return true }}
	path := filepath.Join(t.TempDir(), "alias.key")
	must(t, keys.WriteAliasKey(path, bytes.NewReader(bytes.Repeat([]byte{7}, 1024))))
	var err error
	w.aliases, err = keys.ReadAliasKey(path)
	must(t, err)
	w.secret, err = envelope.NewKey(bytes.Repeat([]byte{7}, envelope.SecretBytesMin))
	must(t, err)
	w.known = applier.Known{
		AliasKey: w.aliases, Accounts: map[string]chain.AccountNo{}, Assets: map[string]chain.AssetNo{},
		RefusedAccounts: map[string]chain.Outcome{}, RefusedAssets: map[string]chain.Outcome{},
	}
	w.startV10()
	for i := range 12 {
		w.pay(ledger.Treasury, name(i), 1_000_000)
	}
	w.openBoth()
	return w
}

func name(i int) string { return fmt.Sprint("account ", i) }

func (w *world) startV10() {
	var err error
	w.store, err = legacy.OpenStore(legacy.EnginePebble, w.t.TempDir(), 0, nil)
	must(w.t, err)
	w.ledger, err = ledger.Open(w.store, ledger.Config{Shared: plainKeys{}})
	must(w.t, err)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(w.t, err)
	ctx, cancel := context.WithCancel(context.WithoutCancel(w.t.Context()))
	var all sync.WaitGroup
	ended := make([]error, 2)
	all.Go(func() { ended[0] = w.ledger.Run(ctx) })
	all.Go(func() {
		ended[1] = changefeed.Serve(ctx, l, changefeed.Config{Store: w.store, Ledger: w.ledger, Keys: []envelope.Key{w.secret}})
	})
	w.url = "http://" + l.Addr().String()
	w.port = v10port.NewClient(w.url, nil)
	w.t.Cleanup(func() {
		w.port.Close()
		cancel()
		all.Wait()
		must(w.t, errors.Join(ended[0], ended[1], w.store.Close()))
	})
}

// openBoth gives V11 the upper half of the slots, and opens both inboxes.
func (w *world) openBoth() {
	must(w.t, w.ledger.MoveHomes(w.t.Context(), []ledger.Move{{Version: 1, From: half, To: chain.SlotsMax - 1, Other: true}}))
	w.at10 = envelope.EndOf(0)
	_, err := w.port.OpenInbox(w.t.Context(), envelope.Start{Source: w.source(), Position: w.at10})
	must(w.t, err)
	w.block()
	w.capture()
	w.make()
}

func (w *world) source() envelope.Source {
	id := envelope.LedgerID{1, 2, 3}
	return envelope.Source{Ledger: id, Origin: envelope.V11, Life: 1, Incarnation: envelope.V11Incarnation(id)}
}

func (w *world) submit(o ledger.Order) {
	w.t.Helper()
	_, err := w.ledger.Submit(w.t.Context(), []ledger.Order{o})
	must(w.t, err)
}

func (w *world) pay(from, to string, units uint64) {
	w.t.Helper()
	w.submit(ledger.Order{Kind: ledger.Transfer, From: from, To: to, Asset: v10.DefaultAsset, Units: chain.Units(units)})
}

// sink takes V10's changes from the capture.
type sink struct{ w *world }

func (s sink) Source() envelope.Source {
	return envelope.Source{Ledger: envelope.V10Ledger("x"), Origin: envelope.V10, Life: 1, Incarnation: envelope.Incarnation(s.w.store.Head().Incarnation)}
}

func (s sink) Tip() (envelope.Position, uint64) { return s.w.at11, s.w.at11.Major }

func (s sink) Newest() (uint64, bool) { return 0, false }

func (s sink) Confirm(v10port.Draft) error { return nil }

func (s sink) Failed() error { return nil }

func (s sink) Publish(_ context.Context, d v10port.Draft) error {
	s.w.at11 = d.Position
	s.w.toV11 = append(s.w.toV11, &envelope.Record{Position: d.Position, HomeVersion: max(d.HomeVersion, 1), Change: d.Change})
	return nil
}

// capture reads V10's log to its end.
func (w *world) capture() {
	w.t.Helper()
	target := w.store.Head().Sequence
	ctx, cancel := context.WithCancel(w.t.Context())
	defer cancel()
	must(w.t, v10port.Capture(ctx, v10port.CaptureConfig{Client: w.port, Sink: sink{w}, Keys: plainKeys{}, Heard: func(head uint64, _ error) {
		if head >= target {
			cancel()
		}
	}}))
}

// make makes what was captured on V11, with V11's own legs in a batch of their own.
func (w *world) make() {
	w.t.Helper()
	for {
		n := applier.NeedOf(w.toV11, &w.known)
		if n.Empty() {
			break
		}
		w.meet(&n)
	}
	b, taken, stop := applier.Cut(w.toV11, &w.known, 0)
	if stop != nil || taken != len(w.toV11) {
		w.t.Fatalf("%d of %d taken, %+v", taken, len(w.toV11), stop)
	}
	w.toV11 = nil
	var batches []chain.Batch
	if legs := w.mangle(b.Legs); len(legs) > 0 {
		made, err := chain.NewSyncBatch(chain.BatchHeader{Chain: 7, Institution: custodian, Key: syncKey}, chain.SyncHead{Life: 1, HomeVersion: 1}, legs)
		must(w.t, err)
		batches = append(batches, made)
	}
	if len(w.own) > 0 {
		w.seq++
		made, err := chain.NewBatch(chain.BatchHeader{Chain: 7, Institution: custodian, Key: deskKey, Sequence: w.seq}, w.own)
		must(w.t, err)
		batches, w.own = append(batches, made), nil
	}
	w.block(batches...)
}

func (w *world) meet(n *applier.Need) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, name := range n.Names {
		if _, asked := w.known.Accounts[name]; !asked {
			w.known.Accounts[name] = 0
		}
	}
	for _, code := range n.Codes {
		if _, asked := w.known.Assets[code]; !asked {
			w.known.Assets[code] = 0
		}
	}
	for _, name := range n.Open {
		w.names = append(w.names, name)
		w.known.Accounts[name] = chain.AccountNo(len(w.names))
	}
	for _, c := range n.Create {
		w.codes = append(w.codes, c.Code)
		w.known.Assets[c.Code] = chain.AssetNo(len(w.codes))
	}
	if _, asked := w.known.Assets[v10.DefaultAsset]; asked && w.known.Assets[v10.DefaultAsset] == 0 {
		w.codes = append(w.codes, v10.DefaultAsset)
		w.known.Assets[v10.DefaultAsset] = chain.AssetNo(len(w.codes))
	}
}

// block ends a block; all its legs are executed, but those of no amount of V11's own, which are refused.
func (w *world) block(batches ...chain.Batch) {
	w.mu.Lock()
	defer w.mu.Unlock()
	h := &chain.ExecutedHeader{Chain: 7, Height: chain.Height(len(w.blocks) + 1), TimeUs: 1_700_000_000_000_000 + uint64(len(w.blocks))*2_300_000}
	if n := len(w.blocks); n > 0 {
		h.Previous = w.blocks[n-1].Hash
	}
	b := &client.Block{Height: h.Height, TimeUs: h.TimeUs, Header: h, Verified: true}
	var inside []client.BatchContents
	for _, batch := range batches {
		o := codec.Outcomes{Codes: make([]chain.Outcome, batch.Len())}
		for i := range o.Codes {
			if l := batch.Leg(i); l.Kind == chain.LegTransfer && l.Amount.IsZero() {
				o.Codes[i] = chain.InsufficientFunds
			}
		}
		h.Batches = append(h.Batches, chain.BatchResult{Batch: codec.Sum(batch.Bytes()), Legs: uint32(batch.Len()), Outcomes: o.Hash()})
		inside = append(inside, client.BatchContents{Payload: batch.Bytes(), Outcomes: o})
	}
	b.Hash = codec.Sum(fmt.Append(nil, h.Height, h.Previous))
	w.blocks, w.inside = append(w.blocks, b), append(w.inside, inside)
	close(w.grown)
	w.grown = make(chan struct{})
}

// tell tells V10 of the blocks that it does not know.
func (w *world) tell() {
	w.t.Helper()
	for ; int(w.toV10) < len(w.blocks); w.toV10++ {
		b := &chainlog.Block{Header: w.blocks[w.toV10].Header, Hash: w.blocks[w.toV10].Hash, HomeVersion: 1}
		for _, c := range w.inside[w.toV10] {
			b.Batches = append(b.Batches, chainlog.Contents{Payload: c.Payload, Outcomes: c.Outcomes.AppendPacked(nil)})
		}
		f := &chainlog.Facts{Accounts: map[chain.AccountNo]chainlog.Account{}, Assets: map[chain.AssetNo]chainlog.Asset{}, Institution: custodian, Signed: true, SyncKeys: []chain.KeyNo{syncKey}}
		for i, name := range w.names {
			f.Accounts[chain.AccountNo(i+1)] = chainlog.Account{Portable: true, Name: name}
		}
		for i, code := range w.codes {
			f.Assets[chain.AssetNo(i+1)] = chainlog.Asset{Code: code, Portable: true}
		}
		var drafts []chainlog.Draft
		at := chainlog.Begin(b)
		for i := range b.Batches {
			some, next, err := chainlog.Translate(b, i, f, at)
			must(w.t, err)
			drafts, at = append(drafts, some...), next
		}
		w.apply(append(drafts, chainlog.EndOf(b, at)))
	}
}

func (w *world) apply(drafts []chainlog.Draft) {
	w.t.Helper()
	var records []*envelope.Record
	for _, d := range drafts {
		if !w.forge(&d) {
			continue
		}
		if d.Position.Major != w.at10.Major {
			w.since10 = w.at10.Major
		}
		r := &envelope.Record{Source: w.source(), Position: d.Position, Previous: w.at10, PreviousTag: w.tag10, Since: w.since10, End: d.End, HomeVersion: d.HomeVersion, Change: d.Change}
		_, err := envelope.Seal(&w.secret, r)
		must(w.t, err)
		w.at10, w.tag10 = r.Position, r.Tag
		records = append(records, r)
	}
	_, err := w.ledger.Apply(w.t.Context(), records)
	must(w.t, err)
}

// Of the chain as the watcher reads it.

func (w *world) FollowContents(ctx context.Context, from chain.Height, each func(*client.Block, []client.BatchContents) error) error {
	for {
		w.mu.Lock()
		grown := w.grown
		var b *client.Block
		var inside []client.BatchContents
		if int(from) <= len(w.blocks) {
			b, inside = w.blocks[from-1], w.inside[from-1]
		}
		w.mu.Unlock()
		if b == nil {
			select {
			case <-grown:
			case <-ctx.Done():
				return ctx.Err()
			}
			continue
		}
		if err := each(b, inside); err != nil {
			return err
		}
		from++
	}
}

func (w *world) Block(context.Context, chain.Height) (*client.Block, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.blocks[len(w.blocks)-1], nil
}

func (w *world) Inbox(context.Context) (*client.Inbox, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return &client.Inbox{Height: chain.Height(len(w.blocks)), Life: 1, Institution: custodian, Key: syncKey}, nil
}

func (w *world) Account(_ context.Context, n client.AccountName, _ chain.AssetNo, _ bool) (*client.Account, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if int(n.Number) > len(w.names) {
		return nil, fault.New(fault.NotFound, "account %d", n.Number)
	}
	name := w.names[n.Number-1]
	return &client.Account{Number: n.Number, Address: keys.AliasAddress(name), Slot: keys.AliasSlot(name)}, nil
}

func (w *world) Asset(_ context.Context, no chain.AssetNo) (*client.Asset, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if int(no) > len(w.codes) {
		return nil, fault.New(fault.NotFound, "asset %d", no)
	}
	return &client.Asset{Number: no, Code: w.codes[no-1], Portable: true}, nil
}

func (w *world) Institution(_ context.Context, no chain.InstitutionNo, _ uint8) (*client.Institution, error) {
	return &client.Institution{Number: no, Keys: []client.Key{{Number: deskKey}}}, nil
}

// watched runs the watcher and collects what it says.
type watched struct {
	mu  sync.Mutex
	all []Verdict
	end func() error
}

func (w *world) watch(every time.Duration) *watched {
	ctx, cancel := context.WithCancel(w.t.Context())
	out, ended := &watched{}, make(chan error, 1)
	go func() {
		ended <- Run(ctx, Config{V10: w.url, V11: w, Aliases: w.aliases, Every: every, Tell: func(v Verdict) {
			out.mu.Lock()
			defer out.mu.Unlock()
			out.all = append(out.all, v)
		}})
	}()
	var once sync.Once
	out.end = func() (err error) {
		once.Do(func() { cancel(); err = <-ended })
		return err
	}
	w.t.Cleanup(func() { out.end() })
	return out
}

func (x *watched) verdicts() []Verdict {
	x.mu.Lock()
	defer x.mu.Unlock()
	return append([]Verdict(nil), x.all...)
}
