// SPDX-License-Identifier: Apache-2.0

package node

import (
	"context"
	"net"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/commit"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/intake"
	"github.com/aurigraph/aurigraph/internal/obs"
	"github.com/aurigraph/aurigraph/internal/query"
	"github.com/aurigraph/aurigraph/internal/seglog"
	"github.com/aurigraph/aurigraph/internal/server"
	"github.com/aurigraph/aurigraph/internal/server/grpcapi"
)

// connectionsMax bounds the connections of one listener.
const connectionsMax = 1024

// services is everything that readers and clients touch.
type services struct {
	node    *Node
	query   *query.Query
	api     *grpcapi.Server
	grpc    net.Listener
	metrics net.Listener
	halted  atomic.Pointer[string]
	ready   chan struct{}
}

func (n *Node) openServices(context.Context) error {
	s := &services{node: n, ready: make(chan struct{})}
	n.services = s
	s.query = query.New(n.history, n.loop, s.status)
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

// run serves until ctx ends.
func (s *services) run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return s.api.Serve(ctx, s.grpc) })
	if s.metrics != nil {
		group.Go(func() error { return server.ServeHTTP(ctx, s.metrics, obs.Handler(s.node.metrics, s.node.health)) })
	}
	return group.Wait()
}

// open lets clients in.
func (s *services) open() {
	s.api.SetServing(true)
	close(s.ready)
}

func (s *services) onPublished(*commit.Published) {}

// status is what the node knows of itself without asking the ledger.
func (s *services) status() query.Status {
	n := s.node
	st := query.Status{
		Chain: n.genesis.Chain, Network: n.genesis.Name, Genesis: codec.GenesisHash(n.genesis), Node: n.cfg.Name, Version: Version,
		Height: n.loop.Height(), Executed: n.loop.ExecutedHeight(), Legs: n.loop.LegsOK(), Validators: n.genesis.Validators,
	}
	st.RootHeight, st.StateRoot = n.loop.Root()
	if why := s.halted.Load(); why != nil {
		st.Halted, st.HaltedReason = true, *why
	}
	return st
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

var errNoIndex = fault.Reasoned(fault.Unavailable, "no_index", "this node keeps no query index: set index.enabled")

// ListBlocks lists blocks.
func (b backend) ListBlocks(context.Context, int, string) (p query.Page[query.Block], err error) {
	return p, errNoIndex
}

// ListTransfers lists transfers.
func (b backend) ListTransfers(context.Context, chain.AccountNo, chain.AssetNo, int, string) (p query.Page[query.Transfer], err error) {
	return p, errNoIndex
}

// ListAccounts lists accounts.
func (b backend) ListAccounts(context.Context, chain.InstitutionNo, int, string) (p query.Page[query.Account], err error) {
	return p, errNoIndex
}

// ListAssets lists assets.
func (b backend) ListAssets(context.Context, int, string) (p query.Page[query.Asset], err error) {
	return p, errNoIndex
}

// FollowBlocks follows the chain.
func (b backend) FollowBlocks(context.Context, chain.Height, func(*query.Block) error) error {
	return errNoIndex
}

// FollowEvents follows the chain's transfers.
func (b backend) FollowEvents(context.Context, chain.Height, chain.AccountNo, chain.AssetNo, func(grpcapi.Events) error) error {
	return errNoIndex
}
