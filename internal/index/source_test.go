// SPDX-License-Identifier: Apache-2.0

package index_test

import (
	"context"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/history/historytest"
	"github.com/aurigraph/aurigraph/internal/index"
	"github.com/aurigraph/aurigraph/internal/index/indextest"
	"github.com/aurigraph/aurigraph/internal/index/sqlite"
)

// TestFollowHistory follows the chain where its blocks are.
func TestFollowHistory(t *testing.T) {
	open := func(dir string, id chain.ChainID, genesis chain.Hash) (indextest.Engine, error) {
		return sqlite.Open(dir, id, genesis)
	}
	indextest.RunFollower(t, open, func(t testing.TB, w *historytest.World, e indextest.Engine) *indextest.Following {
		f := index.NewFollower(w.History, e, w.Loop.Height(), generousRate, prometheus.NewRegistry())
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- f.Run(ctx) }()
		return &indextest.Following{Follower: f, Published: f.Publish, Stop: func() {
			cancel()
			if err := <-ended; err != nil && !fault.Is(err, fault.Conflict) {
				t.Error(err)
			}
		}}
	})
}
