// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/aurigraph/aurigraph/client"
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/network"
)

// gatewayLog is the name of the gateway's log in its folder.
const gatewayLog = "gateway.log"

// edgePlace stands for the gateway where validators have their numbers.
const edgePlace = -1

// keepEdge keeps the network's gateway running until ctx ends, as keep does a validator. It ends nothing but itself: a network
// pays without its gateway.
func (s *supervisor) keepEdge(ctx context.Context) {
	var early earlyDeaths
	for served := false; ctx.Err() == nil; await(ctx, s.pause) {
		p, err := s.startEdge(ctx)
		switch {
		case err == nil:
			if s.noteEdge(p.PID(), true); served {
				s.say("the gateway serves again (pid %d)", p.PID())
			}
			served, early = true, nil
			s.count(edgePlace)
			if s.awaitEdge(ctx, p) {
				return
			}
		case ctx.Err() != nil:
			return
		case early.add(time.Now()):
			s.noteEdge(0, false)
			s.say("the gateway is left as it is, the validators go on without it: %v", s.withEdgeLog(err))
			s.count(edgePlace) // nobody waits for it
			<-ctx.Done()
			return
		default:
			s.say("%v; it is tried again in %s", err, s.pause)
		}
		s.noteEdge(0, false)
	}
}

// awaitEdge waits until the gateway ends, or stops it when ctx ends; then stopped is true.
func (s *supervisor) awaitEdge(ctx context.Context, p *network.Process) (stopped bool) {
	select {
	case <-p.Ended():
	case <-ctx.Done():
	}
	if ctx.Err() == nil {
		s.say("the gateway (pid %d) ended: %s; it is started again in %s", p.PID(), p.How(), s.pause)
		return false
	}
	if err := p.Stop(); err != nil {
		s.say("%v", err)
	}
	s.noteEdge(0, false)
	return true
}

// startEdge starts the gateway and waits until it serves.
func (s *supervisor) startEdge(ctx context.Context) (*network.Process, error) {
	p, err := s.app.launchGateway(s.network, s.program)
	if err != nil {
		return nil, err
	}
	s.noteEdge(p.PID(), false)
	return p, p.AwaitReady(ctx)
}

// launchGateway starts a network's gateway; its log goes where those of the nodes go.
func (a *app) launchGateway(n *network.Network, program string) (*network.Process, error) {
	logs := io.Writer(a.err)
	if !a.json {
		f, err := os.OpenFile(edgeLogPath(n), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
		if err != nil {
			return nil, fault.Wrap(fault.Unavailable, err, "open the gateway's log")
		}
		logs = f
	}
	p, err := n.LaunchGateway(program, logs)
	a.closeLog(logs)
	if err != nil {
		return nil, err
	}
	return p, nil
}

func edgeLogPath(n *network.Network) string {
	return n.Path(filepath.Join(n.Gateway.Dir, gatewayLog))
}

// withEdgeLog names the log to look into.
func (s *supervisor) withEdgeLog(err error) error {
	if s.app.json {
		return fmt.Errorf("%w (its log is on standard error)", err)
	}
	return fmt.Errorf("%w (its log: %s)", err, edgeLogPath(s.network))
}

// noteEdge writes the run file.
func (s *supervisor) noteEdge(pid int, ready bool) {
	if err := s.file.SetEdge(pid, ready); err != nil {
		s.say("%v", err)
	}
}

// startGateway starts the gateway of a network that nobody supervises, and waits until it serves.
func (a *app) startGateway(ctx context.Context, n *network.Network) (*network.Process, error) {
	self, err := thisProgram()
	if err != nil {
		return nil, err
	}
	p, err := a.launchGateway(n, self)
	if err != nil {
		return nil, err
	}
	if err := p.AwaitReady(ctx); err != nil {
		return nil, errors.Join(err, p.Stop())
	}
	return p, nil
}

// edgeRow is the network's gateway in a roll-call.
type edgeRow struct {
	pid     int
	address string
	said    *client.Status // a validator's, with what the gateway knows of the index
	err     error
}

// edgeJSON is the gateway at a glance.
type edgeJSON struct {
	PID          int          `json:"pid"`
	GRPC         string       `json:"grpc"`
	State        string       `json:"state"` // up or down
	IndexHeight  chain.Height `json:"index_height"`
	IndexLagRows uint64       `json:"index_lag_rows"`
	Error        string       `json:"error,omitempty"`
}

// edgeOf is the gateway of a network on this machine; nil if it has none.
func edgeOf(n *network.Network) *edgeRow {
	if n == nil || n.Gateway == nil {
		return nil
	}
	e := &edgeRow{address: n.Gateway.GRPC}
	if run, err := network.ReadRun(n.Dir); err == nil && run.Edge != nil {
		e.pid = run.Edge.PID
	}
	return e
}

func (e *edgeRow) json() *edgeJSON {
	if e == nil {
		return nil
	}
	j := &edgeJSON{PID: e.pid, GRPC: e.address, State: stateDown}
	if e.said == nil {
		j.Error = noteOf(e.err, e.address)
		return j
	}
	j.State, j.IndexHeight, j.IndexLagRows = "up", e.said.IndexHeight, e.said.IndexLagRows
	return j
}

// text is the gateway in one line.
func (j *edgeJSON) text() string {
	if j.Error != "" {
		return fmt.Sprintf("%s, %s", j.State, j.Error)
	}
	return fmt.Sprintf("%s at %s, pid %d, index at height %d, %d rows behind", j.State, j.GRPC, j.PID, j.IndexHeight, j.IndexLagRows)
}
