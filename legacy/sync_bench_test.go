// SPDX-License-Identifier: Apache-2.0

package legacy

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/sync/envelope"
	"github.com/aurigraph/aurigraph/internal/sync/v10port"
	v10 "github.com/aurigraph/aurigraph/internal/v10"
	"github.com/aurigraph/aurigraph/legacy/ledger"
)

// BenchmarkSync captures keyed payments over HTTP into sealed records, and applies them to a copy over HTTP. b.N is payments.
func BenchmarkSync(b *testing.B) {
	from, to := pair(b, EnginePebble, chain.SlotsMax)
	random := rand.New(rand.NewPCG(1, 1))
	orders := make([]ledger.Order, 0, ledger.OrdersPerSubmitMax)
	for i := range b.N {
		orders = append(orders, ledger.Order{
			Kind: ledger.Transfer, From: names[random.IntN(len(names))], To: fmt.Sprint("payee ", random.IntN(5000)), Asset: v10.DefaultAsset,
			Units: chain.Units(1), Key: &ledger.Key{Caller: "till", Key: fmt.Sprint(i)},
		})
		if len(orders) == cap(orders) || i == b.N-1 {
			if _, err := from.ledger.Submit(b.Context(), orders); err != nil {
				b.Fatal(err)
			}
			orders = orders[:0]
		}
	}
	in, err := to.ledger.Inbox()
	if err != nil {
		b.Fatal(err)
	}
	w := newWire(from, in.Position)
	b.ResetTimer()
	began := time.Now()
	w.capture(from, func() int { return 1 << 30 })
	b.ReportMetric(float64(len(w.all))/time.Since(began).Seconds(), "captured/s")
	began = time.Now()
	rest := w.all
	err = v10port.Apply(b.Context(), v10port.ApplyConfig{Client: to.client, Records: (*records)(&rest), Keys: []envelope.Key{w.key}})
	b.ReportMetric(float64(len(w.all))/time.Since(began).Seconds(), "applied/s")
	if !errors.Is(err, errEnd) || to.ledger.Totals().Applied != uint64(b.N) {
		b.Fatalf("%v, %d of %d applied", err, to.ledger.Totals().Applied, b.N)
	}
}

// records are handed out as asked for.
type records []*envelope.Record

// Next implements v10port.Records.
func (r *records) Next(_ context.Context, limit int) ([]*envelope.Record, error) {
	if len(*r) == 0 {
		return nil, errEnd
	}
	n := min(limit, len(*r))
	out := (*r)[:n]
	*r = (*r)[n:]
	return out, nil
}
