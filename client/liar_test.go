// SPDX-License-Identifier: Apache-2.0

package client_test

import (
	"context"
	"testing"

	"google.golang.org/grpc"

	"github.com/aurigraph/aurigraph/client"
	ledgerv1 "github.com/aurigraph/aurigraph/gen/aurigraph/ledger/v1"
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/server"
	"github.com/aurigraph/aurigraph/internal/server/grpcapi/grpcapitest"
)

// liar is a node that answers with what a test gives it.
type liar struct {
	ledgerv1.UnimplementedLedgerServer
	batch *ledgerv1.SubmitBatchResponse
	txs   *ledgerv1.SubmitTransactionsResponse
	node  *grpcapitest.Node
	// numbers are of the validators in a status.
	numbers []uint32
}

func (l *liar) SubmitBatches(s grpc.BidiStreamingServer[ledgerv1.SubmitBatchRequest, ledgerv1.SubmitBatchResponse]) error {
	for range 2 {
		if err := s.Send(l.batch); err != nil {
			return err
		}
	}
	<-s.Context().Done()
	return nil
}

func (l *liar) SubmitTransactions(s grpc.BidiStreamingServer[ledgerv1.SubmitTransactionsRequest, ledgerv1.SubmitTransactionsResponse]) error {
	if err := s.Send(l.txs); err != nil {
		return err
	}
	<-s.Context().Done()
	return nil
}

func (l *liar) StreamBlocks(_ *ledgerv1.StreamBlocksRequest, s grpc.ServerStreamingServer[ledgerv1.Block]) error {
	return s.Send(&ledgerv1.Block{Height: 9, Hash: make([]byte, 32)})
}

func (l *liar) StreamEvents(_ *ledgerv1.StreamEventsRequest, s grpc.ServerStreamingServer[ledgerv1.BlockEvents]) error {
	return s.Send(&ledgerv1.BlockEvents{Height: 1})
}

func (l *liar) GetStatus(ctx context.Context, _ *ledgerv1.GetStatusRequest) (*ledgerv1.Status, error) {
	s, err := l.node.Status(ctx)
	if err != nil {
		return nil, err
	}
	out := &ledgerv1.Status{ChainId: uint64(s.Chain), GenesisHash: s.Genesis[:], StateRoot: make([]byte, 32)}
	for _, no := range l.numbers {
		out.Validators = append(out.Validators, &ledgerv1.ValidatorInfo{Number: no})
	}
	return out, nil
}

