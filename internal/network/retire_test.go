// SPDX-License-Identifier: Apache-2.0

package network

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/aurigraph/aurigraph/internal/config"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// pairWithRemains is a network whose V10 has run and is off.
func pairWithRemains(t *testing.T) *Network {
	t.Helper()
	n, err := Create(t.TempDir()+"/net", Options{Name: "n", Demo: true, Accounts: 1, Nodes: NodesDefault, V10: true, Sync: &SyncOptions{Moves: true}})
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(err)
	for _, name := range []string{n.Sync.Dir + "/data/rows", BrokerFolder + "/log", n.Sync.Move.Dir + "/record", n.Sync.Move.Routes + "/map", "v10-archive/manifest", migrationFolder + "/journal.db"} {
		must(os.MkdirAll(filepath.Dir(n.Path(name)), 0o755))
		must(os.WriteFile(n.Path(name), []byte("1234567"), 0o600))
	}
	return n
}

// wantRetired wants nothing left of V10, and all else as it was.
func wantRetired(t *testing.T, dir string) {
	t.Helper()
	n, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if n.Sync != nil || n.Retired == nil || n.Retired.Ledger == "" {
		t.Errorf("it is described as %+v, %+v", n.Sync, n.Retired)
	}
	for _, gone := range []string{"v10-ledger", "kafka", "v10-guard", "router", "keys/sync.key", "keys/inbox.key", "keys/mover.key", "keys/guard.key"} {
		if _, err := os.Lstat(n.Path(gone)); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s is there: %v", gone, err)
		}
	}
	for _, kept := range []string{"v10-archive/manifest", "migration/journal.db", n.V10.AliasKey, n.Institution.KeyFile, "genesis.json"} {
		if _, err := os.Stat(n.Path(kept)); err != nil {
			t.Error(err)
		}
	}
	for _, node := range n.Nodes {
		cfg, err := config.Load(n.Path(node.Dir))
		if err != nil || !reflect.DeepEqual(cfg.Sync, config.Default().Sync) {
			t.Errorf("%s syncs: %+v, %v", node.ID, cfg.Sync, err)
		}
	}
	if cfg, err := config.LoadGateway(n.Path(n.Gateway.Dir)); err != nil || cfg.Rest.Home != "" {
		t.Errorf("the gateway's V10 is %q, %v", cfg.Rest.Home, err)
	}
}

// TestRetire removes what only V10 needed once V10 is off, and the network can be run without it.
func TestRetire(t *testing.T) {
	n := pairWithRemains(t)
	remains, err := n.Remains()
	if err != nil || len(remains) != 8 {
		t.Fatalf("%+v, %v", remains, err)
	}
	if err := n.Retire(remains); !fault.Is(err, fault.Refused) {
		t.Fatalf("V10 is not off: %v", err)
	}
	if err := errors.Join(n.NoteOff(time.UnixMilli(7)), n.NoteOff(time.UnixMilli(9))); err != nil || n.Sync.OffMs != 7 {
		t.Fatal(n.Sync.OffMs, err)
	}
	if again, err := Create(n.Dir, Options{}); err != nil || again.Sync.OffMs != 7 { // what is off stays off
		t.Fatal(err)
	}
	if !n.Within(remains, n.Path("kafka/x")) || !n.Within(remains, n.Path("kafka")) || n.Within(remains, n.Path("kafka-2")) || n.Within(remains, n.Path("v10-archive")) {
		t.Error("what lies within")
	}
	if err := errors.Join(n.Retire(remains), n.NoteCleaned()); err != nil {
		t.Fatal(err)
	}
	wantRetired(t, n.Dir)
	if n.Retired.Bytes < 28 {
		t.Errorf("%d bytes were removed", n.Retired.Bytes)
	}
	if left, err := n.Remains(); err != nil || len(left) != 0 {
		t.Error(left, err)
	}
	if again, err := Create(n.Dir, Options{}); err != nil || again.Sync != nil || !again.Retired.Cleaned {
		t.Error(err)
	}
	wantRetired(t, n.Dir)
	if _, err := Create(n.Dir, Options{Sync: &SyncOptions{}}); !fault.Is(err, fault.Conflict) {
		t.Errorf("with a V10 again: %v", err)
	}
}

// TestRetireGoesOn: killed behind any removal, the same call ends it, and each time the network can be run.
func TestRetireGoesOn(t *testing.T) {
	for _, killed := range []int{0, 3, 7} {
		n := pairWithRemains(t)
		if err := n.NoteOff(time.UnixMilli(7)); err != nil {
			t.Fatal(err)
		}
		remains, err := n.Remains()
		if err != nil {
			t.Fatal(err)
		}
		blocked := slices.Clone(remains[:killed])
		if err := n.Retire(append(blocked, Remain{Path: "genesis.json/none"})); err == nil { // no folder: it fails there
			t.Fatal("it removed what cannot be")
		}
		n, err = Create(n.Dir, Options{})
		if err != nil || n.Sync != nil {
			t.Fatal(err)
		}
		left, err := n.Remains()
		if err != nil || len(left) != len(remains)-killed {
			t.Fatalf("%d of %d are left, %v", len(left), len(remains), err)
		}
		if err := errors.Join(n.Retire(left), n.NoteCleaned()); err != nil {
			t.Fatal(err)
		}
		wantRetired(t, n.Dir)
	}
}

// TestRemainsElsewhere: what lies outside the network's folder is nobody's to remove.
func TestRemainsElsewhere(t *testing.T) {
	n := pairWithRemains(t)
	for _, path := range []string{"/srv/v10", "../v10", ""} {
		n.Sync.Dir = path
		if remains, err := n.Remains(); !fault.Is(err, fault.Refused) {
			t.Errorf("%q: %+v, %v", path, remains, err)
		}
	}
	if remains, err := (&Network{}).Remains(); remains != nil || err != nil {
		t.Error(remains, err)
	}
}
