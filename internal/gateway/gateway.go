// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"net"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	ledgerv1 "github.com/aurigraph/aurigraph/gen/aurigraph/ledger/v1"
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/config"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/obs"
	"github.com/aurigraph/aurigraph/internal/server"
	"github.com/aurigraph/aurigraph/internal/server/grpcapi"
	"github.com/aurigraph/aurigraph/internal/upstream"
)

// Bounds of the gateway as a whole.
const (
	ConnectionsMax     = 1024 // of clients
	DrainMax           = 5 * time.Second
	streamsPerPeerMax  = 4096 // of one host: its unary calls are counted too
	componentAPI       = "api"
	componentValidator = "validators"
)

// Gateway is one opened gateway.
type Gateway struct {
	cfg      config.Gateway
	log      *slog.Logger
	genesis  *chain.Genesis
	registry *prometheus.Registry
	health   *obs.Health
	metrics  *metrics
	pool     *upstream.Pool
	passer   *passer
	stop     context.CancelFunc // of calls that would not end by themselves
	lists    *lists
	rest     *rest // nil: the V10 dialect is not served
	api      *grpcapi.Server
	grpc     net.Listener
	http     net.Listener
	ready    chan struct{}
	closed   []func() error
}

// Open opens the gateway in the settings' folder: it listens, and begins to connect to the validators. Close must follow.
// Conflict: the index is of another chain's. Invalid: certificates that cannot be used.
func Open(cfg config.Gateway, genesis *chain.Genesis, log *slog.Logger) (*Gateway, error) {
	g := &Gateway{
		cfg: cfg, log: log, genesis: genesis, registry: obs.NewRegistry(), health: obs.NewHealth(componentAPI, componentValidator), ready: make(chan struct{}),
	}
	g.metrics = newMetrics(g.registry)
	for _, step := range []func() error{g.listen, g.openAPI, g.openLists, g.openRest} {
		if err := step(); err != nil {
			return nil, errors.Join(err, g.Close())
		}
	}
	return g, nil
}

func (g *Gateway) onClose(f func() error) { g.closed = append(g.closed, f) }

// Close releases everything. Run must have returned.
func (g *Gateway) Close() error {
	var errs []error
	for i := len(g.closed) - 1; i >= 0; i-- {
		errs = append(errs, g.closed[i]())
	}
	g.closed = nil
	return errors.Join(errs...)
}

// listen comes first: whoever uses the folder already is found out by its addresses.
func (g *Gateway) listen() (err error) {
	if g.grpc, err = server.Listen(g.cfg.GRPC, ConnectionsMax); err != nil {
		return err
	}
	g.onClose(func() error { return ignoreClosed(g.grpc.Close()) })
	if g.cfg.Metrics == "" {
		return nil
	}
	if g.http, err = server.Listen(g.cfg.Metrics, ConnectionsMax); err != nil {
		return err
	}
	g.onClose(func() error { return ignoreClosed(g.http.Close()) })
	return nil
}

// ignoreClosed hides that a listener was closed by its server before.
func ignoreClosed(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

func (g *Gateway) openAPI() error {
	own, err := server.TLSFiles{Cert: g.cfg.Path(g.cfg.TLS.Cert), Key: g.cfg.Path(g.cfg.TLS.Key)}.Load()
	if err != nil {
		return err
	}
	theirs, err := authorities(g.cfg.Path(g.cfg.TLS.CA))
	if err != nil {
		return err
	}
	g.pool = upstream.New(upstream.Config{ConnectionsPerValidator: connectionsPerValidator(&g.cfg)}, upstream.Parts{
		Credentials: theirs, DialOptions: grpcapi.PassOptions(), Log: g.log, Metrics: g.registry, Changed: g.look,
	})
	g.onClose(func() error { g.pool.Close(); return nil })
	g.metrics.watch(g.registry, g.pool)
	stopping, stop := context.WithCancel(context.Background()) //lint:context it ends with Run
	g.stop = stop
	g.onClose(func() error { stop(); return nil })
	g.passer = newPasser(stopping, g.pool, g.metrics)
	g.api = grpcapi.NewPass(grpcapi.Config{TLS: own, Log: g.log, StreamsPerPeerMax: streamsPerPeerMax, ShutdownGrace: DrainMax}, g.passer.handle, g.registry)
	return g.pool.Follow(g.cfg.Validators)
}

// authorities reads who vouches for the validators' APIs.
func authorities(file string) (credentials.TransportCredentials, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "read the authority of the validators' certificates")
	}
	t := &tls.Config{MinVersion: tls.VersionTLS13, RootCAs: x509.NewCertPool()}
	if !t.RootCAs.AppendCertsFromPEM(text) {
		return nil, fault.New(fault.Invalid, "%s holds no certificate in PEM", file)
	}
	return credentials.NewTLS(t), nil
}

// look lets clients in while a validator can be called.
func (g *Gateway) look() {
	up := g.pool.Connected()
	g.api.SetServing(up)
	if up {
		g.health.Ready(componentValidator)
	} else {
		g.health.NotReady(componentValidator, "none is reached")
	}
}

// awaitValidator waits until a validator can be asked, or ctx ends.
func (g *Gateway) awaitValidator(ctx context.Context) {
	for !g.pool.Connected() && ctx.Err() == nil {
		select {
		case <-time.After(trackEvery):
		case <-ctx.Done():
		}
	}
}

// readers lists the validators that can be asked about the chain.
func (g *Gateway) readers() []named {
	var list []named
	for _, c := range g.pool.Reached() {
		list = append(list, named{noting{ledgerv1.NewLedgerClient(c), g.pool, c}, c.Address()})
	}
	return list
}

// Run serves until ctx ends, and then until the calls under way have ended: those of the V10 dialect while all else goes on, and then
// the others, at most DrainMax.
func (g *Gateway) Run(ctx context.Context) error { return g.withRest(ctx, g.run) }

func (g *Gateway) run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	context.AfterFunc(ctx, g.stop)
	group.Go(func() error { return ignoreStopped(ctx, g.api.Serve(ctx, g.grpc)) })
	if g.http != nil {
		group.Go(func() error { return server.ServeHTTP(ctx, g.http, obs.Handler(g.registry, g.health)) })
	}
	group.Go(func() error { g.watchSettings(ctx); return nil })
	g.lists.run(ctx, group)
	g.health.Ready(componentAPI)
	close(g.ready)
	return group.Wait()
}

// ignoreStopped hides that the server was stopped before it had begun to serve.
func ignoreStopped(ctx context.Context, err error) error {
	if ctx.Err() != nil && errors.Is(err, grpc.ErrServerStopped) {
		return nil
	}
	return err
}

// Ready is closed once the gateway serves.
func (g *Gateway) Ready() <-chan struct{} { return g.ready }

// GRPCAddress is where the native API listens.
func (g *Gateway) GRPCAddress() string { return g.grpc.Addr().String() }

// MetricsAddress is where metrics and health are; empty if nowhere.
func (g *Gateway) MetricsAddress() string {
	if g.http == nil {
		return ""
	}
	return g.http.Addr().String()
}
