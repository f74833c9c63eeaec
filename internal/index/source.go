// SPDX-License-Identifier: Apache-2.0

package index

import (
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/history"
)

// Source is the certified chain as an index reads it: history.History where the blocks are, and a chain that is read from
// others and proved at a gateway. One goroutine reads it. Errors that pass are Unavailable or TryLater: the follower waits and
// asks again.
type Source interface {
	// Header reads an executed header and its hash. Pruned: it is nowhere to be had.
	Header(h chain.Height) (*chain.ExecutedHeader, chain.Hash, error)
	// BatchTransfers calls each for every transfer of one batch of a block, in order, and may reuse the Transfer it passes.
	// Pruned: retention recycled what it is made of.
	BatchTransfers(header *chain.ExecutedHeader, index uint32, each func(*history.Transfer) error) error
	// Retained is the first height from from to head from which on nothing is missing; head+1 if that is none of them.
	Retained(from, head chain.Height) (chain.Height, error)
}

var _ Source = (*history.History)(nil)
