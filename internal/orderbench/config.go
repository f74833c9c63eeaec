// SPDX-License-Identifier: Apache-2.0

package orderbench

import (
	"time"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// Engines.
const (
	EngineRaft = "raft"
	EngineSolo = "solo"
)

// Bounds of a run.
const (
	nodesMax    = 16
	windowMax   = 1024
	openMax     = 4096 // digests on their way at a rate; more wait, and their times run
	rateMax     = 1_000_000
	durationMin = time.Second
	durationMax = time.Hour
)

// Config is one run.
type Config struct {
	Engine   string
	Nodes    int
	Window   int           // proposals on their way
	Fsync    bool          // false: nothing is flushed, and nothing is durable
	Rate     int           // digests a second; 0 = as many as the window lets
	Duration time.Duration // of the measurement
	Dir      string        // an empty folder for the members' logs, on the disk to be measured
	Profiles string        // folder for a CPU profile of each member; empty: none
}

// Validate checks the run's settings.
func (c Config) Validate() error {
	bad := func(format string, args ...any) error { return fault.New(fault.Invalid, format, args...) }
	switch {
	case c.Engine != EngineRaft && c.Engine != EngineSolo:
		return bad("--engine %q, must be %s or %s", c.Engine, EngineRaft, EngineSolo)
	case c.Engine == EngineSolo && c.Nodes != 1:
		return bad("--nodes %d: solo decides alone and would agree with nobody, so it runs 1 node; several take --engine raft", c.Nodes)
	case c.Nodes < 1 || c.Nodes > nodesMax:
		return bad("--nodes %d, must be 1 to %d", c.Nodes, nodesMax)
	case c.Window < 1 || c.Window > windowMax:
		return bad("--window %d, must be 1 to %d", c.Window, windowMax)
	case c.Rate < 0 || c.Rate > rateMax:
		return bad("--rate %d, must be 0 to %d", c.Rate, rateMax)
	case c.Duration < durationMin || c.Duration > durationMax:
		return bad("--duration %s, must be %s to %s", c.Duration, durationMin, durationMax)
	}
	return nil
}

// onTheirWay is how many digests may be offered and undecided.
func (c Config) onTheirWay() int {
	if c.Rate > 0 {
		return openMax
	}
	return c.Window
}

func (c Config) voters() (list []chain.ValidatorNo) {
	for v := range c.Nodes {
		list = append(list, chain.ValidatorNo(v))
	}
	return list
}
