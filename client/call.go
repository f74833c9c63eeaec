// SPDX-License-Identifier: Apache-2.0

package client

import (
	"context"
	"math/rand/v2"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/peer"

	"github.com/aurigraph/aurigraph/internal/fault"
)

// Bounds of retrying. The pause doubles from the first to the longest, and is drawn from half of it to all of it, so that
// clients who failed together do not come back together.
const (
	retryPauseMin = 20 * time.Millisecond
	retryPauseMax = time.Second
)

// rpc is one generated unary method.
type rpc[Q, A any] func(context.Context, *Q, ...grpc.CallOption) (*A, error)

// attempt is how a call ended.
type attempt struct {
	err   error
	maybe bool // some attempt may have reached a node and done its work, and no node said otherwise
}

// call makes a call, and makes it again while the fault is one that passes: all calls are safe to repeat.
func call[Q, A any](ctx context.Context, c *Client, f rpc[Q, A], q *Q) (*A, attempt) {
	ctx, cancel := c.bounded(ctx)
	defer cancel()
	var end attempt
	for tries := 0; ; tries++ {
		var at peer.Peer
		a, err := f(ctx, q, grpc.Peer(&at))
		if err == nil {
			return a, attempt{}
		}
		var spoken bool
		end.err, spoken = faultOf(err)
		if !spoken && at.Addr != nil {
			end.maybe = true
		}
		if !passes(end.err) || tries >= c.cfg.RetriesMax || pause(ctx, tries) != nil {
			return nil, end
		}
	}
}

// bounded gives a context that has no deadline the usual one.
func (c *Client) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, ok := ctx.Deadline(); ok {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, c.cfg.Timeout)
}

// passes reports whether the same call may succeed soon, at this node or another.
func passes(err error) bool {
	return fault.Is(err, fault.TryLater) || fault.Is(err, fault.Unavailable) || fault.Is(err, fault.Halted)
}

func pause(ctx context.Context, tries int) error {
	d := retryPauseMax
	if tries < 6 {
		d = min(d, retryPauseMin<<tries)
	}
	t := time.NewTimer(d/2 + rand.N(d/2))
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// read is call for what changes nothing.
func read[Q, A any](ctx context.Context, c *Client, f rpc[Q, A], q *Q) (*A, error) {
	a, end := call(ctx, c, f, q)
	return a, end.err
}

// unknown turns the end of a submission into an UnknownOutcomeError unless the fate is known.
func (a attempt) unknown(id [32]byte) error {
	if a.err == nil {
		return nil
	}
	timedOut := fault.Is(a.err, fault.Timeout)
	if timedOut || (a.maybe && (passes(a.err) || fault.Is(a.err, fault.Internal))) {
		return &UnknownOutcomeError{ID: id, Cause: a.err}
	}
	return a.err
}
