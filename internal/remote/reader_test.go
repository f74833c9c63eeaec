// SPDX-License-Identifier: Apache-2.0

package remote

import (
	"context"
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/history"
	"github.com/aurigraph/aurigraph/internal/imported"
	"github.com/aurigraph/aurigraph/internal/query"
	"github.com/aurigraph/aurigraph/internal/server/grpcapi/grpcapitest"
)

// grow adds a block with a transfer to a fake chain.
func grow(t *testing.T, n *grpcapitest.Node) {
	t.Helper()
	raw := codec.AppendSignedTx(nil, &chain.SignedTx{
		Tx:        chain.Tx{Chain: 7, Sender: 1, Key: 1, Nonce: uint64(n.Height()) + 1, Body: &chain.Transfer{To: 2, Asset: 1, Amount: chain.Units(5)}},
		Signature: []byte{1},
	})
	p := n.SubmitTxs(t.Context(), [][]byte{raw})[0]
	if err := p.Refused(); err != nil {
		t.Fatal(err)
	}
	<-p.Done()
}

// TestReaderSaysWhatValidatorsSay asks for everything, of a node directly and through the API.
func TestReaderSaysWhatValidatorsSay(t *testing.T) {
	node := grpcapitest.New(4)
	grow(t, node)
	grow(t, node)
	l := newTestLedger(t, Config{}, &pool{validators: clients(t, node)})
	r, ctx := l.Reader(), t.Context()
	same := func(what string, got any, err error, want any, wantErr error) {
		t.Helper()
		if err != nil || wantErr != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s:\n%+v, %v\nwant\n%+v, %v", what, got, err, want, wantErr)
		}
	}
	for _, name := range []query.AccountName{{Number: 5}, {Address: chain.Address{1, 2}}} {
		a, err := r.Account(ctx, name, 0)
		b, errB := node.Account(ctx, name, 0)
		same("account", a, err, b, errB)
	}
	s, err := r.Asset(ctx, 1)
	s2, err2 := node.Asset(ctx, 1)
	same("asset", s, err, s2, err2)
	s, err = r.AssetByCode(ctx, "EUR")
	same("asset by code", s, err, s2, err2)
	for _, h := range []chain.Height{0, 1, 2} {
		b, err := r.Block(ctx, h)
		b2, err2 := node.Block(ctx, h)
		same("block", b, err, b2, err2)
		byHash, err := r.BlockByHash(ctx, b2.Hash)
		same("block by hash", byHash, err, b2, err2)
	}
	accounts, err := r.AccountsFrom(ctx, 0, 10)
	accounts2, err2 := node.AccountsFrom(ctx, 0, 10)
	accounts.Items[0].Holdings = nil
	same("accounts", accounts, err, withHeight(accounts2), err2)
	assets, err := r.AssetsFrom(ctx, 0, 10)
	assets2, err2 := node.AssetsFrom(ctx, 0, 10)
	same("assets", assets, err, assets2, err2)
	holders, err := r.Holders(ctx, 1, 10)
	holders2, err2 := node.Holders(ctx, 1, 10)
	same("holders", holders, err, holders2, err2)
	for _, f := range []query.TransferFilter{{}, {Account: 1, Asset: 2, SinceUs: 3, Payments: true, Outcome: query.OnlyDone}, {Outcome: query.OnlyRefused}} {
		p, err := r.FindTransfers(ctx, f, 7, "c")
		p2, err2 := node.FindTransfers(ctx, f, 7, "c")
		same("transfers", p, err, p2, err2)
	}
	p, err := r.BlockTransfers(ctx, 8, 7, "c")
	p2, err2 := node.BlockTransfers(ctx, 8, 7, "c")
	same("transfers of a block", p, err, p2, err2)
	st, err := r.Status(ctx)
	if err != nil || st.Height != 2 || st.Network != "fake" || len(st.Validators) != 4 || st.OldestPayload != 1 || st.Genesis != codec.GenesisHash(node.Genesis) {
		t.Errorf("status: %+v, %v", st, err)
	}
	if h, err := r.RetainedFrom(0); err != nil || h != 1 {
		t.Errorf("retained from %d, %v", h, err)
	}
}

func withHeight(p query.InOrder[query.Account]) query.InOrder[query.Account] {
	for i := range p.Items {
		p.Items[i].Height = p.Height
	}
	return p
}

func clients(t *testing.T, nodes ...*grpcapitest.Node) (out []conn) {
	for _, n := range nodes {
		out = append(out, validator(t, n))
	}
	return out
}

