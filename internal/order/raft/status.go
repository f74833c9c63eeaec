// SPDX-License-Identifier: Apache-2.0

package raft

import (
	etcd "go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/tracker"

	"github.com/aurigraph/aurigraph/internal/chain"
)

// Status is an engine at a glance.
type Status struct {
	Role      string // leader, follower, candidate
	Term      uint64
	Leader    chain.ValidatorNo // if HasLeader
	HasLeader bool
	Height    chain.Height // newest decided
	Delivered chain.Height // newest that the reader took
	Tail      chain.Height // newest in the log, decided or not
	Pending   int          // own digests that are not decided
	Window    int          // proposals in the log that the reader did not take
	WindowMax int
	Peers     []PeerStatus // on the leader
}

// PeerStatus is a follower as its leader sees it.
type PeerStatus struct {
	Validator   chain.ValidatorNo
	Height      chain.Height // newest that the peer is known to hold
	LagHeights  uint64       // behind the leader's log
	Active      bool         // heard of lately
	NeedsState  bool         // so far behind that it must fetch a checkpoint
	Replicating bool         // it follows as fast as it is told
}

// Status tells how the engine is.
func (e *Engine) Status() Status {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.core.Status()
}

var roles = map[etcd.StateType]string{
	etcd.StateFollower: "follower", etcd.StateCandidate: "candidate", etcd.StatePreCandidate: "candidate", etcd.StateLeader: "leader",
}

// Status tells how the core is.
func (c *Core) Status() Status {
	st := c.node.BasicStatus()
	tail := c.trail.tail().height
	s := Status{
		Role: roles[st.RaftState], Term: st.Term, HasLeader: st.Lead != etcd.None,
		Height: c.decided.height, Delivered: c.delivered, Tail: tail,
		Pending: len(c.offers.place), WindowMax: c.cfg.WindowMax,
	}
	if s.HasLeader {
		s.Leader = validator(st.Lead)
	}
	if tail > c.delivered {
		s.Window = int(tail - c.delivered)
	}
	if !c.leading {
		return s
	}
	c.node.WithProgress(func(id uint64, _ etcd.ProgressType, pr tracker.Progress) {
		if id == c.id {
			return
		}
		p := PeerStatus{
			Validator: validator(id), Active: pr.RecentActive,
			NeedsState: pr.State == tracker.StateSnapshot, Replicating: pr.State == tracker.StateReplicate,
		}
		if m, ok := c.trail.at(pr.Match); ok {
			p.Height = m.height
		}
		p.LagHeights = uint64(tail - p.Height)
		s.Peers = append(s.Peers, p)
	})
	return s
}

// compacting reports whether a base is on its way to the disk.
func (c *Core) compacting() bool {
	for _, w := range c.writes {
		if w.compact != nil {
			return true
		}
	}
	return false
}
