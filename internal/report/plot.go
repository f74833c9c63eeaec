// SPDX-License-Identifier: Apache-2.0

package report

import (
	"math"
	"strconv"
	"strings"

	"github.com/aurigraph/aurigraph/internal/journal"
	"github.com/aurigraph/aurigraph/internal/migration"
	"github.com/aurigraph/aurigraph/internal/router"
)

// plot is a picture over the time of the migration, as paths and words: the page makes elements of them.
type plot struct {
	Title  string
	Note   string
	Legend []legend
	Width  int
	Height int
	Paths  []path
	Words  []word
}

// legend explains a colour, or a shape around a point.
type legend struct{ Class, Name, Shape string }

// path is a shape with what is told about it when somebody points at it.
type path struct{ Class, D, Title string }

// word stands at a place.
type word struct{ Class, X, Y, Text string }

// columnsMax is into how many columns the windows of a plot are brought.
const columnsMax = plotRight - plotLeft

func (p *plot) draw(class, d string) {
	if d != "" {
		p.Paths = append(p.Paths, path{Class: class, D: d})
	}
}

func (p *plot) write(class string, x, y float64, text string) {
	p.Words = append(p.Words, word{class, place(x), place(y), text})
}

// axes draws the lines behind a plot, and writes what they stand for.
func (p *plot) axes(t *period, h *heights, unit func(float64) string) {
	var grid, ground strings.Builder
	for _, k := range h.ticks(unit) {
		move(&grid, plotLeft, k.at)
		to(&grid, 'H', plotRight)
		p.write("y", plotLeft-8, k.at+3.5, k.word)
	}
	for _, k := range t.ticks() {
		move(&ground, k.at, h.bottom)
		to(&ground, 'V', h.bottom+4)
		anchor := "x"
		if k.at > plotRight-30 {
			anchor = "y"
		}
		p.write(anchor, min(k.at, plotRight), h.bottom+16, k.word)
	}
	p.draw("grid", grid.String())
	p.draw("tick", ground.String())
}

func move(b *strings.Builder, x, y float64) { b.WriteString("M" + place(x) + " " + place(y)) }

func to(b *strings.Builder, how byte, v float64) { b.WriteString(string(how) + place(v)) }

func lineTo(b *strings.Builder, x, y float64) { b.WriteString("L" + place(x) + " " + place(y)) }

// runs are cells without a gap between them.
func runs(cells []cell) [][]cell {
	var all [][]cell
	from := 0
	for i := 1; i <= len(cells); i++ {
		if i == len(cells) || cells[i].gap {
			all = append(all, cells[from:i])
			from = i
		}
	}
	return all
}

// trace draws a line through values of cells. A cell alone is a short stroke.
func trace(cells []cell, t *period, h *heights, value func(*cell) float64) string {
	var b strings.Builder
	for _, run := range runs(cells) {
		move(&b, t.x(run[0].ms), h.y(value(&run[0])))
		if len(run) == 1 {
			b.WriteString("h1.5")
		}
		for i := 1; i < len(run); i++ {
			lineTo(&b, t.x(run[i].ms), h.y(value(&run[i])))
		}
	}
	return b.String()
}

// fill fills what is between two values of cells.
func fill(cells []cell, t *period, h *heights, above, below func(*cell) float64) string {
	var b strings.Builder
	for _, run := range runs(cells) {
		if len(run) == 1 {
			continue
		}
		move(&b, t.x(run[0].ms), h.y(above(&run[0])))
		for i := 1; i < len(run); i++ {
			lineTo(&b, t.x(run[i].ms), h.y(above(&run[i])))
		}
		for i := len(run) - 1; i >= 0; i-- {
			lineTo(&b, t.x(run[i].ms), h.y(below(&run[i])))
		}
		b.WriteString("Z")
	}
	return b.String()
}

func high(c *cell) float64   { return c.high }
func low(c *cell) float64    { return c.low }
func ground(*cell) float64   { return 0 }
func middle(c *cell) float64 { return c.mean() }

// highest is the highest value of cells, or -1.
func highest(lists ...[]cell) float64 {
	most := -1.0
	for _, cells := range lists {
		for i := range cells {
			most = max(most, cells[i].high)
		}
	}
	return most
}

func lowest(lists ...[]cell) float64 {
	least := math.Inf(1)
	for _, cells := range lists {
		for i := range cells {
			least = min(least, cells[i].low)
		}
	}
	return least
}

// series is a measurement of windows that a plot shows.
type series struct {
	class, name string
	of          func(*journal.Window) float64
}

func (s *series) cells(windows []journal.Window, t *period) []cell {
	return thin(points(windows, s.of), t.fromMs, t.toMs, columnsMax)
}

func ms(v float64) string {
	if v < 1000 {
		return strconv.FormatFloat(v, 'f', -1, 64) + " ms"
	}
	return strconv.FormatFloat(v/1000, 'f', -1, 64) + " s"
}