// TestTransfersOfABlock reads a block's contents, as the WebSockets do.
func TestTransfersOfABlock(t *testing.T) {
	node := grpcapitest.New(1)
	grow(t, node)
	r := newTestLedger(t, Config{}, &pool{validators: clients(t, node)}).Reader()
	var seen []query.Transfer
	each := func(x *query.Transfer) error { seen = append(seen, *x); return nil }
	if err := r.Transfers(t.Context(), 1, each); err != nil || len(seen) != 1 || seen[0].From != 1 || seen[0].To != 2 || seen[0].Amount != chain.Units(5) || seen[0].Height != 1 {
		t.Errorf("%+v, %v", seen, err)
	}
	placed, err := r.TransferAt(t.Context(), query.Place{Height: 1})
	b, _ := node.Block(t.Context(), 1)
	if err != nil || placed.Block != b.Hash || !reflect.DeepEqual(placed.Transfer, seen[0]) {
		t.Errorf("%+v, %v\nwant %+v", placed, err, seen)
	}
	stop := errors.New("stop")
	if err := r.Transfers(t.Context(), 1, func(*query.Transfer) error { return stop }); !errors.Is(err, stop) {
		t.Error(err)
	}
	if _, err := r.TransferAt(t.Context(), query.Place{Height: 1, Item: 9}); !fault.Is(err, fault.NotFound) {
		t.Error(err)
	}
	if err := r.Transfers(t.Context(), 5, each); err == nil {
		t.Error("a block that is not there was read")
	}
}

// TestReadsWhatV10Decided: a refusal of V10 that stands at a place has V10's id and outcome, also at a gateway.
func TestReadsWhatV10Decided(t *testing.T) {
	node := grpcapitest.New(1)
	leg := chain.Leg{Kind: chain.LegRefused, From: 1, To: 2, Asset: 3, Amount: chain.Units(4)}
	receipt, err := node.Change(leg, chain.SyncOrigin{Outcome: chain.InsufficientFunds, TimeMs: 7, Height: 8, Place: 9})
	if err != nil {
		t.Fatal(err)
	}
	r := newTestLedger(t, Config{}, &pool{validators: clients(t, node)}).Reader()
	got, err := r.TransferAt(t.Context(), query.Place{Height: receipt.Location.Height})
	if err != nil || got.Outcome != chain.InsufficientFunds || got.Origin != (history.Origin{Ms: 7, Round: 8, Place: 9}) || got.Kind != history.KindTransfer {
		t.Errorf("%+v %v", got, err)
	}
}

// TestReadsSeePayments: who reads after a payment is not answered by a validator that has not come as far.
func TestReadsSeePayments(t *testing.T) {
	ahead, behind := grpcapitest.New(1), grpcapitest.New(1)
	grow(t, ahead)
	grow(t, ahead)
	grow(t, behind)
	l := newTestLedger(t, Config{}, &pool{validators: clients(t, ahead, behind)})
	heights := map[chain.Height]bool{}
	for range 4 {
		b, err := l.Reader().Block(t.Context(), 0)
		if err != nil {
			t.Fatal(err)
		}
		heights[b.Header.Height] = true
	}
	if !heights[1] || !heights[2] {
		t.Errorf("reads are not spread: %v", heights)
	}
	l.saw(2)
	l.saw(1) // an older answer changes nothing
	for range 4 {
		if b, err := l.Reader().Block(t.Context(), 0); err != nil || b.Header.Height != 2 {
			t.Errorf("%+v, %v", b, err)
		}
	}
	l.saw(9)
	if _, err := l.Reader().Block(t.Context(), 0); fault.ReasonOf(err) != "behind" || !fault.Is(err, fault.TryLater) {
		t.Errorf("nobody is there: %v", err)
	}
	// A validator made that height up: it holds nobody up for long.
	for began := time.Now(); ; {
		_, err := l.Reader().Block(t.Context(), 0)
		if err == nil {
			break
		}
		if time.Since(began) > FreshMax+10*time.Second {
			t.Fatal(err)
		}
	}
	if l.seen.Load() != 0 {
		t.Errorf("seen %d", l.seen.Load())
	}
}

