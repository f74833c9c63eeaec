// SPDX-License-Identifier: Apache-2.0

package node

import (
	"context"

	"github.com/aurigraph/aurigraph/internal/chain"
)

// away stands for the ordering engine of a node that was away when its epoch ended: nothing is decided in that epoch any more.
type away struct{}

// Offer forgets the entry: the lane offers it again once the node is back.
func (away) Offer(chain.Hash) error { return nil }

// Nudge does nothing.
func (away) Nudge() {}

// Decided is a stream without proposals.
func (away) Decided() <-chan *chain.Proposal { return nil }

// Run waits until ctx ends.
func (away) Run(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

// Replayed is empty.
func (away) Replayed() map[chain.Hash]bool { return nil }

// ReplayedTo is no height.
func (away) ReplayedTo() chain.Height { return 0 }

// Trim does nothing.
func (away) Trim(chain.Height) error { return nil }
