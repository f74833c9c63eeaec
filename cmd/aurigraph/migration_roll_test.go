// SPDX-License-Identifier: Apache-2.0

package main

import (
	"slices"
	"testing"

	"github.com/aurigraph/aurigraph/client"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/migration"
)

// TestAlarmsOf counts what a validator keeps against others, whether it halted because an invariant broke, and tells a drill's alarm from both.
func TestAlarmsOf(t *testing.T) {
	forks := []client.Evidence{{Kind: "fork", Validator: 1}, {Kind: "two_headers", Validator: 3}}
	none := migration.Alarm{Source: "evidence at node0"}
	sound := migration.Alarm{Source: "invariants of node0"}
	broken := fault.Wrap(fault.Halted, &fault.Violation{Text: "sum is 1"}, "the writer stopped").Error()
	for name, c := range map[string]struct {
		status client.Status
		want   []migration.Alarm
	}{
		"nothing":      {client.Status{}, []migration.Alarm{none, sound}},
		"evidence":     {client.Status{Evidence: forks, EvidenceLeftOut: 5}, []migration.Alarm{{Source: none.Source, Count: 7, Newest: "two_headers of validator 3"}, sound}},
		"a drill":      {client.Status{Evidence: []client.Evidence{{Kind: client.EvidenceDrill, Sequence: 9}}}, []migration.Alarm{{Source: migration.AlarmDrill, Count: 9, Newest: "raised at node0"}, none, sound}},
		"a full disk":  {client.Status{Halted: true, HaltedReason: "no space left"}, []migration.Alarm{none, sound}},
		"an invariant": {client.Status{Halted: true, HaltedReason: broken}, []migration.Alarm{none, {Source: sound.Source, Count: 1, Newest: broken}}},
	} {
		if got := alarmsOf("node0", &c.status); !slices.Equal(got, c.want) {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
}
