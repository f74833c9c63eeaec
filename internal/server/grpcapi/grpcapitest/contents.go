// SPDX-License-Identifier: Apache-2.0

package grpcapitest

import (
	"context"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/query"
)

// Contents gives the fake's chain out from a block on, up to BytesMax.
func (n *Node) Contents(_ context.Context, ask query.ContentsRequest) (*query.Contents, error) {
	if err := n.fail("Contents"); err != nil {
		return nil, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	c := &query.Contents{Height: chain.Height(len(n.blocks))}
	for h, bytes := ask.From, 0; h <= c.Height; h++ {
		e := &n.blocks[h-1]
		b := query.BlockContents{Header: e.receipt.Header}
		if bytes += len(b.Header); !ask.HeadersOnly && e.payload != nil && (h > ask.From || ask.Batch == 0) {
			b.Batches = []query.BatchContents{{Payload: e.payload, Outcomes: e.receipt.Outcomes}}
			bytes += len(e.payload)
		}
		if bytes > ask.BytesMax && len(c.Blocks) > 0 {
			break
		}
		c.Blocks, c.Certificate = append(c.Blocks, b), e.receipt.Certificate
	}
	return c, nil
}
