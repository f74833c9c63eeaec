// SPDX-License-Identifier: Apache-2.0

package routertest

import (
	"slices"
	"testing"
	"time"

	"github.com/aurigraph/aurigraph/internal/loadgen/rawhttp"
	"github.com/aurigraph/aurigraph/internal/router"
)

// Bench measures what a router adds to a payment: pairs of one directly to a ledger and one through the router, over connections that are
// kept, one at a time.
func Bench(b *testing.B, start func(b *testing.B, v10, v11 string) *Router) {
	v10, v11 := newLedger(b, router.V10), newLedger(b, router.V11)
	r := start(b, v10.address(), v11.address())
	if err := router.Apply(b.Context(), r.Driver, owning(1, on("alice"))); err != nil {
		b.Fatal(err)
	}
	conns := [2]*rawhttp.Conn{}
	for i, address := range []string{v11.address(), r.Address} {
		c, err := rawhttp.Dial(address)
		if err != nil {
			b.Fatal(err)
		}
		defer c.Close()
		conns[i] = c
	}
	request := rawhttp.AppendPost(nil, "x", payPath, payment("alice"))
	var took [2][]time.Duration
	for b.Loop() {
		for i, c := range conns {
			began := time.Now()
			if a, err := c.Do(began.Add(longest), request); err != nil || !a.OK() {
				b.Fatal(a.Status, err)
			}
			took[i] = append(took[i], time.Since(began))
		}
	}
	for i := range took {
		slices.Sort(took[i])
	}
	median := func(i int) float64 { return float64(took[i][len(took[i])/2].Nanoseconds()) / 1000 }
	b.ReportMetric(median(0), "direct-p50-µs")
	b.ReportMetric(median(1)-median(0), "added-p50-µs")
}
