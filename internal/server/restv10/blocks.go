// SPDX-License-Identifier: Apache-2.0

package restv10

import (
	"context"
	"math"
	"strconv"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/query"
	v10 "github.com/aurigraph/aurigraph/internal/v10"
)

// blockOf writes a block. Who proposed it is not recorded.
func blockOf(b *query.Block) v10.Block {
	h := b.Header
	out := v10.Block{
		Height: uint64(h.Height), Hash: hexHash(b.Hash), PreviousHash: hexHash(h.Previous), Timestamp: v10.Time(h.TimeUs / 1000),
		Signatures: len(signaturesOf(b)),
	}
	if h.RootAt != 0 {
		out.StateRoot = hexHash(h.StateRoot)
	}
	for i := range b.Batches {
		out.TransactionCount += uint64(b.Batches[i].Legs)
	}
	return out
}

// signaturesOf are those under a block's certificate; none where a seal stands for it.
func signaturesOf(b *query.Block) []chain.ValidatorSignature {
	c, err := codec.DecodeCertificate(b.CertBytes)
	if err != nil {
		return nil
	}
	return c.Signatures
}

// genesisBlock is the genesis as block 0: the first block's previous hash is its hash.
func (s *Server) genesisBlock() v10.Block {
	return v10.Block{Hash: s.cfg.GenesisHash, PreviousHash: hexHash(chain.Hash{}), Timestamp: s.cfg.Genesis}
}

func (s *Server) latestBlock(ctx context.Context, _ *request) (any, error) {
	return s.blockAt(ctx, s.parts.Reader.Counters().Height)
}

func (s *Server) block(ctx context.Context, q *request) (any, error) {
	h, err := q.pathHeight()
	if err != nil {
		return nil, err
	}
	return s.blockAt(ctx, h)
}

func (s *Server) blockAt(ctx context.Context, h chain.Height) (any, error) {
	if h == 0 {
		return s.genesisBlock(), nil
	}
	b, err := s.parts.Reader.Block(ctx, h)
	if err != nil {
		return nil, orNotFound(err, v10.TextNoBlock)
	}
	return blockOf(b), nil
}

// pathHeight is the height in the path.
func (q *request) pathHeight() (chain.Height, error) {
	h, err := strconv.ParseUint(q.params.Get("height"), 10, 64)
	if err != nil {
		return 0, fault.Reasoned(fault.Invalid, "height_malformed", "height must be a whole number")
	}
	return chain.Height(h), nil
}

func (s *Server) blockByHash(ctx context.Context, q *request) (any, error) {
	hash, err := chain.ParseHash(q.params.Get("hash"))
	if err != nil {
		return nil, fault.Reasoned(fault.Invalid, "hash_malformed", "hash must be 0x and 64 hex digits")
	}
	if hexHash(hash) == s.cfg.GenesisHash {
		return s.genesisBlock(), nil
	}
	b, err := s.parts.Reader.BlockByHash(ctx, hash)
	if err != nil {
		return nil, orNotFound(err, v10.TextNoBlock)
	}
	return blockOf(b), nil
}

// blocks lists blocks, newest first.
func (s *Server) blocks(ctx context.Context, q *request) (any, error) {
	limit, err := q.limit(v10.BlocksDefault)
	if err != nil {
		return nil, err
	}
	before, err := q.number("before", math.MaxInt64, 0, math.MaxInt64)
	if err != nil {
		return nil, err
	}
	found, whole, err := s.recentBlocks(ctx, chain.Height(before), limit)
	if err != nil {
		return nil, err
	}
	list := v10.BlockList{Blocks: make([]v10.Block, 0, len(found)+1)}
	for i := range found {
		list.Blocks = append(list.Blocks, blockOf(found[i]))
	}
	if whole && len(found) < limit && before > 0 {
		list.Blocks = append(list.Blocks, s.genesisBlock())
	}
	list.Total = len(list.Blocks)
	return list, nil
}

// blockchain lists the last blocks, as server H.
func (s *Server) blockchain(ctx context.Context, _ *request) (any, error) {
	found, _, err := s.recentBlocks(ctx, math.MaxInt64, v10.BlocksDefault)
	list := v10.BlockList{Blocks: make([]v10.Block, len(found)), Total: len(found)}
	for i := range found {
		list.Blocks[i] = blockOf(found[i])
	}
	return list, err
}

// recentBlocks reads blocks below a height, newest first. whole says that it came to the first block: older ones may have been let
// go.
func (s *Server) recentBlocks(ctx context.Context, before chain.Height, limit int) (found []*query.Block, whole bool, err error) {
	h := min(s.parts.Reader.Counters().Height, max(before, 1)-1)
	for ; h > 0 && len(found) < limit; h-- {
		b, err := s.parts.Reader.Block(ctx, h)
		if fault.Is(err, fault.Pruned) {
			return found, false, nil
		}
		if err != nil {
			return nil, false, err
		}
		found = append(found, b)
	}
	return found, h == 0, ctx.Err()
}

// blockTransactions lists what is in a block.
func (s *Server) blockTransactions(ctx context.Context, q *request) (any, error) {
	h, err := q.pathHeight()
	if err != nil {
		return nil, err
	}
	limit, err := q.limit(v10.ListDefault)
	if err != nil {
		return nil, err
	}
	if h == 0 {
		return v10.TransactionList{}, nil
	}
	page, err := s.parts.Reader.BlockTransfers(ctx, h, limit, q.param("cursor"))
	if err != nil {
		return nil, orNotFound(err, v10.TextNoBlock)
	}
	return s.transactionList(ctx, page)
}
