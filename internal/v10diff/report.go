// SPDX-License-Identifier: Apache-2.0

package v10diff

import (
	"cmp"
	"slices"
)

// Report is what a comparison found.
type Report struct {
	A        string `json:"a"`
	B        string `json:"b"`
	Run      string `json:"run"`
	Requests int    `json:"requests"` // of the corpus
	Compared int    `json:"compared"` // both servers answered
	Skipped  []Skip `json:"skipped"`

	Fields  int     `json:"fields"`   // values, statuses and headers of the answers compared
	ByValue int     `json:"by_value"` // of them, compared by value and the same
	ByForm  int     `json:"by_form"`  // compared by form only
	Ignored int     `json:"ignored"`  // not looked at
	Noisy   int     `json:"noisy"`    // differ, and A differs from itself there
	Differ  int     `json:"differ"`   // unexplained
	Share   float64 `json:"share"`    // (by_value + differ) / fields

	Noise       []FieldNoise `json:"noise"`
	Explained   []RuleUse    `json:"explained"`
	Unexplained []Group      `json:"unexplained"`
	More        int          `json:"more"` // differences of kinds beyond groupsMax
	Seconds     float64      `json:"seconds"`
}

// OK reports whether everything that differs is explained.
func (r *Report) OK() bool { return r.Differ == 0 }

// Skip is requests that were not compared, for one reason.
type Skip struct {
	Why     string `json:"why"`
	Count   int    `json:"count"`
	Example string `json:"example"` // METHOD path
}

// FieldNoise is a field in which A differed from itself, so many times.
type FieldNoise struct {
	Row   string `json:"row"`
	Field string `json:"field"`
	Count int    `json:"count"`
}

// RuleUse is a rule and how many differences it let pass.
type RuleUse struct {
	Do    Action   `json:"do"`
	Paths []string `json:"paths"`
	On    []string `json:"on,omitempty"`
	Why   string   `json:"why"`
	Count int      `json:"count"`
}

// Group is the unexplained differences of one field of one row, with the first of them.
type Group struct {
	Row     string `json:"row"`
	Field   string `json:"field"`
	Count   int    `json:"count"`
	Request string `json:"request"` // as it was sent to A
	Path    string `json:"path"`
	A       string `json:"a_value"`
	B       string `json:"b_value"`
}

// groupsMax bounds the kinds of differences that a report tells apart.
const groupsMax = 1000

type fieldOf struct{ row, field string }

// tally gathers a report.
type tally struct {
	report Report
	skips  map[string]*Skip
	noise  map[fieldOf]int
	used   map[*Rule]int
	groups map[fieldOf]*Group
}

func newTally() *tally {
	return &tally{skips: map[string]*Skip{}, noise: map[fieldOf]int{}, used: map[*Rule]int{}, groups: map[fieldOf]*Group{}}
}

func (t *tally) skip(why, request string) {
	if t.skips[why] == nil {
		t.skips[why] = &Skip{Why: why, Example: request}
	}
	t.skips[why].Count++
}

// add counts one comparison; noisy are the fields in which A differed from itself.
func (t *tally) add(row, request string, c *comparison, noisy map[string]bool) {
	r := &t.report
	r.Compared++
	for _, n := range c.fields {
		r.Fields += n
	}
	r.ByValue += c.fields[byValue]
	r.ByForm += c.fields[formOnly]
	r.Ignored += c.fields[notLooked]
	for rule, n := range c.allowed {
		t.used[rule] += n
	}
	for field := range noisy {
		t.noise[fieldOf{row, field}]++
	}
	r.Differ += c.fields[differs] - len(c.found) // beyond differencesMax
	for _, d := range c.found {
		if isNoise(d.at, noisy) {
			r.Noisy++
			continue
		}
		r.Differ++
		t.group(row, request, d)
	}
}

// isNoise reports whether a field, or what it is a part of, is noisy.
func isNoise(at place, noisy map[string]bool) bool {
	for n := range len(at) + 1 {
		if noisy[at[:n].field()] {
			return true
		}
	}
	return false
}

func (t *tally) group(row, request string, d difference) {
	key := fieldOf{row, d.at.field()}
	g := t.groups[key]
	if g == nil {
		if len(t.groups) == groupsMax {
			t.report.More++
			return
		}
		g = &Group{Row: key.row, Field: key.field, Request: request, Path: d.at.String(), A: d.a, B: d.b}
		t.groups[key] = g
	}
	g.Count++
}

// done sorts what was gathered: the most frequent first.
func (t *tally) done() *Report {
	r := &t.report
	r.Skipped, r.Noise, r.Explained, r.Unexplained = []Skip{}, []FieldNoise{}, []RuleUse{}, []Group{}
	for _, s := range t.skips {
		r.Skipped = append(r.Skipped, *s)
	}
	for at, n := range t.noise {
		r.Noise = append(r.Noise, FieldNoise{at.row, at.field, n})
	}
	for rule, n := range t.used {
		r.Explained = append(r.Explained, RuleUse{rule.Do, rule.Paths, rule.On, rule.Why, n})
	}
	for _, g := range t.groups {
		r.Unexplained = append(r.Unexplained, *g)
	}
	slices.SortFunc(r.Skipped, func(a, b Skip) int { return cmp.Or(b.Count-a.Count, cmp.Compare(a.Why, b.Why)) })
	slices.SortFunc(r.Noise, func(a, b FieldNoise) int {
		return cmp.Or(b.Count-a.Count, cmp.Compare(a.Row, b.Row), cmp.Compare(a.Field, b.Field))
	})
	slices.SortFunc(r.Explained, func(a, b RuleUse) int {
		return cmp.Or(b.Count-a.Count, cmp.Compare(a.Why, b.Why), slices.Compare(a.Paths, b.Paths))
	})
	slices.SortFunc(r.Unexplained, func(a, b Group) int {
		return cmp.Or(b.Count-a.Count, cmp.Compare(a.Row, b.Row), cmp.Compare(a.Field, b.Field))
	})
	if r.Fields > 0 {
		r.Share = float64(r.ByValue+r.Differ) / float64(r.Fields)
	}
	return r
}
