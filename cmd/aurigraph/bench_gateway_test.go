// SPDX-License-Identifier: Apache-2.0

package main

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/aurigraph/aurigraph/internal/nginx"
)

// Real validators, a real gateway and, where it is installed, a real nginx: what is paid is on every validator's disk.
func TestBenchGateway(t *testing.T) {
	if testing.Short() {
		t.Skip("runs four nodes for half a minute")
	}
	dir := filepath.Join(t.TempDir(), "net")
	code := exitDone
	_, err := nginx.Find()
	if err != nil {
		t.Logf("*** the restart behind nginx is SKIPPED: %v ***", err)
		code = exitFailed
	}
	a := answer(t, code, "bench", "gateway", "--duration", "10s", "--rate", "100", "--batch-rate", "10000", "--batch-payments", "500",
		"--restart-rate", "100", "--subscribers", "50", "--network", dir)
	for _, name := range []string{
		"direct.p50_us", "direct.p99_us", "direct.cpu_us_per_request", "in_node.p50_us", "in_node.p99_us", "in_node.cpu_us_per_request",
		"gateway.p50_us", "gateway.cpu_us_per_request", "gateway.edge_cpu_us_per_request", "ratio_p50.median", "ratio_p50.low", "ratio_p99.high",
		"batch.committed_per_s", "batch.p99_ms", "batch.duration_s", "ws.subscribers", "ws.stalled", "ws.head_p99_ms", "ws.kib_per_connection",
	} {
		if figure(t, a, name) <= 0 {
			t.Errorf("%s: %v", name, a)
		}
	}
	if figure(t, a, "pairs") < 20 || figure(t, a, "batch.refused") != 0 || figure(t, a, "paid") != figure(t, a, "counted") || a["conserved"] != true {
		t.Errorf("%v", a)
	}
	if err == nil && (figure(t, a, "restart.lost") != 0 || figure(t, a, "restart.requests") < 800 || figure(t, a, "restart.restarts") < 2) {
		t.Errorf("%v", a["restart"])
	}
	want(t, exitDone, "verify", "--node", filepath.Join(dir, "node3"))
}

func TestBenchGatewayUsage(t *testing.T) {
	for line, text := range map[string]string{
		"bench gateway --nodes 1":             "--nodes 1, must be 2 to",
		"bench gateway --duration 1s":         "--duration 1s, must be 10s to",
		"bench gateway --batch-payments 9000": "--batch-payments 9000, must be 1 to 8192",
		"bench gateway x":                     `"x" is one`,
	} {
		if r := want(t, exitRefused, strings.Fields(line)...); !strings.Contains(r.err, text) {
			t.Errorf("%s: %s", line, r.err)
		}
	}
}
