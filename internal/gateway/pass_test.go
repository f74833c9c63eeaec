// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"errors"
	"io"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	ledgerv1 "github.com/aurigraph/aurigraph/gen/aurigraph/ledger/v1"
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/config"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// faultOf is the fault in a status' details; nil if there is none.
func faultOf(err error) *ledgerv1.Fault {
	for _, d := range status.Convert(err).Details() {
		if f, ok := d.(*ledgerv1.Fault); ok {
			return f
		}
	}
	return nil
}

func txBytes(nonce uint64) []byte {
	return codec.AppendSignedTx(nil, &chain.SignedTx{Tx: chain.Tx{Chain: 7, Sender: 1, Key: 1, Nonce: nonce, Body: &chain.OpenAccounts{Count: 1}}, Signature: []byte{1}})
}

func payBytes(nonce uint64) []byte {
	tx := chain.Tx{Chain: 7, Sender: 1, Key: 1, Nonce: nonce, Body: &chain.Transfer{To: 3, Asset: 1, Amount: chain.Units(1)}}
	return codec.AppendSignedTx(nil, &chain.SignedTx{Tx: tx, Signature: []byte{1}})
}

func TestUnary(t *testing.T) {
	n := newNetwork(t, nil, nil).start()
	a, err := n.GetAsset(t.Context(), &ledgerv1.GetAssetRequest{Name: &ledgerv1.GetAssetRequest_Code{Code: "EUR"}})
	if err != nil || a.Name != "Euro" {
		t.Errorf("%v, %v", a, err)
	}
	_, err = n.GetAsset(t.Context(), &ledgerv1.GetAssetRequest{Name: &ledgerv1.GetAssetRequest_Number{Number: 9}})
	if f := faultOf(err); status.Code(err) != codes.NotFound || f.GetKind() != "not_found" || f.GetText() != "no asset 9" {
		t.Errorf("%v, %v", err, f)
	}
	r, err := n.SubmitTransaction(t.Context(), &ledgerv1.SubmitTransactionRequest{Transaction: txBytes(1)})
	if err != nil || r.Receipt.GetHeight() != 1 {
		t.Errorf("%v, %v", r, err)
	}
	err = n.conn.Invoke(t.Context(), "/aurigraph.ledger.v1.Ledger/Invented", &ledgerv1.GetStatusRequest{}, &ledgerv1.Status{})
	if status.Code(err) != codes.Unimplemented {
		t.Error(err)
	}
	n.stop()
	for _, c := range []struct {
		method, code string
		calls        float64
	}{{"GetAsset", "OK", 1}, {"GetAsset", "NotFound", 1}, {"SubmitTransaction", "OK", 1}, {"Invented", "Unimplemented", 0}} {
		if have := n.value("aurigraph_gateway_calls_total", "method", c.method, "code", c.code); have != c.calls {
			t.Errorf("%s %s: %v calls, want %v", c.method, c.code, have, c.calls)
		}
	}
	if have := n.value("aurigraph_grpcapi_requests_total", "method", "unknown", "code", "Unimplemented"); have != 1 {
		t.Errorf("%v calls of a method that nobody has", have)
	}
}

// TestMetadata passes headers and trailers both ways.
func TestMetadata(t *testing.T) {
	n := newNetwork(t)
	seen := make(chan metadata.MD, 1)
	server := grpc.NewServer(grpc.UnknownServiceHandler(func(_ any, s grpc.ServerStream) error {
		md, _ := metadata.FromIncomingContext(s.Context())
		seen <- md
		if err := s.RecvMsg(&ledgerv1.GetStatusRequest{}); err != nil {
			return err
		}
		s.SetTrailer(metadata.Pairs("at-the-end", "2"))
		if err := s.SetHeader(metadata.Pairs("at-the-start", "1")); err != nil {
			return err
		}
		return s.SendMsg(&ledgerv1.GetStatusRequest{})
	}), serverTLS(t, n))
	well := health.NewServer()
	well.SetServingStatus(ledgerv1.Ledger_ServiceDesc.ServiceName, grpc_health_v1.HealthCheckResponse_SERVING)
	grpc_health_v1.RegisterHealthServer(server, well)
	n.servers = append(n.servers, n.raw(server))
	n.cfg.Validators = []string{n.servers[0].address}
	n.cfg.Index.Enabled = false
	n.start()
	var header, trailer metadata.MD
	ctx := metadata.AppendToOutgoingContext(t.Context(), "x-request", "abc", "x-bytes-bin", "\x00\xff")
	_, err := n.GetBlock(ctx, &ledgerv1.GetBlockRequest{}, grpc.Header(&header), grpc.Trailer(&trailer))
	must(t, err)
	md := <-seen
	if md.Get("x-request")[0] != "abc" || md.Get("x-bytes-bin")[0] != "\x00\xff" {
		t.Errorf("the validator sees %v", md)
	}
	if len(header.Get("at-the-start")) != 1 || len(trailer.Get("at-the-end")) != 1 {
		t.Errorf("the client sees %v and %v", header, trailer)
	}
}

