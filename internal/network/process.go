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
	"sync"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/aurigraph/aurigraph/internal/fault"
)

// stopWaitMax is how long a node may take to stop before it is killed.
const stopWaitMax = 20 * time.Second

// ReadyLine is what `node start --json` prints on standard output once it serves.
type ReadyLine struct {
	Ready   bool   `json:"ready"`
	GRPC    string `json:"grpc"`
	Metrics string `json:"metrics"`
	REST    string `json:"rest,omitempty"` // where the V10 dialect listens
	V10     string `json:"v10,omitempty"`  // URL of a V10 reference ledger
	PID     int    `json:"pid"`
}

// Process is a running node, or the gateway.
type Process struct {
	Node  Node
	Ready ReadyLine // after AwaitReady
	what  string    // it is, for people
	cmd   *exec.Cmd
	line  chan string // its first line
	log   tail
	ended chan struct{}
	err   error // after ended
}

// Launch starts a node of the network as a child process of binary. Its log goes to logs. The child ends with this process.
func (n *Network) Launch(i int, binary string, logs io.Writer) (*Process, error) {
	p := &Process{Node: n.Nodes[i], what: "node " + n.Nodes[i].ID}
	return p, p.launch(binary, logs, "node", "start", "--dir", n.Path(n.Nodes[i].Dir), "--json")
}

// LaunchTool starts another program beside the network, as Launch does a node.
func LaunchTool(what, binary string, logs io.Writer, args ...string) (*Process, error) {
	p := &Process{what: what}
	return p, p.launch(binary, logs, args...)
}

func (p *Process) launch(binary string, logs io.Writer, args ...string) error {
	cmd := exec.Command(binary, args...)
	cmd.Stderr = logs
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM, Setpgid: true}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return fault.Wrap(fault.Internal, err, "open the output of %s", p.what)
	}
	p.cmd, p.line, p.log, p.ended = cmd, make(chan string, 1), openTail(logs), make(chan struct{})
	if err := cmd.Start(); err != nil {
		return fault.Wrap(fault.Unavailable, err, "start %s", binary)
	}
	go func() {
		defer close(p.ended)
		r := bufio.NewReader(out)
		if text, err := r.ReadString('\n'); err == nil {
			p.line <- text
		}
		_, _ = io.Copy(io.Discard, r) // until the process ends
		p.err = cmd.Wait()
	}()
	return nil
}

// StartNode launches a node and waits until it serves.
func (n *Network) StartNode(ctx context.Context, i int, binary string, logs io.Writer) (*Process, error) {
	p, err := n.Launch(i, binary, logs)
	if err != nil {
		return nil, err
	}
	if err := p.AwaitReady(ctx); err != nil {
		return nil, err
	}
	return p, nil
}

// StartAll starts all nodes at once, because one may need its peers before it serves, and waits until all serve. If one
// does not, the others are stopped. logs opens a node's log; closing it, once StartAll has returned, is the caller's.
func (n *Network) StartAll(ctx context.Context, binary string, logs func(i int) (io.Writer, error)) ([]*Process, error) {
	all := make([]*Process, len(n.Nodes))
	group, ctx := errgroup.WithContext(ctx)
	for i, node := range n.Nodes {
		if node.Left() || node.Held {
			continue
		}
		group.Go(func() error {
			w, err := logs(i)
			if err == nil {
				all[i], err = n.StartNode(ctx, i, binary, w)
			}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, errors.Join(err, StopAll(all))
	}
	return all, nil
}

// StopAll stops processes at once, as Process.Stop does. Those that are nil never started.
func StopAll(all []*Process) error {
	errs := make([]error, len(all))
	var stops sync.WaitGroup
	for i, p := range all {
		if p != nil {
			stops.Go(func() { errs[i] = p.Stop() })
		}
	}
	stops.Wait()
	return errors.Join(errs...)
}

// AwaitReady waits until the node serves. A node that ends before is an error that says why: of the kind and text that the
// node gave, or with the last lines of its log if that is a file. With any error the process has ended.
func (p *Process) AwaitReady(ctx context.Context) error {
	select {
	case text := <-p.line:
		return p.heed(text)
	case <-p.ended:
		select {
		case text := <-p.line: // it spoke before it ended
			return p.heed(text)
		default:
		}
		return fault.New(fault.Unavailable, "%s did not start: %v%s", p.what, p.err, p.log.lines())
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
		return fault.Reasoned(kindNamed(said.Error.Kind), said.Error.Reason, "%s did not start: %s", p.what, said.Error.Text)
	}
	return errors.Join(fault.New(fault.Internal, "%s said %q instead of being ready", p.what, text), p.Stop())
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

// How says how the process ended, after Ended.
func (p *Process) How() string {
	if p.err == nil {
		return "exit status 0"
	}
	return p.err.Error()
}

// Stop asks the node to stop, waits for it, and kills it if it takes too long. An end with an error is returned.
func (p *Process) Stop() error {
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // it may have ended already
	select {
	case <-p.ended:
		return fault.Wrap(fault.Internal, p.err, "%s", p.what)
	case <-time.After(stopWaitMax):
	}
	if err := p.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fault.Wrap(fault.Internal, err, "kill %s", p.what)
	}
	<-p.ended
	return fault.New(fault.Timeout, "%s did not stop within %s and was killed", p.what, stopWaitMax)
}
