// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"

	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/encoding/protowire"

	ledgerv1 "github.com/aurigraph/aurigraph/gen/aurigraph/ledger/v1"
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/index"
	"github.com/aurigraph/aurigraph/internal/index/sqlite"
	"github.com/aurigraph/aurigraph/internal/obs"
	"github.com/aurigraph/aurigraph/internal/query"
	"github.com/aurigraph/aurigraph/internal/server/grpcapi"
)

// Fields of a Status that speak of the index.
const (
	fieldIndexHeight  = 14
	fieldIndexLagRows = 15
)

// lists is what the gateway answers itself.
type lists struct {
	gateway  *Gateway
	chain    *Chain
	db       *sqlite.DB      // nil: there is no index
	follower *index.Follower // nil: there is no index
	query    *query.Query
	base     chain.Height // up to which the index was whole at the start
	source   lateSource
}

// lateSource is the chain as the follower reads it, from when it runs.
type lateSource struct{ index.Source }

// openLists opens the index. A gateway without one serves everything else, so a damaged index is reported and does not stop it.
func (g *Gateway) openLists() error {
	prover, err := newProver(g.genesis)
	if err != nil {
		return err
	}
	l := &lists{gateway: g, chain: newChain(prover, g.readers, g.metrics, g.log)}
	g.lists = l
	if g.cfg.Index.Enabled {
		l.open()
	}
	g.passer.own = map[string]func(grpc.ServerStream) error{"ListTransfers": l.transfers}
	g.passer.amend = map[string]func(*grpcapi.Frame){"GetStatus": l.amendStatus}
	return nil
}

func (l *lists) open() {
	g := l.gateway
	db, err := sqlite.Open(g.cfg.Data("index"), g.genesis.Chain, codec.GenesisHash(g.genesis))
	if err != nil {
		g.log.Error("the query index cannot be used", obs.Err(err))
		return
	}
	g.onClose(db.Close)
	l.db, l.query, l.base = db, query.New(query.Parts{Index: db}), db.Position().Complete()
	l.follower = index.NewFollower(&l.source, db, l.base, g.cfg.Index.RowsPerSecondMax, g.registry)
	l.follower.OnRetry(func(err error) { g.log.Warn("the query index waits and tries again", obs.Err(err)) })
}

// run feeds the index until ctx ends. Nothing waits for it, and its end is not the gateway's.
func (l *lists) run(ctx context.Context, group *errgroup.Group) {
	if l.follower == nil {
		return
	}
	l.source.Source = l.chain.Source(ctx)
	group.Go(func() error { l.chain.Track(ctx, l.base+1, l.follower.Publish); return nil })
	group.Go(func() error {
		l.gateway.awaitValidator(ctx)
		if err := l.follower.Run(ctx); err != nil {
			l.gateway.log.Error("the query index has stopped", obs.Err(err))
		}
		return nil
	})
}

// transfers answers ListTransfers.
func (l *lists) transfers(down grpc.ServerStream) error {
	q := &ledgerv1.ListTransfersRequest{}
	if err := down.RecvMsg(q); err != nil {
		return err
	}
	if l.query == nil {
		return l.gateway.passer.refuse(fault.Reasoned(fault.Unavailable, "no_index", "this gateway keeps no query index: set index.enabled in its gateway.yaml, or look into its log"))
	}
	a, err := grpcapi.ListTransfers(down.Context(), l.query, q)
	if err != nil {
		return l.gateway.passer.refuse(err)
	}
	return down.SendMsg(a)
}

// amendStatus says of the index what a validator cannot.
func (l *lists) amendStatus(a *grpcapi.Frame) {
	if l.follower == nil {
		return
	}
	b := protowire.AppendVarint(protowire.AppendTag(nil, fieldIndexHeight, protowire.VarintType), uint64(l.follower.Height()))
	a.Append(protowire.AppendVarint(protowire.AppendTag(b, fieldIndexLagRows, protowire.VarintType), l.follower.LagRows()))
}
