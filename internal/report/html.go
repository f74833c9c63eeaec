// SPDX-License-Identifier: Apache-2.0

package report

import (
	"bytes"
	_ "embed" // the page
	"html/template"
	"time"

	"github.com/aurigraph/aurigraph/internal/fault"
)

//go:embed page.html
var pageText string

var pageTemplate = template.Must(template.New("page").Parse(pageText))

// page is what a report says, before it is HTML or Markdown.
type page struct {
	Title    string
	MadeAt   string
	Summary  string
	Verdict  string
	Figures  []Figure
	Plots    []plot
	Sections []section
}

// pageOf makes what both writers write.
func pageOf(in *Input) (*page, *history, error) {
	if err := in.check(); err != nil {
		return nil, nil, err
	}
	h, err := historyOf(in.Entries)
	if err != nil {
		return nil, nil, err
	}
	sorted := *in
	sorted.Windows = inOrder(in.Windows)
	p := &page{Title: line(in.Title), Summary: h.summary(), Verdict: in.Verdict, Sections: h.sections(&sorted), Plots: h.plots(sorted.Windows)}
	if !in.MadeAt.IsZero() {
		p.MadeAt = in.MadeAt.UTC().Format(time.DateTime) + " UTC"
	}
	for _, f := range in.Figures {
		p.Figures = append(p.Figures, Figure{line(f.Name), line(f.Value), line(f.Want), f.OK})
	}
	return p, h, nil
}

// summary says in a sentence or two where the migration stands.
func (h *history) summary() string {
	if len(h.entries) == 0 {
		return "The journal is empty."
	}
	if !h.state.Started() {
		return "There is a plan, and nobody has said start."
	}
	s := "Started " + utc(h.beginMs) + " UTC; " + Length(float64(h.endMs()-min(h.beginMs, h.endMs()))) + " until the newest entry. "
	s += "Phase " + string(h.phase()) + "; V11 has " + percent(h.state.ReachedBP) + "."
	if h.state.Reversed != nil {
		s += " It went back, and nobody has resumed."
	} else if h.state.Paused != "" {
		s += " It is paused."
	}
	return s
}

// HTML makes a page of its own: it has no script and loads nothing. Invalid: the input is beyond its bounds; Corrupt: the entries are no journal.
func HTML(in *Input) ([]byte, error) {
	p, _, err := pageOf(in)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	if err := pageTemplate.Execute(&out, p); err != nil {
		return nil, fault.Wrap(fault.Internal, err, "make the page")
	}
	return out.Bytes(), nil
}

// How reports begin.
const (
	htmlBegin     = "<!doctype html>\n<html lang=\"en\" data-made-by=\"aurigraph migrate report\">"
	markdownBegin = "<!-- made by aurigraph migrate report -->\n"
)

// Is reports whether a text, or the beginning of one, is a report.
func Is(text []byte) bool {
	return bytes.HasPrefix(text, []byte(htmlBegin)) || bytes.HasPrefix(text, []byte(markdownBegin))
}

// BeginBytesMax is how much of a text Is wants to see.
const BeginBytesMax = 128
