// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/aurigraph/aurigraph/model/check"
)

// TestDocumentIsFresh wants a row with the recorded counts for each scenario, and a word for each rule.
func TestDocumentIsFresh(t *testing.T) {
	data, err := os.ReadFile("../../../docs/move-model.md")
	if err != nil {
		t.Fatal(err)
	}
	text := string(data)
	names := map[string]bool{}
	for _, s := range all() {
		if names[s.Name] {
			t.Errorf("two scenarios are called %q", s.Name)
		}
		names[s.Name] = true
		if row := fmt.Sprintf("| %s | %s | %s | %d |", s.Name, s.What, thousands(s.States), s.Depth); !strings.Contains(text, row) {
			t.Errorf("docs/move-model.md lacks\n%s", row)
		}
		for _, rule := range s.Rules {
			if !strings.Contains(text, rule) {
				t.Errorf("docs/move-model.md says nothing of %s", rule)
			}
		}
	}
}

func thousands(n int64) string {
	if n < 1000 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%s,%03d", thousands(n/1000), n%1000)
}

func TestSearch(t *testing.T) {
	one := func(name string) []check.Scenario {
		for _, s := range all() {
			if s.Name == name {
				return []check.Scenario{s}
			}
		}
		return nil
	}
	for _, c := range []struct {
		scenario string
		without  []string
		want     string
	}{
		{"guards", nil, ""},
		{"guards", []string{"closed-first"}, "two homes"},
		{"guards", []string{"no-such-rule"}, "no rule"},
		{"nothing", nil, "no such scenario"},
	} {
		err := search(one(c.scenario), c.without, check.Options{})
		if (err == nil) != (c.want == "") || (err != nil && !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s without %v: %v, want %q", c.scenario, c.without, err, c.want)
		}
	}
}
