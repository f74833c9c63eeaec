// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"time"

	ledgerv1 "github.com/aurigraph/aurigraph/gen/aurigraph/ledger/v1"
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// trackEvery is how often it is asked for new headers when there were none.
const trackEvery = 100 * time.Millisecond

// Track proves the headers of the chain from a height on, in order, and gives each to publish, until ctx ends. Heights that no
// validator has any more are left out. One validator is asked at a time, the next one when it has nothing new.
func (c *Chain) Track(ctx context.Context, from chain.Height, publish func(*chain.ExecutedHeader)) {
	for next := from; ctx.Err() == nil; {
		blocks, skipTo := c.newer(ctx, next)
		for _, b := range blocks {
			publish(b.ExecutedHeader)
			c.metrics.height.Set(float64(b.Height))
			next = b.Height + 1
		}
		if next = max(next, skipTo); len(blocks) > 0 || skipTo != 0 {
			continue
		}
		select {
		case <-time.After(trackEvery):
		case <-ctx.Done():
		}
	}
}

// newer reads headers from a height on, or says where to go on behind what is gone.
func (c *Chain) newer(ctx context.Context, next chain.Height) (blocks []block, skipTo chain.Height) {
	all := c.inOrder()
	if len(all) == 0 {
		return nil, 0
	}
	q := &ledgerv1.ReadBlocksRequest{FromHeight: uint64(next), HeadersOnly: true}
	blocks, retained, err := c.ask(ctx, all[c.turn%len(all)], q)
	if err == nil && retained > next { // its word alone does not do
		if blocks, retained, err = c.read(ctx, q); fault.Is(err, fault.Pruned) {
			return nil, retained
		}
	}
	if len(blocks) == 0 {
		c.turn++
	}
	return blocks, 0
}
