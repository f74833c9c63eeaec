// SPDX-License-Identifier: Apache-2.0

package copier

import (
	"testing"
	"time"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/legacy/generate"
)

// BenchmarkCopy copies a V10 with a tenth as many accounts as transactions, b.N of them, V10, V11 and the copy in one process; history goes to memory.
func BenchmarkCopy(b *testing.B) {
	w := newWorld(b)
	c := generate.Config{Accounts: max(2, uint64(b.N)/10), Transactions: uint64(b.N), Seed: 1}
	if _, err := generate.Run(b.Context(), w.old.ledger, c, func(generate.Progress) {}); err != nil {
		b.Fatal(err)
	}
	w.new.opens(w.client, w.old, chain.CopyBegin())
	b.ResetTimer()
	began := time.Now()
	report, err := Run(b.Context(), w.cfg)
	must(b, err)
	rows := report.Accounts + report.Balances + report.Transactions + report.Rounds
	b.ReportMetric(float64(rows)/time.Since(began).Seconds(), "rows/s")
	b.ReportMetric(report.RowsPerS, "copied_rows/s")
}
