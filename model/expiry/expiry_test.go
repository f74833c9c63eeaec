// SPDX-License-Identifier: Apache-2.0

package expiry

import (
	"strings"
	"testing"

	"github.com/aurigraph/aurigraph/model/check"
)

func TestKeysLiveLongEnough(t *testing.T) {
	for _, s := range Scenarios() {
		if r, err := s.Verify(check.Options{}); err != nil {
			t.Errorf("%v\n%s", err, strings.Join(r.Trace, "\n"))
		}
	}
}

func TestEachRuleIsNeeded(t *testing.T) {
	want := map[Rule]int{OriginsPromise: 11, TravelMargin: 9, SkewMargin: 12, RequestsEnd: 11}
	for _, rule := range Rules() {
		r, err := Scenarios()[0].Run([]string{rule.String()}, check.Options{})
		if err != nil || r.Violation != PaidTwice || len(r.Trace) != want[rule] {
			t.Errorf("without %s: %q after %d steps, want %d; %v\n%s", rule, r.Violation, len(r.Trace), want[rule], err,
				strings.Join(r.Trace, "\n"))
		}
	}
	if _, err := Spec(Config{Sends: 4}); err == nil {
		t.Error("four attempts were taken")
	}
}
