// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// program is the path of the built program.
var program string

// TestMain builds the program. If that fails, every test says so when it starts a process.
func TestMain(m *testing.M) {
	if isBroker() {
		return
	}
	dir, err := os.MkdirTemp("", "aurigraph-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		return
	}
	program = filepath.Join(dir, "aurigraph")
	build := exec.Command("go", "build", "-o", program, "../cmd/aurigraph")
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "e2e: the program does not build:", err)
	}
	m.Run()
	_ = os.RemoveAll(dir) // the system's own broom takes what is left
}

// commandMax bounds one command.
const commandMax = 60 * time.Second

// runIn runs a command line and returns what it printed and its exit code.
func runIn(t *testing.T, args ...string) (out string, code int) {
	t.Helper()
	return runFor(t, commandMax, args...)
}

// runFor is runIn for a command that takes longer.
func runFor(t *testing.T, most time.Duration, args ...string) (out string, code int) {
	t.Helper()
	cmd := exec.Command(program, args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	timer := time.AfterFunc(most, func() { _ = cmd.Process.Kill() })
	defer timer.Stop()
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("%v: %v", args, err)
	}
	if err != nil {
		t.Logf("%v: exit %d: %s%s", args, exit.ExitCode(), stdout.String(), stderr.String())
		return stdout.String(), exit.ExitCode()
	}
	return stdout.String(), 0
}

// net is a running network.
type net struct {
	t     *testing.T
	dir   string
	cmd   *exec.Cmd
	ended chan struct{}
	ready struct {
		Ready   bool
		GRPC    []string
		Metrics []string
		Nodes   []struct {
			ID, Dir string
			PID     int
		}
		Edge *struct { // the gateway
			Dir, GRPC, Metrics, REST string
			PID                      int
		} `json:"gateway"`
		Router string `json:"edge"`
		REST   string
		V10    string
		Sync   *struct {
			Kafka, Changes string
			Copied         uint64
		}
		V10Accounts []string `json:"v10_accounts"`
		Accounts    []string
		Keys        map[string]string
		Asset       string
	}
}

// up starts `aurigraph up --json` in dir and waits until it is ready.
func up(t *testing.T, dir string) *net { return upWith(t, dir, 1) }

// upWith runs a network of so many validators.
func upWith(t *testing.T, dir string, validators int, flags ...string) *net {
	t.Helper()
	args := append([]string{"up", "--validators", strconv.Itoa(validators), "--network", dir, "--json"}, flags...)
	n := &net{t: t, dir: dir, cmd: exec.Command(program, args...), ended: make(chan struct{})}
	logs, err := os.Create(filepath.Join(t.TempDir(), "up.log"))
	if err != nil {
		t.Fatal(err)
	}
	n.cmd.Stderr = logs
	out, err := n.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := n.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line := make(chan string, 1)
	go func() {
		defer close(n.ended)
		s := bufio.NewScanner(out)
		s.Buffer(nil, 1<<20)
		for s.Scan() {
			line <- s.Text()
		}
		_ = n.cmd.Wait() // the tests look at the state, not at how it ended
		_ = logs.Close()
	}()
	t.Cleanup(n.stop)
	select {
	case text := <-line:
		if err := json.Unmarshal([]byte(text), &n.ready); err != nil || !n.ready.Ready {
			t.Fatalf("up said %q: %v", text, err)
		}
	case <-n.ended:
		text, _ := os.ReadFile(logs.Name())
		t.Fatalf("up ended before it was ready:\n%s", text)
	case <-time.After(commandMax):
		t.Fatal("up is not ready")
	}
	return n
}

// signalTo sends a signal to a process. A pid of 0 would mean this test's own group.
func signalTo(t *testing.T, pid int, s syscall.Signal) {
	t.Helper()
	if pid <= 0 {
		t.Fatalf("pid %d: it does not run", pid)
	}
	if err := syscall.Kill(pid, s); err != nil {
		t.Fatal(err)
	}
}

// stop stops the network as Ctrl-C does.
func (n *net) stop() {
	_ = n.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	select {
	case <-n.ended:
	case <-time.After(commandMax):
		n.t.Error("up did not stop")
		_ = n.cmd.Process.Kill()
		<-n.ended
	}
}

// run runs a command on the network; it must exit with code want. With --json given, the answer is decoded into a map.
func (n *net) run(want int, args ...string) map[string]any {
	n.t.Helper()
	out, code := runIn(n.t, append(args, "--network", n.dir, "--json")...)
	if code != want {
		n.t.Fatalf("%v: exit %d, want %d: %s", args, code, want, out)
	}
	var answer map[string]any
	if err := json.Unmarshal([]byte(out), &answer); err != nil {
		n.t.Fatalf("%v printed %q: %v", args, out, err)
	}
	return answer
}

// verify proves a stopped node's folder; ok says whether it must be well.
func verify(t *testing.T, dir string, ok bool) map[string]any {
	t.Helper()
	want := 1
	if ok {
		want = 0
	}
	out, code := runIn(t, "verify", "--node", dir, "--json")
	var report map[string]any
	if err := json.Unmarshal([]byte(out), &report); err != nil || code != want || report["ok"] != ok {
		t.Fatalf("verify: exit %d, ok %v (%v): %.2000s", code, report["ok"], err, out)
	}
	return report
}
