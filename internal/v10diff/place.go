// SPDX-License-Identifier: Apache-2.0

package v10diff

import (
	"fmt"
	"strings"
)

// place is where a value stands in an answer: @status, @header.NAME, or a path into the body. It is a list that grows at its end
// and shares its beginning with others: never change a step.
type place []step

// step is a member of an object, or an element of a list.
type step struct {
	name    string // of a member; of an element that was found by a key, key=value
	element bool
	index   int
}

func (p place) member(name string) place { return append(p[:len(p):len(p)], step{name: name}) }

func (p place) at(index int) place {
	return append(p[:len(p):len(p)], step{element: true, index: index})
}

func (p place) keyed(key, value string) place {
	return append(p[:len(p):len(p)], step{element: true, name: key + "=" + value})
}

// String writes the place as a person finds it: accounts[2].name.
func (p place) String() string {
	return p.text(func(s step) string {
		if s.name != "" {
			return s.name
		}
		return fmt.Sprint(s.index)
	})
}

// field is the place without saying which element of lists: the same field of each.
func (p place) field() string { return p.text(func(step) string { return "" }) }

func (p place) text(inside func(step) string) string {
	if len(p) == 0 {
		return "(body)"
	}
	var out strings.Builder
	for i, s := range p {
		switch {
		case s.element:
			out.WriteString("[" + inside(s) + "]")
		case i > 0:
			out.WriteString("." + s.name)
		default:
			out.WriteString(s.name)
		}
	}
	return out.String()
}

// pattern matches places. Its words are member names, * for any member, [] for any element, [key=value] for one found by its key,
// and ** for any number of steps.
type pattern []string

// parsePattern reads a pattern such as accounts[].name or **.timestamp.
func parsePattern(text string) pattern {
	var p pattern
	for word := range strings.SplitSeq(text, ".") {
		name, rest, listed := strings.Cut(word, "[")
		if name != "" {
			p = append(p, name)
		}
		for listed {
			var inside string
			inside, rest, _ = strings.Cut(rest, "]")
			p = append(p, "["+inside+"]")
			rest, listed = strings.CutPrefix(rest, "[")
		}
	}
	return p
}

func (p pattern) matches(at place) bool {
	for i, word := range p {
		if word == "**" {
			for skip := i; skip <= len(at); skip++ {
				if p[i+1:].matches(at[skip:]) {
					return true
				}
			}
			return false
		}
		if i >= len(at) || !at[i].is(word) {
			return false
		}
	}
	return len(p) == len(at)
}

func (s step) is(word string) bool {
	if s.element {
		return word == "[]" || (s.name != "" && word == "["+s.name+"]")
	}
	return word == "*" || word == s.name
}
