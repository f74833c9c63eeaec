// SPDX-License-Identifier: Apache-2.0

package remote

import (
	"sync"

	"github.com/aurigraph/aurigraph/internal/custody"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// group is the payments of one PayMany, whose caller waits for all of them.
type group struct {
	done chan struct{} // closed when every answer is there

	mu      sync.Mutex // guards all below
	answers []custody.Answer
	settled []bool
	left    int
}

func newGroup(n int) *group {
	g := &group{done: make(chan struct{}), answers: make([]custody.Answer, n), settled: make([]bool, n), left: n}
	if n == 0 {
		close(g.done)
	}
	return g
}

// settle gives a payment its answer, and reports whether it had none.
func (g *group) settle(at int, a custody.Answer) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.settled[at] {
		return false
	}
	g.settled[at], g.answers[at] = true, a
	if g.left--; g.left == 0 {
		close(g.done)
	}
	return true
}

func errNotSent() error {
	return fault.Reasoned(fault.TryLater, "not_sent", "the payment's time was over before it could be sent: nothing was done, send it again in a moment")
}

func errUnknown() error {
	return fault.Reasoned(fault.Timeout, "unknown_outcome", "the payment may have been made or not: nobody knows yet. Ask again with the same idempotency key, or look the account up")
}