func TestLiar(t *testing.T) {
	l := &liar{node: grpcapitest.New(1)}
	listener, err := server.Listen("127.0.0.1:0", 4)
	if err != nil {
		t.Fatal(err)
	}
	s := grpc.NewServer()
	ledgerv1.RegisterLedgerServer(s, l)
	served := make(chan error, 1)
	go func() { served <- s.Serve(listener) }()
	defer func() { s.Stop(); <-served }()
	c, err := client.Dial(t.Context(), client.Config{
		Endpoints: []string{listener.Addr().String()}, Insecure: true, Trust: client.TrustGenesis(l.node.Genesis), RetriesMax: -1,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	wantCorrupt := func(name string, err error) {
		t.Helper()
		if client.KindOf(err) != client.Corrupt {
			t.Errorf("%s: %v", name, err)
		}
	}
	hash := make([]byte, 32)
	batch := sampleBatch(t, 1, 1)
	for name, a := range map[string]*ledgerv1.SubmitBatchResponse{
		"other tag": {Tag: 2}, "nothing": {Tag: 1}, "short id": {Tag: 1, Receipt: &ledgerv1.BatchReceipt{Batch: hash[1:]}},
		"no proof": {Tag: 1, Receipt: &ledgerv1.BatchReceipt{Batch: batch.ID[:]}},
	} {
		l.batch = a
		s, err := c.OpenBatchStream(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Send(1, batch); err != nil {
			t.Fatal(err)
		}
		_, err = s.Recv()
		wantCorrupt(name, err)
		s.Close()
	}
	l.batch = &ledgerv1.SubmitBatchResponse{Tag: 1, Fault: &ledgerv1.Fault{Kind: "of tomorrow", Text: "text"}}
	stream, err := c.OpenBatchStream(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	if err := stream.Send(1, batch); err != nil {
		t.Fatal(err)
	}
	if a, err := stream.Recv(); err != nil || client.KindOf(a.Refused) != client.Internal {
		t.Error(a, err)
	}
	_, err = stream.Recv()
	wantCorrupt("answer to nothing", err)

	for _, l.numbers = range [][]uint32{{1, 0}, {2, 2}, {chain.ValidatorsMax}, {1 << 31}} {
		_, err = c.Status(t.Context())
		wantCorrupt("validators out of place", err)
	}
	l.numbers = nil
	lieAboutTxs(t, l, c, wantCorrupt)
	wantCorrupt("blocks", c.FollowBlocks(t.Context(), 1, func(*client.Block) error { return nil }))
	wantCorrupt("events", c.FollowEvents(t.Context(), 2, 0, 0, func(*client.Events) error { return nil }))
}

// lieAboutTxs sends two transactions; each answer is false in one way.
func lieAboutTxs(t *testing.T, l *liar, c *client.Client, wantCorrupt func(string, error)) {
	t.Helper()
	sent := [][]byte{sampleTx(t, 1), sampleTx(t, 2)}
	one, two := mustTxID(t, sent[0]), mustTxID(t, sent[1])
	answers := func(ids ...[]byte) (out []*ledgerv1.TransactionAnswer) {
		for _, id := range ids {
			out = append(out, &ledgerv1.TransactionAnswer{Id: id, Height: 1})
		}
		return out
	}
	good := answers(one[:], two[:])
	for name, c2 := range map[string]struct {
		answer *ledgerv1.SubmitTransactionsResponse
		reason string
	}{
		"no outcomes":    {&ledgerv1.SubmitTransactionsResponse{Tag: 4, Answers: good}, "outcomes_mismatch"},
		"other tag":      {&ledgerv1.SubmitTransactionsResponse{Tag: 5, Answers: good}, "answer_malformed"},
		"too few":        {&ledgerv1.SubmitTransactionsResponse{Tag: 4, Answers: good[:1]}, "answer_malformed"},
		"none":           {&ledgerv1.SubmitTransactionsResponse{Tag: 4}, "answer_malformed"},
		"too many":       {&ledgerv1.SubmitTransactionsResponse{Tag: 4, Answers: answers(one[:], two[:], two[:])}, "answer_malformed"},
		"short id":       {&ledgerv1.SubmitTransactionsResponse{Tag: 4, Answers: answers(one[1:], two[:])}, "other_tx"},
		"exchanged":      {&ledgerv1.SubmitTransactionsResponse{Tag: 4, Answers: answers(two[:], one[:])}, "other_tx"},
		"the same twice": {&ledgerv1.SubmitTransactionsResponse{Tag: 4, Answers: answers(two[:], two[:])}, "other_tx"},
		"bad header":     {&ledgerv1.SubmitTransactionsResponse{Tag: 4, Answers: good, Certified: []*ledgerv1.Certified{{}}}, "corrupt"},
		"bad place": {&ledgerv1.SubmitTransactionsResponse{Tag: 4, Answers: good,
			Outcomes: []*ledgerv1.PackedOutcomes{{Packed: []byte{0, 1, 0, 0, 0, 0}}}}, "corrupt"},
	} {
		l.txs = c2.answer
		_, err := answerTo(t, c, sent)
		wantCorrupt(name, err)
		if client.ReasonOf(err) != c2.reason {
			t.Errorf("%s: reason %s, must be %s", name, client.ReasonOf(err), c2.reason)
		}
	}
	l.txs = &ledgerv1.SubmitTransactionsResponse{Tag: 4, Answers: answers(make([]byte, 32))}
	_, err := answerTo(t, c, [][]byte{[]byte("no transaction")})
	if wantCorrupt("an outcome of what is no transaction", err); client.ReasonOf(err) != "other_tx" {
		t.Error(err)
	}
	s, err := c.OpenTxStream(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	_, err = s.Recv()
	wantCorrupt("an answer to nothing", err)
}

func answerTo(t *testing.T, c *client.Client, sent [][]byte) (client.TxAnswers, error) {
	t.Helper()
	s, err := c.OpenTxStream(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Send(4, sent); err != nil {
		t.Fatal(err)
	}
	return s.Recv()
}
