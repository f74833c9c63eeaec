// SPDX-License-Identifier: Apache-2.0

package query

import (
	"context"
	"sync"
	"time"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/history"
	"github.com/aurigraph/aurigraph/internal/ledger"
)

// Status says how the node is.
func (q *Query) Status(ctx context.Context) (*Status, error) {
	s := q.status()
	if s.Halted { // the executor does not answer any more
		s.OldestPayload = q.oldest.find(q.history, s.Height)
		return &s, nil
	}
	height, err := q.view(ctx, func(l *ledger.Ledger) error {
		c := l.Counts()
		s.Accounts, s.Assets, s.HomeVersion, s.TimeUs = uint64(c.Accounts), uint64(c.Assets), l.HomeVersion(), l.TimeUs()
		return nil
	})
	if err != nil {
		return nil, err
	}
	s.Height = max(s.Height, height)
	s.OldestPayload = q.oldest.find(q.history, s.Height)
	return &s, nil
}

// oldestPayloadAge is how long the oldest height with payloads is believed: however often the status is asked for, blocks
// are looked at once in this time.
const oldestPayloadAge = time.Second

// oldestPayload remembers the first height from which on all payloads are there. It only grows.
type oldestPayload struct {
	mu    sync.Mutex
	at    chain.Height // 0: not known
	asked time.Time
}

// find looks from the height that was found before, so that it is one block's look-up unless retention moved on. What
// cannot be read leaves the answer as it was: the status of a damaged node is still wanted.
func (o *oldestPayload) find(h *history.History, head chain.Height) chain.Height {
	o.mu.Lock()
	defer o.mu.Unlock()
	if head == 0 || time.Since(o.asked) < oldestPayloadAge {
		return o.at
	}
	o.asked = time.Now()
	if at, err := h.Retained(max(o.at, 1), head); err == nil {
		o.at = at
	}
	return o.at
}
