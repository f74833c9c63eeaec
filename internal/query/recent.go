// SPDX-License-Identifier: Apache-2.0

package query

import (
	"context"
	"slices"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/history"
)

// Bounds of what one answer looks at where no index says where things are.
const (
	findItemsMax  = 1 << 16 // transfers
	findBlocksMax = 1 << 14
	findPagesMax  = 16 // of the index
	HashBlocksMax = 1 << 16
)

// What further cursors are of.
const (
	ofFound    = 'f'
	ofContents = 'c'
)

// Widths of a place in the chain as one number: a batch in its block, an item in its batch.
const (
	itemPlaceBits  = 13 // chain.BatchLegsMax
	batchPlaceBits = 7  // chain.EntriesPerBlockMax
	blockPlaceBits = itemPlaceBits + batchPlaceBits
)

// placeNumber orders places. It is one above the place's own, so that 0 stays free.
func placeNumber(h chain.Height, index, item uint32) uint64 {
	return uint64(h)<<blockPlaceBits + uint64(index)<<itemPlaceBits + uint64(item) + 1
}

// TransferFilter says which transfers are wanted; zeros mean any.
type TransferFilter struct {
	Account chain.AccountNo
	Asset   chain.AssetNo
	SinceUs uint64 // in blocks of this time or later
	Outcome OutcomeFilter
	// Payments leaves out what is no payment of a client: issues, redemptions and holds, and a payment that was asked for again
	// under its idempotency key.
	Payments bool
}

// OutcomeFilter says which outcomes are wanted.
type OutcomeFilter uint8

// The filters of outcomes.
const (
	AnyOutcome OutcomeFilter = iota
	OnlyDone
	OnlyRefused
)

func (f *TransferFilter) wants(t *Transfer) bool {
	if f.Payments && (t.Kind != history.KindTransfer || t.Outcome == chain.Duplicate) {
		return false
	}
	if t.Origin.Round != 0 && t.Origin.Ms*1000+999 < f.SinceUs { // V10's time is the one that is shown
		return false
	}
	return t.Touches(f.Account, f.Asset) && (f.Outcome == AnyOutcome || (t.Outcome == chain.OK) == (f.Outcome == OnlyDone))
}

// findOwn lists transfers that pass a filter, newest first: of one account from the index, if there is one, and else from the chain
// itself, back to what retention let go.
func (q *Query) findOwn(ctx context.Context, f TransferFilter, limit int, cursor string) (Page[Transfer], error) {
	if f.Account != 0 && q.index != nil {
		return q.findIndexed(ctx, f, limit, cursor)
	}
	at, err := place{list: ofFound, a: uint32(f.Account), b: uint32(f.Asset)}.goOn(cursor, limit)
	if err != nil {
		return Page[Transfer]{}, err
	}
	head := q.feed.Height()
	finder := finder{query: q, filter: f, limit: limit, before: at.before, page: Page[Transfer]{IndexHeight: head}}
	if finder.before == 0 {
		finder.before = placeNumber(head+1, 0, 0)
	}
	if err := finder.run(ctx); err != nil {
		return Page[Transfer]{}, err
	}
	at.before = finder.before
	finder.page.Next = at.cursor()
	return finder.page, nil
}

// findIndexed filters the index's list.
func (q *Query) findIndexed(ctx context.Context, f TransferFilter, limit int, cursor string) (out Page[Transfer], err error) {
	for range findPagesMax {
		page, err := q.ListTransfers(ctx, f.Account, f.Asset, limit-len(out.Items), cursor)
		if err != nil {
			return Page[Transfer]{}, err
		}
		out.IndexHeight, out.Next, cursor = page.IndexHeight, page.Next, page.Next
		for i := range page.Items {
			if page.Items[i].TimeUs < f.SinceUs {
				out.Next = ""
				return out, nil
			}
			if f.wants(&page.Items[i]) {
				out.Items = append(out.Items, page.Items[i])
			}
		}
		if cursor == "" || len(out.Items) == limit {
			break
		}
	}
	return out, nil
}

// finder walks the chain backwards, batch by batch.
type finder struct {
	query  *Query
	filter TransferFilter
	limit  int
	before uint64 // only places below this; in the end, where to go on, 0 at the end
	page   Page[Transfer]
	looked int
}

