// SPDX-License-Identifier: Apache-2.0

package watch

import (
	"bytes"
	"context"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/sync/bus"
	"github.com/aurigraph/aurigraph/internal/sync/devbroker"
	"github.com/aurigraph/aurigraph/internal/sync/envelope"
)

// TestReadTopics reads a broker's topics: what is sound is passed over, what is forged is found where it lies, also behind the end that
// was there when reading began.
func TestReadTopics(t *testing.T) {
	b, err := devbroker.Start(devbroker.Config{})
	must(t, err)
	t.Cleanup(func() { b.Close() })
	key := filepath.Join(t.TempDir(), "sync.key")
	must(t, os.WriteFile(key, []byte(bus.NewKeyText(bytes.Repeat([]byte{3}, envelope.SecretBytesMin))), 0o600))
	cfg := TopicsConfig{Bus: bus.Config{Brokers: []string{b.Address()}, KeyFiles: []string{key}}, V10: testLedger, V11: envelope.LedgerID{1}}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := ReadTopics(ctx, cfg); fault.ReasonOf(err) != ReasonTopics {
		t.Fatal("topics that are not there: ", err)
	}
	must(t, bus.Init(ctx, cfg.Bus, bus.Settings{}))
	producer, err := cfg.Bus.Client()
	must(t, err)
	defer producer.Close()
	produce := func(s stored) {
		t.Helper()
		must(t, producer.ProduceSync(ctx, &kgo.Record{Topic: s.topic.Name(envelope.V10), Value: s.wire}).FirstErr())
	}
	for _, s := range publish(t, rand.New(rand.NewPCG(1, 1)), 60) {
		produce(s)
	}
	forged := stored{topic: envelope.Assets, wire: []byte("pay me")}
	produce(forged)
	found := make(chan Finding, 16)
	cfg.All, cfg.Tell = true, func(f Finding) { found <- f }
	ended := make(chan error, 1)
	reading, stop := context.WithCancel(ctx)
	go func() { ended <- ReadTopics(reading, cfg) }()
	expect := func(topic envelope.Topic, flaw Flaw) {
		t.Helper()
		select {
		case f := <-found:
			if f.Flaw != flaw || f.Topic != topic.Name(envelope.V10) {
				t.Errorf("%+v, want %s in %s", f, flaw, topic)
			}
		case err := <-ended:
			t.Fatal("reading ended: ", err)
		case <-ctx.Done():
			t.Fatal("nothing is found")
		}
	}
	expect(envelope.Assets, Garbled)
	forged.topic = envelope.Consensus
	produce(forged)
	expect(envelope.Consensus, Garbled)
	stop()
	if err := <-ended; err != nil || len(found) > 0 {
		t.Error(err, len(found))
	}
}
