// SPDX-License-Identifier: Apache-2.0

package raft

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aurigraph/aurigraph/internal/chain"
)

// distant are peers a fixed time away.
type distant struct {
	Peers
	away time.Duration
}

// Send sends a frame that arrives later.
func (d distant) Send(to chain.ValidatorNo, frame []byte) {
	time.AfterFunc(d.away, func() { d.Peers.Send(to, frame) })
}

// TestDistance starts nodes that answer one another as late as an election timeout, and later: one of them leads, stays, and orders.
func TestDistance(t *testing.T) {
	for _, away := range []time.Duration{50 * time.Millisecond, 60 * time.Millisecond, 75 * time.Millisecond} {
		t.Run(fmt.Sprint(away), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { stays(t, away) })
		})
	}
}

func stays(t *testing.T, away time.Duration) {
	c := cluster(t, 4, inMemory, func(cfg *Config) {
		cfg.Peers = distant{cfg.Peers, away}
		cfg.Logger = discard // of terms without a leader
	})
	var hosts [4]*host
	for i := range hosts {
		hosts[i] = bring(t, c, i, 0)
	}
	offered := 0
	orders := func(what string) {
		t.Helper()
		for i, h := range hosts {
			if err := h.Offer(digest(100*i + offered)); err != nil {
				t.Fatal(err)
			}
		}
		offered++
		await(t, what, func() bool {
			for _, h := range hosts {
				if h.owed.Load() > 0 {
					return false
				}
			}
			return true
		})
	}
	orders("the first are ordered")
	leader, term := c.Leader(), hosts[0].Status().Term
	for range 20 {
		orders("more are ordered")
		<-time.After(100 * time.Millisecond)
	}
	if st := hosts[0].Status(); c.Leader() != leader || st.Term != term {
		t.Errorf("node %d led in term %d, then node %d in term %d", leader, term, c.Leader(), st.Term)
	}
	for i, h := range hosts {
		h.halt(t)
		c.Close(t, i)
	}
	agree(t, hosts[:]...)
}
