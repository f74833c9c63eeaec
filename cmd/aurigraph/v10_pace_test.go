// SPDX-License-Identifier: Apache-2.0

package main

import (
	"testing"
	"time"
)

// TestPace runs at one speed and then at half of it: the estimate follows within a minute, and what an earlier run did is no speed.
func TestPace(t *testing.T) {
	var p pace
	begin := time.Unix(1_700_000_000, 0)
	const total, before = 1_000_000, 400_000
	at := func(second int) int64 { // 1000/s for two minutes, then 500/s
		return before + 1000*int64(min(second, 120)) + 500*int64(max(0, second-120))
	}
	for second := range 300 {
		got := p.left(begin.Add(time.Duration(second)*time.Second), at(second), total)
		want, known := map[int]string{
			4: "", 5: "1000/s, 9m55s left", 60: "1000/s, 9m0s left", 120: "1000/s, 8m0s left", 150: "750/s, 10m20s left", 240: "500/s, 14m0s left",
		}[second]
		if known && got != want {
			t.Errorf("after %d s: %q, want %q", second, got, want)
		}
	}
	if n := len(p.marks); n > 62 {
		t.Errorf("%d marks are kept", n)
	}
	if got := p.left(begin.Add(time.Hour), at(299), total); got != "" {
		t.Errorf("it stands still, and says %q", got)
	}
}
