// SPDX-License-Identifier: Apache-2.0

package client

import (
	"context"

	ledgerv1 "github.com/aurigraph/aurigraph/gen/aurigraph/ledger/v1"
	"github.com/aurigraph/aurigraph/internal/codec"
)

// Block is one certified block. Batches repeats what Header says, and adds what only the node says: LegsOK.
type Block struct {
	Height    Height
	Hash      Hash
	TimeUs    uint64
	Batches   []BlockBatch
	Certified Certified
	Header    *Header
	Verified  bool
}

// BlockBatch is one batch of a block.
type BlockBatch struct {
	Batch        Hash
	Client       bool // a client batch, else single transactions
	Legs, LegsOK uint32
}

// Block finds a block, verified with Trust; height 0 is the newest.
func (c *Client) Block(ctx context.Context, h Height) (*Block, error) {
	a, err := read(ctx, c, c.ledger.GetBlock, &ledgerv1.GetBlockRequest{Height: uint64(h)})
	if err != nil {
		return nil, err
	}
	b, err := c.block(ctx, a)
	if err == nil && h != 0 && b.Height != h {
		return nil, unproved("other_block", "the node answered with block %d for %d", b.Height, h)
	}
	return b, err
}

// block reads a block and verifies it.
func (c *Client) block(ctx context.Context, a *ledgerv1.Block) (*Block, error) {
	b := &Block{Height: Height(a.Height), TimeUs: a.TimeUs, Certified: certifiedOf(a.Certified)}
	if err := putHash(&b.Hash, a.Hash); err != nil {
		return nil, err
	}
	for _, k := range a.Batches {
		line := BlockBatch{Client: k.ClientBatch, Legs: k.Legs, LegsOK: k.LegsOk}
		if err := putHash(&line.Batch, k.Batch); err != nil {
			return nil, err
		}
		b.Batches = append(b.Batches, line)
	}
	return checked(ctx, c, b, func(v *Verifier) error { return v.Block(b) })
}

// Block checks a block's certificate, and that what it says beside the header is what the header says.
func (v *Verifier) Block(b *Block) error {
	h, err := v.Header(b.Certified)
	if err != nil {
		return err
	}
	same := b.Height == h.Height && b.TimeUs == h.TimeUs && b.Hash == codec.Sum(b.Certified.Header) && len(b.Batches) == len(h.Batches)
	for i := 0; same && i < len(h.Batches); i++ {
		same = b.Batches[i].Batch == h.Batches[i].Batch && b.Batches[i].Legs == h.Batches[i].Legs && b.Batches[i].LegsOK <= h.Batches[i].Legs
	}
	if !same {
		return unproved("content_mismatch", "block %d differs from its header", b.Height)
	}
	b.Header, b.Verified = h, true
	return nil
}
