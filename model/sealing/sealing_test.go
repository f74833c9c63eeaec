// SPDX-License-Identifier: Apache-2.0

package sealing

import (
	"strings"
	"testing"

	"github.com/aurigraph/aurigraph/model/check"
)

func find(t *testing.T, name string) check.Scenario {
	t.Helper()
	for _, s := range Scenarios() {
		if s.Name == name {
			return s
		}
	}
	t.Fatalf("no scenario %q", name)
	return check.Scenario{}
}

func TestSealHolds(t *testing.T) {
	for _, s := range Scenarios() {
		if s.Tier == check.Long || (testing.Short() && s.Tier > check.Short) {
			continue
		}
		t.Run(s.Name, func(t *testing.T) {
			if r, err := s.Verify(check.Options{Progress: true}); err != nil {
				t.Errorf("%v\n%s", err, strings.Join(r.Trace, "\n"))
			}
		})
	}
}

// TestEachRuleIsNeeded: two rules are needed only against coordinators that lie, one only beside another, and two only where heights are
// published at their certificate.
func TestEachRuleIsNeeded(t *testing.T) {
	if testing.Short() {
		t.Skip("long under the race detector")
	}
	tried := map[Rule]bool{}
	for _, c := range []struct {
		scenario string
		without  []Rule
		steps    int
		breaks   string
	}{
		{"sealing", []Rule{RefusalIsDurable}, 13, Lost},
		{"sealing", []Rule{CertificatesDecide}, 7, Unproved},
		{"sealing", []Rule{PublishedWhenHeld}, 11, Lost},
		{"sealing", []Rule{QuorumReveals, SigningRefuses}, 11, Lost},
		{"deceit", []Rule{NotBelowOwn}, 12, Lost},
		{"deceit", []Rule{SigningRefuses}, 12, Lost},
		{"sealing", []Rule{SignedOnce}, 14, TwoSeals},
		{"sealing", []Rule{VerdictInStatement}, 12, TwoSeals},
		{"at-certificate", []Rule{VotesStand}, 11, Lost},
		{"at-certificate", []Rule{TwoClaim}, 8, Unproved},
	} {
		for _, rule := range c.without {
			tried[rule] = true
		}
		r, err := find(t, c.scenario).Run(check.Strings(c.without), check.Options{})
		if err != nil || r.Violation != c.breaks || len(r.Trace) != c.steps {
			t.Errorf("without %v: %q after %d steps, want %q after %d; %v\n%s", c.without, r.Violation, len(r.Trace), c.breaks, c.steps, err,
				strings.Join(r.Trace, "\n"))
		}
	}
	for _, rule := range Rules() {
		if !tried[rule] {
			t.Errorf("nobody takes %s away", rule)
		}
	}
}
