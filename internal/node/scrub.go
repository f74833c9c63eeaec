// SPDX-License-Identifier: Apache-2.0

package node

import (
	"context"
	"time"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/obs"
)

const (
	// scrubBytesPerSecond bounds what the scrub reads: 4 GiB in a quarter of an hour.
	scrubBytesPerSecond = 4 << 20
	// scrubStepBytes is read at a time, without a pause.
	scrubStepBytes = 256 << 10
	// scrubInterval is the least time between the beginnings of two passes over the lane.
	scrubInterval = time.Hour
)

// scrubRate is scrubBytesPerSecond. A test that wants to see a pass makes it more.
var scrubRate int64 = scrubBytesPerSecond

// scrub reads the lane from the disk over and over, slowly, so that damage is found while the others still have what it hit.
func (n *Node) scrub(ctx context.Context) error {
	for {
		next := time.NewTimer(scrubInterval)
		n.scrubOnce(ctx)
		select {
		case <-next.C:
		case <-ctx.Done():
			next.Stop()
			return nil
		}
	}
}

// scrubOnce passes over the segments that are there now, oldest first.
func (n *Node) scrubOnce(ctx context.Context) {
	p := pace{ctx: ctx, rate: scrubRate, passed: n.repair.metrics.scrubbed.Add}
	for _, s := range n.laneLog.Segments() {
		err := n.laneLog.Scrub(s.Number, p.step)
		if ctx.Err() != nil {
			return
		}
		if err != nil && !fault.Is(err, fault.Pruned) && !n.isLaneDamage(err) {
			n.log.Warn("a segment of the lane cannot be scrubbed", obs.KeyFile, s.Path, obs.Err(err))
		}
		n.readDamage(foundByScrub, err)
	}
}

// pace bounds a rate of reading.
type pace struct {
	ctx    context.Context
	rate   int64 // bytes per second
	passed func(bytes float64)
	since  int64 // bytes since the last pause
}

// step is told of bytes that were read, and waits when it is their time.
func (p *pace) step(bytes int64) error {
	p.passed(float64(bytes))
	if p.since += bytes; p.since < scrubStepBytes {
		return p.ctx.Err()
	}
	pause := time.NewTimer(time.Duration(p.since) * time.Second / time.Duration(p.rate))
	defer pause.Stop()
	p.since = 0
	select {
	case <-pause.C:
		return nil
	case <-p.ctx.Done():
		return p.ctx.Err()
	}
}
