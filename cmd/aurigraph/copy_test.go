// SPDX-License-Identifier: Apache-2.0

package main

import (
	"path/filepath"
	"strings"
	"testing"
)

// TestCopyUsage: a copy says what it was not told.
func TestCopyUsage(t *testing.T) {
	t.Chdir(t.TempDir())
	d := up(t, networkDefault)
	for line, says := range map[string]string{
		"copy start": "is missing, and no network's folder says it",
		"copy start --changes http://127.0.0.1:1 --store pebble --dir c --signer k --alias-key a --names n": "--history-dir is missing",
		"copy start extra": "takes no arguments",
	} {
		m := answer(t, exitRefused, shellWords(line)...)
		if text, _ := m["error"].(map[string]any)["text"].(string); !strings.Contains(text, says) {
			t.Errorf("%s: %v; it must say %q", line, m, says)
		}
	}
	answer(t, exitFailed, "copy", "status")
	d.stop(t)
}

// TestCopyOfANetwork: a network beside a V10 has been copied when it is ready; again nothing is done.
func TestCopyOfANetwork(t *testing.T) {
	t.Chdir(t.TempDir())
	d := upWith(t, networkDefault, "--validators", "1", "--with-v10")
	m := answer(t, exitDone, "copy", "start")
	if m["done"] != true || m["already"] != true || m["sums_equal"] != true || m["accounts"].(float64) < 4 || m["sequence"].(float64) < 1 {
		t.Errorf("%v", m)
	}
	s := answer(t, exitDone, "copy", "status", "--dir", filepath.Join(networkDefault, copyFolder))
	report, _ := s["report"].(map[string]any)
	if s["state"] != "done" || report["sequence"] != m["sequence"] {
		t.Errorf("%v", s)
	}
	d.stop(t)
}
