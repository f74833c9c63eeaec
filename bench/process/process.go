// SPDX-License-Identifier: Apache-2.0

package process

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// stopGrace is how long a server may take to end after it was asked to.
const stopGrace = 10 * time.Second

// Spec says what to start.
type Spec struct {
	Argv    []string
	Dir     string // working folder
	LogFile string // stdout and stderr
	User    *User  // nil: as this process
	Signal  syscall.Signal
}

// User is whom a server runs as.
type User struct{ UID, GID uint32 }

// Process is a running server.
type Process struct {
	spec   Spec
	cmd    *exec.Cmd
	exited chan struct{}
	err    error // set before exited is closed
}

// Start starts a server.
func Start(spec Spec) (*Process, error) {
	log, err := os.OpenFile(spec.LogFile, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd := Command(spec.User, spec.Argv...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = spec.Dir, log, log
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &Process{spec: spec, cmd: cmd, exited: make(chan struct{})}
	go func() {
		p.err = cmd.Wait()
		close(p.exited)
	}()
	return p, nil
}

// Command prepares a command to be run as a user.
func Command(user *User, argv ...string) *exec.Cmd {
	cmd := exec.Command(argv[0], argv[1:]...)
	// A group of its own: an interrupt at the terminal reaches only this program, which then stops its servers in order.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if user != nil {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: user.UID, Gid: user.GID}
	}
	return cmd
}

// Run runs a command to its end; its output is part of the error.
func Run(user *User, dir string, argv ...string) (string, error) {
	cmd := Command(user, argv...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%s: %w\n%s", strings.Join(argv, " "), err, out)
	}
	return string(out), nil
}

// PID of the server's first process.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Line is the command as one would type it.
func (p *Process) Line() string { return strings.Join(p.spec.Argv, " ") }

// Exited says why the server ended, or nil while it runs.
func (p *Process) Exited() error {
	select {
	case <-p.exited:
		return fmt.Errorf("%s ended (%v): read %s", p.spec.Argv[0], p.err, p.spec.LogFile)
	default:
		return nil
	}
}

// Stop asks the server to end and waits; after stopGrace it is killed, and that is an error.
func (p *Process) Stop() error {
	signal := p.spec.Signal
	if signal == 0 {
		signal = syscall.SIGTERM
	}
	if err := p.cmd.Process.Signal(signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case <-p.exited:
		return nil
	case <-time.After(stopGrace):
	}
	if err := p.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	<-p.exited
	return fmt.Errorf("%s did not stop within %s and was killed", p.spec.Argv[0], stopGrace)
}

// StopAll stops servers, last one first.
func StopAll(processes []*Process) error {
	var err error
	for i := len(processes) - 1; i >= 0; i-- {
		err = errors.Join(err, processes[i].Stop())
	}
	return err
}

// FreePorts finds n TCP ports on loopback that nobody listens on.
func FreePorts(n int) ([]int, error) {
	ports := make([]int, n)
	for i := range ports {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		// All stay open until the last is found, so that none is given twice.
		defer l.Close()
		ports[i] = l.Addr().(*net.TCPAddr).Port
	}
	return ports, nil
}
