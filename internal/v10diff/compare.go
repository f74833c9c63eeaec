// SPDX-License-Identifier: Apache-2.0

package v10diff

import (
	"encoding/json"
	"fmt"
	"slices"
)

// verdict is what became of a field.
type verdict uint8

const (
	byValue     verdict = iota // the same, or near, or the same thing under another id
	formOnly                   // of the same form or type
	notLooked                  // ignored
	differs                    // and no rule lets it
	verdictsMax = iota
)

// difference is a field that differs.
type difference struct {
	at   place
	a, b string
}

// comparison compares one pair of answers.
type comparison struct {
	rules []*Rule // of the row
	self  bool    // A with itself: only rules that say where to look count
	known *ids    // from earlier answers
	fresh *ids    // from this one

	fields  [verdictsMax]int
	allowed map[*Rule]int // differences that a rule let pass
	found   []difference
}

// differencesMax bounds the differences of one pair of answers.
const differencesMax = 1000

func newComparison(rules []*Rule, known *ids, self bool) *comparison {
	return &comparison{rules: rules, self: self, known: known, fresh: newIDs(), allowed: map[*Rule]int{}}
}

// compare compares two answers whole.
func (c *comparison) compare(a, b *answer) {
	if a.failure != "" || b.failure != "" {
		c.leaf(place{}.member("@answer"), said(a), said(b))
		return
	}
	if status := (place{}).member("@status"); a.status != b.status && c.rule(status) == nil {
		c.note(status, said(a), said(b)) // all else would differ as well
		return
	}
	c.value(place{}.member("@status"), json.Number(fmt.Sprint(a.status)), json.Number(fmt.Sprint(b.status)))
	for _, name := range comparedHeaders {
		c.header(name, a, b)
	}
	if a.kind != b.kind {
		c.value(place{}.member("@body"), a.kind, b.kind)
		return
	}
	if a.kind != "empty" {
		c.value(place{}, a.body, b.body)
	}
}

// said is an answer in a few words.
func said(a *answer) string {
	if a.failure != "" {
		return a.failure
	}
	return fmt.Sprintf("%d %s", a.status, show(a.body))
}

func (c *comparison) header(name string, a, b *answer) {
	x, hasA := a.headers[name]
	y, hasB := b.headers[name]
	at := place{}.member("@header").member(name)
	switch {
	case hasA && hasB:
		c.value(at, x, y)
	case hasA:
		c.alone(at, x, true)
	case hasB:
		c.alone(at, y, false)
	}
}

// rule finds the rule for a place.
func (c *comparison) rule(at place) *Rule {
	for _, r := range c.rules {
		if (!c.self || r.Do == Ignore || r.Do == Unordered) && r.matches(at) {
			return r
		}
	}
	return nil
}

// value compares two values at a place.
func (c *comparison) value(at place, a, b any) {
	r := c.rule(at)
	if r != nil {
		switch r.Do {
		case Ignore:
			c.ignored(r, a, b)
			return
		case Type, Form:
			if !r.excepts(a) && !r.excepts(b) {
				c.byForm(r, at, a, b)
				return
			}
		case Unordered:
			if c.unordered(r, at, a, b) {
				return
			}
		}
	}
	switch x := a.(type) {
	case map[string]any:
		if y, ok := b.(map[string]any); ok {
			c.object(at, x, y)
			return
		}
	case []any:
		if y, ok := b.([]any); ok {
			c.list(at, x, y)
			return
		}
	}
	c.scalar(r, at, a, b)
}

// ignored counts a value that is not looked at.
func (c *comparison) ignored(r *Rule, a, b any) {
	c.fields[notLooked] += leaves(a)
	if !same(a, b) {
		c.allowed[r]++
	}
}

// byForm compares by form, or by type alone.
func (c *comparison) byForm(r *Rule, at place, a, b any) {
	alike := sameForm(a, b)
	if r.Do == Type {
		alike = typeOf(a) == typeOf(b)
	}
	if !alike {
		c.differ(at, a, b)
		return
	}
	c.fields[formOnly] += max(leaves(a), leaves(b))
	if !same(a, b) {
		c.allowed[r]++
	}
}

func (r *Rule) excepts(v any) bool {
	text, ok := v.(string)
	return ok && slices.Contains(r.Except, text)
}

// scalar compares what is no pair of objects or lists.
func (c *comparison) scalar(r *Rule, at place, a, b any) {
	switch {
	case r != nil && r.Do == IDs:
		c.id(r, at, a, b)
	case same(a, b):
		c.fields[byValue]++
	case r != nil && r.Do == Within && near(r, a, b):
		c.fields[byValue]++
		c.allowed[r]++
	default:
		c.differ(at, a, b)
	}
}

func near(r *Rule, a, b any) bool {
	x, ok1 := a.(json.Number)
	y, ok2 := b.(json.Number)
	return ok1 && ok2 && r.tolerance.holds(string(x), string(y))
}

// id compares two texts that stand for the same thing.
func (c *comparison) id(r *Rule, at place, a, b any) {
	x, ok1 := a.(string)
	y, ok2 := b.(string)
	if !ok1 || !ok2 || stringForm(x) != stringForm(y) {
		c.differ(at, a, b)
		return
	}
	fits, known := c.known.fit(x, y)
	if !known {
		if fits, known = c.fresh.fit(x, y); !known {
			c.fresh.learn(x, y)
		}
	}
	if !fits {
		c.differ(at, a, b)
		return
	}
	c.fields[byValue]++
	if x != y {
		c.allowed[r]++
	}
}

func (c *comparison) object(at place, a, b map[string]any) {
	if len(a) == 0 && len(b) == 0 {
		c.fields[byValue]++
	}
	for _, name := range members(a, b) {
		x, hasA := a[name]
		y, hasB := b[name]
		switch {
		case hasA && hasB:
			c.value(at.member(name), x, y)
		case hasA:
			c.alone(at.member(name), x, true)
		default:
			c.alone(at.member(name), y, false)
		}
	}
}

func members(a, b map[string]any) []string {
	var names []string
	for name := range a {
		names = append(names, name)
	}
	for name := range b {
		if _, ok := a[name]; !ok {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// list compares element by element. Of lists that are not equally long only that is said: everything behind what is missing would
// differ as well.
func (c *comparison) list(at place, a, b []any) {
	if len(a) != len(b) {
		c.leaf(at, fmt.Sprint(len(a), elements), fmt.Sprint(len(b), elements))
		return
	}
	if len(a) == 0 {
		c.fields[byValue]++
	}
	for i := range a {
		c.value(at.at(i), a[i], b[i])
	}
}

// alone is what one side has only.
func (c *comparison) alone(at place, v any, ofA bool) {
	if r := c.rule(at); r != nil && r.Do == Ignore {
		c.ignored(r, v, nil)
		return
	}
	if ofA {
		c.leaf(at, show(v), absent)
		return
	}
	c.leaf(at, absent, show(v))
}

// What is said about values in their place. Text that is a value has quotes.
const (
	absent   = "(absent)"
	elements = " elements"
)

// leaf compares what we say about two values instead of them.
func (c *comparison) leaf(at place, a, b any) {
	if a == b {
		c.fields[byValue]++
		return
	}
	c.note(at, fmt.Sprint(a), fmt.Sprint(b))
}

func (c *comparison) differ(at place, a, b any) { c.note(at, show(a), show(b)) }

func (c *comparison) note(at place, a, b string) {
	c.fields[differs]++
	if len(c.found) < differencesMax {
		c.found = append(c.found, difference{at, a, b})
	}
}
