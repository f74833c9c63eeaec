// SPDX-License-Identifier: Apache-2.0

package check

import "fmt"

// Scenario is a spec within stated bounds, by name.
type Scenario struct {
	Name, What string
	Rules      []string // that Run can do without
	// Run searches, without the rules named.
	Run  func(without []string, o Options) (Report, error)
	Tier Tier
	// What a complete search with all rules finds: recorded, so that a change of the model is seen.
	States int64
	Depth  int
}

// Tier says who waits for a scenario.
type Tier int

// The tiers. Each takes in the ones before it.
const (
	Short Tier = iota // go test -short, which runs under the race detector
	Test              // go test, make model: half a minute
	Long              // make model-long: minutes, gigabytes
)

// Verify runs the scenario with all rules, and says what is not as recorded.
func (s Scenario) Verify(o Options) (Report, error) {
	r, err := s.Run(nil, o)
	switch {
	case err != nil:
		return r, fmt.Errorf("%s: %w", s.Name, err)
	case r.Violation != "":
		return r, fmt.Errorf("%s: %s, after %d steps", s.Name, r.Violation, len(r.Trace))
	case r.States != s.States || r.Depth != s.Depth:
		return r, fmt.Errorf("%s: %d states, depth %d; recorded are %d and %d: if the model was meant to change, record it",
			s.Name, r.States, r.Depth, s.States, s.Depth)
	}
	return r, nil
}

// Names resolves rule names.
func Names[R fmt.Stringer](known []R, names []string) ([]R, error) {
	var rules []R
	for _, name := range names {
		n := len(rules)
		for _, r := range known {
			if r.String() == name {
				rules = append(rules, r)
			}
		}
		if len(rules) == n {
			return nil, fmt.Errorf("no rule %q; there are %v", name, known)
		}
	}
	return rules, nil
}

// Strings lists the names of rules.
func Strings[R fmt.Stringer](rules []R) []string {
	var names []string
	for _, r := range rules {
		names = append(names, r.String())
	}
	return names
}
