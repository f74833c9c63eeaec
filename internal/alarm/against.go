// SPDX-License-Identifier: Apache-2.0

package alarm

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// SeverityPage is the label's value of alerts that wake somebody.
const SeverityPage = "page"

// freshMax is how long ago an alert may have been worked out: several of a Prometheus's usual minutes.
const freshMax = 5 * time.Minute

// namesMax bounds how many names a reason lists.
const namesMax = 5

// Against says why a server is not ready to wake somebody: one of the wanted alerts is not there or is not worked out, or one that wakes
// people is firing. Empty: it is.
func Against(rules []Rule, wanted []string) string {
	var missing, broken, firing []string
	have := map[string]*Rule{}
	for i := range rules {
		r := &rules[i]
		have[r.Name] = r
		if r.Firing && r.Severity == SeverityPage && !slices.Contains(firing, r.Name) {
			firing = append(firing, r.Name)
		}
	}
	for _, name := range wanted {
		switch r := have[name]; {
		case r == nil:
			missing = append(missing, name)
		case r.Trouble != "":
			broken = append(broken, name+" ("+r.Trouble+")")
		case r.Age > freshMax:
			broken = append(broken, fmt.Sprintf("%s (last %s ago)", name, r.Age.Round(time.Second)))
		}
	}
	switch {
	case len(missing) > 0:
		return "Prometheus does not have the alerts " + some(missing) + ": load deploy/prometheus/aurigraph.rules.yaml"
	case len(broken) > 0:
		return "Prometheus does not work out the alerts " + some(broken)
	case len(firing) > 0:
		return "these alerts are firing: " + some(firing) + "; each names its runbook"
	}
	return ""
}

func some(names []string) string {
	if more := len(names) - namesMax; more > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:namesMax], ", "), more)
	}
	return strings.Join(names, ", ")
}
