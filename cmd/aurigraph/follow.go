// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/aurigraph/aurigraph/internal/network"
)

// followEvery is how often it is looked whether the network's description has changed.
const followEvery = 250 * time.Millisecond

// following has a supervisor keep the validators that the network's description names, as it changes: one that joins is
// started, one that left is stopped for good, one that is held is stopped until it is not, and one with new keys starts anew.
type following struct {
	s       *supervisor
	ctx     context.Context // of all validators
	group   *errgroup.Group
	places  []place // by number; of run's goroutine once that runs
	trouble string  // why the description could not be read, as it was last said

	mu   sync.Mutex // guards what follows
	errs []error
}

// place is a validator's place in the network.
type place struct {
	node network.Node       // as the description last had it
	stop context.CancelFunc // nil: it is not kept running
	done chan struct{}
}

// newFollowing starts all validators that must run now.
func newFollowing(s *supervisor, ctx context.Context, group *errgroup.Group) *following {
	f := &following{s: s, ctx: ctx, group: group}
	for _, node := range s.network.Nodes {
		if !node.Left() && !node.Held {
			s.awaits++
		}
	}
	for i, node := range s.network.Nodes {
		f.places = append(f.places, place{})
		if node.Held {
			s.say("validator %s is held: `aurigraph validators rekey %s` has begun and is not finished; run it again", node.ID, node.ID)
		}
		f.begin(s.network, i, false)
	}
	return f
}

// run follows the description until all validators stop.
func (f *following) run() {
	for f.ctx.Err() == nil {
		await(f.ctx, followEvery)
		n, err := network.Open(f.s.network.Dir)
		if err != nil {
			if text := err.Error(); text != f.trouble && f.ctx.Err() == nil {
				f.trouble = text
				f.s.say("the validators run on as they are: %v", err)
			}
			continue
		}
		f.trouble = ""
		f.look(n)
	}
}

// look compares the description with what is kept running.
func (f *following) look(n *network.Network) {
	for i, node := range n.Nodes {
		if i == len(f.places) {
			f.places = append(f.places, place{})
		}
		if f.ctx.Err() != nil || sameLife(f.places[i].node, node) {
			continue
		}
		before := f.places[i].node
		f.end(i)
		f.s.file.Follow(n)
		f.s.tell(before, node)
		f.begin(n, i, true)
	}
}

// sameLife reports whether a node is to run on as it does.
func sameLife(a, b network.Node) bool {
	return a.ID == b.ID && a.Dir == b.Dir && a.JoinEpoch == b.JoinEpoch && a.LeftEpoch == b.LeftEpoch && a.Held == b.Held
}

// tell says what becomes of a validator.
func (s *supervisor) tell(before, now network.Node) {
	switch {
	case now.Left():
		s.say("validator %s left the network with epoch %d: it is stopped, and not started again", now.ID, now.LeftEpoch)
	case now.Held:
		s.say("validator %s is stopped for a change of its keys", now.ID)
	case before.ID == now.ID:
		s.say("validator %s is started with its new keys", now.ID)
	default:
		s.say("validator %s joins the network with epoch %d: it is started", now.ID, now.JoinEpoch)
	}
}

// begin keeps a validator running, if it is to run.
func (f *following) begin(n *network.Network, i int, late bool) {
	p := &f.places[i]
	p.node = n.Nodes[i]
	switch {
	case p.node.Left():
		f.s.note(i, 0, false)
		return
	case p.node.Held:
		if err := f.s.file.Hold(i); err != nil {
			f.s.say("%v", err)
		}
		return
	}
	ctx, stop := context.WithCancel(f.ctx)
	done := make(chan struct{})
	p.stop, p.done = stop, done
	f.group.Go(func() error {
		defer close(done)
		err := f.s.keep(ctx, n, i, late)
		if ctx.Err() != nil && f.ctx.Err() == nil {
			return nil // this one alone was stopped; one that left ends with an error of its own
		}
		f.mu.Lock()
		defer f.mu.Unlock()
		f.errs = append(f.errs, err)
		return err
	})
}

// end stops a validator and waits for it.
func (f *following) end(i int) {
	if p := &f.places[i]; p.stop != nil {
		p.stop()
		<-p.done
		p.stop = nil
	}
}

// failures are the errors of all validators that were kept running to the end.
func (f *following) failures() []error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]error(nil), f.errs...)
}
