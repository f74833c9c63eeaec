// SPDX-License-Identifier: Apache-2.0

package grpcapi_test

import (
	"strconv"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	ledgerv1 "github.com/aurigraph/aurigraph/gen/aurigraph/ledger/v1"
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/query"
	"github.com/aurigraph/aurigraph/internal/server/grpcapi"
	"github.com/aurigraph/aurigraph/internal/server/grpcapi/grpcapitest"
)

func TestFindTransfers(t *testing.T) {
	e := serve(t, grpcapi.Config{}, grpcapitest.New(1))
	for _, c := range []struct {
		q    *ledgerv1.FindTransfersRequest
		want *ledgerv1.Transfer
	}{
		{&ledgerv1.FindTransfersRequest{Account: 3, Asset: 4, SinceUs: 5, Limit: 6, Cursor: "c", Done: true, Payments: true}, &ledgerv1.Transfer{From: 3, Asset: 4, TimeUs: 5, Amount: "6", Item: uint32(query.OnlyDone), BatchIndex: 1}},
		{&ledgerv1.FindTransfersRequest{Refused: true}, &ledgerv1.Transfer{Amount: "50", Item: uint32(query.OnlyRefused)}},
		{&ledgerv1.FindTransfersRequest{}, &ledgerv1.Transfer{Amount: "50"}},
	} {
		a, err := e.FindTransfers(t.Context(), c.q)
		if err != nil || len(a.Transfers) != 1 || a.NextCursor != c.q.Cursor+"+" || a.IndexHeight != 9 {
			t.Fatalf("%v: %v, %v", c.q, a, err)
		}
		x := a.Transfers[0]
		if x.From != c.want.From || x.Asset != c.want.Asset || x.TimeUs != c.want.TimeUs || x.Amount != c.want.Amount || x.Item != c.want.Item || x.BatchIndex != c.want.BatchIndex {
			t.Errorf("%v: %v", c.q, x)
		}
	}
	if a, err := e.FindTransfers(t.Context(), &ledgerv1.FindTransfersRequest{Height: 7}); err != nil || a.Transfers[0].Height != 7 || a.Transfers[0].Kind != "hold" {
		t.Errorf("%v, %v", a, err)
	}
	for _, q := range []*ledgerv1.FindTransfersRequest{
		{Done: true, Refused: true}, {Height: 1, Account: 1}, {Height: 1, Done: true}, {Height: 1, Payments: true}, {Limit: grpcapi.ListItemsMax + 1},
	} {
		if _, err := e.FindTransfers(t.Context(), q); status.Code(err) != codes.InvalidArgument {
			t.Errorf("%v: %v", q, err)
		}
	}
}

func TestListsInOrder(t *testing.T) {
	e := serve(t, grpcapi.Config{}, grpcapitest.New(1))
	a, err := e.ListAccounts(t.Context(), &ledgerv1.ListAccountsRequest{InOrder: &ledgerv1.InOrder{After: 4}})
	if err != nil || len(a.Accounts) != 1 || a.Accounts[0].Number != 5 || !a.More || a.IndexHeight != 9 {
		t.Errorf("%v, %v", a, err)
	}
	if a, err = e.ListAccounts(t.Context(), &ledgerv1.ListAccountsRequest{InOrder: &ledgerv1.InOrder{After: 5}}); err != nil || len(a.Accounts) != 0 || a.More {
		t.Errorf("%v, %v", a, err)
	}
	s, err := e.ListAssets(t.Context(), &ledgerv1.ListAssetsRequest{InOrder: &ledgerv1.InOrder{}})
	if err != nil || len(s.Assets) != 1 || s.Assets[0].Code != "EUR" || s.More {
		t.Errorf("%v, %v", s, err)
	}
	h, err := e.ListHolders(t.Context(), &ledgerv1.ListHoldersRequest{Asset: 1})
	if err != nil || len(h.Holders) != 2 || h.Holders[0].Account != 5 || h.Holders[0].Amount != "60" || h.Asset.Code != "EUR" || h.Height != 9 {
		t.Errorf("%v, %v", h, err)
	}
	_, one := e.ListAccounts(t.Context(), &ledgerv1.ListAccountsRequest{Cursor: "x", InOrder: &ledgerv1.InOrder{}})
	_, two := e.ListAssets(t.Context(), &ledgerv1.ListAssetsRequest{Cursor: "x", InOrder: &ledgerv1.InOrder{}})
	for _, err := range []error{one, two} {
		if status.Code(err) != codes.InvalidArgument {
			t.Error(err)
		}
	}
}

func TestBlockByHash(t *testing.T) {
	e := serve(t, grpcapi.Config{}, grpcapitest.New(1))
	if _, err := e.SubmitTransaction(t.Context(), &ledgerv1.SubmitTransactionRequest{Transaction: txBytes(1)}); err != nil {
		t.Fatal(err)
	}
	b, err := e.GetBlock(t.Context(), &ledgerv1.GetBlockRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if a, err := e.GetBlock(t.Context(), &ledgerv1.GetBlockRequest{Hash: b.Hash}); err != nil || a.Height != b.Height {
		t.Errorf("%v, %v", a, err)
	}
	for q, want := range map[*ledgerv1.GetBlockRequest]codes.Code{
		{Hash: make([]byte, 32)}: codes.NotFound, {Hash: b.Hash[:31]}: codes.InvalidArgument, {Hash: b.Hash, Height: 1}: codes.InvalidArgument,
	} {
		if _, err := e.GetBlock(t.Context(), q); status.Code(err) != want {
			t.Errorf("%v: %v", q, err)
		}
	}
}

// TestAfter reads at a node what another one told of: it waits until it is there, for a moment.
func TestAfter(t *testing.T) {
	node := grpcapitest.New(1)
	e := serve(t, grpcapi.Config{}, node)
	submit := func() {
		if _, err := e.SubmitTransaction(t.Context(), &ledgerv1.SubmitTransactionRequest{Transaction: txBytes(uint64(node.Height()) + 1)}); err != nil {
			t.Error(err)
		}
	}
	submit()
	for _, h := range []uint64{0, 1} {
		if _, err := e.GetBlock(grpcapi.After(t.Context(), chain.Height(h)), &ledgerv1.GetBlockRequest{}); err != nil {
			t.Errorf("after %d: %v", h, err)
		}
	}
	began := time.Now()
	if _, err := e.GetBlock(grpcapi.After(t.Context(), 2), &ledgerv1.GetBlockRequest{}); status.Code(err) != codes.ResourceExhausted || time.Since(began) > 5*time.Second {
		t.Errorf("%v after %v", err, time.Since(began))
	}
	if _, err := e.GetBlock(grpcapi.After(t.Context(), 1<<63), &ledgerv1.GetBlockRequest{}); status.Code(err) != codes.ResourceExhausted {
		t.Error(err) // what no node gets to in a moment is not waited for
	}
	go submit()
	b, err := e.GetBlock(grpcapi.After(t.Context(), 2), &ledgerv1.GetBlockRequest{})
	if err != nil || b.Height != 2 {
		t.Errorf("%v, %v", b, err)
	}
	for _, bad := range []string{"x", "-1", strconv.FormatUint(1<<63, 10) + "0"} {
		if _, err := e.GetBlock(metadata.AppendToOutgoingContext(t.Context(), "aurigraph-after", bad), &ledgerv1.GetBlockRequest{}); status.Code(err) != codes.InvalidArgument {
			t.Errorf("%s: %v", bad, err)
		}
	}
}
