// SPDX-License-Identifier: Apache-2.0

package report

import (
	"fmt"
	"math"
	"strings"

	"github.com/aurigraph/aurigraph/internal/journal"
	"github.com/aurigraph/aurigraph/internal/router"
)

// Markdown makes the same as HTML, with lines of blocks in place of the plots.
func Markdown(in *Input) ([]byte, error) {
	p, h, err := pageOf(in)
	if err != nil {
		return nil, err
	}
	var b strings.Builder
	b.WriteString(markdownBegin + "\n# " + escape(p.Title) + "\n\n")
	if p.Verdict != "" {
		b.WriteString("**" + p.Verdict + "**\n\n")
	}
	b.WriteString(escape(p.Summary))
	if p.MadeAt != "" {
		b.WriteString(" Made at " + p.MadeAt + ".")
	}
	b.WriteString("\n")
	if len(p.Figures) > 0 {
		b.WriteString("\n")
		figures(p.Figures).markdown(&b)
	}
	h.sketch(&b, inOrder(in.Windows))
	for i := range p.Sections {
		p.Sections[i].markdown(&b, 2)
	}
	return []byte(b.String()), nil
}

func figures(all []Figure) *table {
	t := &table{Columns: []column{{"", false}, {"", true}, {"wanted", false}, {"", false}}}
	for _, f := range all {
		ok := ""
		if f.Want != "" {
			ok = yesNo(f.OK)
		}
		t.add(false, f.Name, f.Value, f.Want, ok)
	}
	return t
}

func (s *section) markdown(b *strings.Builder, level int) {
	fmt.Fprintf(b, "\n%s %s\n", strings.Repeat("#", level), escape(s.Title))
	if s.Text != "" {
		b.WriteString("\n" + escape(s.Text) + "\n")
	}
	for i := range s.Tables {
		b.WriteString("\n")
		s.Tables[i].markdown(b)
	}
	if s.Plain != "" {
		fence := fenceAround(s.Plain)
		b.WriteString("\n" + fence + "yaml\n" + strings.TrimRight(s.Plain, "\n") + "\n" + fence + "\n")
	}
	for i := range s.Parts {
		s.Parts[i].markdown(b, level+1)
	}
}

func (t *table) markdown(b *strings.Builder) {
	b.WriteString("|")
	for _, c := range t.Columns {
		b.WriteString(" " + escape(c.Name) + " |")
	}
	b.WriteString("\n|")
	for _, c := range t.Columns {
		if c.Number {
			b.WriteString("---:|")
		} else {
			b.WriteString("---|")
		}
	}
	b.WriteString("\n")
	for _, r := range t.Rows {
		b.WriteString("|")
		for _, c := range r.Cells {
			b.WriteString(" " + escape(c) + " |")
		}
		b.WriteString("\n")
	}
}

// markup is what would be more than text in a line of Markdown.
const markup = "\\`*_[]<>|~&!$#@"

// escape makes text of text.
func escape(s string) string {
	var b strings.Builder
	for _, r := range s {
		if strings.ContainsRune(markup, r) {
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return b.String()
}

// fenceAround is longer than all that look like one in a text.
func fenceAround(text string) string {
	longest, n := 2, 0
	for _, r := range text {
		if r != '`' {
			n = 0
			continue
		}
		n++
		longest = max(longest, n)
	}
	return strings.Repeat("`", longest+1)
}

// sketchColumns is how wide the lines of blocks are.
const sketchColumns = 72

// sketch draws what the plots show, as lines of blocks.
func (h *history) sketch(b *strings.Builder, windows []journal.Window) {
	t, ok := h.period(windows)
	if !ok || len(windows) == 0 {
		return
	}
	b.WriteString("\n## Over time\n\nEach line from the start until the newest entry or window; blocks are the worst of their time.\n\n```text\n")
	for _, s := range []struct {
		name, unit string
		of         func(*journal.Window) float64
	}{
		{"V11's share", " %", func(w *journal.Window) float64 { return float64(w.WeightBP) / 100 }},
		{"requests, V10", "/s", func(w *journal.Window) float64 { return perSecond(w.Requests[router.V10], w) }},
		{"requests, V11", "/s", func(w *journal.Window) float64 { return perSecond(w.Requests[router.V11], w) }},
		{"errors", "/s", func(w *journal.Window) float64 {
			return perSecond(w.Errors[router.V10], w) + perSecond(w.Errors[router.V11], w)
		}},
		{"p99", " ms", func(w *journal.Window) float64 { return ofRequests(w.P99Ms, w) }},
		{"slowest", " ms", func(w *journal.Window) float64 { return ofRequests(w.SlowestMs, w) }},
		{"late to V11", " ms", func(w *journal.Window) float64 { return w.ToV11LagMs }},
		{"late to V10", " ms", func(w *journal.Window) float64 { return w.ToV10LagMs }},
	} {
		text, most := blocks(thin(points(windows, s.of), t.fromMs, t.toMs, sketchColumns), &t)
		said := "nothing was measured"
		if known(most) {
			said = "at most " + number(most) + s.unit
		}
		fmt.Fprintf(b, "%-13s |%s| %s\n", s.name, text, said)
	}
	b.WriteString("```\n")
}

// blocks draws cells as blocks up to the highest, which it returns; below 0: there are none.
func blocks(cells []cell, t *period) (text string, most float64) {
	levels := []rune(" ▁▂▃▄▅▆▇█")
	out := []rune(strings.Repeat("·", sketchColumns))
	if most = highest(cells); most < 0 {
		return string(out), most
	}
	for i := range cells {
		at := int(float64(cells[i].ms-t.fromMs) / float64(t.toMs-t.fromMs+1) * sketchColumns)
		level := 0
		if most > 0 {
			level = int(math.Ceil(cells[i].high / most * float64(len(levels)-1)))
		}
		out[at] = levels[level]
	}
	return string(out), most
}
