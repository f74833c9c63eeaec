// SPDX-License-Identifier: Apache-2.0

package order

import (
	"context"

	"github.com/aurigraph/aurigraph/internal/chain"
)

// An Engine decides in which order lane entries execute.
type Engine interface {
	// Run works until ctx ends (nil) or the engine must stop (a Halted error).
	Run(ctx context.Context) error
	// Offer asks for a durable lane entry to be ordered. It never blocks; at the engine's bound of pending digests it
	// answers TryLater, which a caller that bounds its own lane never sees. A digest that was decided lately, or is
	// offered already, may be passed over.
	Offer(digest chain.Hash) error
	// Nudge asks for one proposal even if nothing is pending. The executor uses it to let a due state root appear when
	// traffic stops; an engine may ignore it while it has work.
	Nudge()
	// Decided is the stream of decided proposals. A slow reader holds up ordering at the engine's window.
	Decided() <-chan *chain.Proposal
}
