// SPDX-License-Identifier: Apache-2.0

package grpcapi

import (
	"context"

	"golang.org/x/sync/semaphore"
	"google.golang.org/grpc"

	ledgerv1 "github.com/aurigraph/aurigraph/gen/aurigraph/ledger/v1"
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// Bounds of one stream of single transactions, read and not answered. At either bound the server stops reading.
const (
	TxMessagesInFlightMax = 1024
	TxsInFlightMax        = 16 << 10
)

// SubmitTransaction submits one transaction and waits for its certificate.
func (s *service) SubmitTransaction(ctx context.Context, q *ledgerv1.SubmitTransactionRequest) (*ledgerv1.SubmitTransactionResponse, error) {
	if len(q.Transaction) > chain.TxBytesMax {
		return nil, oversizedTx(len(q.Transaction))
	}
	p := s.backend.SubmitTxs(ctx, [][]byte{q.Transaction})[0]
	if err := p.Refused(); err != nil {
		return nil, err
	}
	if err := wait(ctx, p); err != nil {
		return nil, err
	}
	r, first, err := p.Receipt()
	if err != nil {
		return nil, err
	}
	receipt, err := txReceipt(&r, p.ID(), p.Item())
	if err != nil {
		return nil, err
	}
	receipt.First = first
	answer := &ledgerv1.SubmitTransactionResponse{Receipt: receipt}
	if q.Proof {
		proved, err := s.backend.ProveTx(ctx, &r, p.Item())
		if err != nil {
			return nil, err
		}
		answer.Proof = proof(proved)
	}
	return answer, nil
}

func oversizedTx(n int) error {
	return fault.Reasoned(fault.Invalid, "tx_oversized", "transaction: %d bytes, at most %d", n, chain.TxBytesMax)
}

// txsInFlight is a message of transactions that waits for its answer.
type txsInFlight struct {
	tag     uint64
	pending []TxPending
	weight  int64
}

// SubmitTransactions answers messages of transactions in order.
func (s *service) SubmitTransactions(stream grpc.BidiStreamingServer[ledgerv1.SubmitTransactionsRequest, ledgerv1.SubmitTransactionsResponse]) error {
	ctx := stream.Context()
	room := semaphore.NewWeighted(TxsInFlightMax)
	read := func() (txsInFlight, error) {
		q, err := stream.Recv()
		if err != nil {
			return txsInFlight{}, err
		}
		if n := len(q.Transactions); n == 0 || n > chain.TxsPerBatchMax {
			return txsInFlight{}, fault.Reasoned(fault.Invalid, "count", "transactions: %d in a message, must be 1 to %d", n, chain.TxsPerBatchMax)
		}
		m := txsInFlight{tag: q.Tag, weight: int64(len(q.Transactions))}
		if err := room.Acquire(ctx, m.weight); err != nil {
			return m, err
		}
		m.pending = s.backend.SubmitTxs(ctx, q.Transactions)
		return m, nil
	}
	return inOrder(ctx, TxMessagesInFlightMax, read, func(m txsInFlight) error {
		defer room.Release(m.weight)
		answer, err := s.txsAnswer(ctx, m)
		if err != nil {
			return err
		}
		return stream.Send(answer)
	})
}

// txsAnswer waits for the fate of each transaction of a message. An error means that the stream is over.
func (s *service) txsAnswer(ctx context.Context, m txsInFlight) (*ledgerv1.SubmitTransactionsResponse, error) {
	a := txAnswers{out: &ledgerv1.SubmitTransactionsResponse{Tag: m.tag}, batches: map[place]codec.Outcomes{}, heights: map[chain.Height]bool{}}
	for _, p := range m.pending {
		id := p.ID()
		answer := &ledgerv1.TransactionAnswer{Id: id[:]}
		err := p.Refused()
		if err == nil {
			if err := wait(ctx, p); err != nil {
				return nil, err
			}
			err = a.settle(answer, p)
		}
		if err != nil {
			answer.Fault = s.refusal(ctx, err)
		}
		a.out.Answers = append(a.out.Answers, answer)
	}
	return a.out, nil
}

// place is where a batch lies in the chain.
type place struct {
	height chain.Height
	index  uint32
}

// txAnswers collects what the answers of one message share: each header and each outcome array goes out once.
type txAnswers struct {
	out     *ledgerv1.SubmitTransactionsResponse
	batches map[place]codec.Outcomes
	heights map[chain.Height]bool
}

func (a *txAnswers) settle(answer *ledgerv1.TransactionAnswer, p TxPending) error {
	r, _, err := p.Receipt()
	if err != nil {
		return err
	}
	outcomes, err := a.outcomes(&r)
	if err != nil {
		return err
	}
	code, result, err := outcomeAt(outcomes, p.Item())
	if err != nil {
		return err
	}
	answer.Height, answer.BatchIndex, answer.Item = uint64(r.Location.Height), r.Location.Index, p.Item()
	answer.Outcome, answer.Result = uint32(code), result
	return nil
}

func (a *txAnswers) outcomes(r *chain.Receipt) (codec.Outcomes, error) {
	at := place{r.Location.Height, r.Location.Index}
	if known, ok := a.batches[at]; ok {
		return known, nil
	}
	o, err := unpack(r)
	if err != nil {
		return o, err
	}
	a.batches[at] = o
	a.out.Outcomes = append(a.out.Outcomes, &ledgerv1.PackedOutcomes{Height: uint64(at.height), BatchIndex: at.index, Packed: r.Outcomes})
	if !a.heights[at.height] {
		a.heights[at.height] = true
		a.out.Certified = append(a.out.Certified, certified(r.Header, r.Certificate))
	}
	return o, nil
}
