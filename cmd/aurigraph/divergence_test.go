// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/aurigraph/aurigraph/internal/query"
)

// TestDivergence shows a validator that left the certified history, as a program and as a person sees it.
func TestDivergence(t *testing.T) {
	c := singing(t)
	d := &query.Divergence{
		Height: 58, Own: "0a", Certified: "0b", TimeUs: 1_700_000_000_000_000, StateHeight: 50,
		Fields: []query.FieldDifference{{Field: "state root", Own: "1a", Certified: "1b"}},
		Pages:  []query.PageDifference{{Section: 65537, Name: "balances of asset 1", Page: 3, Pages: 2, Record: "account", FirstRecord: 3072, LastRecord: 4095}},
	}
	c.says(3, query.Status{Height: 57, State: query.StateHalted, Halted: true, HaltedReason: "its header differs", Divergence: d})
	dir := c.network.Dir

	var j validatorsJSON
	if err := json.Unmarshal([]byte(want(t, exitDone, "validators", "--network", dir, "--json").out), &j); err != nil {
		t.Fatal(err)
	}
	have := j.List[3].Divergence
	if have == nil || have.Height != 58 || have.Summary != d.String() || have.Time != "2023-11-14T22:13:20Z" ||
		!slices.Equal(have.Fields, []fieldJSON{{"state root", "1a", "1b"}}) ||
		!slices.Equal(have.Pages, []pageJSON{{65537, "balances of asset 1", 3, 2, "account", 3072, 4095}}) || j.List[0].Divergence != nil {
		t.Errorf("%+v", have)
	}
	for command, lines := range map[string][]string{
		"validators": {"node3 header of height 58, 2023-11-14T22:13:20Z 0a 0b", "node3 its state root 1a 1b",
			"node3 state of height 50: balances of asset 1 section 65537, page 3 first account 3072 to 4095, pages that differ: 2"},
		"status": {"node3 diverged " + d.String()},
	} {
		text := oneSpace(want(t, exitDone, command, "--network", dir).out)
		for _, line := range lines {
			if !strings.Contains(text, line+"\n") {
				t.Errorf("there is no line %q in\n%s", line, text)
			}
		}
	}
	c.says(3, query.Status{Height: 90, State: query.StateFollower, Divergence: d})
	if text := oneSpace(want(t, exitDone, "status", "--network", dir).out); !strings.Contains(text, "node3 diverged it has gone on since; the header") {
		t.Errorf("nothing says that it is over:\n%s", text)
	}
}

// oneSpace puts one space where a table puts many.
func oneSpace(table string) string {
	var b strings.Builder
	for line := range strings.Lines(table) {
		b.WriteString(strings.Join(strings.Fields(line), " ") + "\n")
	}
	return b.String()
}
