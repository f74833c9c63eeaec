// SPDX-License-Identifier: Apache-2.0

package grpcapi_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	ledgerv1 "github.com/aurigraph/aurigraph/gen/aurigraph/ledger/v1"
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/query"
	"github.com/aurigraph/aurigraph/internal/server"
	"github.com/aurigraph/aurigraph/internal/server/grpcapi"
	"github.com/aurigraph/aurigraph/internal/server/grpcapi/grpcapitest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// edge is a served fake with a plain connection to it.
type edge struct {
	ledgerv1.LedgerClient
	conn    *grpc.ClientConn
	metrics *prometheus.Registry
	server  *grpcapi.Server
	stop    func()
}

func serve(t testing.TB, cfg grpcapi.Config, backend grpcapi.Backend) *edge {
	t.Helper()
	l, err := server.Listen("127.0.0.1:0", 8)
	if err != nil {
		t.Fatal(err)
	}
	e := &edge{metrics: prometheus.NewRegistry()}
	if cfg.ShutdownGrace == 0 {
		cfg.ShutdownGrace = 50 * time.Millisecond
	}
	e.server = grpcapi.New(cfg, backend, e.metrics)
	e.server.SetServing(true)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- e.server.Serve(ctx, l) }()
	if e.conn, err = grpc.NewClient(l.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials())); err != nil {
		t.Fatal(err)
	}
	e.LedgerClient = ledgerv1.NewLedgerClient(e.conn)
	stopped := false
	e.stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		e.conn.Close()
	}
	t.Cleanup(e.stop)
	return e
}

