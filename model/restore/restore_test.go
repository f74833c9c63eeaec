// SPDX-License-Identifier: Apache-2.0

package restore

import (
	"strings"
	"testing"

	"github.com/aurigraph/aurigraph/model/check"
)

func TestRestoreHolds(t *testing.T) {
	for _, s := range Scenarios() {
		if r, err := s.Verify(check.Options{Progress: true}); err != nil {
			t.Errorf("%v\n%s", err, strings.Join(r.Trace, "\n"))
		}
	}
}

func TestEachRuleIsNeeded(t *testing.T) {
	for _, c := range []struct {
		rule   Rule
		steps  int
		breaks string
	}{
		{CaptureSynced, 3, Lost},
		{AppliedWithRows, 4, Differ},
		{OpenAfterDurable, 8, PaidTwice},
		{RestoredClosed, 3, TwoHomes},
		{IncarnationChecked, 8, PaidTwice},
		{DrainedFirst, 6, Lost},
		{Reconciled, 6, Differ},
	} {
		r, err := Scenarios()[0].Run([]string{c.rule.String()}, check.Options{Progress: true})
		if err != nil || r.Violation != c.breaks || len(r.Trace) != c.steps {
			t.Errorf("without %s: %q after %d steps, want %q after %d; %v\n%s", c.rule, r.Violation, len(r.Trace), c.breaks, c.steps, err,
				strings.Join(r.Trace, "\n"))
		}
	}
}
