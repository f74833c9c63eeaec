// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"bufio"
	"fmt"
	"io"
	stdnet "net" // net is a network here
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/aurigraph/aurigraph/internal/sync/devbroker"
)

// The environment of a process that is a broker: its folder and port.
const (
	brokerFolder = "AURIGRAPH_E2E_BROKER_DIR"
	brokerPort   = "AURIGRAPH_E2E_BROKER_PORT"
)

// isBroker runs a development broker, if this process is to be one, until its parent is gone.
func isBroker() bool {
	dir := os.Getenv(brokerFolder)
	if dir == "" {
		return false
	}
	port, err := strconv.Atoi(os.Getenv(brokerPort))
	if err != nil {
		fmt.Println(err)
		return true
	}
	b, err := devbroker.Start(devbroker.Config{Dir: dir, Port: port})
	if err != nil {
		fmt.Println(err)
		return true
	}
	fmt.Println(b.Address())
	_, _ = io.Copy(io.Discard, os.Stdin) // it ends with the parent
	b.Close()
	return true
}

// broker is a development broker in a process of its own, that may be killed.
type broker struct {
	t    *testing.T
	dir  string
	port int
	cmd  *exec.Cmd
}

func newBroker(t *testing.T) *broker {
	t.Helper()
	l, err := stdnet.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b := &broker{t: t, dir: t.TempDir(), port: l.Addr().(*stdnet.TCPAddr).Port}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	b.start()
	t.Cleanup(b.kill)
	return b
}

func (b *broker) address() string { return stdnet.JoinHostPort("127.0.0.1", strconv.Itoa(b.port)) }

// start runs the broker, which does not run.
func (b *broker) start() {
	b.t.Helper()
	b.cmd = exec.Command(os.Args[0])
	b.cmd.Env = append(os.Environ(), brokerFolder+"="+b.dir, brokerPort+"="+strconv.Itoa(b.port))
	b.cmd.Stderr = os.Stderr
	_, err := b.cmd.StdinPipe() // that this process has its other end keeps it running
	out, err2 := b.cmd.StdoutPipe()
	if err != nil || err2 != nil {
		b.t.Fatal(err, err2)
	}
	if err := b.cmd.Start(); err != nil {
		b.t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || strings.TrimSpace(line) != b.address() {
		b.t.Fatalf("the broker said %q: %v", line, err)
	}
}

// kill ends it as a crash does.
func (b *broker) kill() {
	if b.cmd == nil {
		return
	}
	_ = b.cmd.Process.Kill()
	_ = b.cmd.Wait() // it was killed
	b.cmd = nil
}
