// SPDX-License-Identifier: Apache-2.0

package client

import (
	"context"
	"io"

	"google.golang.org/grpc"

	ledgerv1 "github.com/aurigraph/aurigraph/gen/aurigraph/ledger/v1"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// BatchesInFlightMax bounds the batches of one stream that are sent and not answered. At the bound Send blocks. The
// server stops reading earlier; this is what bounds the client's memory.
const BatchesInFlightMax = 256

// BatchStream sends batches to one node as fast as it takes them, and receives their answers in order. One goroutine may
// send while another receives.
type BatchStream struct {
	client *Client
	stream grpc.BidiStreamingClient[ledgerv1.SubmitBatchRequest, ledgerv1.SubmitBatchResponse]
	cancel context.CancelFunc
	sent   chan sentBatch // not answered yet, in order
}

type sentBatch struct {
	tag uint64
	id  Hash
}

// BatchAnswer is what became of one batch: Refused is why it was not admitted, else there is a receipt, verified with
// Trust.
type BatchAnswer struct {
	Tag     uint64
	ID      Hash
	Receipt *BatchReceipt
	Refused error
}

// OpenBatchStream opens a stream. It lives until Close, or until ctx ends.
func (c *Client) OpenBatchStream(ctx context.Context) (*BatchStream, error) {
	ctx, cancel := context.WithCancel(ctx)
	stream, err := c.ledger.SubmitBatches(ctx)
	if err != nil {
		cancel()
		err, _ = faultOf(err)
		return nil, err
	}
	return &BatchStream{client: c, stream: stream, cancel: cancel, sent: make(chan sentBatch, BatchesInFlightMax)}, nil
}

// Send sends a batch, whose bytes must not change until its answer has come. It blocks while too much is on its way.
// After an error the stream is broken, and what was sent and not answered has an unknown outcome: send it again on
// another stream. io.EOF means that the reason comes from Recv.
func (s *BatchStream) Send(tag uint64, b *SignedBatch) error {
	select {
	case s.sent <- sentBatch{tag, b.ID}:
	case <-s.stream.Context().Done():
		return streamError(s.stream.Context().Err())
	}
	return streamError(s.stream.SendMsg(&outboundBatch{tag: tag, batch: b.Bytes, signature: b.Signature}))
}

// CloseSend says that no more batches come; Recv gives the remaining answers, then io.EOF.
func (s *BatchStream) CloseSend() error { return streamError(s.stream.CloseSend()) }

// Recv waits for the next answer. io.EOF: all are there, after CloseSend. Any other error breaks the stream; one of kind
// Corrupt means that the node's answer does not verify.
func (s *BatchStream) Recv() (BatchAnswer, error) {
	m, err := s.stream.Recv()
	if err != nil {
		return BatchAnswer{}, streamError(err)
	}
	var of sentBatch
	select {
	case of = <-s.sent:
	default:
		return BatchAnswer{}, s.fail("the node answered a batch that was not sent")
	}
	if m.Tag != of.tag {
		return BatchAnswer{}, s.fail("the node answered batch %d where the next is %d", m.Tag, of.tag)
	}
	a := BatchAnswer{Tag: of.tag, ID: of.id}
	if m.Fault != nil {
		a.Refused = refusalOf(m.Fault)
		return a, nil
	}
	if a.Receipt, err = batchReceiptOf(m.Receipt); err == nil {
		a.Receipt, err = checked(s.stream.Context(), s.client, a.Receipt, func(v *Verifier) error { return v.Batch(a.Receipt, of.id) })
	}
	if err != nil {
		s.cancel()
	}
	return a, err
}

// Close breaks the stream off. What was not answered has an unknown outcome.
func (s *BatchStream) Close() { s.cancel() }

func (s *BatchStream) fail(format string, args ...any) error {
	s.cancel()
	return fault.Reasoned(fault.Corrupt, "answer_malformed", format, args...)
}

func streamError(err error) error {
	if err == nil || err == io.EOF {
		return err
	}
	out, _ := faultOf(err)
	return out
}
