// SPDX-License-Identifier: Apache-2.0

package control

import (
	"context"
	"time"
)

// Bounds of a change that waits for a person.
const (
	// ParkMax is how long the brokers may take for its letter before the hold is told without it.
	ParkMax = 5 * time.Second
	// WaitPoll is how often it is looked whether somebody passed over the change.
	WaitPoll = time.Second
)

// Wait is a change that waits for a person.
type Wait struct {
	Park   func(ctx context.Context) error // puts it among the letters; putting it there again does no harm
	Told   func(parked bool)               // says that it is held, and whether its letter is there
	Retry  <-chan struct{}                 // somebody asks for another try
	Passed func(ctx context.Context) bool  // somebody passed over it
}

// Await returns when somebody asks for another try or passed over the change, or ctx ends.
func Await(ctx context.Context, w Wait) {
	parked := w.park(ctx)
	w.Told(parked)
	ticks := time.NewTicker(WaitPoll)
	defer ticks.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-w.Retry:
			return
		case <-ticks.C:
		}
		if w.Passed(ctx) {
			return
		}
		if !parked {
			if parked = w.park(ctx); parked {
				w.Told(true)
			}
		}
	}
}

func (w *Wait) park(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, ParkMax)
	defer cancel()
	return w.Park(ctx) == nil
}