// TestFollow follows a chain, and another validator when the one it followed is lost.
func TestFollow(t *testing.T) {
	one, two := grpcapitest.New(1), grpcapitest.New(1)
	grow(t, one)
	grow(t, two)
	p := &pool{validators: clients(t, one, two)}
	l := newTestLedger(t, Config{}, p)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 2)
	go func() { ended <- l.Run(ctx) }()
	if err := l.Reader().Fresh(ctx); err != nil {
		t.Fatal(err)
	}
	heard := make(chan chain.Height, 100)
	go func() {
		ended <- l.Reader().FollowHeights(ctx, func(h chain.Height) error { heard <- h; return nil })
	}()
	next := chain.Height(2)
	for range 3 {
		grow(t, one)
		grow(t, two)
		for until := time.After(10 * time.Second); next <= one.Height(); next++ {
			select {
			case h := <-heard:
				if h != next {
					t.Fatalf("height %d, want %d", h, next)
				}
			case <-until:
				t.Fatalf("height %d is not heard of", next)
			}
		}
	}
	if c := l.Reader().Counters(); c.Height != 4 {
		t.Errorf("%+v", c)
	}
	stop()
	if err := errors.Join(<-ended, <-ended); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// TestFollowGoesOn fails the stream of whichever validator is followed: the next one is.
func TestFollowGoesOn(t *testing.T) {
	bad, good := grpcapitest.New(1), grpcapitest.New(1)
	bad.Fail = func(method string) error {
		if method == "FollowBlocks" {
			return fault.New(fault.Unavailable, "stopping")
		}
		return nil
	}
	grow(t, bad)
	grow(t, good)
	l := newTestLedger(t, Config{}, &pool{validators: clients(t, bad, good)})
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- l.Run(ctx) }()
	for range 3 {
		grow(t, good)
	}
	for until := time.Now().Add(20 * time.Second); l.Reader().Counters().Height < 4; <-time.After(5 * time.Millisecond) {
		if time.Now().After(until) {
			t.Fatalf("%+v", l.Reader().Counters())
		}
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// lists is an index of a gateway.
type lists struct{ at chain.Height }

func (l *lists) FindTransfers(context.Context, query.TransferFilter, int, string) (query.Page[query.Transfer], error) {
	return query.Page[query.Transfer]{IndexHeight: 77}, nil
}

func (l *lists) Height() chain.Height { return l.at }

func (l *lists) Behind(_ context.Context, _ query.TransferFilter, _ int, page query.Page[query.Transfer]) (query.Page[query.Transfer], error) {
	page.Items = append(page.Items, query.Transfer{Kind: "behind"})
	return page, nil
}

func (l *lists) V10Transfer(_ context.Context, round uint64, place uint32) (*query.Transfer, error) {
	return &query.Transfer{Origin: history.Origin{Round: round, Place: place}}, nil
}

func (l *lists) V10Round(_ context.Context, number uint64) (*imported.Round, error) {
	return &imported.Round{Number: number}, nil
}

// TestOwnIndex: an account's list comes from the gateway's own index, which is waited for a moment; others come from validators.
func TestOwnIndex(t *testing.T) {
	node := grpcapitest.New(1)
	l, err := New(Config{}, Parts{Validators: &pool{validators: clients(t, node)}, Lists: &lists{at: 3}})
	if err != nil {
		t.Fatal(err)
	}
	p, err := l.Reader().FindTransfers(t.Context(), query.TransferFilter{Account: 5}, 1, "")
	if err != nil || p.IndexHeight != 77 {
		t.Errorf("%+v, %v", p, err)
	}
	if p, err = l.Reader().FindTransfers(t.Context(), query.TransferFilter{}, 1, ""); err != nil || p.IndexHeight == 77 {
		t.Errorf("%+v, %v", p, err)
	}
	if n := len(p.Items); n == 0 || p.Items[n-1].Kind != "behind" {
		t.Errorf("V10's past is not behind what a validator has: %+v", p)
	}
	old := query.StartOfImported(0, 0)
	if p, err = l.Reader().FindTransfers(t.Context(), query.TransferFilter{}, 1, old); err != nil || p.IndexHeight != 77 {
		t.Errorf("V10's past is the index's: %+v, %v", p, err)
	}
	if x, err := l.Reader().V10Transfer(t.Context(), 5, 6); err != nil || x.Origin.Round != 5 || x.Origin.Place != 6 {
		t.Errorf("%+v, %v", x, err)
	}
	if r, err := l.Reader().V10Round(t.Context(), 5); err != nil || r.Number != 5 {
		t.Errorf("%+v, %v", r, err)
	}
	l.saw(4)
	began := time.Now()
	if p, err = l.Reader().FindTransfers(t.Context(), query.TransferFilter{Account: 5}, 1, ""); err != nil || p.IndexHeight != 77 || time.Since(began) < indexWaitMax {
		t.Errorf("%+v, %v after %v", p, err, time.Since(began))
	}
}
