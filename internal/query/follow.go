// SPDX-License-Identifier: Apache-2.0

package query

import (
	"context"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// Bounds of an event stream. A block with more transfers than TransfersPerEventsMax comes in several Events of its height.
const (
	TransfersPerEventsMax = 1024
	QuietBlocksMax        = 256 // after so many blocks without a transfer that passes, an empty Events is sent
)

// Events are transfers of one block that pass a filter. If GapFrom is not 0, retention removed GapFrom to Height-1.
type Events struct {
	Height    chain.Height
	TimeUs    uint64
	GapFrom   chain.Height
	Transfers []Transfer
}

// FollowBlocks calls each with every certified block from a height on (0: from the next one), until ctx ends or each fails.
func (q *Query) FollowBlocks(ctx context.Context, from chain.Height, each func(*Block) error) error {
	return q.feed.Follow(ctx, from, func(h chain.Height) error {
		b, err := q.Block(ctx, h)
		if err != nil {
			return err
		}
		return each(b)
	})
}

// FollowEvents calls each with the transfers of certified blocks from a height on (0: from the next one) that pass a filter
// of which zeros mean any, until ctx ends or each fails. Each owns the slice it is given.
func (q *Query) FollowEvents(ctx context.Context, from chain.Height, account chain.AccountNo, asset chain.AssetNo, each func(Events) error) error {
	e := eventStream{query: q, account: account, asset: asset, each: each}
	return q.feed.Follow(ctx, from, func(h chain.Height) error {
		if h < e.skipTo {
			return nil
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		return e.block(h)
	})
}

type eventStream struct {
	query   *Query
	account chain.AccountNo
	asset   chain.AssetNo
	each    func(Events) error

	next    Events
	quiet   int          // blocks since something was sent
	gapFrom chain.Height // first of the heights that are gone, not yet told
	skipTo  chain.Height
}

func (e *eventStream) block(h chain.Height) error {
	header, _, err := e.query.history.Header(h)
	if err != nil {
		return err
	}
	e.next = Events{Height: h, TimeUs: header.TimeUs, GapFrom: e.gapFrom}
	err = e.query.history.Transfers(h, func(t *Transfer) error {
		if !t.Touches(e.account, e.asset) {
			return nil
		}
		e.next.Transfers = append(e.next.Transfers, *t)
		if len(e.next.Transfers) < TransfersPerEventsMax {
			return nil
		}
		return e.send()
	})
	if fault.Is(err, fault.Pruned) {
		return e.skip(h)
	}
	if err != nil {
		return err
	}
	if e.quiet++; len(e.next.Transfers) == 0 && e.gapFrom == 0 && e.quiet < QuietBlocksMax {
		return nil
	}
	return e.send()
}

func (e *eventStream) send() error {
	if err := e.each(e.next); err != nil {
		return err
	}
	e.quiet, e.gapFrom = 0, 0
	e.next.Transfers, e.next.GapFrom = nil, 0
	return nil
}

// skip notes that a block is gone, and finds the first that is not.
func (e *eventStream) skip(h chain.Height) (err error) {
	if e.gapFrom == 0 {
		e.gapFrom = h
	}
	e.skipTo, err = e.query.history.Retained(h, e.query.feed.Height())
	return err
}
