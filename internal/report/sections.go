// SPDX-License-Identifier: Apache-2.0

package report

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/aurigraph/aurigraph/internal/canary"
	"github.com/aurigraph/aurigraph/internal/migration"
)

// section is a part of a page: a heading, some words, tables, and parts of its own.
type section struct {
	ID     string // empty: nothing points to it
	Title  string
	Text   string
	Tables []table
	Parts  []section
	Plain  string // a text as it was written
	Folded bool   // shown when somebody asks
}

// table is one whose cells are text.
type table struct {
	Columns []column
	Rows    []row
}

type column struct {
	Name   string
	Number bool
}

// row is one with whether it is no good news.
type row struct {
	Bad   bool
	Cells []string
}

func (t *table) add(bad bool, cells ...string) {
	for i := range cells {
		cells[i] = line(cells[i])
	}
	t.Rows = append(t.Rows, row{bad, cells})
}

// words and numbers are columns.
func words(names ...string) []column { return columns(false, names) }

func numbers(names ...string) []column { return columns(true, names) }

func columns(number bool, names []string) []column {
	all := make([]column, len(names))
	for i, n := range names {
		all[i] = column{n, number}
	}
	return all
}

// sections are all that there is to say in words, in order. What has nothing to say is left out.
func (h *history) sections(in *Input) []section {
	all := []section{h.phases(), h.stepsTaken(in), h.backs(), h.drills(), h.comparisons(), h.approvals(), costs(in.Costs), h.journal(), h.plans()}
	return slices.DeleteFunc(all, func(s section) bool { return len(s.Tables)+len(s.Parts) == 0 })
}

func (h *history) phases() section {
	t := table{Columns: slices.Concat(words("Phase", "For"), numbers("Began", "Took"))}
	for _, s := range h.spans {
		took := Length(float64(s.toMs - s.fromMs))
		if s.open {
			took += " so far"
		}
		t.add(false, string(s.phase), does[s.phase], h.since(s.fromMs), took)
	}
	return h.section("phases", "Phases", "Times are since the start.", t)
}

// section is one with a table; without rows it has none.
func (h *history) section(id, title, text string, t table) section {
	s := section{ID: id, Title: title, Text: text}
	if len(t.Rows) > 0 {
		t.prune()
		s.Tables = []table{t}
	}
	return s
}

// prune takes columns away that say nothing.
func (t *table) prune() {
	for i := len(t.Columns) - 1; i >= 0; i-- {
		if slices.ContainsFunc(t.Rows, func(r row) bool { return r.Cells[i] != "" }) {
			continue
		}
		t.Columns = slices.Delete(t.Columns, i, i+1)
		for j := range t.Rows {
			t.Rows[j].Cells = slices.Delete(t.Rows[j].Cells, i, i+1)
		}
	}
}

// backs are all ways back that were not rehearsed.
func (h *history) backs() section {
	s := section{ID: "back", Title: "Went back"}
	itself := 0
	for i := range h.entries {
		switch e := &h.entries[i]; e.Kind {
		case migration.KindReverse:
			itself++
			s.Parts = append(s.Parts, h.back(i, "went back by itself"))
		case migration.KindRollback:
			s.Parts = append(s.Parts, h.back(i, line(e.By)+" rolled back"))
		case migration.KindFailback:
			if e.By == migration.Controller {
				itself++
			}
			s.Parts = append(s.Parts, h.back(i, line(e.By)+" had V11 sealed"))
		}
	}
	s.Text = fmt.Sprintf("By itself: %s. By people: %s.", times(itself), times(len(s.Parts)-itself))
	return s
}

