// SPDX-License-Identifier: Apache-2.0

package loadgen

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/aurigraph/aurigraph/client"
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// start starts the node that fell. From here on the highest use of memory counts.
func (c *catchUp) start(context.Context) error {
	for i, n := range c.network.Nodes {
		if i != c.fallen {
			forgetPeak(n.PID)
		}
	}
	c.say("%s is started again, %d blocks behind", c.network.Nodes[c.fallen].ID, c.report.BehindBlocks)
	c.at.started = time.Now()
	p, err := c.network.Start(c.fallen)
	if err != nil {
		return err
	}
	c.process, c.network.Nodes[c.fallen].PID = p, p.PID()
	return nil
}

// forgetPeak lets the kernel count a process's highest use of memory anew. Where it does not, the figure is that since the
// process began, which is no lower.
func forgetPeak(pid int) { _ = os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", pid), []byte("5\n"), 0) }

// awaitBack waits until the node that fell is beside the others, and its signature is in the certificate of a block that they
// made after it was started.
func (c *catchUp) awaitBack(ctx context.Context) error {
	id, signedFrom := c.network.Nodes[c.fallen].ID, c.own+chain.Height(c.report.BehindBlocks)
	var last *client.Status
	for deadline := c.at.started.Add(backMax); time.Now().Before(deadline); time.Sleep(lookEvery) { //lint:sleep polls other processes
		select {
		case <-c.process.Ended():
			return fault.New(fault.Unavailable, "%s ended while it caught up: its log says why", id)
		case <-ctx.Done():
			return context.Cause(ctx)
		default:
		}
		if s, err := c.statusOfFallen(ctx); err == nil {
			last = s
		} else {
			continue // it does not answer yet
		}
		head, signed, err := c.seenByOthers(ctx)
		if err != nil {
			return err
		}
		c.progress.Show(id+" catches up", int64(last.Height)-int64(c.own), int64(head)-int64(c.own))
		if c.isBack(last, head, signed, signedFrom) {
			c.at.back = time.Now()
			c.say("%s is back after %.1f s", id, c.at.back.Sub(c.at.started).Seconds())
			return nil
		}
	}
	if last == nil {
		return fault.New(fault.Timeout, "%s did not answer within %s after it was started again: its log says why", id, backMax)
	}
	return fault.New(fault.Timeout, "%s is not back %s after it was started again: it is at height %d, state %s, and fell at %d", id, backMax, last.Height, last.State, c.own)
}

func (c *catchUp) isBack(s *client.Status, head, signed, signedFrom chain.Height) bool {
	member := s.State == client.StateFollower || s.State == client.StateLeader
	return member && s.Height+nearBlocks >= head && signed > signedFrom
}

// seenByOthers is the highest certified height, and the highest whose certificate has a signature of the node that fell.
func (c *catchUp) seenByOthers(ctx context.Context) (head, signed chain.Height, err error) {
	for _, o := range c.others {
		if o == nil {
			continue
		}
		s, err := o.Status(ctx)
		if err != nil {
			return 0, 0, err
		}
		head = max(head, s.Height)
		if m := s.Member(uint16(c.fallen)); m != nil {
			signed = max(signed, m.Signed.Height)
		}
	}
	return head, signed, nil
}

// statusOfFallen asks the node whatever it does at the moment.
func (c *catchUp) statusOfFallen(ctx context.Context) (*client.Status, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	endpoint := c.network.Endpoints[c.fallen]
	return client.StatusOf(ctx, client.Config{CAFile: c.network.CAFile, Trust: c.network.Trust, Endpoints: []string{endpoint}}, endpoint)
}
