// SPDX-License-Identifier: Apache-2.0

package node

import (
	"context"
	"errors"
	"net"

	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/commit"
	"github.com/aurigraph/aurigraph/internal/config"
	"github.com/aurigraph/aurigraph/internal/indexer"
	"github.com/aurigraph/aurigraph/internal/intake"
	"github.com/aurigraph/aurigraph/internal/obs"
	"github.com/aurigraph/aurigraph/internal/query"
	"github.com/aurigraph/aurigraph/internal/seglog"
	"github.com/aurigraph/aurigraph/internal/server"
	"github.com/aurigraph/aurigraph/internal/server/grpcapi"
	"github.com/aurigraph/aurigraph/internal/subscribe"
)

// connectionsMax bounds the connections of one listener.
const connectionsMax = 1024

// services is everything that readers and clients touch.
type services struct {
	node    *Node
	query   *query.Query
	hub     *subscribe.Hub
	index   *indexer.Indexer // nil: there is none
	api     *grpcapi.Server
	grpc    net.Listener
	metrics net.Listener
	rest    *rest // nil: the V10 dialect is not served
	ready   chan struct{}
	signers signers
	halted  halted
}

func (n *Node) openServices(context.Context) error {
	s := &services{node: n, ready: make(chan struct{})}
	n.services = s
	s.hub = subscribe.NewHub(n.loop.Height())
	parts := query.Parts{History: n.history, State: n.loop, Feed: s.hub, Status: s.status}
	if n.cfg.Index.Enabled {
		s.openIndex(&parts)
	}
	s.query = query.New(parts)
	files := server.TLSFiles{Cert: n.cfg.Path(n.cfg.TLS.Cert), Key: n.cfg.Path(n.cfg.TLS.Key)}
	tls, err := files.Load()
	if err != nil {
		return err
	}
	s.api = grpcapi.New(grpcapi.Config{TLS: tls, Log: n.log}, backend{s.query, n.intake}, n.metrics)
	if s.grpc, err = server.Listen(n.cfg.GRPC, connectionsMax); err != nil {
		return err
	}
	n.onClose(func() error { return ignoreClosed(s.grpc.Close()) })
	if n.cfg.Metrics == "" {
		return nil
	}
	if s.metrics, err = server.Listen(n.cfg.Metrics, connectionsMax); err != nil {
		return err
	}
	n.onClose(func() error { return ignoreClosed(s.metrics.Close()) })
	return nil
}

// ignoreClosed hides that a listener was closed by its server before.
func ignoreClosed(err error) error {
	if opErr, ok := err.(*net.OpError); ok && opErr.Err == net.ErrClosed {
		return nil
	}
	return err
}

// ignoreStopped hides that the server was stopped before it had begun to serve.
func ignoreStopped(ctx context.Context, err error) error {
	if ctx.Err() != nil && errors.Is(err, grpc.ErrServerStopped) {
		return nil
	}
	return err
}

// run serves until ctx ends.
func (s *services) run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return ignoreStopped(ctx, s.api.Serve(ctx, s.grpc)) })
	if s.index != nil {
		group.Go(func() error { return s.follow(ctx) })
	}
	if s.metrics != nil {
		group.Go(func() error { return server.ServeHTTP(ctx, s.metrics, obs.Handler(s.node.metrics, s.node.health)) })
	}
	return group.Wait()
}

// open lets clients in.
func (s *services) open(ctx context.Context) {
	if s.rest != nil {
		s.rest.askKeyOnce(ctx)
	}
	s.api.SetServing(true)
	close(s.ready)
}

func (s *services) onPublished(p *commit.Published) {
	s.hub.Publish(p.Header.Height)
	if s.index != nil {
		s.index.Publish(p.Header)
	}
}

// openIndex opens the query index. A node without one serves everything but lists of transfers, so a damaged index is
// reported and does not stop it; a database is reached later, by follow.
func (s *services) openIndex(parts *query.Parts) {
	n := s.node
	x, err := indexer.New(indexer.Options{
		Settings: n.cfg.Index, Folder: n.cfg.Data("index"), Chain: n.genesis.Chain, Genesis: codec.GenesisHash(n.genesis), Source: n.history,
		Head: n.loop.Height(), Decided: max(n.engine.ReplayedTo(), n.adopted), Prepare: n.skipInIndex, Log: n.log, Metrics: n.metrics,
	})
	if err != nil {
		n.log.Error("the query index cannot be used", obs.Err(err))
		return
	}
	n.onClose(x.Close)
	past := indexer.NewPast(n.cfg.Index, n.cfg.Data(config.ImportedFolder), n.genesis.Chain, codec.GenesisHash(n.genesis), n.log)
	n.onClose(past.Close)
	parts.Index, parts.Imported, s.index = x, past, x
}

// follow feeds the index. Nothing waits for it, and its end is not the node's.
func (s *services) follow(ctx context.Context) error {
	if err := s.index.Run(ctx); err != nil {
		s.node.log.Error("the query index has stopped", obs.Err(err))
	}
	return nil
}

// Version is the product's version.
const Version = "11.0.0-dev"

// Ready is closed once clients are let in.
func (n *Node) Ready() <-chan struct{} { return n.services.ready }

// GRPCAddress is where the native API listens.
func (n *Node) GRPCAddress() string { return n.services.grpc.Addr().String() }

// MetricsAddress is where metrics and health are; empty if nowhere.
func (n *Node) MetricsAddress() string {
	if n.services.metrics == nil {
		return ""
	}
	return n.services.metrics.Addr().String()
}

// backend joins the way in and the readers for the edge.
type backend struct {
	*query.Query
	intake *intake.Intake
}

// Buffer lends memory for a client batch.
func (b backend) Buffer(ctx context.Context, payloadBytes int) (*seglog.Buffer, error) {
	return b.intake.Buffer(ctx, payloadBytes)
}

// SubmitBatch admits a client batch or refuses it.
func (b backend) SubmitBatch(ctx context.Context, buf *seglog.Buffer, signature []byte) (grpcapi.Pending, error) {
	t, err := b.intake.SubmitBatch(ctx, buf, signature)
	if err != nil {
		return nil, err
	}
	return t, nil
}

// SubmitTxs answers for each signed transaction.
func (b backend) SubmitTxs(ctx context.Context, signed [][]byte) []grpcapi.TxPending {
	tickets := b.intake.SubmitTxs(ctx, signed)
	out := make([]grpcapi.TxPending, len(tickets))
	for i, t := range tickets {
		out[i] = t
	}
	return out
}

// FollowEvents follows the chain's transfers.
func (b backend) FollowEvents(ctx context.Context, from chain.Height, account chain.AccountNo, asset chain.AssetNo, each func(grpcapi.Events) error) error {
	return b.Query.FollowEvents(ctx, from, account, asset, func(e query.Events) error { return each(grpcapi.Events(e)) })
}
