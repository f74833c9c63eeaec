// SPDX-License-Identifier: Apache-2.0

package config

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/testkit"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestDefaultIsValid(t *testing.T) {
	if err := Default().Validate(); err != nil {
		t.Fatal(err)
	}
	n, err := Parse(nil)
	if err != nil || !reflect.DeepEqual(n, Default()) {
		t.Errorf("an empty file gives %+v, %v", n, err)
	}
}

func TestEachBound(t *testing.T) {
	for _, c := range []struct {
		field string
		set   func(*Node)
	}{
		{"name", func(n *Node) { n.Name = "" }},
		{"grpc", func(n *Node) { n.GRPC = "" }},
		{"grpc", func(n *Node) { n.GRPC = "localhost" }},
		{"grpc", func(n *Node) { n.GRPC = "localhost:" }},
		{"metrics", func(n *Node) { n.Metrics = "7451" }},
		{"genesis", func(n *Node) { n.Genesis = "" }},
		{"log_level", func(n *Node) { n.LogLevel = "loud" }},
		{"keys", func(n *Node) { n.Keys.Validator = "" }},
		{"keys", func(n *Node) { n.Keys.Root = "" }},
		{"tls", func(n *Node) { n.TLS.CA = "" }},
		{"tls", func(n *Node) { n.TLS.Cert = "" }},
		{"tls", func(n *Node) { n.TLS.Key = "" }},
		{"memory.payload_bytes", func(n *Node) { n.Memory.PayloadBytes = 4<<20 - 1 }},
		{"memory.payload_bytes", func(n *Node) { n.Memory.PayloadBytes = 8<<30 + 1 }},
		{"memory.limit_bytes", func(n *Node) { n.Memory.LimitBytes = 64<<20 - 1 }},
		{"memory.gc_percent", func(n *Node) { n.Memory.GCPercent = 9 }},
		{"memory.gc_percent", func(n *Node) { n.Memory.GCPercent = 1001 }},
		{"order.engine", func(n *Node) { n.Order.Engine = "paxos" }},
		{"order.engine", func(n *Node) { n.Validators.Addresses = []string{"a:1", "b:1"} }},
		{"validators.listen", func(n *Node) { several(n); n.Validators.Listen = "" }},
		{"validators", func(n *Node) { several(n); n.Validators.Cert = "" }},
		{"validators.addresses", func(n *Node) { several(n); n.Validators.Addresses[1] = "b" }},
		{"validators.link_bytes_per_second", func(n *Node) { several(n); n.Validators.LinkBytesPerSecond = 1<<20 - 1 }},
		{"order.interval_min", func(n *Node) { n.Order.IntervalMin = 0 }},
		{"order.interval_min", func(n *Node) { n.Order.IntervalMin = time.Second + 1 }},
		{"order.window_max", func(n *Node) { n.Order.WindowMax = 0 }},
		{"order.window_max", func(n *Node) { n.Order.WindowMax = 65 }},
		{"commit.checkpoint_interval", func(n *Node) { n.Commit.CheckpointInterval = 100*time.Millisecond - 1 }},
		{"commit.segment_bytes", func(n *Node) { n.Commit.SegmentBytes = 4<<20 - 4096 }},
		{"commit.segment_bytes", func(n *Node) { n.Commit.SegmentBytes = 1<<30 + 4096 }},
		{"commit.segment_bytes", func(n *Node) { n.Commit.SegmentBytes = 4<<20 + 1 }},
		{"commit.checkpoint_bytes_per_second", func(n *Node) { n.Commit.CheckpointBytesPerSecond = 1<<20 - 1 }},
		{"commit.reserve_bytes", func(n *Node) { n.Commit.ReserveBytes = 1<<20 - 1 }},
		{"commit.retain_bytes", func(n *Node) { n.Commit.RetainBytes = 2*n.Commit.SegmentBytes - 1 }},
		{"intake", func(n *Node) { n.Intake.AdmitWaitMax = 0 }},
		{"intake", func(n *Node) { n.Intake.CutDelay = -1 }},
		{"index.rows_per_second_max", func(n *Node) { n.Index.RowsPerSecondMax = 0 }},
	} {
		n := Default()
		c.set(&n)
		err := n.Validate()
		if !fault.Is(err, fault.Invalid) || !strings.HasPrefix(err.Error(), c.field+": ") {
			t.Errorf("%s: %v", c.field, err)
		}
	}
	n := Default()
	n.Metrics = "" // no metrics is a choice
	several(&n)
	if err := n.Validate(); err != nil {
		t.Error(err)
	}
}

// several makes settings of a node in a network of two.
func several(n *Node) {
	n.Order.Engine = EngineRaft
	n.Validators.Listen, n.Validators.Addresses = "127.0.0.1:7452", []string{"a:7452", "b:7452"}
}

