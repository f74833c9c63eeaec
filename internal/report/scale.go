// SPDX-License-Identifier: Apache-2.0

package report

import (
	"math"
	"strconv"
)

// Measures of a plot, in the units of its picture.
const (
	plotWidth  = 1000
	plotLeft   = 62
	plotRight  = 988
	axisHeight = 22 // below the plot
)

// period maps a time to a place from left to right.
type period struct {
	fromMs, toMs uint64
	beginMs      uint64 // that the words of the axis count from
}

func (t *period) x(ms uint64) float64 {
	ms = min(max(ms, t.fromMs), t.toMs)
	return plotLeft + float64(ms-t.fromMs)/float64(t.toMs-t.fromMs)*(plotRight-plotLeft)
}

// tick is a place on an axis, with its word.
type tick struct {
	at   float64
	word string
}

// ticksMax is how many words a time axis has at most.
const ticksMax = 11

// ticks are at round times since the begin.
func (t *period) ticks() []tick {
	span := t.toMs - t.fromMs
	every := roundTime(span)
	var all []tick
	for ms := t.beginMs + (max(t.fromMs, t.beginMs)-t.beginMs+every-1)/every*every; ms <= t.toMs && len(all) <= ticksMax; ms += every {
		word := "0"
		if ms > t.beginMs {
			word = Length(float64(ms - t.beginMs))
		}
		all = append(all, tick{t.x(ms), word})
	}
	return all
}

// roundTime is how far apart the words of a time axis are.
func roundTime(spanMs uint64) uint64 {
	const second, minute, hour, day = 1000, 60_000, 3_600_000, 86_400_000
	for _, every := range []uint64{
		1, 2, 5, 10, 20, 50, 100, 200, 500, second, 2 * second, 5 * second, 10 * second, 20 * second, 30 * second, minute, 2 * minute, 5 * minute, 10 * minute, 20 * minute, 30 * minute,
		hour, 2 * hour, 4 * hour, 8 * hour, 12 * hour, day, 2 * day, 5 * day, 10 * day, 20 * day, 50 * day, 100 * day,
	} {
		if spanMs/every < ticksMax {
			return every
		}
	}
	return spanMs/ticksMax + 1
}

// heights maps a value to a place from top to bottom.
type heights struct {
	top, bottom float64 // places
	low, high   float64 // values there
	log         bool
}

func (h *heights) y(v float64) float64 {
	low, high := h.low, h.high
	if h.log {
		v, low, high = math.Log10(max(v, low)), math.Log10(low), math.Log10(high)
	}
	share := min(max((v-low)/(high-low), 0), 1)
	return h.bottom - share*(h.bottom-h.top)
}

// ticks are at round values.
func (h *heights) ticks(word func(float64) string) []tick {
	var all []tick
	if h.log {
		for v := h.low; v <= h.high*1.001; v *= 10 {
			all = append(all, tick{h.y(v), word(v)})
		}
		return all
	}
	for _, share := range []float64{0, 0.25, 0.5, 0.75, 1} {
		v := h.low + share*(h.high-h.low)
		all = append(all, tick{h.y(v), word(v)})
	}
	return all
}

// scaleMax bounds scales: what is above is drawn at the top.
const scaleMax = 1e9

// upTo is a scale from 0 to a round value not below the highest.
func upTo(highest, top, bottom float64) heights {
	if highest = min(highest, scaleMax); highest <= 0 {
		highest = 1
	}
	unit := math.Pow(10, math.Floor(math.Log10(highest)))
	for _, m := range []float64{1, 2, 4, 6, 8, 10} {
		if m*unit >= highest {
			return heights{top: top, bottom: bottom, high: m * unit}
		}
	}
	return heights{top: top, bottom: bottom, high: 10 * unit}
}

// decades is a scale of powers of ten that has all values in it, from 1 ms if none is smaller.
func decades(lowest, highest, top, bottom float64) heights {
	low, high := 0.0, 2.0
	if highest = min(highest, scaleMax); highest > 0 {
		low, high = math.Floor(math.Log10(min(max(lowest, 0.1), 1))), max(math.Ceil(math.Log10(highest)), 2)
	}
	return heights{top: top, bottom: bottom, low: math.Pow(10, low), high: math.Pow(10, high), log: true}
}

// place writes a coordinate.
func place(v float64) string { return strconv.FormatFloat(math.Round(v*10)/10, 'f', -1, 64) }
