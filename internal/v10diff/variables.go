// SPDX-License-Identifier: Apache-2.0

package v10diff

import (
	"encoding/json"
	"maps"
	"regexp"
	"strconv"
	"strings"

	v10 "github.com/aurigraph/aurigraph/internal/v10"
)

var variable = regexp.MustCompile(`\$(\$|[A-Z][A-Z0-9_]*)`)

// variables are what one server answered, by name.
type variables map[string]string

// expand puts values into text, each through write. It returns the name of the first that is not there.
func (v variables) expand(text string, write func(string) string) (out, missing string) {
	out = variable.ReplaceAllStringFunc(text, func(name string) string {
		if name == "$$" {
			return "$"
		}
		value, ok := v[name[1:]]
		if !ok && missing == "" {
			missing = name[1:]
		}
		return write(value)
	})
	return out, missing
}

func asIs(s string) string { return s }

// insideString writes a value for the inside of a JSON string.
func insideString(s string) string {
	text := v10.AppendString(nil, s)
	return string(text[1 : len(text)-1])
}

// concrete is a request as it is sent to one server.
type concrete struct {
	method, target, body string
	headers              map[string]string
	events               int
}

// concrete fills r in for a server. It returns the name of a variable that the server has no value for.
func (r *Request) concrete(v variables) (c concrete, missing string) {
	c = concrete{method: r.Method, events: r.Events, headers: maps.Clone(r.Headers)}
	note := func(text, lacks string) string {
		if missing == "" {
			missing = lacks
		}
		return text
	}
	c.target = note(v.expand(r.Path, v10.EscapeSegment))
	c.body = note(v.expand(r.payload(), insideString)) + strings.Repeat(" ", r.Pad)
	for name, value := range c.headers {
		c.headers[name] = note(v.expand(value, asIs))
	}
	return c, missing
}

// save keeps what r names of an answer. What is not there, or is no text and no number, is forgotten, so that nothing of an
// earlier answer stands in for it.
func (v variables) save(r *Request, body any) {
	for name, where := range r.Save {
		delete(v, name)
		switch found := lookUp(body, parsePattern(where)).(type) {
		case string:
			v[name] = found
		case json.Number:
			v[name] = string(found)
		}
	}
}

// lookUp finds a value by a path without stars, such as nodes[0].id; nil if there is none.
func lookUp(v any, path pattern) any {
	for _, word := range path {
		switch in := v.(type) {
		case map[string]any:
			v = in[word]
		case []any:
			index, err := strconv.Atoi(strings.Trim(word, "[]"))
			if err != nil || index < 0 || index >= len(in) {
				return nil
			}
			v = in[index]
		default:
			return nil
		}
	}
	return v
}
