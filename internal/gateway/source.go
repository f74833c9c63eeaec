// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"

	ledgerv1 "github.com/aurigraph/aurigraph/gen/aurigraph/ledger/v1"
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/history"
	"github.com/aurigraph/aurigraph/internal/index"
)

// source is a Chain as the index reads it, from one goroutine.
type source struct {
	chain *Chain
	// ctx ends the reads under way: on the other side of index.Source are reads from a disk, which nobody cuts.
	ctx    context.Context
	window []block // headers of consecutive heights, read where the index catches up
	ahead  []block // the last answer with contents
	gone   struct{ from, to chain.Height }
}

// Source reads the chain for an index until ctx ends.
func (c *Chain) Source(ctx context.Context) index.Source { return &source{chain: c, ctx: ctx} }

// Header is of what was read lately, or is read with those behind it.
func (s *source) Header(h chain.Height) (*chain.ExecutedHeader, chain.Hash, error) {
	if p, ok := s.chain.known(h); ok {
		return p.ExecutedHeader, p.hash, nil
	}
	b := at(s.window, h)
	if b == nil {
		if err := s.read(&s.window, &ledgerv1.ReadBlocksRequest{FromHeight: uint64(h), BytesMax: windowBytes, HeadersOnly: true}); err != nil {
			return nil, chain.Hash{}, err
		}
		b = &s.window[0]
	}
	return b.ExecutedHeader, b.hash, nil
}

// BatchTransfers reads a batch, with those behind it as far as one answer holds.
func (s *source) BatchTransfers(header *chain.ExecutedHeader, i uint32, each func(*history.Transfer) error) error {
	b := at(s.ahead, header.Height)
	if b == nil || i < b.first || i-b.first >= uint32(len(b.batches)) {
		if int64(i) >= int64(len(header.Batches)) {
			return fault.New(fault.NotFound, "block %d has no batch %d", header.Height, i)
		}
		if err := s.read(&s.ahead, &ledgerv1.ReadBlocksRequest{FromHeight: uint64(header.Height), FromBatch: i}); err != nil {
			return err
		}
		b = &s.ahead[0]
	}
	x := &b.batches[i-b.first]
	return history.TransfersOf(b.ExecutedHeader, i, x.payload, x.outcomes, each)
}

// read puts what validators answer to a question into a buffer, whose old contents go first.
func (s *source) read(into *[]block, q *ledgerv1.ReadBlocksRequest) error {
	*into = nil
	blocks, gone, err := s.chain.read(s.ctx, q)
	if fault.Is(err, fault.Pruned) {
		s.gone.from, s.gone.to = chain.Height(q.FromHeight), gone
	}
	*into = blocks
	return err
}

// Retained is what the validators said when they had something no more; who had nothing to miss is asked.
func (s *source) Retained(from, head chain.Height) (chain.Height, error) {
	if s.gone.from != from {
		err := s.read(&s.ahead, &ledgerv1.ReadBlocksRequest{FromHeight: uint64(from)})
		if err == nil {
			return from, nil
		}
		if !fault.Is(err, fault.Pruned) {
			return 0, err
		}
	}
	return min(s.gone.to, head+1), nil
}

// at finds a block by its height.
func at(list []block, h chain.Height) *block {
	if len(list) == 0 || h < list[0].Height || h-list[0].Height >= chain.Height(len(list)) {
		return nil
	}
	return &list[h-list[0].Height]
}
