// SPDX-License-Identifier: Apache-2.0

package obs_test

import (
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/obs"
)

// TestRegister registers all or none, and takes away what it registered.
func TestRegister(t *testing.T) {
	counter := func(name string) prometheus.Collector {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: name})
	}
	r := prometheus.NewPedanticRegistry()
	count := func() int {
		families, err := r.Gather()
		if err != nil {
			t.Fatal(err)
		}
		return len(families)
	}
	unregister, err := obs.Register(r, "the first", counter("a"), counter("b"))
	if err != nil || count() != 2 {
		t.Fatal(err, count())
	}
	if _, err := obs.Register(r, "the second", counter("c"), counter("b"), counter("d")); !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), "the second") {
		t.Error(err)
	}
	if n := count(); n != 2 {
		t.Errorf("%d metrics after a refusal", n)
	}
	unregister()
	if n := count(); n != 0 {
		t.Errorf("%d metrics are left", n)
	}
	unregister, err = obs.Register(nil, "nobody", counter("a"))
	if err != nil {
		t.Error(err)
	}
	unregister()
}
