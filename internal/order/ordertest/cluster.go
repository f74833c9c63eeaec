// SPDX-License-Identifier: Apache-2.0

package ordertest

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/aurigraph/aurigraph/internal/order"
)

// Cluster is a network of engines, each with a disk of its own.
type Cluster struct {
	Size int
	// Open opens a node's engine over what its disk holds. It is called again after Close and after Crash.
	Open func(t *testing.T, node int, s Settings) order.Engine
	// Close gives up what the node's engine stands on. The engine's Run has returned.
	Close func(t *testing.T, node int)
	// Crash takes the node's power: what was not flushed is lost. Close is not called for it.
	Crash func(t *testing.T, node int)
	// Writes counts the writes to a node's disk so far.
	Writes func(node int) int
	// Leader is the node that proposes now, as it believes itself; -1 if none does.
	Leader func() int
	// Part lets frames pass inside each group only; without groups, everywhere.
	Part func(groups ...[]int)
	// Weather loses a share of the frames and delays each by up to delayMax.
	Weather func(loss float64, delayMax time.Duration)
}

// RunCluster runs the cases that need several engines, on a fresh network each.
func RunCluster(t *testing.T, open func(t *testing.T) Cluster) {
	for _, c := range []struct {
		name    string
		sizeMin int
		run     func(*crew)
	}{
		{"AllDecideTheSame", 1, allDecideTheSame},
		{"LeaderLossIsBridged", 3, leaderLossIsBridged},
		{"MinorityWaits", 3, minorityWaits},
		{"StormyNetwork", 2, stormyNetwork},
		{"CrashesInTurn", 3, crashesInTurn},
		{"AllLosePower", 1, allLosePower},
		{"ClusterIdleIsSilent", 1, clusterIdleIsSilent},
		{"NudgesOfAllGiveOne", 1, nudgesOfAllGiveOne},
		{"SlowFollowerHoldsNobodyUp", 3, slowFollower},
		{"OfferedEverywhereDecidedOnce", 1, offeredEverywhere},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cluster := open(t)
				if cluster.Size < c.sizeMin {
					t.Skipf("needs %d nodes", c.sizeMin)
				}
				g := &crew{T: t, Cluster: cluster, nodes: make([]*node, cluster.Size)}
				for i := range g.nodes {
					g.nodes[i] = &node{}
					g.start(i)
				}
				c.run(g)
				g.end()
			})
		})
	}
}
