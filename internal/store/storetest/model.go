// SPDX-License-Identifier: Apache-2.0

package storetest

import (
	"fmt"
	"sort"
	"strings"
	"testing"

	"github.com/aurigraph/aurigraph/internal/store"
	"pgregory.net/rapid"
)

// testModel applies random changes to the store and to a map, and compares ranges of both.
func testModel(t *testing.T, s store.Store) {
	model := map[string]string{}
	rapid.Check(t, func(rt *rapid.T) {
		var c store.Changes
		for range rapid.IntRange(0, 6).Draw(rt, "changes") {
			drawChange(rt, &c, model)
		}
		if err := s.Apply(&c, false); err != nil {
			rt.Fatal(err)
		}
		r := store.Range{Low: drawKey(rt), High: drawKey(rt), Reverse: rapid.Bool().Draw(rt, "reverse")}
		if got, want := Dump(t, s, r), dumpModel(model, r); got != want {
			rt.Fatalf("range %+v: got %q, want %q", r, got, want)
		}
	})
}

func drawKey(rt *rapid.T) []byte {
	return []byte(rapid.StringOfN(rapid.RuneFrom([]rune("abc")), 1, 3, -1).Draw(rt, "key"))
}

func drawChange(rt *rapid.T, c *store.Changes, model map[string]string) {
	key := drawKey(rt)
	switch rapid.IntRange(0, 4).Draw(rt, "kind") {
	case 0:
		c.Delete(key)
		delete(model, string(key))
	case 1:
		high := drawKey(rt)
		c.DeleteRange(key, high)
		for k := range model {
			if k >= string(key) && k < string(high) {
				delete(model, k)
			}
		}
	default:
		value := fmt.Sprint(rapid.IntRange(0, 99).Draw(rt, "value"))
		c.Put(key, []byte(value))
		model[string(key)] = value
	}
}

func dumpModel(model map[string]string, r store.Range) string {
	var words []string
	for k, v := range model {
		if k >= string(r.Low) && k < string(r.High) {
			words = append(words, k+"="+v)
		}
	}
	// "=" sorts below the keys' letters, so that words sort as their keys do.
	sort.Strings(words)
	if r.Reverse {
		sort.Sort(sort.Reverse(sort.StringSlice(words)))
	}
	return strings.Join(words, " ")
}
