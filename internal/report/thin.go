// SPDX-License-Identifier: Apache-2.0

package report

import (
	"math"
	"slices"

	"github.com/aurigraph/aurigraph/internal/journal"
)

// point is a measurement at a time.
type point struct {
	ms uint64
	v  float64 // NaN: not known
}

// cell is what the points of one column of a plot come to.
type cell struct {
	ms             uint64 // of its first point
	low, high, sum float64
	n              int
	gap            bool // nothing is known between the one before and this one
}

func (c *cell) mean() float64 { return c.sum / float64(c.n) }

// gapsMin is how many times the usual distance of two points makes a gap.
const gapsMin = 4

// thin brings points, in order, into at most as many columns as there are between two times.
func thin(points []point, fromMs, toMs uint64, columns int) []cell {
	var cells []cell
	column, unknown := -1, false
	for _, p := range points {
		if p.ms < fromMs || p.ms > toMs {
			continue
		}
		if !known(p.v) {
			unknown = true
			continue
		}
		at := int(float64(p.ms-fromMs) / float64(toMs-fromMs+1) * float64(columns))
		if at == column {
			c := &cells[len(cells)-1]
			c.low, c.high, c.sum, c.n = min(c.low, p.v), max(c.high, p.v), c.sum+p.v, c.n+1
			continue
		}
		cells = append(cells, cell{ms: p.ms, low: p.v, high: p.v, sum: p.v, n: 1, gap: unknown})
		column, unknown = at, false
	}
	markGaps(cells)
	return cells
}

// markGaps finds where cells are much further apart than most are.
func markGaps(cells []cell) {
	if len(cells) < 3 {
		return
	}
	apart := make([]uint64, 0, len(cells)-1)
	for i := 1; i < len(cells); i++ {
		apart = append(apart, cells[i].ms-cells[i-1].ms)
	}
	slices.Sort(apart)
	usual := apart[len(apart)/2]
	for i := 1; i < len(cells); i++ {
		cells[i].gap = cells[i].gap || cells[i].ms-cells[i-1].ms > gapsMin*usual
	}
}

// points takes a measurement out of each window.
func points(windows []journal.Window, of func(*journal.Window) float64) []point {
	all := make([]point, len(windows))
	for i := range windows {
		all[i] = point{windows[i].AtMs, of(&windows[i])}
	}
	return all
}

// perSecond makes a rate of a count in a window. A window without a length has none.
func perSecond(n uint64, w *journal.Window) float64 {
	if w.LengthMs == 0 {
		return math.NaN()
	}
	return float64(n) * 1000 / float64(w.LengthMs)
}

// ofRequests is a measurement of requests, which a window without any does not have.
func ofRequests(v float64, w *journal.Window) float64 {
	if w.Requests[0]+w.Requests[1] == 0 {
		return math.NaN()
	}
	return v
}
