// SPDX-License-Identifier: Apache-2.0

package loadgen

import (
	"time"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/config"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// Ways to catch up.
const (
	FromBlocks     = "blocks"     // what it lacks is still held, and executed block by block
	FromCheckpoint = "checkpoint" // it lacks payloads that nobody holds, and takes a peer's state
	FromBoth       = "both"       // one after the other, in two networks
)

// CatchUpConfig is a run in which a validator falls behind and comes back.
type CatchUpConfig struct {
	Blocks   int // to fall behind
	Rate     int // transfers a second to offer
	Legs     int // transfers in a batch: with the rate, how many blocks there are
	Nodes    int
	Accounts int
	From     string
	Baseline time.Duration // measured before the node falls
	Dir      string        // folder of the networks; kept
}

// Limits of such a run.
const (
	catchUpBlocksMax   = 50_000 // well within the blocks for which a signature is valid
	catchUpBatchesMaxS = 2_000  // a second: more are no load but signing
	baselineMax        = 5 * time.Minute
)

// Validate checks the run's settings.
func (c CatchUpConfig) Validate() error {
	bad := func(format string, args ...any) error { return fault.New(fault.Invalid, format, args...) }
	switch {
	case c.Blocks < 1 || c.Blocks > catchUpBlocksMax:
		return bad("--blocks %d, must be 1 to %d", c.Blocks, catchUpBlocksMax)
	case c.Nodes < 4 || c.Nodes > nodesMax:
		return bad("--nodes %d, must be 4 to %d: with fewer the network stops when one dies", c.Nodes, nodesMax)
	case c.Legs < 1 || c.Legs > chain.BatchLegsMax:
		return bad("--legs %d, must be 1 to %d", c.Legs, chain.BatchLegsMax)
	case c.Rate < c.Legs || c.Rate > c.Legs*catchUpBatchesMaxS:
		return bad("--rate %d, must be --legs to %d times --legs: 1 to %d batches a second", c.Rate, catchUpBatchesMaxS, catchUpBatchesMaxS)
	case c.Accounts < accountsMin || c.Accounts > accountsMax:
		return bad("--accounts %d, must be %d to %d", c.Accounts, accountsMin, accountsMax)
	case c.From != FromBlocks && c.From != FromCheckpoint && c.From != FromBoth:
		return bad("--from %q, must be %s, %s or %s", c.From, FromBlocks, FromCheckpoint, FromBoth)
	case c.Baseline < time.Second || c.Baseline > baselineMax:
		return bad("--baseline %s, must be 1s to %s", c.Baseline, baselineMax)
	}
	return nil
}

func (c CatchUpConfig) ways() []string {
	if c.From == FromBoth {
		return []string{FromBlocks, FromCheckpoint}
	}
	return []string{c.From}
}

// The smallest that a node's settings may be.
const (
	segmentLeast = 4 << 20
	retainLeast  = 2 * segmentLeast
)

// Tune makes a node's settings those of a way. For FromCheckpoint each node keeps half of the payloads that the fallen one misses,
// or as little as it can: a state that is taken must still be followed by payloads when it is in use. The rest of its settings is
// as it was.
func (c CatchUpConfig) Tune(from string, n *config.Node) {
	if from != FromCheckpoint {
		return
	}
	missed := int64(c.Blocks) * int64(c.Legs) * chain.LegBytes
	n.Commit.RetainBytes = min(max(missed/2, retainLeast), n.Commit.RetainBytes)
	n.Commit.SegmentBytes = min(max(n.Commit.RetainBytes/8>>20<<20, segmentLeast), n.Commit.SegmentBytes)
}
