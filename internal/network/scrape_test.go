// SPDX-License-Identifier: Apache-2.0

package network

import (
	"encoding/json"
	"os"
	"slices"
	"testing"
)

// TestScrapes: a Prometheus reads where each process shows its metrics, and nothing of who has left.
func TestScrapes(t *testing.T) {
	n, err := Create(t.TempDir()+"/net", Options{Name: "n", Demo: true, Accounts: 1, Nodes: NodesDefault, V10: true, Sync: &SyncOptions{Moves: true}})
	if err != nil {
		t.Fatal(err)
	}
	n.Nodes[0].Metrics, n.Gateway.Metrics = "127.0.0.1:1", "127.0.0.1:2"
	n.Sync.Metrics, n.Sync.Move.Admin = "127.0.0.1:6", "127.0.0.1:7"
	n.Sync.Move.Control, n.Sync.Move.Shadow, n.Sync.Move.Metrics = "127.0.0.1:3", "127.0.0.1:4", "127.0.0.1:5"
	at := map[string]string{
		JobNode: "127.0.0.1:1", JobGateway: "127.0.0.1:2", JobGuard: "127.0.0.1:3", JobRouter: "127.0.0.1:4", JobMigration: "127.0.0.1:5", JobSync: "127.0.0.1:6",
	}
	wantScrapes(t, n, at)
	n.Sync.Move.Router = RouterNginx
	at[JobRouter], at[JobShadow] = "127.0.0.1:7", "127.0.0.1:4"
	wantScrapes(t, n, at)
	n.Sync.Move = nil
	if left := n.Scrapes(); len(left) != NodesDefault+2 {
		t.Errorf("without a migration: %+v", left)
	}
}

// wantScrapes wants the network's file to name these addresses by job, and further validators.
func wantScrapes(t *testing.T, n *Network, at map[string]string) {
	t.Helper()
	if err := n.WriteScrapes(); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(n.Path(TargetsName))
	if err != nil {
		t.Fatal(err)
	}
	var all []Scrape
	if err := json.Unmarshal(text, &all); err != nil {
		t.Fatal(err)
	}
	for job, at := range at {
		if !slices.ContainsFunc(all, func(s Scrape) bool {
			return s.Labels["job"] == job && slices.Equal(s.Targets, []string{at}) && (s.Labels["node"] == n.Nodes[0].ID) == (job == JobNode)
		}) {
			t.Errorf("%s at %s is not in %s", job, at, text)
		}
	}
	if len(all) != NodesDefault-1+len(at) {
		t.Errorf("%d targets: %s", len(all), text)
	}
}
