// SPDX-License-Identifier: Apache-2.0

package v10diff

import (
	"encoding/json"

	"github.com/aurigraph/aurigraph/internal/fault"
)

// unordered compares two lists whose order does not matter, and reports false if these are no lists.
func (c *comparison) unordered(r *Rule, at place, a, b any) bool {
	x, ok1 := a.([]any)
	y, ok2 := b.([]any)
	if !ok1 || !ok2 {
		return false
	}
	if len(x) == 0 && len(y) == 0 {
		c.fields[byValue]++
	}
	waiting, moved := c.byKey(r, y), false
	for i, one := range x {
		key := c.keyAtB(r, at, one)
		left := waiting[key]
		if len(left) == 0 {
			c.extra(r, at, i, one, true)
			continue
		}
		waiting[key], moved = left[1:], moved || i != left[0]
		c.value(elementAt(r, at, i, one), one, y[left[0]])
	}
	for _, left := range waiting {
		for _, j := range left {
			c.extra(r, at, j, y[j], false)
		}
	}
	if moved {
		c.allowed[r]++
	}
	return true
}

// byKey is where in a list of B each key stands.
func (c *comparison) byKey(r *Rule, list []any) map[string][]int {
	found := make(map[string][]int, len(list))
	for j, one := range list {
		key, _ := keyOf(r, one)
		found[canonical(key)] = append(found[canonical(key)], j)
	}
	return found
}

// keyAtB is the key that an element of A has at B: of an id that was told before, B's.
func (c *comparison) keyAtB(r *Rule, at place, one any) string {
	key, _ := keyOf(r, one)
	if id, ok := key.(string); ok && r.Key != "" {
		if under := c.rule(at.at(0).member(r.Key)); under != nil && under.Do == IDs {
			if b, known := c.known.ofA[id]; known {
				return canonical(b)
			}
		}
	}
	return canonical(key)
}

// canonical writes a value so that equal ones are equal texts.
func canonical(v any) string {
	text, err := json.Marshal(plain(v))
	fault.Invariant(err == nil, "a value that was JSON does not encode: %v", err)
	return string(text)
}

// plain replaces numbers by their one form.
func plain(v any) any {
	switch v := v.(type) {
	case json.Number:
		d, ok := parseDecimal(string(v))
		if !ok {
			return map[string]string{"": string(v)}
		}
		return map[string]any{"": []any{d.negative, d.digits, d.exponent}}
	case map[string]any:
		out := make(map[string]any, len(v))
		for name, value := range v {
			out[name] = plain(value)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, value := range v {
			out[i] = plain(value)
		}
		return out
	}
	return v
}

// keyOf is what an element is told by; null, and false, if it has no such member.
func keyOf(r *Rule, element any) (any, bool) {
	if r.Key == "" {
		return element, true
	}
	object, ok := element.(map[string]any)
	if !ok {
		return nil, false
	}
	key, ok := object[r.Key]
	return key, ok
}

func elementAt(r *Rule, at place, index int, element any) place {
	key, _ := keyOf(r, element)
	switch key := key.(type) {
	case string:
		if r.Key != "" {
			return at.keyed(r.Key, key)
		}
	case json.Number:
		if r.Key != "" {
			return at.keyed(r.Key, string(key))
		}
	}
	return at.at(index)
}

// extra is an element that only one server has.
func (c *comparison) extra(r *Rule, at place, index int, one any, ofA bool) {
	if r.Common {
		c.ignored(r, one, nil)
		return
	}
	c.alone(elementAt(r, at, index, one), one, ofA)
}
