// SPDX-License-Identifier: Apache-2.0

package client

import (
	"bytes"
	"context"

	"google.golang.org/grpc"

	ledgerv1 "github.com/aurigraph/aurigraph/gen/aurigraph/ledger/v1"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// TxMessagesInFlightMax bounds the messages of one stream that are sent and not answered. At the bound Send blocks.
const TxMessagesInFlightMax = 1024

// TxStream sends single transactions, many a message, and receives an answer for each message in order. One goroutine
// may send while another receives.
type TxStream struct {
	client *Client
	stream grpc.BidiStreamingClient[ledgerv1.SubmitTransactionsRequest, ledgerv1.SubmitTransactionsResponse]
	cancel context.CancelFunc
	sent   chan sentTxs // not answered yet, in order
}

type sentTxs struct {
	tag uint64
	ids []Hash // zero for what is no transaction
}

// TxAnswers are the fates of the transactions of one message, in order.
type TxAnswers struct {
	Tag     uint64
	Answers []TxAnswer
}

// TxAnswer is the fate of one transaction. The answer is for the transaction that was sent: its id is compared.
//
// Verified means that the certificate proves the outcome and the result of item Item of the batch at Place. It does not
// prove that this item is this transaction: a stream's answers carry no proof of the batch's content, so a node that lies
// can name another item, which has the outcome it likes. Whom that matters to asks Client.Transaction with proof, or
// submits with Client.SubmitTx, which does so. Nor is a refusal proved.
type TxAnswer struct {
	Place
	ID       Hash // zero for what is no transaction
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
	return &TxStream{client: c, stream: stream, cancel: cancel, sent: make(chan sentTxs, TxMessagesInFlightMax)}, nil
}

// Send sends up to 4,096 signed transactions, at most 4 MiB. It blocks while too much is on its way.
func (s *TxStream) Send(tag uint64, signed [][]byte) error {
	ids := make([]Hash, len(signed))
	for i := range signed {
		ids[i], _ = TxID(signed[i]) // the node refuses what does not decode, and says why
	}
	select {
	case s.sent <- sentTxs{tag, ids}:
	case <-s.stream.Context().Done():
		return streamError(s.stream.Context().Err())
	}
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
	out, err := s.answers(m)
	if err != nil {
		s.cancel()
		return TxAnswers{}, err
	}
	return out, nil
}

func (s *TxStream) answers(m *ledgerv1.SubmitTransactionsResponse) (TxAnswers, error) {
	var of sentTxs
	select {
	case of = <-s.sent:
	default:
		return TxAnswers{}, malformed("the node answered a message that was not sent")
	}
	if m.Tag != of.tag || len(m.Answers) != len(of.ids) {
		return TxAnswers{}, malformed("the node gave %d answers to message %d where the next is %d, of %d transactions", len(m.Answers), m.Tag, of.tag, len(of.ids))
	}
	shared, err := s.shared(m)
	if err != nil {
		return TxAnswers{}, err
	}
	out := TxAnswers{Tag: m.Tag, Answers: make([]TxAnswer, len(m.Answers))}
	for i, a := range m.Answers {
		out.Answers[i].ID = of.ids[i]
		if err := shared.answer(&out.Answers[i], a); err != nil {
			return TxAnswers{}, err
		}
	}
	return out, nil
}

func malformed(format string, args ...any) error {
	return fault.Reasoned(fault.Corrupt, "answer_malformed", format, args...)
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
		err := s.client.prove(s.stream.Context(), func(v *Verifier) error {
			h, err := v.Header(certifiedOf(c))
			if err == nil {
				headers[h.Height] = certifiedOf(c)
			}
			return err
		})
		if err != nil {
			return nil, err
		}
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

// answer reads an answer about the transaction that out names.
func (s *sharedParts) answer(out *TxAnswer, a *ledgerv1.TransactionAnswer) error {
	if a.Fault != nil {
		out.Refused = refusalOf(a.Fault)
		return nil
	}
	if out.ID.IsZero() || !bytes.Equal(a.Id, out.ID[:]) {
		return unproved("other_tx", "the answer is about transaction %x, not %s", a.Id, out.ID)
	}
	out.Place = Place{Height(a.Height), a.BatchIndex}
	out.Item, out.Outcome, out.Result = a.Item, Outcome(a.Outcome), a.Result
	if !s.verify {
		return nil
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
