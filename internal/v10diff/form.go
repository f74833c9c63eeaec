// SPDX-License-Identifier: Apache-2.0

package v10diff

import (
	"encoding/json"
	"regexp"

	v10 "github.com/aurigraph/aurigraph/internal/v10"
)

var (
	timeForm     = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$`)
	hashForm     = regexp.MustCompile(`^0x[0-9a-f]{64}$`)
	durationForm = regexp.MustCompile(`^[0-9]+([.][0-9]+)?s$`)
)

// formOf names what a value is to a client that parses it: its JSON type, and of a string whether it is a time, a transaction id, a
// hash or a duration. All other strings are text, the empty one too.
func formOf(v any) string {
	if s, ok := v.(string); ok {
		return stringForm(s)
	}
	return typeOf(v)
}

// typeOf is the JSON type.
func typeOf(v any) string {
	switch v.(type) {
	case map[string]any:
		return "object"
	case []any:
		return "list"
	case json.Number:
		return "number"
	case bool:
		return "bool"
	case string:
		return "string"
	}
	return "null"
}

func stringForm(s string) string {
	switch {
	case timeForm.MatchString(s):
		return "time"
	case hashForm.MatchString(s):
		return "hash"
	case durationForm.MatchString(s):
		return "duration"
	}
	if _, err := v10.ParseTxID(s); err == nil {
		return "transaction id"
	}
	return "text"
}

// sameForm compares forms all the way down: objects have the same members, and elements of lists, however many, the form of A's
// first (of B's, if A has none).
func sameForm(a, b any) bool {
	if formOf(a) != formOf(b) {
		return false
	}
	switch a := a.(type) {
	case map[string]any:
		other := b.(map[string]any)
		for name, value := range a {
			if against, ok := other[name]; !ok || !sameForm(value, against) {
				return false
			}
		}
		return len(a) == len(other)
	case []any:
		all := append(append([]any{}, a...), b.([]any)...)
		for i := 1; i < len(all); i++ {
			if !sameForm(all[0], all[i]) {
				return false
			}
		}
	}
	return true
}