func TestParseRefuses(t *testing.T) {
	for name, text := range map[string]string{
		"unknown key":          "nmae: x\n",
		"unknown nested key":   "order:\n  interval: 2ms\n",
		"not a number":         "memory:\n  limit_bytes: much\n",
		"a number with a tail": "memory:\n  limit_bytes: 1 GiB\n",
		"duration, no unit":    "order:\n  interval_min: fast\n",
		"key twice":            "name: a\nname: b\n",
		"second document":      "name: a\n---\nname: b\n",
		"not YAML":             "{",
		"a bound":              "order:\n  window_max: 1000\n",
	} {
		if n, err := Parse([]byte(text)); !fault.Is(err, fault.Invalid) || !reflect.DeepEqual(n, Node{}) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestWriteAndLoad(t *testing.T) {
	dir := t.TempDir()
	if _, err := Load(dir); !fault.Is(err, fault.NotFound) || !strings.Contains(err.Error(), "node init") {
		t.Errorf("without a file: %v", err)
	}
	n := Default()
	n.Name, n.GRPC, n.Metrics, n.LogLevel = "node7", "[::]:0", "", "debug"
	n.Order.IntervalMin = 1500 * time.Microsecond
	n.Keys.Passphrase = "/run/secrets/passphrase"
	n.Index.Enabled = false
	if err := Write(dir, n); err != nil {
		t.Fatal(err)
	}
	got, err := Load(dir)
	if n.Dir = dir; err != nil || !reflect.DeepEqual(got, n) {
		t.Errorf("%+v, %v\nwrote %+v", got, err, n)
	}
	if err := Write(dir, Default()); !fault.Is(err, fault.Conflict) {
		t.Errorf("settings are overwritten: %v", err)
	}
	if again, err := Load(dir); err != nil || !reflect.DeepEqual(again, n) {
		t.Errorf("after a refused write: %+v, %v", again, err)
	}
	if err := Write(filepath.Join(dir, "missing"), n); !fault.Is(err, fault.Unavailable) {
		t.Errorf("into a missing folder: %v", err)
	}
}

func TestReplace(t *testing.T) {
	dir := t.TempDir()
	n := Default()
	if err := Write(dir, n); err != nil {
		t.Fatal(err)
	}
	bad := n
	bad.Name = ""
	if err := Replace(dir, bad); !fault.Is(err, fault.Invalid) {
		t.Errorf("settings that Load refuses are written: %v", err)
	}
	n.Name = "renamed"
	if err := Replace(dir, n); err != nil {
		t.Fatal(err)
	}
	got, err := Load(dir)
	if n.Dir = dir; err != nil || !reflect.DeepEqual(got, n) {
		t.Errorf("%+v, %v", got, err)
	}
	files, err := os.ReadDir(dir)
	if err != nil || len(files) != 1 {
		t.Errorf("%v, %v: something is left behind", files, err)
	}
	if err := Replace(filepath.Join(dir, "missing"), n); !fault.Is(err, fault.Unavailable) {
		t.Errorf("in a missing folder: %v", err)
	}
}

// TestFile shows the file as `node init` writes it: a key that is renamed is a change that operators feel.
func TestFile(t *testing.T) {
	dir := t.TempDir()
	if err := Write(dir, Default()); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, FileName))
	if err != nil {
		t.Fatal(err)
	}
	testkit.Golden(t, "config.yaml", text)
}

func TestLoadRefuses(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, FileName)
	put := func(text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put("what: 1\n")
	if _, err := Load(dir); !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), path) {
		t.Errorf("an error names the file: %v", err)
	}
	put(strings.Repeat("#", fileBytesMax) + "\nwhat: 1\n")
	if _, err := Load(dir); !fault.Is(err, fault.Invalid) {
		t.Errorf("a file that is too long is cut: %v", err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(dir); !fault.Is(err, fault.Unavailable) {
		t.Errorf("a folder: %v", err)
	}
}

func TestPaths(t *testing.T) {
	n := Default()
	n.Dir = "/srv/node"
	for p, want := range map[string]string{"": "", "/abs/file": "/abs/file", "tls/ca.pem": "/srv/node/tls/ca.pem"} {
		if got := n.Path(p); got != want {
			t.Errorf("%q is %q", p, got)
		}
	}
	if got := n.Data("lane"); got != "/srv/node/data/lane" {
		t.Error(got)
	}
}

// A number that nobody has keeps its place in the list, without an address, and counts for no validator.
func TestVacantNumbers(t *testing.T) {
	n := Default()
	n.Order.Engine = EngineRaft
	n.Validators.Listen, n.Validators.Addresses = "127.0.0.1:1", []string{"a:1", "", "c:1"}
	dir := t.TempDir()
	if err := Write(dir, n); err != nil {
		t.Fatal(err)
	}
	back, err := Load(dir)
	if err != nil || !slices.Equal(back.Validators.Addresses, n.Validators.Addresses) {
		t.Errorf("%q, %v", back.Validators.Addresses, err)
	}
	n.Order.Engine = EngineSolo
	if err := n.Validate(); !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), "not for 2") {
		t.Error(err)
	}
	n.Validators.Addresses = []string{"", "b:1"}
	if err := n.Validate(); err != nil {
		t.Error(err)
	}
}
