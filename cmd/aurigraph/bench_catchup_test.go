// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// figure reads a number from an answer, by the names on the way to it.
func figure(t *testing.T, a map[string]any, path string) float64 {
	t.Helper()
	var v any = a
	for _, name := range strings.Split(path, ".") {
		in, ok := v.(map[string]any)
		if !ok {
			t.Fatalf("%s is not in %v", path, a)
		}
		v = in[name]
	}
	f, ok := v.(float64)
	if !ok {
		t.Fatalf("%s is %v", path, v)
	}
	return f
}

// A validator that is killed executes what it missed, and none of what was acknowledged is lost.
func TestBenchCatchUpFromBlocks(t *testing.T) {
	if testing.Short() {
		t.Skip("runs four nodes for some seconds")
	}
	dir := filepath.Join(t.TempDir(), "net")
	a := answer(t, exitDone, "bench", "catchup", "--from", "blocks", "--blocks", "200", "--rate", "2000", "--legs", "20",
		"--accounts", "1024", "--baseline", "1s", "--network", dir)
	from := a["from"].(map[string]any)
	blocks := from["blocks"].(map[string]any)
	if len(from) != 1 || blocks["state_taken"] != false || blocks["roots_equal"] != true || blocks["conserved"] != true {
		t.Errorf("%v", a)
	}
	for _, name := range []string{"down_s", "catchup_s", "kept", "rss_mb_max", "rss_mb_catching_up", "p99_ratio", "finality_ms.before.p50", "finality_ms.during.p99"} {
		if figure(t, blocks, name) <= 0 {
			t.Errorf("%s: %v", name, blocks)
		}
	}
	if figure(t, blocks, "behind_blocks") < 200 || figure(t, blocks, "times_real_time") <= 1 || figure(t, blocks, "lost_acks") != 0 || figure(t, blocks, "state_height") != 0 {
		t.Errorf("%v", blocks)
	}
	want(t, exitDone, "verify", "--node", filepath.Join(dir, "blocks", blocks["fallen_node"].(string)))
}

// A validator whose peers let go of what it missed takes a peer's state.
func TestBenchCatchUpFromCheckpoint(t *testing.T) {
	if testing.Short() {
		t.Skip("runs four nodes for some seconds")
	}
	t.Chdir(t.TempDir())
	r := want(t, exitDone, "bench", "catchup", "--from", "checkpoint", "--blocks", "50", "--rate", "100000", "--legs", "8192", "--accounts", "1024", "--baseline", "1s")
	for _, text := range []string{"from checkpoint", "a state taken yes", "times real time", "0 lost", "roots equal yes", "money conserved yes"} {
		if !strings.Contains(r.out, text) {
			t.Errorf("%q is not in\n%s", text, r.out)
		}
	}
	if left, err := os.ReadDir("."); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestBenchCatchUpUsage(t *testing.T) {
	for line, text := range map[string]string{
		"bench catchup --blocks 0":     "--blocks 0, must be 1 to",
		"bench catchup --nodes 3":      "--nodes 3, must be 4 to",
		"bench catchup --from genesis": `--from "genesis", must be blocks, checkpoint or both`,
		"bench catchup x":              `"x" is one`,
	} {
		if r := want(t, exitRefused, strings.Fields(line)...); !strings.Contains(r.err, text) {
			t.Errorf("%s: %s", line, r.err)
		}
	}
}
