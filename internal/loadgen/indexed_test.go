// SPDX-License-Identifier: Apache-2.0

package loadgen

import (
	"testing"
	"time"
)

func TestIndexingRate(t *testing.T) {
	begin := time.Unix(1000, 0)
	for _, c := range []struct {
		before, after uint64
		committed     int64
		want          float64
	}{
		{0, 0, 1000, 100},     // it keeps up
		{100, 600, 1000, 50},  // it falls behind
		{600, 100, 1000, 150}, // it comes nearer
		{0, 2000, 1000, 0},    // what was not committed as ok lags too
	} {
		rate := indexing{begin.Add(10 * time.Second), c.after}.perS(indexing{begin, c.before}, c.committed)
		if rate != c.want {
			t.Errorf("%+v: %v rows a second", c, rate)
		}
	}
}