func TestBatchStream(t *testing.T) {
	const batches = 40
	n := newNetwork(t, nil, nil, nil).start()
	stream, err := n.SubmitBatches(t.Context())
	must(t, err)
	go func() {
		for i := range uint64(batches) {
			if err := stream.Send(&ledgerv1.SubmitBatchRequest{Tag: i, Batch: batchBytes(t, chain.BatchLegsMax, i+1), Signature: []byte{1}}); err != nil {
				t.Error(err)
			}
		}
		if err := stream.CloseSend(); err != nil {
			t.Error(err)
		}
	}()
	for i := range uint64(batches) {
		a, err := stream.Recv()
		must(t, err)
		if a.Tag != i || a.Receipt.GetHeight() != i+1 {
			t.Fatalf("answer %d is %d: %v", i, a.Tag, a.Fault)
		}
	}
	if _, err := stream.Recv(); err != io.EOF {
		t.Errorf("after the half-close: %v", err)
	}
	if lent := n.node.Pool.LentBytes(); lent != 0 {
		t.Errorf("%d bytes of buffers are still out", lent)
	}
}

func TestTxStream(t *testing.T) {
	n := newNetwork(t, nil).start()
	stream, err := n.SubmitTransactions(t.Context())
	must(t, err)
	for i := range uint64(3) {
		must(t, stream.Send(&ledgerv1.SubmitTransactionsRequest{Tag: i, Transactions: [][]byte{txBytes(2*i + 1), txBytes(2*i + 2), {1}}}))
		a, err := stream.Recv()
		must(t, err)
		if a.Tag != i || len(a.Answers) != 3 || a.Answers[1].Height != i+1 || a.Answers[2].Fault == nil {
			t.Fatalf("%v", a)
		}
	}
}

// TestCancel ends a stream that only listens: the validator's side ends too.
func TestCancel(t *testing.T) {
	n := newNetwork(t, nil).start()
	ctx, cancel := context.WithCancel(t.Context())
	stream, err := n.StreamBlocks(ctx, &ledgerv1.StreamBlocksRequest{FromHeight: 1})
	must(t, err)
	_, err = n.SubmitTransaction(t.Context(), &ledgerv1.SubmitTransactionRequest{Transaction: txBytes(1)})
	must(t, err)
	b, err := stream.Recv()
	if err != nil || b.Height != 1 {
		t.Fatal(b, err)
	}
	cancel()
	if _, err := stream.Recv(); status.Code(err) != codes.Canceled {
		t.Error(err)
	}
	n.await("the call is counted", func() bool {
		return n.value("aurigraph_gateway_calls_total", "method", "StreamBlocks", "code", "Canceled") == 1
	})
	if n.gateway.pool.Up() != 1 {
		t.Error("a client that leaves is no fault of the validator's")
	}
}

// TestReadMoves lets one validator be unavailable: reads are answered by the other one, what changes something is not repeated.
func TestReadMoves(t *testing.T) {
	unavailable := fault.Reasoned(fault.Unavailable, "stopping", "the node is stopping")
	var reads, submits atomic.Int32
	f := &failing{
		asset:  func() error { reads.Add(1); return unavailable },
		submit: func() error { submits.Add(1); return unavailable },
	}
	n := newNetwork(t, f, f)
	f.Node = n.node
	n.start()
	ask := func() error {
		_, err := n.GetAsset(t.Context(), &ledgerv1.GetAssetRequest{Name: &ledgerv1.GetAssetRequest_Number{Number: 1}})
		return err
	}
	if err := ask(); faultOf(err).GetReason() != "stopping" || reads.Load() != 2 {
		t.Errorf("%v after %d tries, want its own words after 2", err, reads.Load())
	}
	if moved := n.value("aurigraph_gateway_moved_total"); moved != 1 {
		t.Errorf("%v moved", moved)
	}
	f.asset = func() error {
		if reads.Add(1)%2 == 1 {
			return unavailable
		}
		return nil
	}
	must(t, ask())
	_, err := n.SubmitTransaction(t.Context(), &ledgerv1.SubmitTransactionRequest{Transaction: txBytes(1)})
	if faultOf(err).GetReason() != "stopping" || submits.Load() != 1 {
		t.Errorf("%v after %d tries, want 1", err, submits.Load())
	}
}

