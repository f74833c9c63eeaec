// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// asProgram in the environment makes this test binary the program: `up` starts its nodes by starting itself.
const asProgram = "AURIGRAPH_TEST_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
	}
	if err := os.Setenv(asProgram, "1"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

// waitMax bounds what tests wait for.
const waitMax = 3 * time.Minute

// result is what a command line printed, and how it ended.
type result struct {
	out, err string
	code     int
}

// buffer is what several processes write to, as they may to a file.
type buffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write adds p.
func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

// String is what was written so far.
func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// cli runs a command line in this process.
func cli(t *testing.T, words ...string) result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), waitMax)
	defer cancel()
	return cliIn(ctx, words...)
}

func cliIn(ctx context.Context, words ...string) result {
	var out, errOut buffer
	code := run(ctx, "aurigraph", words, &out, &errOut)
	return result{out.String(), errOut.String(), code}
}

// want runs a command line that must end with a code.
func want(t *testing.T, code int, words ...string) result {
	t.Helper()
	r := cli(t, words...)
	if r.code != code {
		t.Fatalf("%q: exit %d, want %d\n%s%s", words, r.code, code, r.out, r.err)
	}
	return r
}

// answer is want with --json.
func answer(t *testing.T, code int, words ...string) map[string]any {
	t.Helper()
	r := want(t, code, append(words, "--json")...)
	var m map[string]any
	if err := json.Unmarshal([]byte(r.out), &m); err != nil {
		t.Fatalf("%q printed %q: %v", words, r.out, err)
	}
	if strings.Count(r.out, "\n") != 1 {
		t.Errorf("%q printed more than one line: %q", words, r.out)
	}
	return m
}

// demo is a running demo network, made by `up` in this process.
type demo struct {
	dir    string
	ready  upJSON
	cancel context.CancelFunc
	ended  chan struct{}
	code   int // after ended
}

// up runs a network of one validator.
func up(t *testing.T, dir string) *demo {
	t.Helper()
	return upWith(t, dir, "--validators", "1")
}

func upWith(t *testing.T, dir string, flags ...string) *demo {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	d := &demo{dir: dir, cancel: cancel, ended: make(chan struct{})}
	out, in := io.Pipe()
	var logs buffer
	go func() {
		defer close(d.ended)
		d.code = run(ctx, "aurigraph", append([]string{"up", "--network", dir, "--json"}, flags...), in, &logs)
		in.Close()
	}()
	t.Cleanup(func() { d.stop(t) })
	line, err := bufio.NewReader(out).ReadString('\n')
	if err == nil {
		err = json.Unmarshal([]byte(line), &d.ready)
	}
	if err != nil || !d.ready.Ready {
		cancel()
		<-d.ended
		t.Fatalf("up said %q (%v)\n%s", line, err, logs.String())
	}
	go func() { _, _ = io.Copy(io.Discard, out) }() // an error of a killed node
	return d
}

// stop is Ctrl-C.
func (d *demo) stop(t *testing.T) {
	t.Helper()
	d.cancel()
	select {
	case <-d.ended:
	case <-time.After(waitMax):
		t.Error("up did not stop")
	}
}

// online are the flags that reach a network without its folder.
func (d *demo) online() []string {
	return []string{"--endpoint", d.ready.GRPC[0], "--trust", filepath.Join(d.dir, "genesis.json"), "--ca", d.ready.TLS.CA}
}

// eventually polls until ok.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(waitMax); !ok(); <-tick.C {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
	}
}

// program starts a command line as a process of its own.
func program(words ...string) *exec.Cmd {
	cmd := exec.Command(os.Args[0], words...)
	cmd.Env = append(os.Environ(), asProgram+"=1")
	return cmd
}

func write(t *testing.T, path, text string) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
