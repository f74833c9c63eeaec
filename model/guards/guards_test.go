// SPDX-License-Identifier: Apache-2.0

package guards

import (
	"strings"
	"testing"

	"github.com/aurigraph/aurigraph/model/check"
)

func TestGuardsHold(t *testing.T) {
	for _, s := range Scenarios() {
		if r, err := s.Verify(check.Options{Progress: true}); err != nil {
			t.Errorf("%v\n%s", err, strings.Join(r.Trace, "\n"))
		}
	}
}

func TestEachRuleIsNeeded(t *testing.T) {
	want := map[Rule]int{BarrierFirst: 8, OvertakenStops: 9, RecordFirst: 8, ClosedFirst: 6, ConditionalBarrier: 11}
	for _, rule := range Rules() {
		r, err := Scenarios()[0].Run([]string{rule.String()}, check.Options{})
		if err != nil || r.Violation != TwoHomes || len(r.Trace) != want[rule] {
			t.Errorf("without %s: %q after %d steps, want %d; %v\n%s", rule, r.Violation, len(r.Trace), want[rule], err,
				strings.Join(r.Trace, "\n"))
		}
	}
	if _, err := Spec(7, nil); err == nil {
		t.Error("more starts than generations were taken")
	}
}