// TestValidatorSkipped leaves a validator out that fails again and again, and asks it again later.
func TestValidatorSkipped(t *testing.T) {
	const failuresMax = 3 // the pool's default
	var calls atomic.Int32
	bad := &failing{asset: func() error { calls.Add(1); return fault.New(fault.Unavailable, "the writer halted") }}
	n := newNetwork(t, bad, nil)
	bad.Node = n.node
	n.start()
	ask := func() {
		t.Helper()
		_, err := n.GetAsset(t.Context(), &ledgerv1.GetAssetRequest{Name: &ledgerv1.GetAssetRequest_Number{Number: 1}})
		must(t, err)
	}
	for n.value("aurigraph_upstream_left_out_total") == 0 {
		if ask(); calls.Load() == 0 { // the connection falls on the other one
			n.conn.Close()
			n.dial()
		}
	}
	if n.gateway.pool.Up() != 1 || calls.Load() != failuresMax {
		t.Errorf("%d are up after %d calls", n.gateway.pool.Up(), calls.Load())
	}
	for range 20 {
		ask()
	}
	if calls.Load() != failuresMax {
		t.Errorf("it is asked although it is left out")
	}
	n.await("it is asked again", func() bool { ask(); return calls.Load() > failuresMax })
}

// TestValidatorHangs lets one validator answer nothing: its reads are answered by the other one, and what changes something waits.
func TestValidatorHangs(t *testing.T) {
	gate := make(chan struct{})
	var hung, submits atomic.Int32
	bad := &failing{asset: func() error { hung.Add(1); <-gate; return nil }, submit: func() error { submits.Add(1); <-gate; return nil }}
	n := newNetwork(t, bad, nil)
	bad.Node = n.node
	n.start()
	defer close(gate)
	ask := func() {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		_, err := n.GetAsset(ctx, &ledgerv1.GetAssetRequest{Name: &ledgerv1.GetAssetRequest_Number{Number: 1}})
		must(t, err)
	}
	for ask(); hung.Load() == 0; ask() { // the connection falls on the other one
		n.conn.Close()
		n.dial()
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	_, err := n.SubmitTransaction(ctx, &ledgerv1.SubmitTransactionRequest{Transaction: txBytes(1)})
	if status.Code(err) != codes.DeadlineExceeded || faultOf(err) != nil || submits.Load() != 1 {
		t.Errorf("%v after %d tries, want that nobody knows after 1", err, submits.Load())
	}
	if n.value("aurigraph_gateway_moved_total") != 1 {
		t.Errorf("%v moved", n.value("aurigraph_gateway_moved_total"))
	}
}

// TestValidatorDies takes a validator away under a stream: the client hears that nobody knows, and goes on with the others.
func TestValidatorDies(t *testing.T) {
	n := newNetwork(t, nil, nil)
	n.node.Hold = make(chan struct{})
	n.start()
	stream, err := n.SubmitBatches(t.Context())
	must(t, err)
	must(t, stream.Send(&ledgerv1.SubmitBatchRequest{Tag: 1, Batch: batchBytes(t, 3, 1), Signature: []byte{1}}))
	n.await("the batch is at a validator", func() bool {
		s, err := n.node.Status(t.Context())
		return err == nil && s.Height == 1
	})
	used := n.usedBy()
	for _, s := range n.servers {
		if s.address == used {
			s.stop()
		}
	}
	if _, err = stream.Recv(); status.Code(err) != codes.Unavailable {
		t.Fatal(err)
	}
	if f := faultOf(err); f != nil {
		t.Errorf("it says %v, but nobody knows", f)
	}
	close(n.node.Hold)
	r, err := n.GetBatch(t.Context(), &ledgerv1.GetBatchRequest{Batch: hashOf(batchBytes(t, 3, 1))})
	if err != nil || r.Receipt.GetHeight() != 1 {
		t.Errorf("%v, %v", r, err)
	}
	for _, s := range n.servers {
		s.stop()
	}
	n.await("no validator is reached", func() bool { return n.gateway.pool.Up() == 0 })
	_, err = n.GetStatus(t.Context(), &ledgerv1.GetStatusRequest{})
	if f := faultOf(err); f.GetReason() != "no_validator" || f.GetKind() != "unavailable" {
		t.Errorf("%v", err)
	}
	h, err := grpc_health_v1.NewHealthClient(n.conn).Check(t.Context(), &grpc_health_v1.HealthCheckRequest{Service: "aurigraph.ledger.v1.Ledger"})
	if err != nil || h.Status != grpc_health_v1.HealthCheckResponse_NOT_SERVING {
		t.Errorf("%v, %v", h, err)
	}
}

// TestDrain tells the gateway to stop while a call is under way: it ends, and no other begins.
func TestDrain(t *testing.T) {
	n := newNetwork(t, nil)
	n.node.Hold = make(chan struct{})
	n.start()
	answered := make(chan error, 1)
	go func() {
		_, err := n.SubmitTransaction(context.Background(), &ledgerv1.SubmitTransactionRequest{Transaction: txBytes(1)})
		answered <- err
	}()
	n.await("the call is under way", func() bool { return len(n.gateway.passer.calls) == 1 })
	stopped := make(chan struct{})
	go func() { n.stop(); close(stopped) }()
	n.await("no other call begins", func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := n.GetBlock(ctx, &ledgerv1.GetBlockRequest{})
		return status.Code(err) == codes.Unavailable && faultOf(err) == nil
	})
	close(n.node.Hold)
	must(t, <-answered)
	select {
	case <-stopped:
	case <-time.After(2 * DrainMax):
		t.Error("it does not stop")
	}
}

