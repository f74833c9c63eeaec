// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	ledgerv1 "github.com/aurigraph/aurigraph/gen/aurigraph/ledger/v1"
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/config"
	"github.com/aurigraph/aurigraph/internal/query"
	"github.com/aurigraph/aurigraph/internal/server"
	"github.com/aurigraph/aurigraph/internal/server/grpcapi"
	"github.com/aurigraph/aurigraph/internal/server/grpcapi/grpcapitest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// validatorServer is a validator's API, which can be stopped.
type validatorServer struct {
	address string
	stop    func()
}

// network is validators with the gateway in front of them, over TLS.
type network struct {
	t       testing.TB
	node    *grpcapitest.Node // the chain of all of them
	files   server.TLSFiles
	ca      string
	servers []*validatorServer
	cfg     config.Gateway
	gateway *Gateway
	conn    *grpc.ClientConn
	ledgerv1.LedgerClient
	stop func() // the gateway
}

// newNetwork starts one validator for each backend; nil is one with the network's node.
func newNetwork(t testing.TB, backends ...grpcapi.Backend) *network {
	n := &network{t: t, node: grpcapitest.New(4)}
	var err error
	n.files, n.ca, err = server.DevTLS(t.TempDir(), []string{"127.0.0.1"})
	must(t, err)
	n.cfg = config.DefaultGateway()
	n.cfg.Dir, n.cfg.GRPC, n.cfg.Metrics = t.TempDir(), "127.0.0.1:0", ""
	n.cfg.TLS = config.TLS{CA: n.ca, Cert: n.files.Cert, Key: n.files.Key}
	for _, b := range backends {
		if b == nil {
			b = n.node
		}
		n.servers = append(n.servers, n.serve(b))
		n.cfg.Validators = append(n.cfg.Validators, n.servers[len(n.servers)-1].address)
	}
	return n
}

func (n *network) serve(b grpcapi.Backend) *validatorServer {
	n.t.Helper()
	own, err := n.files.Load()
	must(n.t, err)
	l, err := server.Listen("127.0.0.1:0", 64)
	must(n.t, err)
	s := grpcapi.New(grpcapi.Config{TLS: own, ShutdownGrace: 50 * time.Millisecond}, b, nil)
	s.SetServing(true)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, l) }()
	v := &validatorServer{address: l.Addr().String()}
	stopped := false
	v.stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := ignoreStopped(ctx, <-done); err != nil {
			n.t.Error(err)
		}
	}
	n.t.Cleanup(v.stop)
	return v
}

// start opens and runs the gateway, and waits until it reaches as many validators as there are.
func (n *network) start() *network {
	n.t.Helper()
	var err error
	n.gateway, err = Open(n.cfg, n.node.Genesis, slog.New(slog.DiscardHandler))
	must(n.t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- n.gateway.Run(ctx) }()
	stopped := false
	n.stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		must(n.t, <-done)
		must(n.t, n.gateway.Close())
	}
	n.t.Cleanup(n.stop)
	n.await("the validators are reached", func() bool { return n.gateway.pool.Up() == len(n.servers) })
	n.dial()
	return n
}

func (n *network) dial() {
	n.t.Helper()
	text, err := os.ReadFile(n.ca)
	must(n.t, err)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(text)
	n.conn, err = grpc.NewClient(n.gateway.GRPCAddress(), grpc.WithTransportCredentials(credentials.NewTLS(&tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS13})), grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(grpcapi.SendBytesMax)))
	must(n.t, err)
	n.t.Cleanup(func() { n.conn.Close() })
	n.LedgerClient = ledgerv1.NewLedgerClient(n.conn)
}

// await waits until something is so.
func (n *network) await(what string, is func() bool) {
	n.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !is(); <-time.After(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			n.t.Fatalf("not within 20 s: %s", what)
		}
	}
}

// value is the sum of a metric's series that have all the labels given as name, value.
func (n *network) value(name string, labels ...string) (sum float64) {
	n.t.Helper()
	families, err := n.gateway.registry.Gather()
	must(n.t, err)
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			has := 0
			for i := 0; i < len(labels); i += 2 {
				for _, l := range m.GetLabel() {
					if l.GetName() == labels[i] && l.GetValue() == labels[i+1] {
						has += 2
					}
				}
			}
			if has == len(labels) {
				sum += m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
	}
	return sum
}

func batchBytes(t testing.TB, legs int, sequence uint64) []byte {
	t.Helper()
	list := make([]chain.Leg, legs)
	for i := range list {
		list[i] = chain.Leg{From: 1, To: 2, Asset: 1, Amount: chain.Units(uint64(i%2) + sequence)}
	}
	b, err := chain.NewBatch(chain.BatchHeader{Chain: 7, Institution: 1, Key: 1, Sequence: sequence, ValidUntil: 9}, list)
	must(t, err)
	return b.Bytes()
}

// failing is a node of which some methods fail.
type failing struct {
	*grpcapitest.Node
	asset    func() error
	submit   func() error
	contents func(*query.Contents)
}

func (f *failing) Asset(ctx context.Context, no chain.AssetNo) (*query.Asset, error) {
	if f.asset != nil {
		if err := f.asset(); err != nil {
			return nil, err
		}
	}
	return f.Node.Asset(ctx, no)
}

func (f *failing) SubmitTxs(ctx context.Context, signed [][]byte) []grpcapi.TxPending {
	if f.submit != nil {
		if err := f.submit(); err != nil {
			return []grpcapi.TxPending{refusedTx{err}}
		}
	}
	return f.Node.SubmitTxs(ctx, signed)
}

// Contents lies as it is told.
func (f *failing) Contents(ctx context.Context, ask query.ContentsRequest) (*query.Contents, error) {
	c, err := f.Node.Contents(ctx, ask)
	if err == nil && f.contents != nil && len(c.Blocks) > 0 {
		f.contents(c)
	}
	return c, err
}

type refusedTx struct{ err error }

func (r refusedTx) Done() <-chan struct{}                 { return nil }
func (r refusedTx) Receipt() (chain.Receipt, bool, error) { return chain.Receipt{}, false, r.err }
func (r refusedTx) ID() chain.Hash                        { return chain.Hash{} }
func (r refusedTx) Refused() error                        { return r.err }
func (r refusedTx) Item() uint32                          { return 0 }

func (n *network) log() *slog.Logger { return slog.New(slog.DiscardHandler) }

// raw serves another server than a validator's.
func (n *network) raw(s *grpc.Server) *validatorServer {
	l, err := server.Listen("127.0.0.1:0", 8)
	must(n.t, err)
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	n.t.Cleanup(func() {
		s.Stop()
		must(n.t, <-done)
	})
	return &validatorServer{address: l.Addr().String(), stop: s.Stop}
}

func serverTLS(t testing.TB, n *network) grpc.ServerOption {
	own, err := n.files.Load()
	must(t, err)
	return grpc.Creds(credentials.NewTLS(own))
}

// usedBy is the validator on which the calls of the client's connection fall.
func (n *network) usedBy() (address string) {
	n.t.Helper()
	before := map[string]float64{}
	for _, s := range n.servers {
		before[s.address] = n.value("aurigraph_gateway_calls_total", "validator", s.address)
	}
	_, err := n.GetStatus(n.t.Context(), &ledgerv1.GetStatusRequest{})
	must(n.t, err)
	for _, s := range n.servers {
		if n.value("aurigraph_gateway_calls_total", "validator", s.address) > before[s.address] {
			return s.address
		}
	}
	return ""
}

func hashOf(b []byte) []byte {
	h := codec.Sum(b)
	return h[:]
}
