// SPDX-License-Identifier: Apache-2.0

package network

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"syscall"
	"time"

	"github.com/aurigraph/aurigraph/internal/fault"
)

// stopWaitMax is how long a node may take to stop before it is killed.
const stopWaitMax = 20 * time.Second

// ReadyLine is what `node start --json` prints on standard output once it serves.
type ReadyLine struct {
	Ready   bool   `json:"ready"`
	GRPC    string `json:"grpc"`
	Metrics string `json:"metrics"`
	PID     int    `json:"pid"`
}

// Process is a running node.
type Process struct {
	Node  Node
	Ready ReadyLine
	cmd   *exec.Cmd
	ended chan struct{}
	err   error // after ended
}

// StartNode starts a node of the network as a child process of binary and waits until it serves. Its log goes to logs.
// The child ends with this process. A node that ends before it serves is an error that says why: of the kind and text that
// the node gave, or with the last lines of its log if logs is a file.
func (n *Network) StartNode(ctx context.Context, i int, binary string, logs io.Writer) (*Process, error) {
	cmd := exec.Command(binary, "node", "start", "--dir", n.Path(n.Nodes[i].Dir), "--json")
	cmd.Stderr = logs
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM, Setpgid: true}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fault.Wrap(fault.Internal, err, "open the node's output")
	}
	log := openTail(logs)
	if err := cmd.Start(); err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "start %s", binary)
	}
	p := &Process{Node: n.Nodes[i], cmd: cmd, ended: make(chan struct{})}
	line := make(chan string, 1)
	go func() {
		defer close(p.ended)
		r := bufio.NewReader(out)
		if text, err := r.ReadString('\n'); err == nil {
			line <- text
		}
		_, _ = io.Copy(io.Discard, r) // until the node ends
		p.err = cmd.Wait()
	}()
	return p, p.awaitReady(ctx, line, log)
}

func (p *Process) awaitReady(ctx context.Context, line <-chan string, log tail) error {
	select {
	case text := <-line:
		return p.heed(text)
	case <-p.ended:
		select {
		case text := <-line: // it spoke before it ended
			return p.heed(text)
		default:
		}
		return fault.New(fault.Unavailable, "node %s did not start: %v%s", p.Node.ID, p.err, log.lines())
	case <-ctx.Done():
		return errors.Join(ctx.Err(), p.Stop())
	}
}

// heed takes a node's first line: that it serves, or why not.
func (p *Process) heed(text string) error {
	if err := json.Unmarshal([]byte(text), &p.Ready); err == nil && p.Ready.Ready {
		return nil
	}
	var said struct {
		Error struct{ Kind, Reason, Text string }
	}
	if err := json.Unmarshal([]byte(text), &said); err == nil && said.Error.Text != "" {
		_ = p.Stop() // its exit code says no more than the text
		return fault.Reasoned(kindNamed(said.Error.Kind), said.Error.Reason, "node %s did not start: %s", p.Node.ID, said.Error.Text)
	}
	return errors.Join(fault.New(fault.Internal, "node %s said %q instead of being ready", p.Node.ID, text), p.Stop())
}

func kindNamed(name string) fault.Kind {
	for _, k := range fault.Kinds() {
		if k.String() == name {
			return k
		}
	}
	return fault.Internal
}

// PID is the process id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Ended is closed when the process has ended.
func (p *Process) Ended() <-chan struct{} { return p.ended }

// Stop asks the node to stop, waits for it, and kills it if it takes too long. An end with an error is returned.
func (p *Process) Stop() error {
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // it may have ended already
	select {
	case <-p.ended:
		return fault.Wrap(fault.Internal, p.err, "node %s", p.Node.ID)
	case <-time.After(stopWaitMax):
	}
	if err := p.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fault.Wrap(fault.Internal, err, "kill node %s", p.Node.ID)
	}
	<-p.ended
	return fault.New(fault.Timeout, "node %s did not stop within %s and was killed", p.Node.ID, stopWaitMax)
}
