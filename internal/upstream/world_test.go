// SPDX-License-Identifier: Apache-2.0

package upstream

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	grpchealth "google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// fake is a validator that answers as it is told. Any unary call will do: it serves gRPC's health.
type fake struct {
	grpc_health_v1.UnimplementedHealthServer
	t       testing.TB
	health  *grpchealth.Server // of which Watch tells
	address string
	server  *grpc.Server
	served  chan error
	does    atomic.Pointer[func(ctx context.Context) error]
	seen    atomic.Int64 // calls
	now     atomic.Int64 // calls in flight
	most    atomic.Int64 // calls in flight
}

// Watch tells whether it lets clients in.
func (f *fake) Watch(q *grpc_health_v1.HealthCheckRequest, s grpc.ServerStreamingServer[grpc_health_v1.HealthCheckResponse]) error {
	return f.health.Watch(q, s)
}

// serve lets clients in, or not.
func (f *fake) serve(state grpc_health_v1.HealthCheckResponse_ServingStatus) {
	f.health.SetServingStatus("aurigraph.ledger.v1.Ledger", state)
}

// Check is the call.
func (f *fake) Check(ctx context.Context, _ *grpc_health_v1.HealthCheckRequest) (*grpc_health_v1.HealthCheckResponse, error) {
	f.seen.Add(1)
	now := f.now.Add(1)
	defer f.now.Add(-1)
	for m := f.most.Load(); now > m && !f.most.CompareAndSwap(m, now); m = f.most.Load() {
	}
	if does := f.does.Load(); does != nil {
		if err := (*does)(ctx); err != nil {
			return nil, err
		}
	}
	return &grpc_health_v1.HealthCheckResponse{}, nil
}

func (f *fake) do(does func(ctx context.Context) error) { f.does.Store(&does) }

// start serves, at the address of before if there was one.
func (f *fake) start() {
	f.t.Helper()
	at := f.address
	if at == "" {
		at = "127.0.0.1:0"
	}
	var l net.Listener
	eventually(f.t, "the address is free", func() bool {
		var err error
		l, err = net.Listen("tcp", at)
		return err == nil
	})
	f.address = l.Addr().String()
	f.server, f.served = grpc.NewServer(), make(chan error, 1)
	grpc_health_v1.RegisterHealthServer(f.server, f)
	s, served := f.server, f.served
	go func() { served <- s.Serve(l) }()
}

// stop ends it at once, with what it has in hand.
func (f *fake) stop() {
	if f.server == nil {
		return
	}
	f.server.Stop()
	<-f.served
	f.server = nil
}

// world is validators and a pool of them.
type world struct {
	t        testing.TB
	pool     *Pool
	fakes    []*fake
	registry *prometheus.Registry
}

func newWorld(t testing.TB, validators int, cfg Config) *world {
	w := &world{t: t, registry: prometheus.NewRegistry()}
	if cfg.ConnectionsPerValidator == 0 {
		cfg.ConnectionsPerValidator = 2
	}
	var addresses []string
	for range validators {
		f := &fake{t: t, health: grpchealth.NewServer()}
		f.serve(grpc_health_v1.HealthCheckResponse_SERVING)
		f.start()
		t.Cleanup(f.stop)
		w.fakes, addresses = append(w.fakes, f), append(addresses, f.address)
	}
	w.pool = New(cfg, Parts{Credentials: insecure.NewCredentials(), Metrics: w.registry})
	t.Cleanup(w.pool.Close)
	must(t, w.pool.Follow(addresses))
	eventually(t, "all connections are up", func() bool {
		for _, v := range *w.pool.validators.Load() {
			for i := range v.conns {
				if v.ready(uint32(i)) != v.conns[i] {
					return false
				}
			}
		}
		return true
	})
	return w
}

// eventually waits until something is so.
func eventually(t testing.TB, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !is(); <-time.After(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within 20 s: %s", what)
		}
	}
}

// check is what Do does here.
func check(ctx context.Context, conn grpc.ClientConnInterface) error {
	_, err := grpc_health_v1.NewHealthClient(conn).Check(ctx, &grpc_health_v1.HealthCheckRequest{})
	return err
}

func (w *world) call(ctx context.Context, c Call) error { return w.pool.Do(ctx, c, check) }

// load sends calls with keys from 0 on, some at a time, and gives each end to each.
func (w *world) load(calls, atATime int, c Call, each func(err error, took time.Duration)) {
	w.t.Helper()
	var next atomic.Int64
	var group sync.WaitGroup
	var mu sync.Mutex
	for range atATime {
		group.Go(func() {
			for key := next.Add(1); key <= int64(calls); key = next.Add(1) {
				c := c
				c.Key = uint32(key)
				began := time.Now()
				err := w.call(w.t.Context(), c)
				took := time.Since(began)
				mu.Lock()
				each(err, took)
				mu.Unlock()
			}
		})
	}
	group.Wait()
}

// seen is how many calls reached the validators.
func (w *world) seen() (n int64) {
	for _, f := range w.fakes {
		n += f.seen.Load()
	}
	return n
}

// value is the sum of a metric's series that have a label's value; all with an empty label.
func (w *world) value(name, label, value string) (sum float64) {
	w.t.Helper()
	families, err := w.registry.Gather()
	must(w.t, err)
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			has := label == ""
			for _, l := range m.GetLabel() {
				has = has || l.GetName() == label && l.GetValue() == value
			}
			if has {
				sum += m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
	}
	return sum
}