func batchBytes(t testing.TB, legs int, sequence uint64) []byte {
	t.Helper()
	list := make([]chain.Leg, legs)
	for i := range list {
		list[i] = chain.Leg{From: 1, To: 2, Asset: 1, Amount: chain.Units(uint64(i % 2))}
	}
	b, err := chain.NewBatch(chain.BatchHeader{Chain: 7, Institution: 1, Key: 1, Sequence: sequence, ValidUntil: 9}, list)
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func txBytes(nonce uint64) []byte {
	return codec.AppendSignedTx(nil, &chain.SignedTx{Tx: chain.Tx{Chain: 7, Sender: 1, Key: 1, Nonce: nonce, Body: &chain.OpenAccounts{Count: 1}}, Signature: []byte{1}})
}

func TestSubmitBatches(t *testing.T) {
	node := grpcapitest.New(1)
	e := serve(t, grpcapi.Config{}, node)
	stream, err := e.SubmitBatches(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	good := batchBytes(t, 100, 1)
	oversized := make([]byte, chain.BatchBytesMax+1)
	for _, q := range []*ledgerv1.SubmitBatchRequest{
		{Tag: 1, Batch: good, Signature: []byte{1}},
		{Tag: 2, Batch: good, Signature: []byte{1}},
		{Tag: 3, Batch: good},
		{Tag: 4, Signature: []byte{1}},
		{Tag: 5, Batch: oversized, Signature: []byte{1}},
		{Tag: 6, Batch: good, Signature: make([]byte, chain.SignatureBytesMax+1)},
		{Tag: 7, Batch: []byte("rubbish"), Signature: []byte{1}},
		{Tag: 1 << 63, Batch: batchBytes(t, chain.BatchLegsMax, 2), Signature: make([]byte, chain.SignatureBytesMax)},
	} {
		if err := stream.Send(q); err != nil {
			t.Fatal(err)
		}
	}
	if err := stream.CloseSend(); err != nil {
		t.Fatal(err)
	}
	var got []string
	for {
		a, err := stream.Recv()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		line := fmt.Sprintf("%d %s %s", a.Tag, a.Fault.GetKind(), a.Fault.GetReason())
		if a.Receipt != nil {
			line = fmt.Sprintf("%d height %d first %v", a.Tag, a.Receipt.Height, a.Receipt.First)
		}
		got = append(got, line)
	}
	want := []string{
		"1 height 1 first true", "2 height 1 first false", "3 denied bad_signature", "4 invalid batch_malformed",
		"5 invalid batch_oversized", "6 invalid signature_oversized", "7 invalid batch_malformed", "9223372036854775808 height 2 first true",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s", strings.Join(got, "\n"))
	}
	if n := node.Pool.LentBytes(); n != 0 {
		t.Errorf("%d bytes of buffers are still out", n)
	}
	e.expect(t, "aurigraph_grpcapi_in_flight_batches", 0)
	e.expect(t, "aurigraph_grpcapi_refusals_total", 4) // reasons
}

// expect compares the value of a single metric, or the number of series of a vector.
func (e *edge) expect(t *testing.T, name string, want float64) {
	t.Helper()
	families, err := e.metrics.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		m := f.GetMetric()
		got := float64(len(m))
		if len(m) == 1 && len(m[0].Label) == 0 {
			got = m[0].GetGauge().GetValue() + m[0].GetCounter().GetValue()
		}
		if got != want {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
		return
	}
	t.Errorf("there is no metric %s", name)
}

func TestBatchMessageMalformed(t *testing.T) {
	node := grpcapitest.New(1)
	e := serve(t, grpcapi.Config{}, node)
	stream, err := e.SubmitBatches(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	// Two batches in one message: protobuf would let the second win, we do not guess.
	twice := append(request(t, &ledgerv1.SubmitBatchRequest{Batch: batchBytes(t, 1, 1)}), request(t, &ledgerv1.SubmitBatchRequest{Batch: []byte{1}})...)
	if err := grpc.ClientStream(stream).SendMsg(raw(twice)); err == nil {
		_, err = stream.Recv()
		wantFault(t, err, fault.Invalid, "message_malformed")
	}
	if n := node.Pool.LentBytes(); n != 0 {
		t.Errorf("%d bytes of buffers are still out", n)
	}
}

func request(t testing.TB, m proto.Message) []byte {
	t.Helper()
	b, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// raw makes a message whose encoding is exactly b, by way of unknown fields.
func raw(b []byte) proto.Message {
	m := &ledgerv1.GetStatusRequest{}
	m.ProtoReflect().SetUnknown(b)
	return m
}

func wantFault(t *testing.T, err error, kind fault.Kind, reason string) *ledgerv1.Fault {
	t.Helper()
	s, _ := status.FromError(err)
	for _, d := range s.Details() {
		if f, ok := d.(*ledgerv1.Fault); ok {
			if f.Kind != kind.String() || f.Reason != reason {
				t.Errorf("%v: kind %s, reason %s; want %s, %s", err, f.Kind, f.Reason, kind, reason)
			}
			return f
		}
	}
	t.Errorf("%v has no fault, want %s, %s", err, kind, reason)
	return &ledgerv1.Fault{}
}

// A client that sends and never reads is held at the bound; when it leaves, nothing stays behind.
func TestBatchesInFlightBound(t *testing.T) {
	node := grpcapitest.New(1)
	node.Hold = make(chan struct{})
	submitted := make(chan struct{}, 1024)
	node.Fail = func(method string) error {
		if method == "SubmitBatch" {
			submitted <- struct{}{}
		}
		return nil
	}
	e := serve(t, grpcapi.Config{}, node)
	ctx, cancel := context.WithCancel(t.Context())
	stream, err := e.SubmitBatches(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for i := range grpcapi.BatchesInFlightMax + 5 {
		if err := stream.Send(&ledgerv1.SubmitBatchRequest{Tag: uint64(i), Batch: batchBytes(t, 1, uint64(i)), Signature: []byte{1}}); err != nil {
			t.Fatal(err)
		}
	}
	for range grpcapi.BatchesInFlightMax {
		<-submitted
	}
	if gauge(e) != grpcapi.BatchesInFlightMax {
		t.Errorf("%v batches in flight", gauge(e))
	}
	select {
	case <-submitted:
		t.Error("the server read on beyond its bound")
	case <-time.After(20 * time.Millisecond):
	}
	cancel()
	e.stop()
	if gauge(e) != 0 || node.Pool.LentBytes() != 0 {
		t.Errorf("%v batches in flight, %d bytes lent after the end", gauge(e), node.Pool.LentBytes())
	}
}

func gauge(e *edge) float64 {
	families, err := e.metrics.Gather()
	if err != nil {
		return -1
	}
	for _, f := range families {
		if f.GetName() == "aurigraph_grpcapi_in_flight_batches" {
			return f.GetMetric()[0].GetGauge().GetValue()
		}
	}
	return -1
}

func TestSubmitTransactions(t *testing.T) {
	node := grpcapitest.New(1)
	e := serve(t, grpcapi.Config{}, node)
	one, err := e.SubmitTransaction(t.Context(), &ledgerv1.SubmitTransactionRequest{Transaction: txBytes(1), Proof: true})
	if err != nil || one.Receipt.OutcomeName != "ok" || !one.Receipt.First || one.Proof == nil {
		t.Fatal(one, err)
	}
	_, err = e.SubmitTransaction(t.Context(), &ledgerv1.SubmitTransactionRequest{Transaction: make([]byte, chain.TxBytesMax+1)})
	wantFault(t, err, fault.Invalid, "tx_oversized")
	_, err = e.SubmitTransaction(t.Context(), &ledgerv1.SubmitTransactionRequest{})
	wantFault(t, err, fault.Invalid, "malformed")

	stream, err := e.SubmitTransactions(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, q := range [][][]byte{{txBytes(1), txBytes(2), txBytes(3), []byte("rubbish")}, {txBytes(3)}, {}} {
		if err := stream.Send(&ledgerv1.SubmitTransactionsRequest{Tag: uint64(len(q)), Transactions: q}); err != nil {
			t.Fatal(err)
		}
	}
	a, err := stream.Recv()
	if err != nil || a.Tag != 4 || len(a.Answers) != 4 || len(a.Certified) != 2 || len(a.Outcomes) != 2 {
		t.Fatal(a, err)
	}
	if a.Answers[0].Height != 1 || a.Answers[2].Height != 2 || a.Answers[2].Result != 1 || a.Answers[3].Fault.GetKind() != "invalid" {
		t.Error(a.Answers)
	}
	if a, err = stream.Recv(); err != nil || a.Answers[0].Item != 1 {
		t.Error(a, err)
	}
	_, err = stream.Recv()
	wantFault(t, err, fault.Invalid, "count")
}

func TestReads(t *testing.T) {
	node := grpcapitest.New(1)
	e := serve(t, grpcapi.Config{}, node)
	ctx := t.Context()
	submitted, err := e.SubmitTransaction(ctx, &ledgerv1.SubmitTransactionRequest{Transaction: txBytes(1)})
	if err != nil {
		t.Fatal(err)
	}
	stream, err := e.SubmitBatches(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Send(&ledgerv1.SubmitBatchRequest{Batch: batchBytes(t, 9, 1), Signature: []byte{1}}); err != nil {
		t.Fatal(err)
	}
	batch, err := stream.Recv()
	if err != nil {
		t.Fatal(err)
	}
	id := batch.Receipt.Batch
	leg := chain.NewLegID(chain.Hash(id), 8)
	number := &ledgerv1.GetAccountRequest_Number{Number: 5}
	for name, c := range map[string]struct {
		call func() (fmt.Stringer, error)
		want string
	}{
		"transaction": {func() (fmt.Stringer, error) {
			return e.GetTransaction(ctx, &ledgerv1.GetTransactionRequest{Id: submitted.Receipt.Id, Proof: true})
		}, "proof"},
		"leg": {func() (fmt.Stringer, error) {
			return e.GetTransaction(ctx, &ledgerv1.GetTransactionRequest{Id: leg[:]})
		}, "bad_field"},
		"leg by place": {func() (fmt.Stringer, error) {
			return e.GetTransaction(ctx, &ledgerv1.GetTransactionRequest{Place: &ledgerv1.TransactionPlace{Height: 2, Item: 8}})
		}, "leg:true"},
		"key": {func() (fmt.Stringer, error) {
			return e.GetKeyed(ctx, &ledgerv1.GetKeyedRequest{Institution: 1, Key: make16(1)})
		}, "height:2"},
		"homes": {func() (fmt.Stringer, error) { return e.GetHomes(ctx, &ledgerv1.GetHomesRequest{}) }, "mover:3"},
		"inbox": {func() (fmt.Stringer, error) { return e.GetInbox(ctx, &ledgerv1.GetInboxRequest{}) }, "minor:7"},
		"batch": {func() (fmt.Stringer, error) { return e.GetBatch(ctx, &ledgerv1.GetBatchRequest{Batch: id}) }, "height:2"},
		"legs": {func() (fmt.Stringer, error) {
			return e.GetLegs(ctx, &ledgerv1.GetLegsRequest{Batch: id, From: 2, Count: 7})
		}, "records"},
		"block": {func() (fmt.Stringer, error) { return e.GetBlock(ctx, &ledgerv1.GetBlockRequest{}) }, "legs_ok:4"},
		"account": {func() (fmt.Stringer, error) {
			return e.GetAccount(ctx, &ledgerv1.GetAccountRequest{Name: number, Proof: true})
		}, "18446744073709551617"},
		"asset": {func() (fmt.Stringer, error) {
			return e.GetAsset(ctx, &ledgerv1.GetAssetRequest{Name: &ledgerv1.GetAssetRequest_Number{Number: 1}})
		}, "Euro"},
		"asset code": {func() (fmt.Stringer, error) {
			return e.GetAsset(ctx, &ledgerv1.GetAssetRequest{Name: &ledgerv1.GetAssetRequest_Code{Code: "EUR"}})
		}, "dense:true"},
		"institution": {func() (fmt.Stringer, error) {
			return e.GetInstitution(ctx, &ledgerv1.GetInstitutionRequest{Number: 1, Channel: 255})
		}, "channel_sequence:255"},
		"status":    {func() (fmt.Stringer, error) { return e.GetStatus(ctx, &ledgerv1.GetStatusRequest{}) }, "chain_id:7"},
		"blocks":    {func() (fmt.Stringer, error) { return e.ListBlocks(ctx, &ledgerv1.ListBlocksRequest{Limit: 1}) }, "next_cursor"},
		"transfers": {func() (fmt.Stringer, error) { return e.ListTransfers(ctx, &ledgerv1.ListTransfersRequest{Account: 3}) }, "from:3"},
		"accounts":  {func() (fmt.Stringer, error) { return e.ListAccounts(ctx, &ledgerv1.ListAccountsRequest{}) }, "nonce:3"},
		"assets":    {func() (fmt.Stringer, error) { return e.ListAssets(ctx, &ledgerv1.ListAssetsRequest{}) }, "Euro"},
		"handovers": {func() (fmt.Stringer, error) {
			return e.ListHandovers(ctx, &ledgerv1.ListHandoversRequest{FromEpoch: 2})
		}, "membership_epoch:1"},
	} {
		a, err := c.call()
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if text := strings.ReplaceAll(a.String(), " ", ""); !strings.Contains(text, c.want) {
			t.Errorf("%s: %.300s has no %q", name, text, c.want)
		}
	}
}

// make16 is an idempotency key of 16 equal bytes.
func make16(b byte) []byte { return bytes.Repeat([]byte{b}, 16) }

func TestBadRequests(t *testing.T) {
	e := serve(t, grpcapi.Config{}, grpcapitest.New(1))
	ctx, id := t.Context(), make([]byte, 32)
	fails := func(_ any, err error) error { return err }
	for name, err := range map[string]error{
		"transaction id": fails(e.GetTransaction(ctx, &ledgerv1.GetTransactionRequest{Id: id[1:]})),
		"id and place":   fails(e.GetTransaction(ctx, &ledgerv1.GetTransactionRequest{Id: id, Place: &ledgerv1.TransactionPlace{Height: 1}})),
		"key":            fails(e.GetKeyed(ctx, &ledgerv1.GetKeyedRequest{Institution: 1, Key: id})),
		"no key":         fails(e.GetKeyed(ctx, &ledgerv1.GetKeyedRequest{Institution: 1, Key: make16(0)})),
		"batch id":       fails(e.GetBatch(ctx, &ledgerv1.GetBatchRequest{})),
		"legs id":        fails(e.GetLegs(ctx, &ledgerv1.GetLegsRequest{Count: 1})),
		"legs count":     fails(e.GetLegs(ctx, &ledgerv1.GetLegsRequest{Batch: id, Count: grpcapi.LegsPerProofMax + 1})),
		"legs from":      fails(e.GetLegs(ctx, &ledgerv1.GetLegsRequest{Batch: id, Count: 1, From: chain.BatchLegsMax})),
		"no account":     fails(e.GetAccount(ctx, &ledgerv1.GetAccountRequest{})),
		"address":        fails(e.GetAccount(ctx, &ledgerv1.GetAccountRequest{Name: &ledgerv1.GetAccountRequest_Address{Address: id}})),
		"alias":          fails(e.GetAccount(ctx, &ledgerv1.GetAccountRequest{Name: &ledgerv1.GetAccountRequest_AliasTag{AliasTag: id[1:]}})),
		"no asset":       fails(e.GetAsset(ctx, &ledgerv1.GetAssetRequest{})),
		"asset code":     fails(e.GetAsset(ctx, &ledgerv1.GetAssetRequest{Name: &ledgerv1.GetAssetRequest_Code{Code: strings.Repeat("X", 17)}})),
		"channel":        fails(e.GetInstitution(ctx, &ledgerv1.GetInstitutionRequest{Channel: 256})),
		"blocks":         fails(e.ListBlocks(ctx, &ledgerv1.ListBlocksRequest{Limit: grpcapi.ListItemsMax + 1})),
		"handovers":      fails(e.ListHandovers(ctx, &ledgerv1.ListHandoversRequest{Limit: query.HandoversMax + 1})),
		"transfers":      fails(e.ListTransfers(ctx, &ledgerv1.ListTransfersRequest{Cursor: strings.Repeat("c", grpcapi.CursorBytesMax+1)})),
		"accounts":       fails(e.ListAccounts(ctx, &ledgerv1.ListAccountsRequest{Limit: 1 << 31})),
		"assets":         fails(e.ListAssets(ctx, &ledgerv1.ListAssetsRequest{Limit: 1 << 31})),
	} {
		if f := wantFault(t, err, fault.Invalid, "request_field"); f.Text == "" || status.Code(err) != codes.InvalidArgument {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Every method passes the backend's fault on.
func TestFaultsPass(t *testing.T) {
	node := grpcapitest.New(1)
	node.Fail = func(method string) error { return fault.Reasoned(fault.Pruned, "gone", "%s says no", method) }
	e := serve(t, grpcapi.Config{}, node)
	ctx, id := t.Context(), make([]byte, 32)
	fails := func(_ any, err error) error { return err }
	blocks, _ := e.StreamBlocks(ctx, &ledgerv1.StreamBlocksRequest{})
	events, _ := e.StreamEvents(ctx, &ledgerv1.StreamEventsRequest{})
	_, blocksErr := blocks.Recv()
	_, eventsErr := events.Recv()
	for name, err := range map[string]error{
		"SubmitTransaction": fails(e.SubmitTransaction(ctx, &ledgerv1.SubmitTransactionRequest{Transaction: txBytes(1)})),
		"GetTransaction":    fails(e.GetTransaction(ctx, &ledgerv1.GetTransactionRequest{Id: id})),
		"by place":          fails(e.GetTransaction(ctx, &ledgerv1.GetTransactionRequest{Place: &ledgerv1.TransactionPlace{Height: 1}})),
		"GetKeyed":          fails(e.GetKeyed(ctx, &ledgerv1.GetKeyedRequest{Institution: 1, Key: make16(1)})),
		"GetInbox":          fails(e.GetInbox(ctx, &ledgerv1.GetInboxRequest{})),
		"GetHomes":          fails(e.GetHomes(ctx, &ledgerv1.GetHomesRequest{})),
		"GetHomeMove":       fails(e.GetHomeMove(ctx, &ledgerv1.GetHomeMoveRequest{Version: 2})),
		"GetBatch":          fails(e.GetBatch(ctx, &ledgerv1.GetBatchRequest{Batch: id})),
		"GetLegs":           fails(e.GetLegs(ctx, &ledgerv1.GetLegsRequest{Batch: id, Count: 1})),
		"GetBlock":          fails(e.GetBlock(ctx, &ledgerv1.GetBlockRequest{})),
		"GetAccount":        fails(e.GetAccount(ctx, &ledgerv1.GetAccountRequest{Name: &ledgerv1.GetAccountRequest_Number{Number: 5}})),
		"GetAsset":          fails(e.GetAsset(ctx, &ledgerv1.GetAssetRequest{Name: &ledgerv1.GetAssetRequest_Number{Number: 1}})),
		"GetInstitution":    fails(e.GetInstitution(ctx, &ledgerv1.GetInstitutionRequest{})),
		"GetStatus":         fails(e.GetStatus(ctx, &ledgerv1.GetStatusRequest{})),
		"ListBlocks":        fails(e.ListBlocks(ctx, &ledgerv1.ListBlocksRequest{})),
		"Handovers":         fails(e.ListHandovers(ctx, &ledgerv1.ListHandoversRequest{})),
		"ListTransfers":     fails(e.ListTransfers(ctx, &ledgerv1.ListTransfersRequest{})),
		"ListAccounts":      fails(e.ListAccounts(ctx, &ledgerv1.ListAccountsRequest{})),
		"ListAssets":        fails(e.ListAssets(ctx, &ledgerv1.ListAssetsRequest{})),
		"StreamBlocks":      blocksErr, "StreamEvents": eventsErr,
	} {
		if f := wantFault(t, err, fault.Pruned, "gone"); !strings.Contains(f.Text, "says no") || status.Code(err) != codes.OutOfRange {
			t.Errorf("%s: %v", name, err)
		}
	}
	stream, err := e.SubmitBatches(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Send(&ledgerv1.SubmitBatchRequest{Tag: 4, Batch: batchBytes(t, 1, 1)}); err != nil {
		t.Fatal(err)
	}
	if a, err := stream.Recv(); err != nil || a.Tag != 4 || a.Fault.GetReason() != "gone" {
		t.Error("a batch that finds no buffer is refused, not dropped", a, err)
	}
}

func TestPanicsAndSecrets(t *testing.T) {
	node := grpcapitest.New(1)
	node.Fail = func(method string) error {
		switch method {
		case "Status":
			panic("boom")
		case "Asset":
			return errors.New("open /secret/path: no such file")
		case "Account":
			return fault.Wrap(fault.Corrupt, errors.New("/secret/path"), "a page is damaged")
		case "SubmitBatch":
			panic("boom")
		}
		return nil
	}
	e := serve(t, grpcapi.Config{}, node)
	_, err := e.GetStatus(t.Context(), &ledgerv1.GetStatusRequest{})
	wantFault(t, err, fault.Internal, "internal")
	_, err = e.GetAsset(t.Context(), &ledgerv1.GetAssetRequest{Name: &ledgerv1.GetAssetRequest_Number{Number: 1}})
	if f := wantFault(t, err, fault.Internal, "internal"); strings.Contains(err.Error()+f.Text, "secret") {
		t.Error("the node's inside leaked:", err)
	}
	_, err = e.GetAccount(t.Context(), &ledgerv1.GetAccountRequest{Name: &ledgerv1.GetAccountRequest_Number{Number: 5}})
	if f := wantFault(t, err, fault.Corrupt, "corrupt"); f.Text != "a page is damaged" || strings.Contains(err.Error(), "secret") {
		t.Error("the node's inside leaked:", err)
	}
	stream, err := e.SubmitBatches(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Send(&ledgerv1.SubmitBatchRequest{Batch: batchBytes(t, 1, 1)}); err != nil {
		t.Fatal(err)
	}
	_, err = stream.Recv()
	wantFault(t, err, fault.Internal, "internal")
	e.expect(t, "aurigraph_grpcapi_panics_total", 2)
}

func TestLimits(t *testing.T) {
	node := grpcapitest.New(1)
	entered, leave := make(chan struct{}), make(chan struct{})
	node.Fail = func(method string) error {
		if method == "Status" {
			entered <- struct{}{}
			<-leave
		}
		return nil
	}
	e := serve(t, grpcapi.Config{UnaryCallsMax: 1, StreamsPerPeerMax: 1}, node)
	done := make(chan error, 1)
	go func() {
		_, err := e.GetStatus(t.Context(), &ledgerv1.GetStatusRequest{})
		done <- err
	}()
	<-entered
	_, err := e.GetBlock(t.Context(), &ledgerv1.GetBlockRequest{})
	wantFault(t, err, fault.TryLater, "calls_full")
	close(leave)
	if err := <-done; err != nil {
		t.Error(err)
	}
	first, err := e.SubmitBatches(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := first.Send(&ledgerv1.SubmitBatchRequest{}); err != nil {
		t.Fatal(err)
	}
	if _, err := first.Recv(); err != nil {
		t.Fatal(err)
	}
	second, err := e.SubmitBatches(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	_, err = second.Recv()
	wantFault(t, err, fault.TryLater, "streams_full")
	if err := first.CloseSend(); err != nil {
		t.Fatal(err)
	}
	if _, err := first.Recv(); err != io.EOF {
		t.Error(err)
	}
	e.expect(t, "aurigraph_grpcapi_request_seconds", 2) // methods
}

func TestFollowAndStop(t *testing.T) {
	node := grpcapitest.New(1)
	e := serve(t, grpcapi.Config{ShutdownGrace: time.Minute}, node)
	blocks, err := e.StreamBlocks(t.Context(), &ledgerv1.StreamBlocksRequest{FromHeight: 1})
	if err != nil {
		t.Fatal(err)
	}
	events, err := e.StreamEvents(t.Context(), &ledgerv1.StreamEventsRequest{FromHeight: 1, Account: 4})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.SubmitTransaction(t.Context(), &ledgerv1.SubmitTransactionRequest{Transaction: txBytes(1)}); err != nil {
		t.Fatal(err)
	}
	if b, err := blocks.Recv(); err != nil || b.Height != 1 {
		t.Fatal(b, err)
	}
	if v, err := events.Recv(); err != nil || v.Height != 1 || v.Transfers[0].From != 4 {
		t.Fatal(v, err)
	}
	e.stop() // must not wait for the grace: followers are told to go elsewhere
	_, err = blocks.Recv()
	wantFault(t, err, fault.Unavailable, "stopping")
}

func TestHealth(t *testing.T) {
	e := serve(t, grpcapi.Config{}, grpcapitest.New(1))
	h := grpc_health_v1.NewHealthClient(e.conn)
	for _, serving := range []bool{false, true} {
		e.server.SetServing(serving)
		a, err := h.Check(t.Context(), &grpc_health_v1.HealthCheckRequest{Service: "aurigraph.ledger.v1.Ledger"})
		if err != nil || (a.Status == grpc_health_v1.HealthCheckResponse_SERVING) != serving {
			t.Error(serving, a, err)
		}
	}
}

// TestNotServing: a node that lets nobody in takes no payment, which would wait for it, and answers readers.
func TestNotServing(t *testing.T) {
	e := serve(t, grpcapi.Config{}, grpcapitest.New(1))
	e.server.SetServing(false)
	_, err := e.SubmitTransaction(t.Context(), &ledgerv1.SubmitTransactionRequest{Transaction: []byte{1}})
	wantFault(t, err, fault.Unavailable, "not_serving")
	batches, err := e.SubmitBatches(t.Context())
	if err == nil {
		_, err = batches.Recv()
	}
	wantFault(t, err, fault.Unavailable, "not_serving")
	txs, err := e.SubmitTransactions(t.Context())
	if err == nil {
		_, err = txs.Recv()
	}
	wantFault(t, err, fault.Unavailable, "not_serving")
	if _, err := e.GetStatus(t.Context(), &ledgerv1.GetStatusRequest{}); err != nil {
		t.Error(err)
	}
	e.server.SetServing(true)
	if _, err := e.SubmitTransaction(t.Context(), &ledgerv1.SubmitTransactionRequest{Transaction: txBytes(1)}); err != nil {
		t.Error(err)
	}
}

// TestShutdownCuts: a stream whose client stays is cut when the grace is over, and nothing of it is left.
func TestShutdownCuts(t *testing.T) {
	node := grpcapitest.New(1)
	node.Hold = make(chan struct{})
	e := serve(t, grpcapi.Config{}, node)
	stream, err := e.SubmitBatches(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Send(&ledgerv1.SubmitBatchRequest{Batch: batchBytes(t, 1, 1), Signature: []byte{1}}); err != nil {
		t.Fatal(err)
	}
	tx, err := e.SubmitTransactions(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := tx.Send(&ledgerv1.SubmitTransactionsRequest{Transactions: [][]byte{txBytes(1)}}); err != nil {
		t.Fatal(err)
	}
	single := make(chan error, 1)
	go func() {
		_, err := e.SubmitTransaction(t.Context(), &ledgerv1.SubmitTransactionRequest{Transaction: txBytes(2)})
		single <- err
	}()
	for block := (*ledgerv1.Block)(nil); block.GetHeight() < 3; {
		block, _ = e.GetBlock(t.Context(), &ledgerv1.GetBlockRequest{})
	}
	e.stop()
	if err := <-single; err == nil {
		t.Error("a call that was cut must fail")
	}
	if _, err := stream.Recv(); err == nil {
		t.Error("a stream that was cut must fail")
	}
	if node.Pool.LentBytes() != 0 {
		t.Error("buffers are still out")
	}
}

func TestServeFails(t *testing.T) {
	l, err := server.Listen("127.0.0.1:0", 1)
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	s := grpcapi.New(grpcapi.Config{}, grpcapitest.New(1), nil)
	if err := s.Serve(t.Context(), l); !fault.Is(err, fault.Unavailable) {
		t.Error(err)
	}
}