// TestStopEndsFollowers ends streams to which a client only listens when the gateway stops, and says where to go on.
func TestStopEndsFollowers(t *testing.T) {
	n := newNetwork(t, nil).start()
	stream, err := n.StreamBlocks(t.Context(), &ledgerv1.StreamBlocksRequest{FromHeight: 1})
	must(t, err)
	_, err = n.SubmitTransaction(t.Context(), &ledgerv1.SubmitTransactionRequest{Transaction: txBytes(1)})
	must(t, err)
	_, err = stream.Recv()
	must(t, err)
	began := time.Now()
	n.stop()
	if _, err := stream.Recv(); faultOf(err).GetReason() != "stopping" {
		t.Error(err)
	}
	if took := time.Since(began); took > DrainMax/2 {
		t.Errorf("it took %s", took)
	}
}

// TestCallsBound refuses a call above the bound.
func TestCallsBound(t *testing.T) {
	n := newNetwork(t, nil).start()
	n.gateway.passer.calls = make(chan struct{}, 1)
	n.gateway.passer.calls <- struct{}{}
	_, err := n.GetBlock(t.Context(), &ledgerv1.GetBlockRequest{})
	if f := faultOf(err); f.GetReason() != "calls_full" || n.value("aurigraph_gateway_refused_total", "reason", "calls_full") != 1 {
		t.Error(err)
	}
}

// TestReload follows the validators that the settings name.
func TestReload(t *testing.T) {
	n := newNetwork(t, nil)
	must(t, config.ReplaceGateway(n.cfg.Dir, n.cfg))
	n.start()
	first := n.servers[0]
	n.servers = append(n.servers, n.serve(n.node))
	n.cfg.Validators = []string{n.servers[1].address}
	must(t, config.ReplaceGateway(n.cfg.Dir, n.cfg))
	n.await("the new one is followed", func() bool {
		c := n.gateway.pool.Reached()
		return len(c) == 1 && c[0].Address() == n.servers[1].address
	})
	first.stop()
	_, err := n.GetStatus(t.Context(), &ledgerv1.GetStatusRequest{})
	must(t, err)
	// Settings that will not do change nothing.
	n.cfg.Validators = nil
	if err := config.ReplaceGateway(n.cfg.Dir, n.cfg); !fault.Is(err, fault.Invalid) {
		t.Error(err)
	}
}

func TestOpenRefuses(t *testing.T) {
	n := newNetwork(t, nil)
	for name, c := range map[string]struct {
		change func(*config.Gateway)
		kind   fault.Kind
	}{
		"no certificate":  {func(c *config.Gateway) { c.TLS.Cert = "missing.pem" }, fault.Invalid},
		"no authority":    {func(c *config.Gateway) { c.TLS.CA = "missing.pem" }, fault.Invalid},
		"address in use":  {func(c *config.Gateway) { c.GRPC = n.servers[0].address }, fault.Unavailable},
		"metrics in use":  {func(c *config.Gateway) { c.Metrics = n.servers[0].address }, fault.Unavailable},
		"no certificates": {func(c *config.Gateway) { c.TLS.CA = c.TLS.Key }, fault.Invalid},
	} {
		cfg := n.cfg
		c.change(&cfg)
		if _, err := Open(cfg, n.node.Genesis, n.log()); !fault.Is(err, c.kind) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := (&prover{}).follow(1, [][]byte{{1}}); !errors.As(err, new(*fault.Error)) {
		t.Error(err)
	}
}
