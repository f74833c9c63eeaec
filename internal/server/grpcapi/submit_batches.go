// SPDX-License-Identifier: Apache-2.0

package grpcapi

import (
	"context"
	"sync/atomic"

	"google.golang.org/grpc"

	ledgerv1 "github.com/aurigraph/aurigraph/gen/aurigraph/ledger/v1"
)

// BatchesInFlightMax bounds the batches of one stream that are read and not answered. At the bound the server stops
// reading. At 100 ms from submission to certificate it carries 640 batches a second, more than two cores execute.
const BatchesInFlightMax = 64

// batchInFlight is a batch that waits for its answer.
type batchInFlight struct {
	tag     uint64
	pending Pending
	refused error
}

// SubmitBatches answers client batches in order.
func (s *service) SubmitBatches(stream grpc.BidiStreamingServer[ledgerv1.SubmitBatchRequest, ledgerv1.SubmitBatchResponse]) error {
	ctx := stream.Context()
	var open atomic.Int64
	defer func() { s.gate.metrics.batches.Sub(float64(open.Load())) }() // those that a broken stream leaves unanswered
	count := func(n int64) {
		open.Add(n)
		s.gate.metrics.batches.Add(float64(n))
	}
	read := func() (batchInFlight, error) {
		m := inboundBatch{ctx: ctx, lend: s.backend.Buffer}
		if err := stream.RecvMsg(&m); err != nil {
			return batchInFlight{}, err
		}
		if m.broken != nil {
			return batchInFlight{}, m.broken
		}
		count(1)
		return s.submitBatch(ctx, &m), nil
	}
	return inOrder(ctx, BatchesInFlightMax, read, func(b batchInFlight) error {
		answer, err := s.batchAnswer(ctx, b)
		if err != nil {
			return err
		}
		count(-1)
		return stream.Send(answer)
	})
}

func (s *service) submitBatch(ctx context.Context, m *inboundBatch) batchInFlight {
	b := batchInFlight{tag: m.tag, refused: m.refused}
	if b.refused == nil {
		b.pending, b.refused = s.backend.SubmitBatch(ctx, m.take(), m.signature)
	}
	return b
}

// batchAnswer waits for the batch's fate. An error means that the stream is over.
func (s *service) batchAnswer(ctx context.Context, b batchInFlight) (*ledgerv1.SubmitBatchResponse, error) {
	answer := &ledgerv1.SubmitBatchResponse{Tag: b.tag}
	if b.refused != nil {
		answer.Fault = s.refusal(ctx, b.refused)
		return answer, nil
	}
	if err := wait(ctx, b.pending); err != nil {
		return nil, err
	}
	r, first, err := b.pending.Receipt()
	if err != nil {
		answer.Fault = s.refusal(ctx, err)
		return answer, nil
	}
	answer.Receipt = batchReceipt(&r, first)
	return answer, nil
}

func wait(ctx context.Context, p Pending) error {
	select {
	case <-p.Done():
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
