// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/network"
)

// fakeNode is a program that takes a node's folder, as `node start --dir DIR --json` does, serves until it is told to stop,
// and before that does what a test wants.
const fakeNode = `#!/bin/sh
trap 'exit 0' TERM
dir=$4
%s
echo '{"ready":true}'
while :; do sleep 0.02; done >/dev/null
`

// fleet is a supervised network of four fake nodes.
type fleet struct {
	*supervisor
	logs  buffer
	ready chan struct{}
	ended chan error
	stop  context.CancelFunc
}

func newFleet(t *testing.T, asJSON bool, before string) *fleet {
	t.Helper()
	n, err := network.Create(filepath.Join(t.TempDir(), "net"), network.Options{Name: "fleet"})
	if err != nil {
		t.Fatal(err)
	}
	f := &fleet{ready: make(chan struct{}), ended: make(chan error, 1)}
	a := &app{err: &f.logs, json: asJSON}
	if f.supervisor, err = newSupervisor(a, n, a.newBar()); err != nil {
		t.Fatal(err)
	}
	f.program = filepath.Join(t.TempDir(), "node.sh")
	if err := os.WriteFile(f.program, fmt.Appendf(nil, fakeNode, before), 0o755); err != nil {
		t.Fatal(err)
	}
	f.pause = time.Millisecond
	ctx, cancel := context.WithCancel(t.Context())
	f.stop = cancel
	go func() { f.ended <- f.run(ctx, func(context.Context) error { close(f.ready); return nil }) }()
	return f
}

func (f *fleet) awaitReady(t *testing.T) {
	t.Helper()
	select {
	case <-f.ready:
	case err := <-f.ended:
		t.Fatalf("it ended: %v\n%s", err, f.logs.String())
	case <-time.After(waitMax):
		t.Fatal("it is never ready")
	}
}

func (f *fleet) end(t *testing.T) error {
	t.Helper()
	f.stop()
	select {
	case err := <-f.ended:
		if _, err := network.ReadRun(f.network.Dir); !fault.Is(err, fault.NotFound) {
			t.Errorf("run.json is still there (%v)", err)
		}
		for _, n := range f.file.Nodes() {
			if n.PID != 0 && syscall.Kill(n.PID, 0) == nil {
				t.Errorf("%s still runs", n.ID)
			}
		}
		return err
	case <-time.After(waitMax):
		t.Fatal("it does not stop")
		return nil
	}
}

func (f *fleet) pids(t *testing.T) (pids [4]int, ready bool) {
	t.Helper()
	r, err := network.ReadRun(f.network.Dir)
	if err != nil {
		t.Fatal(err)
	}
	ready = true
	for i, n := range r.Nodes {
		pids[i] = n.PID
		ready = ready && n.Ready
	}
	return pids, ready
}

// killNow kills a process. A pid of 0 would mean this test's own group.
func killNow(t *testing.T, pid int) {
	t.Helper()
	if pid <= 0 {
		t.Fatalf("pid %d: it does not run", pid)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
}

// A validator that is killed comes back, as often as it is killed; the others run on.
func TestDeadValidatorComesBack(t *testing.T) {
	for _, asJSON := range []bool{false, true} {
		f := newFleet(t, asJSON, "")
		f.awaitReady(t)
		first, _ := f.pids(t)
		for range earlyDeathsMax + 1 {
			before, _ := f.pids(t)
			killNow(t, before[2])
			eventually(t, "node2 serves again", func() bool {
				now, ready := f.pids(t)
				return ready && now[2] != before[2]
			})
		}
		if last, _ := f.pids(t); last[0] != first[0] || last[1] != first[1] || last[3] != first[3] || last[2] == first[2] {
			t.Errorf("the processes were %v and are %v", first, last)
		}
		if err := f.end(t); err != nil {
			t.Error(err)
		}
		checkSaid(t, f.logs.String(), asJSON,
			fmt.Sprintf("validator node2 (pid %d) ended: signal: killed; it is started again in 1ms", first[2]), "validator node2 serves again (pid ")
	}
}

// checkSaid wants a line with each of the texts, and with --json all lines to be JSON.
func checkSaid(t *testing.T, logs string, asJSON bool, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if !strings.Contains(logs, text) {
			t.Errorf("%q was not said:\n%s", text, logs)
		}
	}
	for line := range strings.Lines(logs) {
		if asJSON && !json.Valid([]byte(line)) {
			t.Errorf("%q is no JSON", line)
		}
	}
}