func (h *history) back(i int, who string) section {
	e := &h.entries[i]
	moved := h.after(i, func(n *migration.Entry) bool { return n.Kind == migration.KindMoved && n.ToBP == e.ToBP })
	resumed := h.after(i, func(n *migration.Entry) bool { return n.Kind == migration.KindResume })
	t := table{Columns: words("", "")}
	if e.FromBP > 0 {
		t.add(false, "V11's share before", percent(e.FromBP))
	}
	t.add(false, "V11's share after", percent(e.ToBP))
	t.add(false, "Why", e.Why)
	t.add(false, "It took", between(e, moved))
	if resumed != nil {
		t.add(false, "Resumed", fmt.Sprintf("%s later by %s%s", between(e, resumed), resumed.By, because(resumed.Why)))
	} else {
		t.add(false, "Resumed", "not yet")
	}
	s := section{Title: fmt.Sprintf("%s  entry %d: %s", h.since(e.AtMs), e.Seq, who), Tables: []table{t}}
	if e.Verdict != nil {
		s.Tables = append(s.Tables, verdict(e.Verdict)...)
	}
	return s
}

func because(why string) string {
	if why == "" {
		return ""
	}
	return ": " + why
}

// verdict shows the judge's numbers against their limits, and requests that led to it.
func verdict(v *canary.Verdict) []table {
	n := table{Columns: slices.Concat(words("Rule "+line(v.Rule)+" looked at"), numbers("Measured", "Limit"))}
	for i := range v.Numbers {
		m := &v.Numbers[i]
		limit, beyond := limitOf(m)
		n.add(beyond, m.Name, number(m.Value), limit)
	}
	s := table{Columns: slices.Concat(words("Sample", "Request", "Path"), numbers("Status", "Took"))}
	for _, r := range v.Samples {
		s.add(false, string(r.Class)+" "+r.ID, r.Method, r.Path, strconv.Itoa(r.Status), Length(float64(r.Ms)))
	}
	return slices.DeleteFunc([]table{n, s}, func(t table) bool { return len(t.Rows) == 0 })
}

// limitOf writes what a number is held against, and tells whether it goes beyond.
func limitOf(m *canary.Number) (limit string, beyond bool) {
	switch m.Name {
	case "control_requests", "compared":
		return "", false
	case "seconds", "requests":
		return "at least " + number(m.Limit), false
	}
	return "at most " + number(m.Limit), m.Value > m.Limit
}

func (h *history) drills() section {
	t := table{Columns: slices.Concat(numbers("When", "Slots", "Back", "Forward"), words("Counts", "Why"))}
	for i := range h.entries {
		if e := &h.entries[i]; e.Kind == migration.KindDrilled {
			t.add(!e.OK, h.since(e.AtMs), strconv.Itoa(e.Slots), Length(e.ReverseMs), Length(e.ForwardMs), yesNo(e.OK), e.Why)
		}
	}
	return h.section("drills", "Drills", "Rehearsed rollbacks: some of V11's slots went back to V10 and came again, with real payments.", t)
}

func (h *history) comparisons() section {
	t := table{Columns: slices.Concat(numbers("When", "Rows", "Differences", "Took"), words("Report", "Also looked at", "Why"))}
	for i := range h.entries {
		if e := &h.entries[i]; e.Kind == migration.KindVerified {
			checks, good := checksOf(e)
			t.add(!e.OK || !good, h.since(e.AtMs), thousands(e.Rows), thousands(e.Differences), Length(e.Ms), e.Report, checks, e.Why)
		}
	}
	return h.section("comparisons", "Comparisons of both ledgers", "All rows of both ledgers, against each other. Differences are those that were confirmed.", t)
}

// checksOf writes what else a comparison of the warm phase looked at, and tells whether all of it is good.
func checksOf(e *migration.Entry) (text string, good bool) {
	good = true
	all := make([]string, len(e.Checks))
	for i, g := range e.Checks {
		switch {
		case g.OK && g.Why == "":
			all[i] = g.Name + ": good"
		case g.OK:
			all[i] = g.Name + ": " + g.Why
		default:
			all[i], good = g.Name+" IS NOT GOOD: "+g.Why, false
		}
	}
	return strings.Join(all, "; "), good
}

