// SPDX-License-Identifier: Apache-2.0

package grpcapi

import (
	"context"

	"google.golang.org/grpc"

	ledgerv1 "github.com/aurigraph/aurigraph/gen/aurigraph/ledger/v1"
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/query"
)

// StreamBlocks sends certified blocks until the client leaves or the node stops. A client that does not read stalls its
// own stream only: the backend keeps a height for it, not a queue.
func (s *service) StreamBlocks(q *ledgerv1.StreamBlocksRequest, stream grpc.ServerStreamingServer[ledgerv1.Block]) error {
	return s.follow(stream.Context(), func(ctx context.Context) error {
		return s.backend.FollowBlocks(ctx, chain.Height(q.FromHeight), func(b *query.Block) error {
			return stream.Send(block(b))
		})
	})
}

// StreamEvents sends the events of certified blocks until the client leaves or the node stops.
func (s *service) StreamEvents(q *ledgerv1.StreamEventsRequest, stream grpc.ServerStreamingServer[ledgerv1.BlockEvents]) error {
	return s.follow(stream.Context(), func(ctx context.Context) error {
		return s.backend.FollowEvents(ctx, chain.Height(q.FromHeight), chain.AccountNo(q.Account), chain.AssetNo(q.Asset), func(e Events) error {
			return stream.Send(&ledgerv1.BlockEvents{
				Height: uint64(e.Height), TimeUs: e.TimeUs, GapFrom: uint64(e.GapFrom), Transfers: each(e.Transfers, transfer),
			})
		})
	})
}

// follow ends run when the node stops: a follower that waits for the next block would hold the shutdown up.
func (s *service) follow(ctx context.Context, run func(context.Context) error) error {
	ctx, cancel := context.WithCancel(ctx)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		select {
		case <-s.stopping:
			cancel()
		case <-ctx.Done():
		}
	}()
	defer func() { cancel(); <-watched }()
	err := run(ctx)
	select {
	case <-s.stopping:
		return fault.Reasoned(fault.Unavailable, "stopping", "the node is stopping: go on from the last height at another node")
	default:
		return err
	}
}
