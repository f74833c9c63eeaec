// SPDX-License-Identifier: Apache-2.0

package client

import (
	"context"

	"google.golang.org/grpc"

	ledgerv1 "github.com/aurigraph/aurigraph/gen/aurigraph/ledger/v1"
)

// Events are the transfers of one block that pass a filter; a block with none comes at least every 256 blocks. If GapFrom
// is not 0, the node no longer has GapFrom to Height-1: read them from an archive node.
type Events struct {
	Height    Height
	TimeUs    uint64
	GapFrom   Height
	Transfers []*Transferred
}

// FollowBlocks calls each for every certified block from a height on (0: from the next one), in order and without a gap,
// until ctx ends or each returns an error, which comes back. When a node fails it goes on at another. With Trust, every
// block is verified and continues the one before.
func (c *Client) FollowBlocks(ctx context.Context, from Height, each func(*Block) error) error {
	var last *Block
	open := func(ctx context.Context, from Height) (grpc.ServerStreamingClient[ledgerv1.Block], error) {
		return c.ledger.StreamBlocks(ctx, &ledgerv1.StreamBlocksRequest{FromHeight: uint64(from)})
	}
	return follow(ctx, c, from, open, func(m *ledgerv1.Block, want Height) (Height, error) {
		b, err := c.block(ctx, m)
		if err != nil {
			return 0, err
		}
		if b.Height != want || (b.Verified && last != nil && b.Header.Previous != last.Hash) {
			return 0, unproved("broken_chain", "the node sent block %d where block %d continues the chain", b.Height, want)
		}
		last = b
		return b.Height + 1, each(b)
	})
}

// FollowEvents is FollowBlocks for events, filtered by account and asset (0: any). They are the word of the node.
func (c *Client) FollowEvents(ctx context.Context, from Height, account AccountNo, asset AssetNo, each func(*Events) error) error {
	open := func(ctx context.Context, from Height) (grpc.ServerStreamingClient[ledgerv1.BlockEvents], error) {
		return c.ledger.StreamEvents(ctx, &ledgerv1.StreamEventsRequest{FromHeight: uint64(from), Account: uint32(account), Asset: uint32(asset)})
	}
	return follow(ctx, c, from, open, func(m *ledgerv1.BlockEvents, want Height) (Height, error) {
		p, err := page(0, m.Transfers, "", transferredOf)
		if err != nil {
			return 0, err
		}
		if Height(m.Height) < want {
			return 0, unproved("broken_chain", "the node sent events of block %d after those of block %d", m.Height, want-1)
		}
		return Height(m.Height) + 1, each(&Events{Height: Height(m.Height), TimeUs: m.TimeUs, GapFrom: Height(m.GapFrom), Transfers: p.Items})
	})
}

// stopped marks an error that ends following, because it is not the connection's.
type stopped struct{ error }

// follow keeps a stream open from the height after the last one taken. take returns the height wanted next.
func follow[M any](ctx context.Context, c *Client, from Height, open func(context.Context, Height) (grpc.ServerStreamingClient[M], error), take func(*M, Height) (Height, error)) error {
	if from == 0 {
		s, err := c.Status(ctx)
		if err != nil {
			return err
		}
		from = s.Height + 1
	}
	for tries := 0; ; tries++ {
		before := from
		err := drain(ctx, &from, open, take)
		if s, ok := err.(stopped); ok {
			return s.error
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err, _ = faultOf(err); !passes(err) {
			return err
		}
		if from > before {
			tries = 0
		}
		if tries >= c.cfg.RetriesMax || pause(ctx, tries) != nil {
			return err
		}
	}
}

// drain reads one stream until it breaks.
func drain[M any](ctx context.Context, from *Height, open func(context.Context, Height) (grpc.ServerStreamingClient[M], error), take func(*M, Height) (Height, error)) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := open(ctx, *from)
	if err != nil {
		return err
	}
	for {
		m, err := stream.Recv()
		if err != nil {
			return err
		}
		next, err := take(m, *from)
		if err != nil {
			return stopped{err}
		}
		*from = next
	}
}
