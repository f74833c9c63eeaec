// SPDX-License-Identifier: Apache-2.0

package subscribers

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"syscall"
	"time"

	"github.com/aurigraph/aurigraph/internal/fault"
)

// stopMax is how long the process may take to close its sockets.
const stopMax = 10 * time.Second

// Start starts the process of cmd, which calls Serve, and waits until it has opened all sockets.
func Start(cmd *exec.Cmd, cfg Config) (*Watcher, error) {
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, fault.Wrap(fault.Internal, err, "open the subscribers' input")
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fault.Wrap(fault.Internal, err, "open the subscribers' output")
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	if err := cmd.Start(); err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "start the subscribers")
	}
	w := connect(in, out, func() error {
		err := in.Close()
		killing := time.AfterFunc(stopMax, func() { _ = cmd.Process.Kill() })
		defer killing.Stop()
		return errors.Join(err, fault.Wrap(fault.Internal, cmd.Wait(), "the subscribers"))
	})
	if err := w.open(cfg); err != nil {
		return nil, errors.Join(err, w.Stop())
	}
	return w, nil
}

func connect(in io.Writer, out io.Reader, stop func() error) *Watcher {
	return &Watcher{stop: stop, ask: json.NewEncoder(in), say: json.NewDecoder(io.LimitReader(out, lineBytesMax))}
}

func (w *Watcher) open(cfg Config) error {
	if err := w.ask.Encode(cfg); err != nil {
		return fault.Wrap(fault.Unavailable, err, "tell the subscribers what to open")
	}
	if err := w.say.Decode(&w.Opened); err != nil {
		return errGone(err)
	}
	if w.Opened.Error != "" {
		return fault.New(fault.Unavailable, "the subscribers did not all come in: %s", w.Opened.Error)
	}
	return nil
}

// Watch returns what comes in a time.
func (w *Watcher) Watch(d time.Duration) (*Frames, error) {
	if err := w.ask.Encode(Watching{Ms: d.Milliseconds()}); err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "tell the subscribers to watch")
	}
	f := &Frames{}
	if err := w.say.Decode(f); err != nil {
		return nil, errGone(err)
	}
	return f, nil
}

// Stop ends the process.
func (w *Watcher) Stop() error { return w.stop() }
