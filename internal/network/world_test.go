// SPDX-License-Identifier: Apache-2.0

package network

import (
	"bytes"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/aurigraph/aurigraph/internal/config"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(tests{m}) }

// tests removes what program built.
type tests struct{ m *testing.M }

// Run runs the tests.
func (t tests) Run() int {
	defer func() { _ = os.RemoveAll(programDir) }() // the system's own broom takes what is left
	return t.m.Run()
}

// programDir is where the built program lies.
var programDir string

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// program builds the program once, for the tests that start real nodes.
var program = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "aurigraph-network-")
	if err != nil {
		return "", err
	}
	programDir = dir
	path := filepath.Join(dir, "aurigraph")
	text, err := exec.Command("go", "build", "-o", path, "../../cmd/aurigraph").CombinedOutput()
	if err != nil {
		return string(text), err
	}
	return path, nil
})

func builtProgram(t *testing.T) string {
	t.Helper()
	path, err := program()
	if err != nil {
		t.Fatalf("the program does not build: %v\n%s", err, path)
	}
	return path
}

// script is a program that does what a node must not do.
func script(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "node.sh")
	must(t, os.WriteFile(path, []byte("#!/bin/sh\n"+text+"\n"), 0o755))
	return path
}

// freePorts finds two neighbouring ports that nobody listens on. They lie below those that the system gives to outgoing
// connections, so that no other test's connection takes them meanwhile.
func freePorts(t *testing.T) int {
	t.Helper()
	for port := 20_000 + os.Getpid()%10_000; port < 32_000; port += 2 {
		a, errA := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		b, errB := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port+1)))
		for _, l := range []net.Listener{a, b} {
			if l != nil {
				must(t, l.Close())
			}
		}
		if errA == nil && errB == nil {
			return port
		}
	}
	t.Fatal("no port is free")
	return 0
}

// demo makes a network with accounts, and shrinks what its node takes from the disk.
func demo(t *testing.T) *Network {
	t.Helper()
	n, err := Create(filepath.Join(t.TempDir(), "net"), Options{Name: "demo", Nodes: 1, Demo: true, Accounts: 2, Port: freePorts(t)})
	must(t, err)
	cfg, err := config.Load(n.Path("node0"))
	must(t, err)
	cfg.Commit.SegmentBytes, cfg.Commit.RetainBytes = 4<<20, 8<<20
	must(t, config.Replace(cfg.Dir, cfg))
	return n
}

func logFile(t *testing.T) *os.File {
	t.Helper()
	f, err := os.OpenFile(filepath.Join(t.TempDir(), "node.log"), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	must(t, err)
	t.Cleanup(func() { _ = f.Close() })
	return f
}

func contains(err error, text string) bool {
	return err != nil && bytes.Contains([]byte(err.Error()), []byte(text))
}
