// SPDX-License-Identifier: Apache-2.0

package grpcapi_test

import (
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	ledgerv1 "github.com/aurigraph/aurigraph/gen/aurigraph/ledger/v1"
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/query"
	"github.com/aurigraph/aurigraph/internal/server/grpcapi"
	"github.com/aurigraph/aurigraph/internal/server/grpcapi/grpcapitest"
)

func TestReadBlocks(t *testing.T) {
	node := grpcapitest.New(1)
	e := serve(t, grpcapi.Config{}, node)
	for i := range uint64(3) {
		if _, err := e.SubmitTransaction(t.Context(), &ledgerv1.SubmitTransactionRequest{Transaction: txBytes(i + 1)}); err != nil {
			t.Fatal(err)
		}
	}
	a, err := e.ReadBlocks(t.Context(), &ledgerv1.ReadBlocksRequest{FromHeight: 2})
	if err != nil || len(a.Blocks) != 2 || a.CertifiedHeight != 3 || len(a.Certificate) == 0 || a.RetainedFrom != 0 {
		t.Fatalf("%v, %v", a, err)
	}
	h, err := codec.DecodeHeader(a.Blocks[1].Header)
	if err != nil || h.Height != 3 || codec.Sum(a.Blocks[1].Batches[0].Payload) != h.Batches[0].Batch || len(a.Blocks[1].Batches[0].Outcomes) == 0 {
		t.Errorf("%v, %v", h, err)
	}
	a, err = e.ReadBlocks(t.Context(), &ledgerv1.ReadBlocksRequest{FromHeight: 1, BytesMax: 1, HeadersOnly: true})
	if err != nil || len(a.Blocks) != 1 || len(a.Blocks[0].Batches) != 0 {
		t.Errorf("%v, %v", a, err)
	}
	for _, q := range []*ledgerv1.ReadBlocksRequest{{}, {FromHeight: 1, BytesMax: query.ContentsBytesMax + 1}} {
		if _, err := e.ReadBlocks(t.Context(), q); status.Code(err) != codes.InvalidArgument {
			t.Errorf("%v: %v", q, err)
		}
	}
	node.Fail = func(string) error { return fault.New(fault.Corrupt, "block %d", chain.Height(1)) }
	if _, err := e.ReadBlocks(t.Context(), &ledgerv1.ReadBlocksRequest{FromHeight: 1}); status.Code(err) != codes.DataLoss {
		t.Error(err)
	}
}

// TestMethods lists what a gateway may pass: only what submits may not be asked of another node again.
func TestMethods(t *testing.T) {
	changing, streams := 0, 0
	for _, m := range grpcapi.Methods() {
		switch {
		case !m.Unary:
			streams++
		case !m.Reads:
			changing++
		}
	}
	if changing != 1 || streams != len(ledgerv1.Ledger_ServiceDesc.Streams) {
		t.Errorf("%d methods change something, %d are streams", changing, streams)
	}
}
