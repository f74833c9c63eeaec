// SPDX-License-Identifier: Apache-2.0

package grpcapi

import (
	"cmp"
	"context"

	ledgerv1 "github.com/aurigraph/aurigraph/gen/aurigraph/ledger/v1"
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/query"
)

// ReadBlocks reads the certified chain from a place on, with what proves it.
func (s *service) ReadBlocks(ctx context.Context, q *ledgerv1.ReadBlocksRequest) (*ledgerv1.ReadBlocksResponse, error) {
	if q.FromHeight == 0 {
		return nil, badField("from_height", "is 0, the first block has height 1")
	}
	if q.BytesMax > query.ContentsBytesMax {
		return nil, badField("bytes_max", "is %d, at most %d", q.BytesMax, query.ContentsBytesMax)
	}
	c, err := s.backend.Contents(ctx, query.ContentsRequest{
		From: chain.Height(q.FromHeight), Batch: q.FromBatch, BytesMax: int(cmp.Or(q.BytesMax, query.ContentsBytesMax)), HeadersOnly: q.HeadersOnly,
	})
	if err != nil {
		return nil, err
	}
	return &ledgerv1.ReadBlocksResponse{
		Blocks: each(c.Blocks, blockContents), Certificate: c.Certificate, CertifiedHeight: uint64(c.Height), RetainedFrom: uint64(c.RetainedFrom),
	}, nil
}

func blockContents(b *query.BlockContents) *ledgerv1.BlockContents {
	return &ledgerv1.BlockContents{Header: b.Header, Batches: each(b.Batches, func(x *query.BatchContents) *ledgerv1.BatchContents {
		return &ledgerv1.BatchContents{Payload: x.Payload, Outcomes: x.Outcomes}
	})}
}
