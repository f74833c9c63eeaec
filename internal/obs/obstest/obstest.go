// SPDX-License-Identifier: Apache-2.0

// Package obstest helps tests that look at metrics.
package obstest

import (
	"slices"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
)

// MetricNames lists our metrics that c describes, those without a value yet included, sorted. A golden test compares
// them with docs/metrics.md. The metrics of the Go runtime and the process are left out.
func MetricNames(c prometheus.Collector) []string {
	descs := make(chan *prometheus.Desc)
	go func() {
		defer close(descs)
		c.Describe(descs)
	}()
	var names []string
	for d := range descs {
		if name := fullName(d); strings.HasPrefix(name, "aurigraph_") {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// fullName takes the name out of a description's text, the only place where the library shows it.
func fullName(d *prometheus.Desc) string {
	_, rest, _ := strings.Cut(d.String(), `fqName: "`)
	name, _, _ := strings.Cut(rest, `"`)
	return name
}
