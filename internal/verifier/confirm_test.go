// SPDX-License-Identifier: Apache-2.0

package verifier

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// What is found twice is confirmed, whoever's fault it turns out to be.
func TestDamageConfirmed(t *testing.T) {
	for i, d := range damages {
		if !strings.Contains(d.kind, TableIndex) && !strings.Contains(d.kind, TableApplied) { // whose row it is is clear at once
			continue
		}
		t.Run(fmt.Sprintf("%03d %s", i, d.kind), func(t *testing.T) {
			t.Parallel()
			w := newWorld(uint64(i), 40)
			if !d.do(w) {
				t.Fatal("the world has nothing to damage")
			}
			first, second := w.scrub(t), w.scrub(t)
			if both := Confirm(first.Findings, second.Findings); !slices.Contains(kindsOf(both.Kept()), d.kind) {
				t.Errorf("%v was found, and %v the second time, and only %v is confirmed", first.Findings.Kept(), second.Findings.Kept(), both.Kept())
			}
		})
	}
}