// slowness is a plot of times, on a scale of powers of ten: what is usual and what is far from it are both seen.
func slowness(title, note string, windows []journal.Window, t *period, all ...series) plot {
	const top, bottom = 8, 118
	p := plot{Title: title, Note: note, Width: plotWidth, Height: bottom + axisHeight}
	lists := make([][]cell, len(all))
	for i := range all {
		lists[i] = all[i].cells(windows, t)
		p.Legend = append(p.Legend, legend{Class: all[i].class, Name: all[i].name})
	}
	h := decades(lowest(lists...), highest(lists...), top, bottom)
	p.axes(t, &h, ms)
	if highest(lists...) < 0 {
		p.write("x", (plotLeft+plotRight)/2, (top+bottom)/2, "nothing was measured")
	}
	for i, cells := range lists {
		p.draw("band "+all[i].class, fill(cells, t, &h, high, low))
		p.draw("line "+all[i].class, trace(cells, t, &h, high))
	}
	return p
}

// failures is a plot of errors a second by side.
func failures(windows []journal.Window, t *period) plot {
	const top, bottom = 8, 88
	p := plot{Title: "Errors a second", Note: "answers of 500 and above, or none", Width: plotWidth, Height: bottom + axisHeight}
	var lists [2][]cell
	sides := [2]series{
		{"v10", "V10", func(w *journal.Window) float64 { return perSecond(w.Errors[router.V10], w) }},
		{"v11", "V11", func(w *journal.Window) float64 { return perSecond(w.Errors[router.V11], w) }},
	}
	for i := range sides {
		lists[i] = sides[i].cells(windows, t)
		p.Legend = append(p.Legend, legend{Class: sides[i].class, Name: sides[i].name})
	}
	h := upTo(highest(lists[:]...), top, bottom)
	p.axes(t, &h, number)
	for i, cells := range lists {
		p.draw("area "+sides[i].class, fill(cells, t, &h, high, ground))
		p.draw("line "+sides[i].class, trace(cells, t, &h, high))
	}
	return p
}

// requests is a plot of requests a second: V10's above V11's, and how far the sum reached up and down.
func requests(windows []journal.Window, t *period) plot {
	const top, bottom = 8, 128
	p := plot{
		Title: "Requests a second", Note: "means, one side upon the other; the pale band is from the fewest to the most of a window", Width: plotWidth, Height: bottom + axisHeight,
		Legend: []legend{{Class: "v10", Name: "V10"}, {Class: "v11", Name: "V11"}},
	}
	both := series{of: func(w *journal.Window) float64 {
		return perSecond(w.Requests[router.V10], w) + perSecond(w.Requests[router.V11], w)
	}}
	newer := series{of: func(w *journal.Window) float64 { return perSecond(w.Requests[router.V11], w) }}
	sum, v11 := both.cells(windows, t), newer.cells(windows, t)
	h := upTo(highest(sum), top, bottom)
	p.axes(t, &h, number)
	p.draw("band v10", fill(sum, t, &h, high, low))
	p.draw("area v10", fill(sum, t, &h, middle, ground))
	p.draw("cover", fill(v11, t, &h, middle, ground))
	p.draw("area v11", fill(v11, t, &h, middle, ground))
	p.draw("line v10", trace(sum, t, &h, middle))
	p.draw("line v11", trace(v11, t, &h, middle))
	return p
}

// plots are all pictures. Without any time there is none.
func (h *history) plots(windows []journal.Window) []plot {
	t, ok := h.period(windows)
	if !ok {
		return nil
	}
	all := []plot{h.weight(windows, &t)}
	if len(windows) == 0 {
		return all
	}
	all = append(all, requests(windows, &t),
		slowness("Slowest and p99", "of all requests of a window; each power of ten is one line", windows, &t,
			series{"slow", "slowest", func(w *journal.Window) float64 { return ofRequests(w.SlowestMs, w) }},
			series{"p99", "p99", func(w *journal.Window) float64 { return ofRequests(w.P99Ms, w) }}),
		failures(windows, &t),
		slowness("How late the sync is", "each power of ten is one line; a gap: nobody knew", windows, &t,
			series{"v11", "V10 to V11", func(w *journal.Window) float64 { return w.ToV11LagMs }},
			series{"v10", "V11 to V10", func(w *journal.Window) float64 { return w.ToV10LagMs }}))
	for i := range all[1:] {
		all[i+1].backLines(h, &t)
	}
	return all
}

// backLines draws where it went back, so that what else happened then is seen.
func (p *plot) backLines(h *history, t *period) {
	var b strings.Builder
	for i := range h.entries {
		if k := h.entries[i].Kind; k == migration.KindReverse || k == migration.KindRollback || k == migration.KindFailback {
			move(&b, t.x(h.entries[i].AtMs), 8)
			to(&b, 'V', float64(p.Height-axisHeight))
		}
	}
	p.draw("back", b.String())
}

// period is what a plot shows: from the start until the newest entry or window.
func (h *history) period(windows []journal.Window) (period, bool) {
	t := period{fromMs: h.beginMs, toMs: h.endMs(), beginMs: h.beginMs}
	if n := len(windows); n > 0 {
		first := windows[0].AtMs - min(windows[0].LengthMs, windows[0].AtMs)
		if len(h.entries) == 0 {
			t = period{first, windows[n-1].AtMs, first}
		}
		t.toMs = max(t.toMs, windows[n-1].AtMs)
	}
	if len(h.entries) == 0 && len(windows) == 0 || t.toMs > 1<<53 {
		return t, false
	}
	t.toMs = max(t.toMs, t.fromMs+1000)
	return t, true
}
