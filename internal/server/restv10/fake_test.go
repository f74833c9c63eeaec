// SPDX-License-Identifier: Apache-2.0

package restv10

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/aurigraph/aurigraph/internal/access"
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/custody"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/imported"
	"github.com/aurigraph/aurigraph/internal/query"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// fakeLedger is a desk and a reader over a handful of accounts. Every payment is a block.
type fakeLedger struct {
	mu      sync.Mutex
	numbers map[string]chain.AccountNo
	names   map[chain.AccountNo]string
	blocks  [][]query.Transfer // from height 1
	pruned  chain.Height       // blocks up to here were let go
	next    error              // what the next payment is answered
	outcome chain.Outcome
	heard   chan chain.Height // heights for the one follower

	hold     chan struct{} // payments wait for it; nil: they do not
	holdRead chan struct{} // so do those who read a block's transfers
}

func newFakeLedger(names ...string) *fakeLedger {
	f := &fakeLedger{numbers: map[string]chain.AccountNo{}, names: map[chain.AccountNo]string{}, heard: make(chan chain.Height, 1024)}
	for _, name := range names {
		f.open(name)
	}
	return f
}

func (f *fakeLedger) open(name string) chain.AccountNo {
	no := chain.AccountNo(len(f.numbers) + 1)
	f.numbers[name], f.names[no] = no, name
	return no
}

const fakeTimeUs = 1_756_894_830_456_000

