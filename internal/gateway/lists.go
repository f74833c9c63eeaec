// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"

	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/encoding/protowire"

	ledgerv1 "github.com/aurigraph/aurigraph/gen/aurigraph/ledger/v1"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/config"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/index"
	"github.com/aurigraph/aurigraph/internal/indexer"
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
	follower *indexer.Indexer // nil: there is no index
	query    *query.Query
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
	x, err := indexer.New(indexer.Options{
		Settings: g.cfg.Index, Folder: g.cfg.Data("index"), Chain: g.genesis.Chain, Genesis: codec.GenesisHash(g.genesis), Source: &l.source,
		FromIndex: true, Log: g.log, Metrics: g.registry,
	})
	if err != nil {
		g.log.Error("the query index cannot be used", obs.Err(err))
		return
	}
	g.onClose(x.Close)
	past := indexer.NewPast(g.cfg.Index, g.cfg.Data(config.ImportedFolder), g.genesis.Chain, codec.GenesisHash(g.genesis), g.log)
	g.onClose(past.Close)
	l.follower, l.query = x, query.New(query.Parts{Index: x, Imported: past})
}

// run feeds the index until ctx ends. Nothing waits for it, and its end is not the gateway's.
func (l *lists) run(ctx context.Context, group *errgroup.Group) {
	if l.follower == nil {
		return
	}
	l.source.Source = l.chain.Source(ctx)
	group.Go(func() error { l.track(ctx); return nil })
	group.Go(func() error {
		l.gateway.awaitValidator(ctx)
		if err := l.follower.Run(ctx); err != nil {
			l.gateway.log.Error("the query index has stopped", obs.Err(err))
		}
		return nil
	})
}

// track follows the chain from behind what the index has, once that is known.
func (l *lists) track(ctx context.Context) {
	if base, err := l.follower.Opened(ctx); err == nil {
		l.chain.Track(ctx, base+1, l.follower.Publish)
	}
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