// A start that goes wrong is tried again, also the first one.
func TestStartIsTriedAgain(t *testing.T) {
	f := newFleet(t, false, `case $dir in */node3) echo x >>$dir/tries; [ $(wc -l <$dir/tries) -ge 4 ] || { echo no luck >&2; exit 7; };; esac`)
	f.awaitReady(t)
	if err := f.end(t); err != nil {
		t.Error(err)
	}
	checkSaid(t, f.logs.String(), false, "node node3 did not start: exit status 7; its log ends with\nno luck; it is tried again in 1ms", "stopping the network")
	if n := strings.Count(f.logs.String(), "tried again"); n != 3 {
		t.Errorf("it was tried again %d times", n)
	}
}

// One that ends again and again before it serves stops the network, with the word that names its log; it does not matter
// that it served before.
// TestStartIsGivenUp: one validator that does not come back is left alone while the others are a quorum; a second one ends the
// network.
func TestStartIsGivenUp(t *testing.T) {
	f := newFleet(t, false, `case $dir in */node[13]) [ ! -e $dir/broken ] || exit 9;; esac`)
	f.awaitReady(t)
	pids, _ := f.pids(t)
	breaks := func(i int) {
		if err := os.WriteFile(filepath.Join(f.network.Dir, fmt.Sprintf("node%d", i), "broken"), nil, 0o644); err != nil {
			t.Fatal(err)
		}
		killNow(t, pids[i])
	}
	breaks(3)
	for deadline := time.Now().Add(waitMax); !strings.Contains(f.logs.String(), "validator node3 is left as it is"); <-time.After(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("node3 is not left alone", f.logs.String())
		}
	}
	select {
	case err := <-f.ended:
		t.Fatal("the network ended with one validator", err)
	default:
	}
	breaks(1)
	err := <-f.ended
	f.ended <- err
	_ = f.end(t)
	if text := fmt.Sprint(err); !fault.Is(err, fault.Unavailable) || !strings.Contains(text, "validator node1 ended 5 times within 1m0s before it served") ||
		!strings.Contains(text, "exit status 9") || !strings.Contains(text, filepath.Join(f.network.Dir, "node1", "node.log")) {
		t.Error(err)
	}
	if strings.Contains(f.logs.String(), "stopping the network") {
		t.Error("nobody told it to stop", f.logs.String())
	}
}

// One that says what is wrong with its folder ends it all at once. So does a ready line that cannot be written.
func TestStartIsRefused(t *testing.T) {
	f := newFleet(t, true, `case $dir in */node1) echo x >>$dir/tries; echo '{"error":{"kind":"denied","reason":"r","text":"not with this key"}}'; exit 2;; esac`)
	err := <-f.ended
	f.ended <- err
	_ = f.end(t)
	if !fault.Is(err, fault.Denied) || !strings.Contains(err.Error(), "not with this key (its log is on standard error)") {
		t.Error(err)
	}
	if tries, err := os.ReadFile(filepath.Join(f.network.Dir, "node1", "tries")); err != nil || string(tries) != "x\n" {
		t.Errorf("tried %q, %v", tries, err)
	}
	full := errors.New("no space for the ready line")
	f = newFleet(t, true, "")
	f.stop() // this one only has the folder
	if err := <-f.ended; err != nil {
		t.Error(err)
	}
	again, err := newSupervisor(f.app, f.network, f.bar)
	if err != nil {
		t.Fatal(err)
	}
	again.program = f.program
	if err := again.run(t.Context(), func(context.Context) error { return full }); !errors.Is(err, full) {
		t.Error(err)
	}
}

// Whoever stops a network that is not ready yet does not wait for it.
func TestStoppedBeforeReady(t *testing.T) {
	f := newFleet(t, false, `case $dir in */node0) touch $dir/started; sleep 60;; esac`)
	pid := 0
	eventually(t, "node0 is started", func() bool {
		pid = f.file.Nodes()[0].PID
		_, err := os.Stat(filepath.Join(f.network.Dir, "node0", "started"))
		return err == nil && pid != 0
	})
	f.stop()
	_ = syscall.Kill(-pid, syscall.SIGKILL) // a shell heeds the signal only when its child has ended
	if err := f.end(t); err != nil {
		t.Error(err)
	}
	select {
	case <-f.ready:
		t.Error("it is ready")
	default:
	}
}

