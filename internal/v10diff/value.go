// SPDX-License-Identifier: Apache-2.0

package v10diff

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// same compares two values exactly, order of lists included.
func same(a, b any) bool {
	switch x := a.(type) {
	case json.Number:
		y, ok := b.(json.Number)
		return ok && sameNumber(string(x), string(y))
	case map[string]any:
		y, ok := b.(map[string]any)
		if !ok || len(x) != len(y) {
			return false
		}
		for name, value := range x {
			if other, ok := y[name]; !ok || !same(value, other) {
				return false
			}
		}
		return true
	case []any:
		y, ok := b.([]any)
		return ok && slices.EqualFunc(x, y, same)
	}
	switch b.(type) {
	case map[string]any, []any:
		return false
	}
	return a == b
}

// leaves counts fields: values that hold no others.
func leaves(v any) int {
	n := 0
	switch v := v.(type) {
	case map[string]any:
		for _, value := range v {
			n += leaves(value)
		}
	case []any:
		for _, value := range v {
			n += leaves(value)
		}
	}
	return max(1, n)
}

// shownBytesMax bounds a value in a report.
const shownBytesMax = 200

func show(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	if len(text) > shownBytesMax {
		return strings.ToValidUTF8(string(text[:shownBytesMax]), "") + "…"
	}
	return string(text)
}
