// SPDX-License-Identifier: Apache-2.0

package network

import (
	"path/filepath"
	"testing"

	"github.com/aurigraph/aurigraph/internal/config"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// TestIndexURL puts the index of new and of old networks into a database, and back.
func TestIndexURL(t *testing.T) {
	const database = "postgres://u@127.0.0.1/d?passfile=/p"
	for _, nodes := range []int{1, 4} {
		dir := filepath.Join(t.TempDir(), "net")
		for _, step := range []struct{ set, want string }{{database, database}, {"", database}, {config.IndexSQLite, config.IndexSQLite}, {database, database}} {
			n, err := Create(dir, Options{Name: "t", Nodes: nodes, Index: step.set})
			if err != nil {
				t.Fatal(err)
			}
			var have config.Index
			if nodes == 1 {
				cfg, err := config.Load(n.Path(n.Nodes[0].Dir))
				if err != nil {
					t.Fatal(err)
				}
				have = cfg.Index
			} else {
				cfg, err := config.LoadGateway(n.Path(n.Gateway.Dir))
				if err != nil {
					t.Fatal(err)
				}
				have = cfg.Index
			}
			if have.URL != step.want || !have.Enabled || have != have.At(step.want) {
				t.Errorf("%d nodes, set to %q: %+v", nodes, step.set, have)
			}
		}
		if _, err := Create(dir, Options{Name: "t", Nodes: nodes, Index: "postgres://u:seen@h/d"}); !fault.Is(err, fault.Invalid) {
			t.Errorf("a password in the URL: %v", err)
		}
	}
}
