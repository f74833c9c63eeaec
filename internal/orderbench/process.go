// SPDX-License-Identifier: Apache-2.0

package orderbench

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/aurigraph/aurigraph/internal/fault"
)

// stopMax is how long a process may take to end before it is killed.
const stopMax = 20 * time.Second

// saidBytesMax is how much of the end of a process's standard error is kept, for when it fails.
const saidBytesMax = 4096

// Command makes, but does not start, a process that calls Member on its standard input and output.
type Command func() *exec.Cmd

// process is a member as who started it sees it.
type process struct {
	no      int
	cmd     *exec.Cmd
	in      io.WriteCloser
	replies chan reply
	said    tail
	quit    chan struct{} // closed by stop: nobody asks any more
	ended   chan struct{}
	err     error // after ended
}

// start starts a member. It ends with this process, and Ctrl-C reaches it through this process alone.
func start(no int, command Command) (*process, error) {
	p := &process{no: no, cmd: command(), replies: make(chan reply), quit: make(chan struct{}), ended: make(chan struct{})}
	p.cmd.Stderr = &p.said
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM, Setpgid: true}
	in, err := p.cmd.StdinPipe()
	if err != nil {
		return nil, fault.Wrap(fault.Internal, err, "open the input of node %d", no)
	}
	p.in = in
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, fault.Wrap(fault.Internal, err, "open the output of node %d", no)
	}
	if err := p.cmd.Start(); err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "start %s", p.cmd.Path)
	}
	go p.listen(out)
	return p, nil
}

// listen passes replies on until the process ends.
func (p *process) listen(out io.Reader) {
	defer close(p.ended)
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, lineMax)
	for lines.Scan() {
		var r reply
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			r = reply{Error: "an answer is no JSON: " + lines.Text()}
		}
		select {
		case p.replies <- r:
		case <-p.quit:
		}
	}
	p.err = p.cmd.Wait()
}

// ask sends a request and waits for the reply.
func (p *process) ask(ctx context.Context, r request) (reply, error) {
	line, err := json.Marshal(r)
	if err != nil {
		return reply{}, fault.Wrap(fault.Internal, err, "encode a request")
	}
	if _, err := p.in.Write(append(line, '\n')); err != nil {
		return reply{}, p.failure(err)
	}
	select {
	case got := <-p.replies:
		if got.Error != "" {
			return got, fault.New(fault.Unavailable, "node %d cannot %s: %s", p.no, r.Do, got.Error)
		}
		return got, nil
	case <-p.ended:
		return reply{}, p.failure(p.err)
	case <-ctx.Done():
		return reply{}, ctx.Err() // and no more is asked: the run is over
	}
}

// failure says why a process does not answer.
func (p *process) failure(err error) error {
	return fault.New(fault.Unavailable, "node %d ended early: %v%s", p.no, err, p.said.lines())
}

// stop ends the process, once only, by ending its input, and kills it if it takes too long.
func (p *process) stop() error {
	close(p.quit)
	_ = p.in.Close() // it may have ended already
	late := time.NewTimer(stopMax)
	defer late.Stop()
	select {
	case <-p.ended:
		if p.err != nil {
			return p.failure(p.err)
		}
		return nil
	case <-late.C:
	}
	if err := p.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fault.Wrap(fault.Internal, err, "kill node %d", p.no)
	}
	<-p.ended
	return fault.New(fault.Timeout, "node %d did not end within %s and was killed", p.no, stopMax)
}

// tail keeps the last saidBytesMax bytes of what is written to it.
type tail struct {
	mu   sync.Mutex
	text []byte // guarded by mu
}

// Write implements io.Writer.
func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, b...)
	t.text = t.text[max(0, len(t.text)-saidBytesMax):]
	return len(b), nil
}

// lines is what was said last, after a line end; nothing if nothing was.
func (t *tail) lines() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if text := strings.TrimSpace(string(t.text)); text != "" {
		return "; it said last\n" + text
	}
	return ""
}
