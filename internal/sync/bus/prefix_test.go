// SPDX-License-Identifier: Apache-2.0

package bus

import (
	"testing"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/sync/envelope"
)

// TestPrefix: networks with different prefixes share a broker and hear nothing of each other, and one's topics can go alone.
func TestPrefix(t *testing.T) {
	b := startDev(t)
	w := newWorld(t, b)
	other := *w
	other.cfg.Prefix = "trial-7."
	other.source.Ledger = envelope.V10Ledger("other")
	other.init(t)
	for i, side := range []*world{w, &other} {
		p := side.publisher(t)
		publish(t, p, 30+10*i)
		flush(t, p)
		p.Close()
	}
	for i, side := range []*world{w, &other} {
		r := side.reader(t, envelope.Start{})
		read(t, r, 0, 30+10*i)
		r.Close()
	}
	if err := Remove(t.Context(), other.cfg); err != nil {
		t.Fatal(err)
	}
	if err := Remove(t.Context(), other.cfg); err != nil {
		t.Errorf("again: %v", err)
	}
	if _, err := OpenPublisher(t.Context(), PublisherConfig{Config: other.cfg, Source: other.source}); fault.ReasonOf(err) != ReasonTopicMissing {
		t.Errorf("its topics are gone: %v", err)
	}
	read(t, w.reader(t, envelope.Start{}), 0, 30)
}
