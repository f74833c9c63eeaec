// SPDX-License-Identifier: Apache-2.0

package config

import (
	"strings"
	"testing"
	"time"

	"github.com/aurigraph/aurigraph/internal/fault"
)

func syncing() Node {
	n := Default()
	n.Rest.Listen, n.Rest.Auth, n.Rest.Institution = "127.0.0.1:1", AuthOpen, 3
	n.Rest.CustodyKey, n.Rest.AliasKey, n.Rest.Names, n.Rest.ChannelLast = "a", "b", "c", 99
	n.Sync = Sync{Ledger: "old", Brokers: []string{"kafka:9092"}, Keys: []string{"keys/sync"}, Signer: "keys/inbox.key", Channel: 200, Start: "7.4294967295"}
	return n
}

// TestSync wants what a sync needs, and no channel or key that the desk uses.
func TestSync(t *testing.T) {
	n := syncing()
	if err := n.Validate(); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		field string
		set   func(*Node)
	}{
		{"sync.ledger", func(n *Node) { n.Rest.Listen = "" }},
		{"sync.brokers", func(n *Node) { n.Sync.Brokers = nil }},
		{"sync.brokers", func(n *Node) { n.Sync.Brokers = []string{"kafka:9092", "kafka"} }},
		{"sync.keys", func(n *Node) { n.Sync.Keys = nil }},
		{"sync.keys", func(n *Node) { n.Sync.Keys = []string{""} }},
		{"sync.signer", func(n *Node) { n.Sync.Signer = "" }},
		{"sync.signer", func(n *Node) { n.Sync.Signer = n.Rest.CustodyKey }},
		{"sync.channel", func(n *Node) { n.Sync.Channel = 99 }},
		{"sync.channel", func(n *Node) { n.Rest.ChannelLast = 0 }},
		{"sync.start", func(n *Node) { n.Sync.Start = "7" }},
		{"sync.home", func(n *Node) { n.Sync.Home = "v10:9003" }},
		{"sync.home", func(n *Node) { n.Sync.Ledger, n.Sync.Home = "", "http://v10:9003/api" }},
		{"sync.progress", func(n *Node) { n.Sync.Ledger, n.Sync.Progress = "", "v10:4005" }},
		{"sync.behind_max", func(n *Node) { n.Sync.BehindMax = time.Millisecond }},
		{"sync.behind_max", func(n *Node) { n.Sync.BehindMax = 2 * time.Hour }},
	} {
		n := syncing()
		c.set(&n)
		if err := n.Validate(); !fault.Is(err, fault.Invalid) || !strings.HasPrefix(err.Error(), c.field+": ") {
			t.Errorf("%s: %v", c.field, err)
		}
	}
	n.Sync.Ledger, n.Sync.Brokers, n.Sync.Home = "", nil, "http://v10:9003"
	if err := n.Validate(); err != nil {
		t.Errorf("off: %v", err)
	}
}
