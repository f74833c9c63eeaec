// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/aurigraph/aurigraph/client"
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/keys"
	"github.com/aurigraph/aurigraph/internal/network"
	"github.com/aurigraph/aurigraph/internal/obs"
	"github.com/aurigraph/aurigraph/internal/outcomes"
	"github.com/aurigraph/aurigraph/internal/router"
	"github.com/aurigraph/aurigraph/internal/router/embedded"
	"github.com/aurigraph/aurigraph/internal/router/nginx"
	"github.com/aurigraph/aurigraph/internal/server"
	"github.com/aurigraph/aurigraph/internal/shadow"
)

// Bounds of what follows the homes for the router, and of its log.
const (
	routesPoll       = 50 * time.Millisecond
	routesCall       = 3 * time.Second
	outcomesBytesMax = 256 << 20
)

// startRouter serves the edge, which clients use, and keeps its map that of the ledger's home table.
func (b *beside) startRouter(ctx context.Context) error {
	n := b.network
	m := n.Sync.Move
	if m == nil {
		return nil
	}
	if err := os.MkdirAll(n.Path(m.Routes), 0o755); err != nil {
		return fault.Wrap(fault.Unavailable, err, "make the router's folder")
	}
	trust, err := n.Trust()
	if err != nil {
		return err
	}
	c, err := client.Dial(ctx, client.Config{Endpoints: n.Validators(), CAFile: n.Path(n.CA), Trust: trust})
	if err != nil {
		return err
	}
	compare, err := b.startShadow()
	if err != nil {
		return errors.Join(err, c.Close())
	}
	serve := b.serveEmbedded
	if m.Router == network.RouterNginx {
		serve = b.serveNginx
	}
	named, err := n.Named()
	if err != nil {
		return errors.Join(err, c.Close())
	}
	d, err := serve(ctx, compare, func(d router.Driver) error { return routeOnce(ctx, c, d, named) })
	if err != nil {
		return errors.Join(err, c.Close())
	}
	b.kept.Go(func() {
		defer func() { b.note(c.Close()) }()
		b.keepRouted(c, d, named)
	})
	return nil
}

// shadowBP is the share of the reads that are asked of both ledgers, in basis points.
const shadowBP = 1000

// startShadow starts what compares answers of both ledgers.
func (b *beside) startShadow() (*shadow.Shadow, error) {
	n := b.network
	told, err := outcomes.Create(n.Compared(), outcomesBytesMax)
	if err != nil {
		return nil, err
	}
	s, err := shadow.New(shadow.Config{V10: n.Sync.V10URL(), V11: n.REST()[:1], ShareBP: shadowBP, Told: told.Tell, Metrics: b.metrics, Log: obs.NewLogger(b.logs("shadow"), slog.LevelWarn)})
	if err != nil {
		return nil, errors.Join(err, told.Close())
	}
	l, err := net.Listen("tcp", n.Sync.Move.Shadow)
	if err != nil {
		return nil, errors.Join(fault.Wrap(fault.Unavailable, err, "listen on %s for the shadow", n.Sync.Move.Shadow), told.Close())
	}
	b.kept.Go(func() {
		serving, ctx := errgroup.WithContext(b.running)
		serving.Go(func() error { return s.Run(ctx) })
		serving.Go(func() error { return server.ServeHTTP(ctx, l, withMetrics(s.Handler(), b.metrics)) })
		b.note(serving.Wait())
		b.note(told.Close())
	})
	return s, nil
}

// withMetrics shows metrics beside what a handler serves.
func withMetrics(h http.Handler, r *prometheus.Registry) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", obs.Handler(r, obs.NewHealth()))
	mux.Handle("/", h)
	return mux
}

// serveEmbedded serves by the router in this process, from when it has a map.
func (b *beside) serveEmbedded(_ context.Context, compare *shadow.Shadow, first func(router.Driver) error) (router.Driver, error) {
	n := b.network
	m := n.Sync.Move
	told, err := outcomes.Create(n.Outcomes(), outcomesBytesMax)
	if err != nil {
		return nil, err
	}
	p, err := embedded.New(embedded.Config{
		Dir: n.Path(m.Routes), V10: n.Sync.V10URL(), V11: []string{n.V11Door()}, Told: told.Tell, Shadow: b.offerTo(compare), Metrics: b.metrics,
		Log: obs.NewLogger(b.logs("router"), slog.LevelWarn),
	})
	if err == nil {
		err = first(p)
	}
	if err != nil {
		return nil, errors.Join(err, told.Close())
	}
	l, err := net.Listen("tcp", m.Edge)
	if err != nil {
		return nil, errors.Join(fault.Wrap(fault.Unavailable, err, "listen on %s for the edge", m.Edge), told.Close())
	}
	b.kept.Go(func() {
		b.note(p.Serve(b.running, l))
		b.note(told.Close())
	})
	return p, nil
}

