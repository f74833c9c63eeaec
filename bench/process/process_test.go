// SPDX-License-Identifier: Apache-2.0

package process

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestStartAndStop(t *testing.T) {
	log := filepath.Join(t.TempDir(), "log")
	p, err := Start(Spec{Argv: []string{"/bin/sh", "-c", "echo ready; exec cat /dev/zero >/dev/null"}, LogFile: log})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := UsageOf(p.PID()); err != nil {
		t.Error(err)
	}
	if err := p.Exited(); err != nil {
		t.Error(err)
	}
	if err := StopAll([]*Process{p}); err != nil {
		t.Fatal(err)
	}
	if err := p.Exited(); err == nil || !strings.Contains(err.Error(), log) {
		t.Errorf("a stopped server says %v, want the name of its log", err)
	}
	if err := p.Stop(); err != nil {
		t.Errorf("stopping twice: %v", err)
	}
}

func TestFreePorts(t *testing.T) {
	ports, err := FreePorts(20)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[int]bool{}
	for _, p := range ports {
		if seen[p] {
			t.Errorf("port %d twice", p)
		}
		seen[p] = true
	}
}

func TestRunSaysWhatFailed(t *testing.T) {
	_, err := Run(nil, os.TempDir(), "/bin/sh", "-c", "echo the reason; exit 3")
	if err == nil || !strings.Contains(err.Error(), "the reason") {
		t.Errorf("got %v", err)
	}
}
