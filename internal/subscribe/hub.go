// SPDX-License-Identifier: Apache-2.0

package subscribe

import (
	"context"
	"sync"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// FollowersMax bounds the followers of one hub. More are refused with TryLater.
const FollowersMax = 1024

// Hub knows the newest certified height and wakes those who wait for it. It is safe for concurrent use.
type Hub struct {
	mu        sync.Mutex
	height    chain.Height
	waiting   int           // followers that wait on next
	next      chan struct{} // closed and replaced when a block comes and somebody waits
	followers int
}

// NewHub makes a hub of a chain that has reached a height.
func NewHub(at chain.Height) *Hub { return &Hub{height: at, next: make(chan struct{})} }

// Publish says that a height is certified and readable. It never blocks; lower heights are ignored.
func (h *Hub) Publish(height chain.Height) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if height <= h.height {
		return
	}
	h.height = height
	if h.waiting > 0 {
		close(h.next)
		h.next, h.waiting = make(chan struct{}), 0
	}
}

// Height is the newest certified height.
func (h *Hub) Height() chain.Height {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.height
}

// Follow calls each with every height from from on (0: from the next block on), in order, once it is certified. It returns
// each's error, ctx's error when that ends, or TryLater when there are FollowersMax followers.
func (h *Hub) Follow(ctx context.Context, from chain.Height, each func(chain.Height) error) error {
	from, err := h.join(from)
	if err != nil {
		return err
	}
	defer h.leave()
	for ; ; from++ {
		if err := h.wait(ctx, from); err != nil {
			return err
		}
		if err := each(from); err != nil {
			return err
		}
	}
}

func (h *Hub) join(from chain.Height) (chain.Height, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.followers >= FollowersMax {
		return 0, fault.Reasoned(fault.TryLater, "followers", "this node serves %d followers, its most: try another node", FollowersMax)
	}
	h.followers++
	if from == 0 {
		from = h.height + 1
	}
	return from, nil
}

func (h *Hub) leave() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.followers--
}

func (h *Hub) wait(ctx context.Context, height chain.Height) error {
	for ctx.Err() == nil {
		h.mu.Lock()
		next := h.next
		if h.height >= height {
			h.mu.Unlock()
			return nil
		}
		h.waiting++
		h.mu.Unlock()
		select {
		case <-next:
		case <-ctx.Done():
		}
	}
	return ctx.Err()
}