// approvals tells which still counted, too: a way back takes all away.
func (h *history) approvals() section {
	t := table{Columns: slices.Concat(numbers("When"), words("Who", "For", "Why", ""))}
	counts := 0 // rows before this one are taken away
	for i := range h.entries {
		switch e := &h.entries[i]; e.Kind {
		case migration.KindApprove:
			t.add(false, h.since(e.AtMs), e.By, e.For, e.Why, "")
		case migration.KindReverse, migration.KindRollback, migration.KindFailback:
			for ; counts < len(t.Rows); counts++ {
				t.Rows[counts].Cells[4] = fmt.Sprintf("taken away by entry %d", e.Seq)
			}
		}
	}
	return h.section("approvals", "Approvals", "", t)
}

func costs(c *Costs) section {
	s := section{ID: "costs", Title: "Costs", Text: "From the operator's own numbers."}
	if c == nil {
		return s
	}
	money := func(v float64) string {
		sign := ""
		if v < 0 {
			sign = "−"
		}
		cents := strconv.FormatFloat(math.Abs(v), 'f', 2, 64)
		return sign + commas(cents[:len(cents)-3]) + cents[len(cents)-3:]
	}
	t := table{Columns: slices.Concat(words("In "+line(c.Currency)), numbers("A month", "A year"))}
	for _, l := range []struct {
		name  string
		month float64
	}{{"V10", c.V10}, {"V11", c.V11}, {"Saved", c.V10 - c.V11}} {
		t.add(l.month < 0, l.name, money(l.month), money(12*l.month))
	}
	s.Tables = []table{t}
	if c.WorkHours > 0 {
		s.Text += fmt.Sprintf(" The migration took %s hours of work.", number(c.WorkHours))
	}
	return s
}

// journalFoldedAbove is how many rows of the journal a page shows without being asked.
const journalFoldedAbove = 60

// journal is all entries. The same failure again and again is one row.
func (h *history) journal() section {
	t := table{Columns: slices.Concat(numbers("Entry", "When"), words("Who", "What", "Why"))}
	for i := 0; i < len(h.entries); i++ {
		e := &h.entries[i]
		last := i
		for e.Kind == migration.KindFailed && last+1 < len(h.entries) && again(e, &h.entries[last+1]) {
			last++
		}
		seq, said := strconv.FormatUint(e.Seq, 10), what(e)
		if last > i {
			seq += "–" + strconv.FormatUint(h.entries[last].Seq, 10)
			said = fmt.Sprintf("%s, %s until %s", said, times(last-i+1), h.since(h.entries[last].AtMs))
		}
		t.add(isBad(e), seq, h.since(e.AtMs), e.By, said, e.Why)
		i = last
	}
	s := h.section("journal", "Journal", fmt.Sprintf("The start was at %s UTC; times are since then, by the clock of whoever wrote.", utc(h.beginMs)), t)
	s.Folded = len(t.Rows) > journalFoldedAbove
	return s
}

// isBad reports whether an entry is no good news.
func isBad(e *migration.Entry) bool {
	switch e.Kind {
	case migration.KindReverse, migration.KindRollback, migration.KindFailback, migration.KindFailed:
		return true
	case migration.KindDrilled, migration.KindVerified:
		return !e.OK
	}
	return false
}

func again(e, next *migration.Entry) bool {
	return next.Kind == e.Kind && next.Action == e.Action && next.Why == e.Why && next.By == e.By
}

func (h *history) plans() section {
	s := section{ID: "plan", Title: "Plan"}
	for i := range h.entries {
		if e := &h.entries[i]; e.Kind == migration.KindPlan {
			s.Parts = append(s.Parts, section{Title: fmt.Sprintf("Entry %d, %s UTC, by %s", e.Seq, utc(e.AtMs), line(e.By)), Plain: lines(e.Text), Folded: true})
		}
	}
	if len(s.Parts) > 1 {
		s.Text = "Each took the place of the one before."
	}
	return s
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}
