// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/loadgen/syncload"
	"github.com/aurigraph/aurigraph/internal/network"
	"github.com/aurigraph/aurigraph/legacy/ledger"
)

// movingReadyMax bounds the start of a network with its V10, movingStopMax its end.
const (
	movingReadyMax = 2 * time.Minute
	movingStopMax  = 30 * time.Second
)

// moving is `aurigraph up --with-v10` as a process of its own, whose parts may be killed: it starts them again.
type moving struct {
	app     *app
	dir     string
	program string
	cmd     *exec.Cmd
	logs    *os.File
	ended   chan struct{}
}

// pairFolder is where a bench's pair is, in the bench's folder.
func pairFolder(dir string) string { return filepath.Join(dir, "network") }

// startMoving starts one in a folder, and returns when it is ready.
func (a *app) startMoving(ctx context.Context, dir string, more ...string) (*moving, error) {
	self, err := thisProgram()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "make the bench's folder")
	}
	m := &moving{app: a, dir: pairFolder(dir), program: self, ended: make(chan struct{})}
	if m.logs, err = os.Create(filepath.Join(dir, "up.log")); err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "make the bench's log")
	}
	m.cmd = exec.Command(self, append([]string{"up", "--with-v10", "--json", "--network", m.dir}, more...)...)
	m.cmd.Stderr = m.logs
	m.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM, Setpgid: true}
	out, err := m.cmd.StdoutPipe()
	if err == nil {
		err = m.cmd.Start()
	}
	if err != nil {
		return nil, errors.Join(fault.Wrap(fault.Unavailable, err, "start the pair"), m.logs.Close())
	}
	ready := make(chan string, 1)
	go func() {
		defer close(m.ended)
		text, _ := bufio.NewReader(out).ReadString('\n')
		ready <- text
		_ = m.cmd.Wait() // how it ended is in its log
	}()
	return m, m.await(ctx, ready)
}

func (m *moving) await(ctx context.Context, ready <-chan string) error {
	ctx, cancel := context.WithTimeout(ctx, movingReadyMax)
	defer cancel()
	select {
	case text := <-ready:
		if strings.Contains(text, `"ready":true`) {
			return nil
		}
		return errors.Join(fault.New(fault.Unavailable, "the pair did not start: %.500s (%s)", text, m.logs.Name()), m.stop())
	case <-ctx.Done():
		return errors.Join(fault.New(fault.Timeout, "the pair was not ready in %s: see %s", movingReadyMax, m.logs.Name()), m.stop())
	}
}

// stop stops it, with all that it runs.
func (m *moving) stop() error {
	defer m.logs.Close()
	select {
	case <-m.ended:
		return nil
	default:
	}
	_ = m.cmd.Process.Signal(syscall.SIGTERM) // it may have ended meanwhile
	select {
	case <-m.ended:
		return nil
	case <-time.After(movingStopMax):
		_ = m.cmd.Process.Kill()
		<-m.ended
		return fault.New(fault.Timeout, "the pair did not stop in %s", movingStopMax)
	}
}

// target says where the pair is, and what can be done to it.
func (m *moving) target() (*syncload.SwitchTarget, error) {
	n, err := network.Open(m.dir)
	if err != nil {
		return nil, err
	}
	t := &syncload.SwitchTarget{Edge: n.Sync.Move.Edge, Move: m.move, Kill: m.kill, Settled: m.settled, Differences: m.differences}
	if t.Target, err = ledgersOf(n); err != nil {
		return nil, err
	}
	t.Roles = []string{syncload.Controller, besideGuard, besideV10, besideHalf, roleGateway}
	for _, node := range n.Nodes {
		t.Roles = append(t.Roles, node.ID)
	}
	return t, nil
}

// ledgersOf says where both ledgers of a network are read back.
func ledgersOf(n *network.Network) (t syncload.Target, err error) {
	t.Changes, t.CAFile, t.Funder, t.Endpoints = n.Sync.ChangesURL(), n.Path(n.CA), ledger.Treasury, n.Validators()
	t.Trust, err = n.Trust()
	return t, err
}

// roleGateway is the gateway's role.
const roleGateway = "gateway"

// child is a command of this program about the network.
func (m *moving) child(ctx context.Context, words ...string) *exec.Cmd {
	return childOf(ctx, m.program, append(words, "--network", m.dir)...)
}

// move starts a process that moves slots.
func (m *moving) move(ctx context.Context, toV11 bool, slots chain.SlotRange) (wait func() error, kill func()) {
	to := "v10"
	if toV11 {
		to = "v11"
	}
	c := m.child(ctx, "migrate", "move", "--json", "--to", to, "--slots", fmt.Sprintf("%d-%d", slots.From, slots.To))
	var out, errOut bytes.Buffer
	c.Stdout, c.Stderr = &out, &errOut
	if err := c.Start(); err != nil {
		return func() error { return fault.Wrap(fault.Unavailable, err, "start a move") }, func() {}
	}
	return func() error {
		if err := c.Wait(); err != nil {
			return fault.New(fault.Unavailable, "the move ended with %v: %.300s %.300s", err, out.String(), errOut.String())
		}
		return nil
	}, func() { _ = c.Process.Kill() }
}

// kill kills a role's process.
func (m *moving) kill(role string) (bool, error) {
	run, err := network.ReadRun(m.dir)
	if err != nil {
		return false, err
	}
	pid := run.Beside[role]
	if role == roleGateway && run.Edge != nil {
		pid = run.Edge.PID
	}
	for _, n := range run.Nodes {
		if n.ID == role {
			pid = n.PID
		}
	}
	if pid <= 1 {
		return false, nil
	}
	return true, fault.Wrap(fault.Unavailable, syscall.Kill(pid, syscall.SIGKILL), "kill %s", role)
}

// settled says what does not run or stands in the way.
func (m *moving) settled(ctx context.Context) error {
	run, err := network.ReadRun(m.dir)
	if err != nil {
		return err
	}
	for _, n := range run.Nodes {
		if !n.Ready {
			return fault.New(fault.Unavailable, "%s does not serve", n.ID)
		}
	}
	for name, pid := range run.Beside {
		if pid == 0 {
			return fault.New(fault.Unavailable, "%s does not run", name)
		}
	}
	of := *m.app
	of.network = m.dir
	j, err := of.lookAtMigration(ctx)
	if err == nil && !j.RollbackReady {
		err = fault.New(fault.Unavailable, "%s: %+v", j.Verdict, j.Gates)
	}
	return err
}

// differences has the verifier compare both ledgers.
func (m *moving) differences(ctx context.Context) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, scrubMax)
	defer cancel()
	r, err := runVerifier(ctx, m.program, m.dir)
	if err != nil {
		return 0, err
	}
	return len(r.Confirmed), nil
}
