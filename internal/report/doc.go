// SPDX-License-Identifier: Apache-2.0

// Package report makes the report of a migration: one page for people, as HTML or Markdown, of what the journal and its windows say. It also has
// the words that the command line uses for entries and for the phases of a plan.
//
//	page, err := report.HTML(&report.Input{Title: "Move of pair", MadeAt: now, Entries: entries, Windows: windows, Figures: figures, Verdict: report.Pass})
//	text, err := report.Markdown(&in)          // the same, with lines of blocks in place of the plots
//	line := report.Words(&entry)               // what an entry says
//	course, err := report.CourseOf(plan, entries) // the phases of a plan, and where it stands
//
// Both pages come from the same sections, so they cannot say different things. A page is a file of its own: it has no script and loads
// nothing, and says so to the browser.
//
// Invariants:
//
//  1. Nothing in a page is a claim of the page's own: each number is the journal's, the windows', or the caller's.
//  2. What people and servers wrote is text: it becomes no markup, no link and no new line, and cannot turn the direction of what is beside it.
//  3. A plot shows the worst of the windows that share a point, never only their mean. Where no window is, there is a gap.
//  4. The same input gives the same bytes.
package report
