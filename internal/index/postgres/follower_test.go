// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"context"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/history/historytest"
	"github.com/aurigraph/aurigraph/internal/index"
	"github.com/aurigraph/aurigraph/internal/index/indextest"
	"github.com/aurigraph/aurigraph/internal/testkit/pgserver"
)

// TestFollower runs the suite of the follower over a real server. The clock of the suite is not the server's: its pauses cost nothing.
func TestFollower(t *testing.T) {
	f := &folders{server: pgserver.Start(t, pgserver.Options{}), urls: map[string]string{}}
	indextest.RunFollower(t, func(dir string, id chain.ChainID, genesis chain.Hash) (indextest.Engine, error) {
		db, err := Open(testContext(t), Config{URL: f.url(t, dir), PartitionBits: smallBits}, id, genesis)
		if err != nil {
			return nil, err
		}
		return db, nil
	}, func(t testing.TB, w *historytest.World, e indextest.Engine) *indextest.Following {
		follower := index.NewFollower(w.History, e, w.Loop.Height(), generousRate, prometheus.NewRegistry())
		ctx, cancel := context.WithCancel(testContext(t))
		ended := make(chan error, 1)
		go func() { ended <- follower.Run(ctx) }()
		return &indextest.Following{Follower: follower, Published: follower.Publish, Stop: func() {
			cancel()
			if err := <-ended; err != nil && !fault.Is(err, fault.Conflict) { // the index of another chain
				t.Error(err)
			}
		}}
	})
}

// generousRate is a rate that no test reaches.
const generousRate = 1 << 40
