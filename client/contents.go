// SPDX-License-Identifier: Apache-2.0

package client

import (
	"bytes"
	"context"

	ledgerv1 "github.com/aurigraph/aurigraph/gen/aurigraph/ledger/v1"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// BatchContents is a batch as it was ordered and what became of it: a client batch (chain.ParseBatch) or a batch of transactions.
type BatchContents struct {
	Payload  []byte
	Outcomes Outcomes
}

// FollowContents is FollowBlocks with the contents of each block's batches, which hash to what its header says. Pruned: retention
// let the contents go, at every node that was asked.
func (c *Client) FollowContents(ctx context.Context, from Height, each func(*Block, []BatchContents) error) error {
	r := contentsReader{c: c}
	return c.FollowBlocks(ctx, from, func(b *Block) error {
		batches, err := r.read(ctx, b)
		if err != nil {
			return err
		}
		return each(b, batches)
	})
}

// contentsReader keeps what the last answer had of blocks to come: where a reader catches up that spares most questions.
type contentsReader struct {
	c     *Client
	ahead []*ledgerv1.BlockContents // of consecutive heights, the first of height from
	from  Height
}

// read reads all batches of a block, which may take several answers.
func (r *contentsReader) read(ctx context.Context, b *Block) ([]BatchContents, error) {
	out := make([]BatchContents, 0, len(b.Batches))
	for len(out) < len(b.Batches) {
		first := uint32(len(out))
		some := r.known(b.Height)
		if some == nil || first > 0 {
			if err := r.ask(ctx, b.Height, first); err != nil {
				return nil, err
			}
			some = r.ahead[0]
		}
		if b.Header != nil && !bytes.Equal(some.Header, b.Certified.Header) {
			return nil, unproved("content_mismatch", "the contents are of another block %d", b.Height)
		}
		if len(some.Batches) == 0 || len(some.Batches) > len(b.Batches)-len(out) {
			return nil, unproved("content_mismatch", "block %d has %d batches, and %d are answered", b.Height, len(b.Batches), len(out)+len(some.Batches))
		}
		for _, k := range some.Batches {
			contents, err := contentsOf(b, len(out), k)
			if err != nil {
				return nil, err
			}
			out = append(out, contents)
		}
	}
	return out, nil
}

// known returns what the last answer has of a height, if it has it from the first batch on.
func (r *contentsReader) known(h Height) *ledgerv1.BlockContents {
	if h < r.from || h-r.from >= Height(len(r.ahead)) {
		return nil
	}
	return r.ahead[h-r.from]
}

// ask reads blocks from a batch on. A node that is behind has none of them yet, and another, or the same later, is asked.
func (r *contentsReader) ask(ctx context.Context, h Height, first uint32) error {
	r.ahead = nil
	for tries := 0; ; tries++ {
		a, err := read(ctx, r.c, r.c.ledger.ReadBlocks, &ledgerv1.ReadBlocksRequest{FromHeight: uint64(h), FromBatch: first})
		switch {
		case err != nil:
			return err
		case len(a.Blocks) > 0:
			r.ahead, r.from = a.Blocks, h
			return nil
		case a.RetainedFrom > uint64(h):
			err = fault.New(fault.Pruned, "the contents of block %d were let go, the oldest that are kept are of block %d", h, a.RetainedFrom)
		default:
			err = fault.New(fault.TryLater, "the node has no block %d yet", h)
		}
		if tries >= r.c.cfg.RetriesMax || pause(ctx, tries) != nil {
			return err
		}
	}
}

// contentsOf checks a batch against the line of its block.
func contentsOf(b *Block, i int, k *ledgerv1.BatchContents) (BatchContents, error) {
	o, err := codec.UnpackOutcomes(k.Outcomes)
	if err != nil {
		return BatchContents{}, fault.Wrap(fault.Corrupt, err, "the outcomes of batch %d of block %d", i, b.Height)
	}
	if codec.Sum(k.Payload) != b.Batches[i].Batch || len(o.Codes) != int(b.Batches[i].Legs) || b.Header != nil && o.Hash() != b.Header.Batches[i].Outcomes {
		return BatchContents{}, unproved("content_mismatch", "the contents are not those of batch %d of block %d", i, b.Height)
	}
	return BatchContents{k.Payload, o}, nil
}
