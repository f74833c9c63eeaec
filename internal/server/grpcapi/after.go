// SPDX-License-Identifier: Apache-2.0

package grpcapi

import (
	"context"
	"strconv"
	"time"

	"google.golang.org/grpc/metadata"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// afterKey names the height that a caller has seen elsewhere: the node answers as of that or a later one.
const afterKey = "aurigraph-after"

// ReasonBehind marks the TryLater of a node that has not come to that height.
const ReasonBehind = "behind"

// Bounds of waiting for such a height.
const (
	afterWaitMax  = 250 * time.Millisecond // then another node may be quicker
	afterAheadMax = 1024                   // blocks that a node may lack and still wait: more it does not get in that time
	afterLook     = time.Millisecond
)

// After gives a call the height as of which it is to be answered at the earliest: what a payment's answer said, so that who reads
// after it sees it, at whatever node. A node that does not get there in a moment answers TryLater, reason behind. 0 asks for nothing.
func After(ctx context.Context, h chain.Height) context.Context {
	if h == 0 {
		return ctx
	}
	return metadata.AppendToOutgoingContext(ctx, afterKey, strconv.FormatUint(uint64(h), 10))
}

// catchUp waits until the node has certified what the caller of a unary method has seen.
func (g *gate) catchUp(ctx context.Context) error {
	values := metadata.ValueFromIncomingContext(ctx, afterKey)
	if len(values) == 0 || g.height == nil {
		return nil
	}
	after, err := strconv.ParseUint(values[0], 10, 64)
	if err != nil {
		return badField(afterKey, "%q is no height", values[0])
	}
	switch at := g.height(); {
	case at >= chain.Height(after):
		return nil
	case chain.Height(after)-at > afterAheadMax:
		return g.behind(chain.Height(after))
	}
	return g.awaitHeight(ctx, chain.Height(after))
}

func (g *gate) behind(after chain.Height) error {
	return fault.Reasoned(fault.TryLater, ReasonBehind, "the node is at height %d, and was asked for what is true at %d: ask another one", g.height(), after)
}

func (g *gate) awaitHeight(ctx context.Context, after chain.Height) error {
	ctx, cancel := context.WithTimeout(ctx, afterWaitMax)
	defer cancel()
	tick := time.NewTicker(afterLook)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return g.behind(after)
		}
		if g.height() >= after {
			return nil
		}
	}
}