func (f *finder) run(ctx context.Context) error {
	for range findBlocksMax {
		h := chain.Height((f.before - 1) >> blockPlaceBits)
		if f.before-1 == uint64(h)<<blockPlaceBits {
			h-- // nothing of that block lies before its first place
		}
		if h == 0 {
			f.before = 0
			return nil
		}
		goesOn, err := f.block(h)
		if err != nil || !goesOn {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return nil
}

// block takes what is wanted of one block, and reports whether older ones are to be looked at.
func (f *finder) block(h chain.Height) (bool, error) {
	header, _, err := f.query.history.Header(h)
	if fault.Is(err, fault.Pruned) || err == nil && header.TimeUs < f.filter.SinceUs {
		f.before = 0
		return false, nil
	}
	if err != nil {
		return false, err
	}
	for index := len(header.Batches) - 1; index >= 0; index-- {
		if f.before <= placeNumber(h, uint32(index), 0) {
			continue
		}
		full, err := f.batch(header, uint32(index))
		if fault.Is(err, fault.Pruned) {
			f.before = 0
			return false, nil
		}
		if err != nil || full {
			return false, err
		}
		if f.looked += int(header.Batches[index].Legs); f.looked >= findItemsMax {
			return false, nil
		}
	}
	f.before = placeNumber(h, 0, 0)
	return true, nil
}

// batch takes what is wanted of one batch, the last item first.
func (f *finder) batch(header *chain.ExecutedHeader, index uint32) (full bool, err error) {
	var found []Transfer
	err = f.query.history.BatchTransfers(header, index, func(t *Transfer) error {
		if placeNumber(t.Height, t.Index, t.Item) < f.before && f.filter.wants(t) {
			found = append(found, *t)
		}
		return nil
	})
	if err != nil {
		return false, err
	}
	room := f.limit - len(f.page.Items)
	f.before = placeNumber(header.Height, index, 0)
	if len(found) >= room {
		found, full = found[len(found)-room:], true
		first := &found[0]
		f.before = placeNumber(first.Height, first.Index, first.Item)
	}
	slices.Reverse(found)
	f.page.Items = append(f.page.Items, found...)
	return full, nil
}

// Transfers calls each for every transfer of a certified block, in order; it reuses what it passes.
func (q *Query) Transfers(_ context.Context, h chain.Height, each func(*Transfer) error) error {
	return q.history.Transfers(h, each)
}

// BlockTransfers lists the transfers of one block in the order of execution.
func (q *Query) BlockTransfers(_ context.Context, h chain.Height, limit int, cursor string) (p Page[Transfer], err error) {
	at, err := place{list: ofContents, a: uint32(h), b: uint32(h >> 32)}.goOn(cursor, limit)
	if err != nil {
		return p, err
	}
	header, _, err := q.history.Header(h)
	if err != nil {
		return p, err
	}
	p.IndexHeight = q.feed.Height()
	begin := at.before // the place after the last one that was listed
	for index := range header.Batches {
		if begin > placeNumber(h, uint32(index), chain.BatchLegsMax-1) {
			continue
		}
		err := q.history.BatchTransfers(header, uint32(index), func(t *Transfer) error {
			n := placeNumber(h, t.Index, t.Item)
			switch {
			case n < begin:
			case len(p.Items) < limit:
				p.Items = append(p.Items, *t)
			case p.Next == "":
				at.before = n
				p.Next = at.cursor()
			}
			return nil
		})
		if err != nil || p.Next != "" {
			return p, err
		}
	}
	return p, nil
}

// BlockByHash finds a block among the newest HashBlocksMax. Pruned, reason hash_too_old: it is none of them, and there are older
// ones.
func (q *Query) BlockByHash(ctx context.Context, hash chain.Hash) (*Block, error) {
	head := q.feed.Height()
	for h := head; h > 0 && head-h < HashBlocksMax; h-- {
		_, found, err := q.history.Header(h)
		if err != nil {
			return nil, err
		}
		if found == hash {
			return q.Block(ctx, h)
		}
		if h%1024 == 0 && ctx.Err() != nil {
			return nil, ctx.Err()
		}
	}
	if head > HashBlocksMax {
		return nil, fault.Reasoned(fault.Pruned, "hash_too_old", "none of the newest %d blocks has this hash: ask for an older one by its height", HashBlocksMax)
	}
	return nil, fault.New(fault.NotFound, "no block has this hash")
}

// PlacedTransfer is what stands at a place, with its fate. A transaction that moves no money has its sender
// as From, the kind "unknown" and nothing else.
type PlacedTransfer struct {
	Transfer
	Block chain.Hash
}

// TransferAt finds what stands at a place. NotFound as TransactionAt; Pruned when its payload was let go.
func (q *Query) TransferAt(ctx context.Context, at Place) (*PlacedTransfer, error) {
	t, err := q.TransactionAt(ctx, at, false)
	if err != nil {
		return nil, err
	}
	if len(t.Bytes) == 0 {
		return nil, fault.New(fault.Pruned, "the payload of batch %d of block %d was let go: ask an archive node", at.Index, at.Height)
	}
	header, hash, err := q.history.Header(at.Height)
	if err != nil {
		return nil, err
	}
	out := &PlacedTransfer{Block: hash, Transfer: Transfer{
		ID: t.ID, Height: at.Height, Index: at.Index, Item: at.Item, Outcome: t.Outcome, TimeUs: header.TimeUs,
	}}
	if t.Leg {
		leg := chain.ReadLeg(t.Bytes)
		out.FillLeg(&leg)
		if t.Origin != nil {
			out.FillOrigin(t.Origin)
		}
		return out, nil
	}
	tx, _, err := codec.DecodeSignedTx(t.Bytes)
	if err != nil {
		return nil, fault.Wrap(fault.Corrupt, err, "the transaction at item %d of batch %d of block %d", at.Item, at.Index, at.Height)
	}
	out.FillTx(&tx.Tx)
	return out, nil
}

// RetainedFrom is the first height, from one on, from which on all payloads are there.
func (q *Query) RetainedFrom(h chain.Height) (chain.Height, error) {
	return q.history.Retained(h, q.feed.Height())
}

// Height is the newest certified height.
func (q *Query) Height() chain.Height { return q.feed.Height() }
