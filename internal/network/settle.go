// SPDX-License-Identifier: Apache-2.0

package network

import (
	"context"
	"slices"
	"time"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// awaitEpoch waits until the network has begun an epoch.
func (c *Changer) awaitEpoch(ctx context.Context, e chain.Epoch) error {
	ctx, cancel := context.WithTimeout(ctx, c.wait)
	defer cancel()
	for {
		h, err := c.history(ctx)
		if err == nil && h.Current().Epoch() >= e {
			return nil
		}
		if !again(ctx) {
			return fault.New(fault.Timeout, "epoch %d has not begun within %s, and may yet: look at `aurigraph validators`, and run the same command again (%v)", e, c.wait, err)
		}
	}
}

// again waits a moment, and reports whether there is time left.
func again(ctx context.Context) bool {
	select {
	case <-time.After(changeLook):
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}

// settle waits until a quorum serves in the new epoch, for a moment longer until all do, and ends the change. A validator that
// joins is waited for if somebody runs it.
func (c *Changer) settle(ctx context.Context, done *Changed) (*Changed, error) {
	supervised := c.network.supervised()
	joins := done.Change != changeRemove
	if joins && !supervised {
		c.say("nobody runs the network by `aurigraph up`: start validator %s with `aurigraph node start --dir %s`", done.ID, done.Dir)
	}
	waiting, cancel := context.WithTimeout(ctx, c.wait)
	defer cancel()
	var since time.Time // when a quorum, and the one that joins, was first seen to serve
	for {
		serving := c.ledger.Serving(waiting, done.Epoch)
		done.Serving = len(serving)
		enough := done.Serving >= done.Quorum && (!joins || !supervised || slices.Contains(serving, done.Validator))
		if enough && since.IsZero() {
			since = time.Now()
		}
		if enough && (done.Serving == done.Members || time.Since(since) >= c.grace) {
			c.say("%d of %d validators serve in epoch %d", done.Serving, done.Members, done.Epoch)
			return done, c.network.removePending()
		}
		if !again(waiting) {
			return nil, fault.New(fault.Unavailable, "the change is made, in epoch %d, but %d of %d validators serve there within %s, a quorum is %d: look at `aurigraph validators` and the nodes' logs, then run the same command again", done.Epoch, done.Serving, done.Members, c.wait, done.Quorum)
		}
	}
}

// supervised reports whether somebody runs the network by `aurigraph up`.
func (n *Network) supervised() bool {
	run, err := ReadRun(n.Dir)
	return err == nil && run.PID != 0
}

// awaitOthers waits until a quorum serves without a validator that is to be stopped.
func (c *Changer) awaitOthers(ctx context.Context, v chain.ValidatorNo, m *chain.Membership) error {
	ctx, cancel := context.WithTimeout(ctx, c.wait)
	defer cancel()
	for {
		others := slices.DeleteFunc(c.ledger.Serving(ctx, m.Epoch), func(x chain.ValidatorNo) bool { return x == v })
		if len(others) >= m.Quorum() {
			return nil
		}
		if !again(ctx) {
			return fault.New(fault.Unavailable, "without validator %d only %d validators serve in epoch %d, a quorum is %d: it is not stopped; look at `aurigraph validators`, and run the same command again when the others serve", v, len(others), m.Epoch, m.Quorum())
		}
	}
}
