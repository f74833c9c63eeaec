// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"context"

	"github.com/aurigraph/aurigraph/legacy/store"
)

// Barrier is a write that changes no balance. What a guard let through under an earlier generation lies before it, or is refused:
// a write's generation is compared with Totals.Generation in the step that executes it, where rounding.add has both at hand.
type Barrier struct {
	Generation uint64 // handed out once, from 1
	Position   store.Position
	Ms         uint64
}

type barrierRow struct {
	Ms uint64 `json:"ms"`
}

// Barrier hands out the next generation, durably and as a change of the log, and returns its place there. The errors are those of Submit.
func (l *Ledger) Barrier(ctx context.Context) (Barrier, error) {
	var b Barrier
	w := &write{into: func(r *rounding) error {
		r.totals.Generation++
		b.Generation, b.Ms = r.totals.Generation, r.totals.Ms
		r.put(store.Meta, numbered(byGeneration, b.Generation), encodeRow(barrierRow{b.Ms}))
		return nil
	}}
	if err := l.exclusively(ctx, w); err != nil {
		return Barrier{}, err // the loop may still be at it
	}
	b.Position = w.at
	return b, nil
}
