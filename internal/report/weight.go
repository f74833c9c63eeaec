// SPDX-License-Identifier: Apache-2.0

package report

import (
	"slices"
	"strings"

	"github.com/aurigraph/aurigraph/internal/journal"
	"github.com/aurigraph/aurigraph/internal/migration"
)

// Places of the plot of the weight, from top to bottom.
const (
	bandTop      = 2
	bandBottom   = 22
	markY        = 36 // the line of marks
	weightTop    = 52
	weightBottom = 212
	letterWidth  = 6.4
)

// weight is the plot at the top: V11's share, the phases above it, and what happened.
func (h *history) weight(windows []journal.Window, t *period) plot {
	p := plot{Title: "V11's share", Width: plotWidth, Height: weightBottom + axisHeight, Legend: []legend{{Class: "v11", Name: "V11's share of the slots"}}}
	y := heights{top: weightTop, bottom: weightBottom, high: 100}
	p.axes(t, &y, func(v float64) string { return number(v) + " %" })
	h.bands(&p, t)
	if d := stairs(h.shares(windows), t, &y); d != "" {
		area := d + "V" + place(y.bottom) + "H" + place(t.x(t.fromMs)) + "Z"
		p.draw("area v11", area)
		p.draw("line v11", d)
	}
	h.marks(&p, t)
	return p
}

// bands draws the phases above the weight, with their names where there is room.
func (h *history) bands(p *plot, t *period) {
	for i := range h.spans {
		s := &h.spans[i]
		if s.phase == migration.Planned || s.toMs < t.fromMs {
			continue
		}
		left, right := t.x(s.fromMs), t.x(s.toMs)
		if s.open {
			right = plotRight
		}
		var b strings.Builder
		move(&b, left, bandTop)
		to(&b, 'H', max(right, left+0.5))
		to(&b, 'V', bandBottom)
		to(&b, 'H', left)
		b.WriteString("Z")
		name := line(string(s.phase))
		class := "phase"
		if does[s.phase] != "" {
			class += " " + name
		}
		p.Paths = append(p.Paths, path{class, b.String(), name + ": " + does[s.phase] + ", " + Length(float64(s.toMs-s.fromMs))})
		if float64(len(name))*letterWidth+6 < right-left {
			p.write("name", (left+right)/2, bandBottom-6, name)
		} else if k := (legend{Class: class, Name: name}); !slices.Contains(p.Legend, k) {
			p.Legend = append(p.Legend, k)
		}
	}
}

// shares are V11's share over time, by the windows and by what the controller wrote.
func (h *history) shares(windows []journal.Window) []point {
	all := []point{}
	if len(h.entries) > 0 {
		all = append(all, point{h.beginMs, 0})
	}
	for i := range windows {
		all = append(all, point{windows[i].AtMs, float64(windows[i].WeightBP) / 100})
	}
	for i := range h.entries {
		if e := &h.entries[i]; e.Kind == migration.KindMoved {
			all = append(all, point{e.AtMs, float64(e.ToBP) / 100})
		}
	}
	slices.SortStableFunc(all, func(a, b point) int { return int(min(max(int64(a.ms)-int64(b.ms), -1), 1)) })
	return all
}

// stairs draws a line that holds each value until the next one. What happens within a column is one stroke up and down.
func stairs(all []point, t *period, h *heights) string {
	if len(all) == 0 {
		return ""
	}
	var b strings.Builder
	move(&b, t.x(t.fromMs), h.y(all[0].v))
	at := all[0].v
	for i := 0; i < len(all); {
		column, low, high := int(t.x(all[i].ms)), at, at
		last, x := at, t.x(all[i].ms)
		for ; i < len(all) && int(t.x(all[i].ms)) == column; i++ {
			last = all[i].v
			low, high = min(low, last), max(high, last)
		}
		if low == high {
			continue
		}
		to(&b, 'H', x)
		for _, v := range []float64{low, high, last} {
			to(&b, 'V', h.y(v))
		}
		at = last
	}
	to(&b, 'H', t.x(t.toMs))
	return b.String()
}

// marker is what an entry looks like in the plot: a shape around a point, so that it is told apart without colours too.
type marker struct{ class, name, shape string }

var (
	markBack     = marker{"back", "went back by itself", "m-6 -5h12l-6 11z"}
	markRollback = marker{"back hollow", "rolled back", "m-6 -5h12l-6 11z"}
	markDrill    = marker{"drill", "drill", "m0 -6l6 6l-6 6l-6 -6z"}
	markCompared = marker{"compared", "comparison", "m-4.5 0a4.5 4.5 0 1 0 9 0a4.5 4.5 0 1 0 -9 0z"}
	markDiffers  = marker{"back", "comparison with differences", "m-4.5 0a4.5 4.5 0 1 0 9 0a4.5 4.5 0 1 0 -9 0z"}
	markCutover  = marker{"cutover", "cutover", "m-1 6v-12h9l-3 3.5l3 3.5h-7v5z"}
	markClosed   = marker{"closed", "the way back ended", "m-5 -5h10v10h-10z"}
)

// markerOf is the mark of an entry; false: it has none.
func markerOf(e *migration.Entry) (marker, bool) {
	switch {
	case e.Kind == migration.KindReverse, e.Kind == migration.KindFailback && e.By == migration.Controller:
		return markBack, true
	case e.Kind == migration.KindRollback, e.Kind == migration.KindFailback:
		return markRollback, true
	case e.Kind == migration.KindDrilled:
		return markDrill, true
	case e.Kind == migration.KindVerified && e.OK:
		return markCompared, true
	case e.Kind == migration.KindVerified:
		return markDiffers, true
	case e.Kind == migration.KindCutover:
		return markCutover, true
	case e.Kind == migration.KindClosed:
		return markClosed, true
	}
	return marker{}, false
}

// marks draws what happened, and a line down from where it went back.
func (h *history) marks(p *plot, t *period) {
	seen := map[marker]bool{}
	for i := range h.entries {
		e := &h.entries[i]
		m, ok := markerOf(e)
		if !ok {
			continue
		}
		x := t.x(e.AtMs)
		var b strings.Builder
		move(&b, x, markY+8)
		to(&b, 'V', weightBottom)
		p.draw("from "+m.class, b.String())
		b.Reset()
		move(&b, x, markY)
		p.Paths = append(p.Paths, path{"mark " + m.class, b.String() + m.shape, h.since(e.AtMs) + " " + line(Words(e))})
		if !seen[m] {
			seen[m] = true
			p.Legend = append(p.Legend, legend{Class: "mark " + m.class, Name: m.name, Shape: "M0 0" + m.shape})
		}
	}
}
