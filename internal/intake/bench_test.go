// SPDX-License-Identifier: Apache-2.0

package intake

import (
	"context"
	"fmt"
	"testing"

	"github.com/aurigraph/aurigraph/internal/chain"
)

// BenchmarkSubmitTxs admits messages of signed transactions, from their bytes to a settled ticket.
func BenchmarkSubmitTxs(b *testing.B) {
	for _, n := range []int{1, 64, 512, 1024} {
		b.Run(fmt.Sprintf("txs=%d", n), func(b *testing.B) {
			w := newWorld(b, Config{})
			defer w.run()()
			signed := make([][]byte, n)
			for i := range signed {
				signed[i], _ = w.tx(uint64(i+1), nil)
			}
			b.ReportAllocs()
			for b.Loop() {
				tickets := w.in.SubmitTxs(context.Background(), signed)
				for settled := 0; settled < n; settled += w.settle() {
					<-w.lane.added
				}
				for _, t := range tickets {
					<-t.Done()
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/tx")
		})
	}
}

// settle publishes what is on the lane and counts its transactions.
func (w *world) settle() (n int) {
	for _, size := range w.cuts() {
		n += size
	}
	w.publish(chain.OK)
	return n
}
