// SPDX-License-Identifier: Apache-2.0

package obs

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/aurigraph/aurigraph/internal/fault"
)

// Register registers a part's collectors, all or none, and returns what takes them away again. With r nil it does nothing.
// Invalid: one is registered already; what names the part in the error.
func Register(r prometheus.Registerer, what string, collectors ...prometheus.Collector) (unregister func(), err error) {
	if r == nil {
		return func() {}, nil
	}
	done := 0
	unregister = func() {
		for _, c := range collectors[:done] {
			r.Unregister(c)
		}
	}
	for _, c := range collectors {
		if err := r.Register(c); err != nil {
			unregister()
			return nil, fault.Wrap(fault.Invalid, err, "the metrics of %s cannot be registered", what)
		}
		done++
	}
	return unregister, nil
}
