// SPDX-License-Identifier: Apache-2.0

package loadgen

import (
	"context"
	"time"
)

// indexing is how many rows the query index was behind at a moment.
type indexing struct {
	at  time.Time
	lag uint64
}

func (b *bench) indexing(ctx context.Context) (indexing, error) {
	status, err := b.indexStatus(ctx)
	if err != nil {
		return indexing{}, err
	}
	return indexing{time.Now(), status.IndexLagRows}, nil
}

// perS is the rate at which rows were indexed since before, while so many were committed. It is the highest that the index keeps up only
// where it fell behind: else it had no more to do.
func (now indexing) perS(before indexing, committed int64) float64 {
	rows := float64(committed) + float64(before.lag) - float64(now.lag)
	return max(rows, 0) / now.at.Sub(before.at).Seconds()
}
