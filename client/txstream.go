// SPDX-License-Identifier: Apache-2.0

package client

import (
	"context"

	"google.golang.org/grpc"

	ledgerv1 "github.com/aurigraph/aurigraph/gen/aurigraph/ledger/v1"
	"github.com/aurigraph/aurigraph/internal/codec"
)

// TxStream sends single transactions, many a message, and receives an answer for each message in order. One goroutine
// may send while another receives.
type TxStream struct {
	client *Client
	stream grpc.BidiStreamingClient[ledgerv1.SubmitTransactionsRequest, ledgerv1.SubmitTransactionsResponse]
	cancel context.CancelFunc
}

// TxAnswers are the fates of the transactions of one message, in order.
type TxAnswers struct {
	Tag     uint64
	Answers []TxAnswer
}

// TxAnswer is the fate of one transaction. Verified means that the certificate proves the outcome of item Item of this
// batch; that the item is this transaction, Client.Transaction with proof shows.
type TxAnswer struct {
	Place
	ID       Hash
	Item     uint32
	Outcome  Outcome
	Result   uint32
	Refused  error // it was not admitted: nothing else is set but ID
	Verified bool
}

// OpenTxStream opens a stream. It lives until Close, or until ctx ends.
func (c *Client) OpenTxStream(ctx context.Context) (*TxStream, error) {
	ctx, cancel := context.WithCancel(ctx)
	stream, err := c.ledger.SubmitTransactions(ctx)
	if err != nil {
		cancel()
		err, _ = faultOf(err)
		return nil, err
	}
	return &TxStream{client: c, stream: stream, cancel: cancel}, nil
}

// Send sends up to 4,096 signed transactions, at most 4 MiB. It blocks while too much is on its way.
func (s *TxStream) Send(tag uint64, signed [][]byte) error {
	return streamError(s.stream.Send(&ledgerv1.SubmitTransactionsRequest{Tag: tag, Transactions: signed}))
}

// CloseSend says that no more come; Recv gives the remaining answers, then io.EOF.
func (s *TxStream) CloseSend() error { return streamError(s.stream.CloseSend()) }

// Close breaks the stream off. What was not answered has an unknown outcome.
func (s *TxStream) Close() { s.cancel() }

// Recv waits for the answers to the next message. Errors are as of BatchStream.Recv.
func (s *TxStream) Recv() (TxAnswers, error) {
	m, err := s.stream.Recv()
	if err != nil {
		return TxAnswers{}, streamError(err)
	}
	shared, err := s.shared(m)
	if err != nil {
		s.cancel()
		return TxAnswers{}, err
	}
	out := TxAnswers{Tag: m.Tag, Answers: make([]TxAnswer, len(m.Answers))}
	for i, a := range m.Answers {
		if err := shared.answer(&out.Answers[i], a); err != nil {
			s.cancel()
			return TxAnswers{}, err
		}
	}
	return out, nil
}

// sharedParts are the headers and outcome arrays that the answers of a message refer to.
type sharedParts struct {
	verify   bool
	outcomes map[Place]Outcomes
}

func (s *TxStream) shared(m *ledgerv1.SubmitTransactionsResponse) (*sharedParts, error) {
	v := s.client.verifier
	out := &sharedParts{verify: v != nil, outcomes: map[Place]Outcomes{}}
	if v == nil {
		return out, nil
	}
	headers := map[Height]Certified{}
	for _, c := range m.Certified {
		h, err := v.Header(certifiedOf(c))
		if err != nil {
			return nil, err
		}
		headers[h.Height] = certifiedOf(c)
	}
	for _, p := range m.Outcomes {
		at := Place{Height(p.Height), p.BatchIndex}
		_, _, o, err := v.line(headers[at.Height], at, p.Packed)
		if err != nil {
			return nil, err
		}
		out.outcomes[at] = o
	}
	return out, nil
}

func (s *sharedParts) answer(out *TxAnswer, a *ledgerv1.TransactionAnswer) error {
	if a.Fault != nil {
		copy(out.ID[:], a.Id) // what does not decode has no id
		out.Refused = refusalOf(a.Fault)
		return nil
	}
	out.Place = Place{Height(a.Height), a.BatchIndex}
	out.Item, out.Outcome, out.Result = a.Item, Outcome(a.Outcome), a.Result
	if err := putHash(&out.ID, a.Id); err != nil || !s.verify {
		return err
	}
	o := s.outcomes[out.Place]
	if !outcomeIs(o, out.Item, out.Outcome, out.Result) {
		return unproved("outcomes_mismatch", "the outcome of transaction %s is not in those of its batch", out.ID)
	}
	out.Verified = true
	return nil
}

func outcomeIs(o codec.Outcomes, item uint32, code Outcome, result uint32) bool {
	if uint64(item) >= uint64(len(o.Codes)) || o.Codes[item] != code {
		return false
	}
	if len(o.Results) == 0 {
		return result == 0
	}
	return o.Results[item] == result
}
