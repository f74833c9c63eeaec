// SPDX-License-Identifier: Apache-2.0

package report

import (
	"fmt"
	"os"
	"slices"
	"strings"
)

// What lies between these lines of the document is written by this package.
const (
	begin = "<!-- written by make bench-peers: do not edit -->"
	end   = "<!-- end of what make bench-peers writes -->"
)

// Document puts the tables into a document, between its two marks.
func (r *Report) Document(text string) (string, error) {
	head, rest, ok := strings.Cut(text, begin)
	if !ok {
		return "", fmt.Errorf("the document has no line %q", begin)
	}
	_, tail, ok := strings.Cut(rest, end)
	if !ok {
		return "", fmt.Errorf("the document has no line %q", end)
	}
	return head + begin + "\n" + r.tables() + end + tail, nil
}

// UpdateDocument writes the tables into the file of a document.
func (r *Report) UpdateDocument(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	updated, err := r.Document(string(text))
	if err != nil {
		return err
	}
	return os.WriteFile(path, []byte(updated), 0o644)
}

func (r *Report) tables() string {
	var b strings.Builder
	r.circumstances(&b)
	for _, c := range []struct{ class, title string }{
		{ClassMajority, "Confirmed when a majority of several copies is on disk"},
		{ClassOne, "Confirmed when the one copy is on disk"},
	} {
		fmt.Fprintf(&b, "### %s\n\n", c.title)
		r.table(&b, c.class)
	}
	r.best(&b)
	r.commands(&b)
	return b.String()
}

func (r *Report) circumstances(b *strings.Builder) {
	fmt.Fprintf(b, "\n%s, %s. %d rounds over all rows, one after the other; in each, %.0f s of warm-up and %.0f s of measurement.\n", r.Taken, r.Machine, r.Rounds, r.WarmUpS, r.MeasureS)
	fmt.Fprintf(b, "%.1f %% of the time was stolen by other machines of the host. Medians; in brackets the lowest and the highest round.\n\n", r.StolenPc)
	fmt.Fprintf(b, "Versions: %s.\n\n", strings.Join(r.versions(), ", "))
}

func (r *Report) versions() []string {
	var names []string
	for name, version := range r.Versions {
		names = append(names, name+" "+version)
	}
	slices.Sort(names)
	return names
}

func (r *Report) table(b *strings.Builder, class string) {
	b.WriteString("| system | servers | transfers/s | Aurigraph, times | p50 / p99 ms | server CPU a transfer | load CPU | memory of all servers | refused |\n")
	b.WriteString("|---|---|---|---|---|---|---|---|---|\n")
	for _, row := range r.Rows {
		if row.Class != class {
			continue
		}
		name := row.Peer + ", " + row.Variant
		if row.Opaque {
			name = "*" + name + "*"
		}
		m := row.Median
		fmt.Fprintf(b, "| %s | %d | %s (%s) | %s | %.1f / %.1f | %s | %s | %.0f MB | %s |\n",
			name, row.Servers, thousands(m.TransfersPerS), row.span(), times(row), m.P50Ms, m.P99Ms, micros(m.CPUUsPerTransfer), micros(m.LoadCPUUsPerTransfer), m.RSSMBTotal, row.refusals())
	}
	b.WriteString("\n")
}

func (row Row) span() string {
	low, high := row.Median.TransfersPerS, row.Median.TransfersPerS
	for _, s := range row.Samples {
		low, high = min(low, s.TransfersPerS), max(high, s.TransfersPerS)
	}
	return thousands(low) + " to " + thousands(high)
}

func times(row Row) string {
	if row.Peer == Ours && !row.Paced {
		return "1"
	}
	return fmt.Sprintf("%.1f", row.OursTimes)
}

// refusals are transfers by the reason for which they were not done, and rounds that failed.
func (row Row) refusals() string {
	var all []string
	for why, n := range row.Refused {
		all = append(all, fmt.Sprintf("%s: %d", strings.ReplaceAll(why, "|", "/"), n))
	}
	if n := len(row.Failures); n > 0 {
		all = append(all, fmt.Sprintf("rounds that failed: %d", n))
	}
	if len(all) == 0 {
		return "0"
	}
	slices.Sort(all)
	return strings.Join(all, "; ")
}

func (r *Report) best(b *strings.Builder) {
	b.WriteString("### Against the best of the others\n\n| class | what its servers do with a transfer | best of the others | Aurigraph, times | at half of its peak |\n|---|---|---|---|---|\n")
	for _, best := range r.Best {
		does := "keep or post each one"
		if best.Opaque {
			does = "nothing: opaque bytes are ordered"
		}
		fmt.Fprintf(b, "| %s | %s | %s, %s | %.1f | %.1f |\n", best.Class, does, best.Peer, best.Variant, best.OursTimes, best.PacedTimes)
	}
	b.WriteString("\n")
}

func (r *Report) commands(b *strings.Builder) {
	b.WriteString("### What was run\n\nThe whole: `" + r.Command + "`. Ports and folders ($DIR) are new in each round; those of the last are shown.\n\n")
	for _, row := range r.Rows {
		fmt.Fprintf(b, "**%s, %s.** A transfer is %s. On disk when it is confirmed: %s.\n\n```\n%s\n```\n\n", row.Peer, row.Variant, row.Transfer, row.Durability, strings.Join(row.Commands, "\n"))
	}
}

// thousands writes a rate with three digits that say something: 1,234,567 is 1,230,000.
func thousands(rate float64) string {
	n, unit := int64(rate+0.5), int64(1)
	for n/unit >= 1000 {
		unit *= 10
	}
	text := fmt.Sprint((n + unit/2) / unit * unit)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

// micros writes microseconds, finer when there are few.
func micros(us float64) string {
	if us < 10 {
		return fmt.Sprintf("%.2f us", us)
	}
	return fmt.Sprintf("%.0f us", us)
}
