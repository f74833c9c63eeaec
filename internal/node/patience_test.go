// SPDX-License-Identifier: Apache-2.0

package node

import (
	"testing"
	"time"

	"github.com/aurigraph/aurigraph/internal/chain"
)

// TestPatience: a node that others are ahead of waits while it executes, asks when that has stopped, and asks again.
func TestPatience(t *testing.T) {
	start := time.Now()
	p := patience{at: 5, since: start}
	for i, step := range []struct {
		after    time.Duration // since the start
		executed chain.Height
		behind   bool
		asks     bool
	}{
		{10 * time.Second, 5, false, false},
		{10*time.Second + handoversPatience - 1, 5, true, false},
		{10*time.Second + handoversPatience, 6, true, false}, // it moved
		{10*time.Second + 2*handoversPatience, 6, true, true},
		{10*time.Second + 2*handoversPatience + handoversAgain - 1, 6, true, false},
		{10*time.Second + 2*handoversPatience + handoversAgain, 6, true, true},
		{20 * time.Second, 6, false, false}, // it is not behind any more
		{20*time.Second + handoversAgain, 6, true, false},
		{20*time.Second + handoversPatience, 6, true, true},
	} {
		if got := p.ended(start.Add(step.after), step.executed, step.behind); got != step.asks {
			t.Errorf("step %d: %v", i, got)
		}
	}
}
