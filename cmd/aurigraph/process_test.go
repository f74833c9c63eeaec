// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"bytes"
	"context"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// Ctrl-C ends `up` and `node start` cleanly, with exit code 0.
func TestCtrlC(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "net")
	for _, x := range []struct{ ready, line string }{
		{"ready:", "up --validators 1 --network " + dir},
		{`"ready":true`, "node start --json --dir " + dir + "/node0"},
	} {
		cmd := program(strings.Fields(x.line)...)
		var logs bytes.Buffer
		cmd.Stderr = &logs
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		s := bufio.NewScanner(out)
		said := ""
		for !strings.Contains(said, x.ready) && s.Scan() {
			said += s.Text() + "\n"
		}
		if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
			t.Fatal(err)
		}
		for s.Scan() {
		}
		if err := cmd.Wait(); err != nil || !strings.Contains(said, x.ready) {
			t.Errorf("%s: %v\n%s%s", x.line, err, said, logs.String())
		}
		if strings.HasPrefix(x.line, "up") && (!strings.Contains(logs.String(), "stopped") || !strings.Contains(said, "pay 0x")) {
			t.Errorf("up said %s and %s", said, logs.String())
		}
	}
	want(t, exitDone, "verify", "--node", dir+"/node0")
}

// What is interrupted before it did anything says so.
func TestInterrupted(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "net")
	want(t, exitDone, "node", "init", "--dir", dir, "--demo")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for line, code := range map[string]int{
		"up --network " + dir:             exitDone,
		"verify --node " + dir + "/node0": exitFailed,
		"status --network " + dir:         exitFailed,
		"pay 3 4 1 --network " + dir:      exitFailed,
	} {
		r := cliIn(ctx, strings.Fields(line)...)
		if r.code != code || code != exitDone && !strings.Contains(r.err, "interrupted") {
			t.Errorf("%s: exit %d: %s", line, r.code, r.err)
		}
	}
}
