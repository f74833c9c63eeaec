// SPDX-License-Identifier: Apache-2.0

package node

import (
	"context"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/commit"
	"github.com/aurigraph/aurigraph/internal/query"
	"github.com/aurigraph/aurigraph/internal/server/restv10"
	"github.com/aurigraph/aurigraph/internal/subscribe"
)

// restReader joins the readers for the V10 dialect.
type restReader struct {
	*query.Query
	loop *commit.Loop
	hub  *subscribe.Hub
}

// Counters are the ledger at a glance.
func (r restReader) Counters() restv10.Counters {
	return restv10.Counters{Height: r.loop.Height(), Transfers: r.loop.LegsOK()}
}

// FollowHeights follows certified heights from the next one on.
func (r restReader) FollowHeights(ctx context.Context, each func(chain.Height) error) error {
	return r.hub.Follow(ctx, 0, each)
}
