// SPDX-License-Identifier: Apache-2.0

package grpcapi

import (
	"context"
	"log/slog"

	"google.golang.org/grpc/mem"

	ledgerv1 "github.com/aurigraph/aurigraph/gen/aurigraph/ledger/v1"
)

// NewService makes the handlers without a server, for fuzzing.
func NewService(b Backend) ledgerv1.LedgerServer {
	g := &gate{log: slog.New(slog.DiscardHandler), metrics: newMetrics(nil)}
	return &service{backend: b, gate: g, stopping: make(chan struct{})}
}

// SubmitBatchMessage takes a message of a batch stream from its bytes to its answer. The error ends the stream.
func SubmitBatchMessage(ctx context.Context, server ledgerv1.LedgerServer, message []byte) (*ledgerv1.SubmitBatchResponse, error) {
	s := server.(*service)
	m := &inboundBatch{ctx: ctx, lend: s.backend.Buffer}
	if err := newWire().Unmarshal(mem.BufferSlice{mem.SliceBuffer(message)}, m); err != nil {
		return nil, err
	}
	if m.broken != nil {
		return nil, m.broken
	}
	return s.batchAnswer(ctx, s.submitBatch(ctx, m))
}