func TestEarlyDeaths(t *testing.T) {
	begin := time.Unix(1_000_000, 0)
	for _, x := range []struct {
		every   time.Duration
		givenUp int // at which death; 0 = never
	}{{0, 5}, {14 * time.Second, 5}, {15 * time.Second, 0}, {time.Hour, 0}} {
		var d earlyDeaths
		givenUp := 0
		for i := 1; i <= 20 && givenUp == 0; i++ {
			if d.add(begin.Add(time.Duration(i) * x.every)) {
				givenUp = i
			}
		}
		if givenUp != x.givenUp || len(d) > earlyDeathsMax {
			t.Errorf("a death every %s: given up at %d, must be %d", x.every, givenUp, x.givenUp)
		}
	}
}

// Four validators are one network: it goes on while one is dead, whichever it is, and that one comes back and is part of it.
func TestFourValidators(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "net")
	d := upWith(t, dir)
	if len(d.ready.Nodes) != 4 || len(d.ready.GRPC) != 5 || d.ready.GRPC[0] != d.ready.Gateway.GRPC || len(d.ready.Metrics) != 4 {
		t.Fatalf("%+v", d.ready)
	}
	paid := 0
	pay := func() {
		t.Helper()
		paid++
		if p := answer(t, exitDone, "pay", "3", "4", "1", "--network", dir); p["outcome"] != "ok" || p["verified"] != true {
			t.Error(p)
		}
	}
	for _, i := range []int{0, 2} {
		pay()
		killNow(t, d.ready.Nodes[i].PID)
		pay()
		eventually(t, "it serves again", func() bool {
			r, err := network.ReadRun(dir)
			return err == nil && r.Nodes[i].Ready && r.Nodes[i].PID != d.ready.Nodes[i].PID
		})
		at := []string{"--endpoint", d.ready.GRPC[1+i], "--trust", filepath.Join(dir, "genesis.json"), "--ca", d.ready.TLS.CA}
		pay()
		eventually(t, "it has them all", func() bool {
			return answer(t, exitDone, append([]string{"status"}, at...)...)["transfers"] == float64(paid)
		})
	}
	d.stop(t)
	if d.code != exitDone {
		t.Errorf("up ended with %d", d.code)
	}
	if _, err := network.ReadRun(dir); !fault.Is(err, fault.NotFound) {
		t.Error(err)
	}
}

// A network that has a dead node still answers, whichever of its nodes it is: commands know all endpoints.
func TestDeadEndpoint(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "net")
	up(t, dir)
	n, err := network.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	silent, err := net.Listen("tcp", "127.0.0.1:0") // takes connections and never says a word
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	other := apart(t, n)
	for _, dead := range []string{"127.0.0.1:1", silent.Addr().String()} {
		for _, first := range []bool{true, false} {
			node := network.Node{ID: "node1", Dir: "node1", GRPC: dead}
			other.Nodes = []network.Node{n.Nodes[0], node}
			if first {
				other.Nodes = []network.Node{node, n.Nodes[0]}
			}
			if err := other.Save(); err != nil {
				t.Fatal(err)
			}
			for range 3 {
				for _, line := range []string{"pay 3 4 1", "account show 3", "account list", "asset list", "status", "block show", "block list"} {
					begin := time.Now()
					want(t, exitDone, append(strings.Fields(line), "--network", other.Dir)...)
					if took := time.Since(begin); took > 5*time.Second {
						t.Errorf("%s with %s: %s", line, dead, took)
					}
				}
			}
		}
	}
}

// apart is a network in a folder of its own, whose description can be changed while the network runs.
func apart(t *testing.T, n *network.Network) *network.Network {
	t.Helper()
	other := *n
	other.Dir = t.TempDir()
	for _, name := range []string{"keys", "ca.pem", "genesis.json", "node0"} {
		if err := os.Symlink(n.Path(name), filepath.Join(other.Dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	return &other
}
