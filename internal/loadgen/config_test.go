// SPDX-License-Identifier: Apache-2.0

package loadgen

import (
	"bytes"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/aurigraph/aurigraph/internal/config"
	"github.com/aurigraph/aurigraph/internal/fault"
)

func sound() Config {
	return Config{Nodes: 1, Engine: "solo", Accounts: 1024, Assets: 1, Auth: AuthBatchEd25519, Load: LoadUniform, Rate: 10_000, Duration: time.Second}
}

func TestValidate(t *testing.T) {
	for _, c := range []struct {
		change func(*Config)
		names  string // what the refusal names; empty: it is sound
	}{
		{func(*Config) {}, ""},
		{func(c *Config) { c.Accounts, c.Assets, c.Auth, c.Load, c.Rate = 8<<20, 4096, AuthSingle, LoadHot, 0 }, ""},
		{func(c *Config) { c.Assets, c.Auth, c.Load, c.Duration = 64, AuthBatchMLDSA, LoadZipf, 24*time.Hour }, ""},
		{func(c *Config) { c.Nodes, c.Engine = 16, config.EngineRaft }, ""},
		{func(c *Config) { c.Engine = config.EngineRaft }, ""},
		{func(c *Config) { c.Nodes = 0 }, "--nodes"},
		{func(c *Config) { c.Nodes, c.Engine = 17, config.EngineRaft }, "--nodes"},
		{func(c *Config) { c.Nodes = 4 }, "--engine"},
		{func(c *Config) { c.Engine = "paxos" }, "--engine"},
		{func(c *Config) { c.Accounts = 1023 }, "--accounts"},
		{func(c *Config) { c.Accounts = 8<<20 + 1 }, "--accounts"},
		{func(c *Config) { c.Assets = 0 }, "--assets"},
		{func(c *Config) { c.Assets = 65 }, "--assets"},
		{func(c *Config) { c.Accounts, c.Assets = 8<<20, 4097 }, "--assets"},
		{func(c *Config) { c.Auth = "none" }, "--auth"},
		{func(c *Config) { c.Load = "spiky" }, "--load"},
		{func(c *Config) { c.Rate = -1 }, "--rate"},
		{func(c *Config) { c.Duration = time.Second - 1 }, "--duration"},
		{func(c *Config) { c.Duration = 24*time.Hour + 1 }, "--duration"},
	} {
		cfg := sound()
		c.change(&cfg)
		err := cfg.Validate()
		if c.names == "" && err != nil || c.names != "" && (!fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), c.names)) {
			t.Errorf("%+v: %v, must name %q", cfg, err, c.names)
		}
	}
}

func TestFailed(t *testing.T) {
	good := Report{RootsEqual: true, Conserved: true, ReceiptsChecked: 1, Committed: 1100}
	for _, c := range []struct {
		change func(*Report)
		says   string
	}{
		{func(*Report) {}, ""},
		{func(r *Report) { r.RootsEqual = false }, "state root"},
		{func(r *Report) { r.Conserved = false }, "money"},
		{func(r *Report) { r.Committed++ }, "receipts"},
	} {
		r := good
		c.change(&r)
		if got := r.Failed(); (got == "") != (c.says == "") || !strings.Contains(got, c.says) {
			t.Errorf("%q, must say %q", got, c.says)
		}
	}
}

// TestUsage uses memory, time and the disk, and finds them in this process's usage.
func TestUsage(t *testing.T) {
	before, err := usageOf(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	own := ownCPU()
	begin := time.Now()
	for ownCPU()-own < 100*time.Millisecond && time.Since(begin) < time.Minute {
		bytes.Count(make([]byte, 1<<20), []byte{1})
	}
	after, err := usageOf(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if used := after.cpu - before.cpu; used < 50*time.Millisecond || after.rssMaxMB < 1 {
		t.Errorf("%s of CPU after 100 ms of work, %.1f MB at most", used, after.rssMaxMB)
	}
	if _, err := usageOf(1 << 30); !fault.Is(err, fault.Unavailable) {
		t.Errorf("of no process: %v", err)
	}
	if n := procField("/proc/self/status", "NoSuchField:"); n != 0 {
		t.Errorf("a field that is not there is %d", n)
	}
	if text := machine(); !strings.Contains(text, "cores") || !strings.Contains(text, "go1.") {
		t.Errorf("the machine is %q", text)
	}
}
