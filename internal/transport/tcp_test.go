// SPDX-License-Identifier: Apache-2.0

package transport_test

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/transport"
	"github.com/aurigraph/aurigraph/internal/transport/transporttest"
)

func TestConformance(t *testing.T) {
	transporttest.Conformance(t, func(t *testing.T, n int) transporttest.Cluster {
		c := transporttest.Cluster{Until: until}
		for i := range n {
			node := listen(t, options(t, chain.ValidatorNo(i)))
			c.Nodes = append(c.Nodes, node)
			c.Peers = append(c.Peers, peerOf(chain.ValidatorNo(i), node))
		}
		return c
	})
}

// TestCounts compares the metrics with what was sent.
func TestCounts(t *testing.T) {
	registries := []*prometheus.Registry{prometheus.NewRegistry(), prometheus.NewRegistry()}
	inbox := &transporttest.Inbox{}
	from, _ := pair(t, inbox, func(o *transport.Options) { o.Metrics = registries[o.Self] })
	const frames, bodyBytes = 30, 1000
	for range frames {
		if err := from.Send(1, transport.Batches, 1, make([]byte, bodyBytes)); err != nil {
			t.Fatal(err)
		}
	}
	if err := from.Send(1, transport.Consensus, 1); err != nil {
		t.Fatal(err)
	}
	until(t, func() bool { return len(inbox.All()) == frames+1 })
	for side, direction := range []string{"direction=out", "direction=in"} {
		for name, want := range map[string]float64{"frames_total": frames, "bytes_total": frames * (5 + bodyBytes), "connections": 1} {
			until(t, func() bool { return metric(t, registries[side], name, direction, "class=batches") == want })
		}
		until(t, func() bool { return metric(t, registries[side], "frames_total", direction) == frames+1 })
	}
	until(t, func() bool { return metric(t, registries[0], "round_trip_seconds", "class=sync") > 0 })
	for _, name := range []string{"queue_bytes", "drops_total", "reconnects_total", "failures_total", "handshake_refusals_total"} {
		if n := metric(t, registries[0], name); n != 0 {
			t.Errorf("%s is %v", name, n)
		}
	}
	if err := from.Send(7, transport.Sync, 1); err == nil {
		t.Error("it went to a stranger")
	}
}

// TestSmallFramesShareRecords sends many votes at once.
func TestSmallFramesShareRecords(t *testing.T) {
	inbox := &transporttest.Inbox{}
	nodes := []*transport.TCP{listen(t, options(t, 0)), listen(t, options(t, 1))}
	for i, n := range nodes {
		setPeers(t, n, peerOf(0, nodes[0]), peerOf(1, nodes[1]))
		for range 4000 * (1 - i) {
			if err := n.Send(1, transport.Consensus, 1, make([]byte, 123)); err != nil {
				t.Fatal(err)
			}
		}
		start(t, n, inbox)
	}
	at := transporttest.Seat{From: 0, Class: transport.Consensus}
	until(t, func() bool { return inbox.Count(at) == 4000 })
	// 128 of them fill a record of 16 KiB; the handshake and pings have some of their own.
	if n := nodes[0].Records(1, transport.Consensus); n > 4000/128+40 {
		t.Errorf("4000 frames of 128 bytes took %d records", n)
	}
}