// offerTo offers reads for a comparison, as long as there is a V10 to compare with.
func (b *beside) offerTo(compare *shadow.Shadow) func(string, string, http.Header, router.Way) {
	return func(method, target string, h http.Header, way router.Way) {
		if b.v10.Err() == nil {
			compare.Offer(method, target, h, way)
		}
	}
}

// besideRouter is the name under which nginx is kept running.
const besideRouter = "router"

// serveNginx serves by an nginx, which ends with this process. Until it has a map it sends all to V10.
func (b *beside) serveNginx(ctx context.Context, _ *shadow.Shadow, first func(router.Driver) error) (router.Driver, error) {
	n := b.network
	m := n.Sync.Move
	cfg := nginx.Config{
		Dir: n.Path(m.Routes), Listen: []string{m.Edge}, Admin: m.Admin, Shadow: m.Shadow, ShadowBP: shadowBP,
		V10: nginx.Upstream{Servers: []string{n.Sync.Door()}}, V11: nginx.Upstream{Servers: []string{strings.TrimPrefix(n.V11Door(), "http://")}},
	}
	if n.Sync.OffMs != 0 {
		cfg.Shadow, cfg.ShadowBP = "", 0
	}
	r, err := b.startNginx(ctx, &cfg)
	if err != nil {
		return nil, err
	}
	if err := first(r); err != nil {
		return nil, errors.Join(err, r.Stop())
	}
	b.kept.Go(func() { b.keepNginx(&cfg, r) })
	return r.Driver, nil // an nginx that is started again has the same address
}

func (b *beside) startNginx(ctx context.Context, cfg *nginx.Config) (*nginx.Router, error) {
	r, err := nginx.Start(ctx, *cfg)
	if err == nil {
		b.note(b.file.SetBeside(besideRouter, r.PID()))
	}
	return r, err
}

// keepNginx keeps it running until the end. One that is started again has its map from its folder.
func (b *beside) keepNginx(cfg *nginx.Config, r *nginx.Router) {
	for r != nil {
		select {
		case <-r.Ended():
			r.Kill() // workers go on without their master, and nobody tells them the next map
			b.note(b.file.SetBeside(besideRouter, 0))
			b.say("nginx (pid %d) ended; it is started again in %s", r.PID(), b.pause)
			r = b.nginxAgain(cfg)
		case <-b.running.Done():
			b.note(r.Stop())
			b.note(b.file.SetBeside(besideRouter, 0))
			return
		}
	}
}

// nginxAgain starts it again, until that works or all is to stop; then it returns nil.
func (b *beside) nginxAgain(cfg *nginx.Config) *nginx.Router {
	for {
		await(b.running, b.pause)
		if b.running.Err() != nil {
			return nil
		}
		r, err := b.startNginx(b.running, cfg)
		if err == nil {
			return r
		}
		b.say("nginx: %v; it is tried again in %s", err, b.pause)
	}
}

// keepRouted follows the homes until all is to stop. A router whose map is old costs a hop, nothing else.
func (b *beside) keepRouted(c *client.Client, d router.Driver, named keys.Named) {
	quiet := true
	for b.running.Err() == nil {
		await(b.running, routesPoll)
		err := routeOnce(b.running, c, d, named)
		if err != nil && quiet && b.running.Err() == nil {
			b.say("the router does not follow the homes for a moment: %v", err)
		}
		quiet = err == nil
	}
}

// routeOnce gives a router the map that the ledger's home table makes.
func routeOnce(ctx context.Context, c *client.Client, d router.Driver, named keys.Named) error {
	ctx, cancel := context.WithTimeout(ctx, routesCall)
	defer cancel()
	h, err := c.Homes(ctx)
	if err != nil {
		return err
	}
	present, err := d.Get(ctx)
	if err != nil || present.Version >= h.Version { // a node that is behind tells an older table
		return err
	}
	m := router.Map{Version: h.Version, Cohorts: named}
	if err := m.V11.Set(chain.SlotRange{From: 0, To: named.Last()}); err != nil {
		return err
	}
	if err := m.V11.Clear(h.V10...); err != nil {
		return err
	}
	return router.Apply(ctx, d, m)
}