func (f *fakeLedger) PayMany(ctx context.Context, ps []custody.Payment) []custody.Answer {
	if f.hold != nil {
		select {
		case <-f.hold:
		case <-ctx.Done():
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	out := make([]custody.Answer, len(ps))
	for i := range ps {
		out[i] = f.pay(&ps[i])
	}
	return out
}

func (f *fakeLedger) pay(p *custody.Payment) custody.Answer {
	if f.next != nil {
		return custody.Answer{Err: f.next}
	}
	if strings.HasPrefix(p.From, "v10-") || strings.HasPrefix(p.From, "moved-") {
		return custody.Answer{Err: fault.Reasoned(fault.Refused, custody.ReasonNotHome, "V10 serves this account")}
	}
	from, ok := f.numbers[p.From]
	if !ok {
		return custody.Answer{Err: fault.Reasoned(fault.NotFound, "unknown_payer", "there is no account of the payer's name")}
	}
	to, ok := f.numbers[p.To]
	if !ok {
		to = f.open(p.To)
	}
	h := chain.Height(len(f.blocks) + 1)
	f.blocks = append(f.blocks, []query.Transfer{{Height: h, From: from, To: to, Asset: 1, Amount: p.Amount, Kind: "transfer", Outcome: f.outcome, TimeUs: fakeTimeUs}})
	f.heard <- h
	return custody.Answer{Result: custody.Result{Height: h, TimeUs: fakeTimeUs, Outcome: f.outcome, First: true}}
}

func (f *fakeLedger) Key(caller, key string) (k chain.IdempotencyKey) {
	copy(k[:], caller+key)
	return k
}

func (f *fakeLedger) Body(*custody.Payment) [16]byte { return [16]byte{1} }

func (f *fakeLedger) Open(_ context.Context, name string) (custody.Opened, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if no, ok := f.numbers[name]; ok {
		return custody.Opened{Number: no}, nil
	}
	return custody.Opened{Number: f.open(name), New: true}, nil
}

func (f *fakeLedger) Away(_ context.Context, ds []custody.Debit) ([]bool, error) {
	out := make([]bool, len(ds))
	for i, d := range ds {
		out[i] = strings.HasPrefix(d.Account, "v10-")
	}
	return out, nil
}

func (f *fakeLedger) Resolve(_ context.Context, name string) (chain.AccountNo, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if no, ok := f.numbers[name]; ok {
		return no, nil
	}
	return 0, fault.Reasoned(fault.NotFound, "unknown_account", "there is no account of this name")
}

func (f *fakeLedger) Names(_ context.Context, numbers []chain.AccountNo) (map[chain.AccountNo]string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := map[chain.AccountNo]string{}
	for _, no := range numbers {
		out[no] = f.names[no]
	}
	return out, nil
}

func (f *fakeLedger) Asset(_ context.Context, code string) (custody.Asset, error) {
	if code != "AUR" {
		return custody.Asset{}, fault.Reasoned(fault.NotFound, "unknown_asset", "there is no asset of this code")
	}
	return custody.Asset{Number: 1, Code: "AUR", Scale: 8}, nil
}

func (f *fakeLedger) CreateAsset(context.Context, string, custody.NewAsset) (chain.AssetNo, custody.Result, error) {
	return 0, custody.Result{}, fault.New(fault.Denied, "not here")
}

func (f *fakeLedger) Issue(context.Context, string, string, string, chain.Amount) (custody.Result, error) {
	return custody.Result{}, fault.New(fault.Denied, "not here")
}

func (f *fakeLedger) Redeem(context.Context, string, string, chain.Amount) (custody.Result, error) {
	return custody.Result{}, fault.New(fault.Denied, "not here")
}

// fakeReader is the reading side; the two would meet in their names.
type fakeReader struct{ *fakeLedger }

func (f fakeReader) height() chain.Height {
	f.mu.Lock()
	defer f.mu.Unlock()
	return chain.Height(len(f.blocks))
}

func (f fakeReader) Status(context.Context) (*query.Status, error) {
	return &query.Status{
		Network: "fake", Node: "node0", Height: f.height(), Engine: "solo", State: query.StateLeader, Order: query.OrderStatus{HasLeader: true},
		Validators: []chain.Member{{Name: "node0", Ed25519: make([]byte, 32), MLDSA65: make([]byte, 1952)}},
	}, nil
}

func (f fakeReader) Counters() Counters {
	return Counters{Height: f.height(), Transfers: uint64(f.height())}
}

func (f fakeReader) Account(_ context.Context, name query.AccountName, _ chain.AssetNo) (*query.Account, error) {
	return &query.Account{Number: name.Number, Holdings: []query.Holding{{Asset: 1, Code: "AUR", Scale: 8, Amount: chain.Units(500_000_000)}}}, nil
}

func (f fakeReader) Asset(_ context.Context, no chain.AssetNo) (*query.Asset, error) {
	if no != 1 {
		return nil, fault.New(fault.NotFound, "there is no such asset")
	}
	return &query.Asset{Number: 1, Code: "AUR", Scale: 8}, nil
}

func (f fakeReader) AssetByCode(ctx context.Context, _ string) (*query.Asset, error) {
	return f.Asset(ctx, 1)
}

func (f fakeReader) Block(_ context.Context, h chain.Height) (*query.Block, error) {
	if h > f.height() {
		return nil, fault.New(fault.NotFound, "there is no block %d", h)
	}
	return &query.Block{Header: &chain.ExecutedHeader{Height: h, TimeUs: fakeTimeUs}, Hash: chain.Hash{byte(h)}}, nil
}

func (f fakeReader) BlockByHash(context.Context, chain.Hash) (*query.Block, error) {
	return nil, fault.New(fault.NotFound, "no block has this hash")
}

func (f fakeReader) TransferAt(_ context.Context, at query.Place) (*query.PlacedTransfer, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if at.Height == 0 || int(at.Height) > len(f.blocks) {
		return nil, fault.New(fault.NotFound, "there is no block")
	}
	return &query.PlacedTransfer{Transfer: f.blocks[at.Height-1][0]}, nil
}

func (f fakeReader) V10Transfer(context.Context, uint64, uint32) (*query.Transfer, error) {
	return nil, fault.New(fault.NotFound, "V10 made nothing")
}

func (f fakeReader) V10Round(context.Context, uint64) (*imported.Round, error) {
	return nil, fault.New(fault.NotFound, "V10 had no rounds")
}

func (f fakeReader) AccountsFrom(context.Context, chain.AccountNo, int) (query.InOrder[query.Account], error) {
	return query.InOrder[query.Account]{Items: []query.Account{{Number: 1}}}, nil
}

func (f fakeReader) AssetsFrom(context.Context, chain.AssetNo, int) (query.InOrder[query.Asset], error) {
	return query.InOrder[query.Asset]{Items: []query.Asset{{Number: 1, Code: "AUR", Scale: 8}}}, nil
}

func (f fakeReader) Holders(context.Context, chain.AssetNo, int) (*query.Holders, error) {
	return &query.Holders{}, nil
}

func (f fakeReader) FindTransfers(context.Context, query.TransferFilter, int, string) (query.Page[query.Transfer], error) {
	return query.Page[query.Transfer]{}, nil
}

func (f fakeReader) BlockTransfers(context.Context, chain.Height, int, string) (query.Page[query.Transfer], error) {
	return query.Page[query.Transfer]{}, nil
}

func (f fakeReader) Transfers(ctx context.Context, h chain.Height, each func(*query.Transfer) error) error {
	if f.holdRead != nil {
		select {
		case <-f.holdRead:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	f.mu.Lock()
	if h <= f.pruned {
		f.mu.Unlock()
		return fault.New(fault.Pruned, "block %d was let go", h)
	}
	rows := f.blocks[h-1]
	f.mu.Unlock()
	for i := range rows {
		if err := each(&rows[i]); err != nil {
			return err
		}
	}
	return nil
}

func (f fakeReader) RetainedFrom(h chain.Height) (chain.Height, error) {
	return max(h, f.pruned+1), nil
}

func (f fakeReader) FollowHeights(ctx context.Context, each func(chain.Height) error) error {
	for {
		select {
		case h := <-f.heard:
			if err := each(h); err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// world is a server over a fake ledger, on a real listener.
type world struct {
	t      *testing.T
	ledger *fakeLedger
	server *Server
	addr   string
	stop   context.CancelFunc
	ended  chan error
	client *http.Client
}

// start serves. change may alter the settings.
func start(t *testing.T, change func(*Config, *Parts)) *world {
	t.Helper()
	ledger := newFakeLedger("alice", "bob")
	guard, err := access.New(access.Config{Open: true, Keys: filepath.Join(t.TempDir(), "keys.json")}, access.Parts{})
	must(t, err)
	cfg := Config{Node: "node0", Network: "fake", GenesisHash: "0x00", DrainNotice: 10 * time.Millisecond, DrainGrace: time.Second}
	parts := Parts{Desk: ledger, Reader: fakeReader{ledger}, Access: guard}
	if change != nil {
		change(&cfg, &parts)
	}
	s, err := New(cfg, parts)
	must(t, err)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	ctx, stop := context.WithCancel(context.Background())
	w := &world{
		t: t, ledger: ledger, server: s, addr: l.Addr().String(), stop: stop, ended: make(chan error, 1),
		client: &http.Client{Transport: &http.Transport{}},
	}
	go func() { w.ended <- s.Serve(ctx, l) }()
	t.Cleanup(w.end)
	return w
}

// end stops the server, once.
func (w *world) end() {
	w.stop()
	if w.ended == nil {
		return
	}
	if err := <-w.ended; err != nil {
		w.t.Error(err)
	}
	w.ended = nil
	w.client.CloseIdleConnections()
}

func (w *world) url(path string) string { return "http://" + w.addr + path }

// ask sends a request and returns the answer with its whole body.
func (w *world) ask(method, path, body string, headers ...string) (*http.Response, string) {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.t.Context(), method, w.url(path), strings.NewReader(body))
	must(w.t, err)
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := w.client.Do(req)
	must(w.t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	must(w.t, err)
	return resp, string(text)
}

// direct asks a server that does not listen.
func direct(s *Server, method, path, body string) (int, string) {
	w := httptest.NewRecorder()
	s.ServeHTTP(w, httptest.NewRequest(method, path, strings.NewReader(body)))
	return w.Code, w.Body.String()
}

func payment(from, to string, amount any) string {
	return fmt.Sprintf(`{"from":%q,"to":%q,"amount":%v}`, from, to, amount)
}
