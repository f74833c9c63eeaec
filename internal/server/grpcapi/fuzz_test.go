// SPDX-License-Identifier: Apache-2.0

package grpcapi_test

import (
	"testing"

	"google.golang.org/protobuf/proto"

	ledgerv1 "github.com/aurigraph/aurigraph/gen/aurigraph/ledger/v1"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/server/grpcapi"
	"github.com/aurigraph/aurigraph/internal/server/grpcapi/grpcapitest"
)

// FuzzEdge: any bytes, given to every unary method and to the batch stream, are answered or refused with a kind that is
// not the node's fault; nothing panics and no buffer is lost.
func FuzzEdge(f *testing.F) {
	node := grpcapitest.New(1)
	service := grpcapi.NewService(node)
	for _, m := range []proto.Message{
		&ledgerv1.SubmitTransactionRequest{Transaction: txBytes(1), Proof: true},
		&ledgerv1.SubmitBatchRequest{Tag: 3, Batch: batchBytes(f, 2, 1), Signature: []byte{1}},
		&ledgerv1.GetLegsRequest{Batch: make([]byte, 32), Count: 1},
		&ledgerv1.GetAccountRequest{Name: &ledgerv1.GetAccountRequest_Number{Number: 5}, Proof: true},
		&ledgerv1.ListBlocksRequest{Limit: 5, Cursor: "1"},
	} {
		f.Add(request(f, m))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		decode := func(m any) error { return proto.Unmarshal(b, m.(proto.Message)) }
		for _, method := range ledgerv1.Ledger_ServiceDesc.Methods {
			undecoded := false
			answer, err := method.Handler(service, t.Context(), func(m any) error {
				err := decode(m)
				undecoded = err != nil
				return err
			}, nil)
			if err != nil && !undecoded && fault.Is(err, fault.Internal) {
				t.Errorf("%s: %v", method.MethodName, err)
			}
			if err == nil {
				if _, err := proto.Marshal(answer.(proto.Message)); err != nil {
					t.Errorf("%s: the answer does not encode: %v", method.MethodName, err)
				}
			}
		}
		answer, err := grpcapi.SubmitBatchMessage(t.Context(), service, b)
		if err != nil && !fault.Is(err, fault.Invalid) {
			t.Error(err)
		}
		if err == nil && (answer.Fault == nil) == (answer.Receipt == nil) {
			t.Error("neither refused nor accepted", answer)
		}
		if n := node.Pool.LentBytes(); n != 0 {
			t.Errorf("%d bytes of buffers are lost", n)
		}
	})
}
