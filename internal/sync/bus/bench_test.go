// SPDX-License-Identifier: Apache-2.0

package bus

import (
	"testing"

	"github.com/aurigraph/aurigraph/internal/sync/devbroker"
	"github.com/aurigraph/aurigraph/internal/sync/envelope"
	"github.com/aurigraph/aurigraph/internal/testkit/kafkaserver"
)

// BenchmarkBus publishes b.N records until all are acknowledged, and reads them back in order.
func BenchmarkBus(b *testing.B) {
	start := func(b *testing.B, unsynced bool) broker {
		d := &dev{cfg: devbroker.Config{Dir: b.TempDir(), Unsynced: unsynced}}
		d.start(b)
		b.Cleanup(func() { d.Close() })
		return d
	}
	b.Run("development", func(b *testing.B) { benchBus(b, start(b, false)) })
	b.Run("unsynced", func(b *testing.B) { benchBus(b, start(b, true)) })
	b.Run("kafka", func(b *testing.B) { benchBus(b, kafkaserver.Start(b)) })
}

func benchBus(b *testing.B, on broker) {
	w := newWorld(b, on)
	p, r := w.publisher(b), w.reader(b, envelope.Start{})
	b.ResetTimer()
	publish(b, p, b.N)
	flush(b, p)
	published := b.Elapsed()
	read(b, r, 0, b.N)
	b.ReportMetric(float64(b.N)/published.Seconds(), "published/s")
	b.ReportMetric(float64(b.N)/(b.Elapsed()-published).Seconds(), "read/s")
}
