// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/network"
	"github.com/aurigraph/aurigraph/internal/node"
	"github.com/aurigraph/aurigraph/internal/obs"
)

// Bounds of starting a validator again.
const (
	restartPause    = time.Second
	earlyDeathsMax  = 5
	earlyDeathsSpan = time.Minute
)

// A supervisor keeps the validators of a network running.
//
//  1. One that ends, for whatever reason, is started again after a pause, for as long as it served before it ended.
//  2. One that ends before it serves earlyDeathsMax times within earlyDeathsSpan is not started any more: the same start
//     again would end the same way. If the others that serve are no quorum, the network stops.
//  3. One that says before it ever served that its folder will not do stops the network at once.
//  4. What runs is in the network's run file, and everything that happens is said on standard error.
//  5. The network's gateway is kept running too, and is stopped before the validators. Nothing depends on it (keepEdge).
//  6. It follows the network's description (following). A validator that says that it left the network is not started again.
type supervisor struct {
	app     *app
	network *network.Network // as it was at the start
	program string
	moreV10 []string // of the command line of a V10 beside the network
	bar     *bar
	pause   time.Duration
	file    *network.RunFile
	ending  <-chan struct{} // closed when all is to stop: the gateway first, and nothing is started again

	mu     sync.Mutex // guards what follows
	served map[int]bool
	awaits int           // how many, the gateway too, must serve before the network is ready
	all    chan struct{} // closed when each has served
}

func newSupervisor(a *app, n *network.Network, bar *bar) (*supervisor, error) {
	self, err := thisProgram()
	return &supervisor{
		app: a, network: n, program: self, bar: bar, pause: restartPause, file: n.NewRunFile(), served: map[int]bool{}, all: make(chan struct{}),
	}, err
}

// run runs all validators at once until ctx ends (nil, if all stopped well) or one cannot be kept running. It calls ready
// when each has served; its context ends when all is to stop.
func (s *supervisor) run(ctx context.Context, ready func(context.Context) error) error {
	group, running := errgroup.WithContext(ctx)
	s.ending = running.Done()
	validators, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	if s.network.Gateway != nil {
		s.awaits++
	}
	f := newFollowing(s, validators, group)
	group.Go(func() error {
		if s.network.Gateway != nil {
			s.keepEdge(running)
		}
		<-running.Done()
		stop()
		return nil
	})
	group.Go(func() error { f.run(); return nil })
	var announced error
	group.Go(func() error {
		select {
		case <-s.all:
			if announced = ready(running); announced != nil && running.Err() == nil {
				return announced
			}
		case <-running.Done():
		}
		<-running.Done()
		if ctx.Err() != nil && !s.app.json {
			s.say("stopping the network; a second Ctrl-C does not wait")
		}
		s.bar.spin("stopping")
		return nil
	})
	_ = group.Wait() // the list has all errors, not only the first
	return errors.Join(append(f.failures(), announced, s.file.Remove())...)
}

// keep keeps one validator of a network running until ctx ends. One that came late ends nothing but itself.
func (s *supervisor) keep(ctx context.Context, n *network.Network, i int, late bool) error {
	id := n.Nodes[i].ID
	var early earlyDeaths
	for served := false; !s.ends(ctx); await(ctx, s.pause) {
		p, err := s.start(ctx, n, i)
		switch {
		case left(err):
			s.note(i, 0, false)
			s.say("%v; it is not started again", err)
			s.count(i) // nobody waits for it
			<-ctx.Done()
			return nil
		case err == nil:
			s.serves(i, p, served)
			served, early = true, nil
			select {
			case <-p.Ended():
			case <-ctx.Done():
			}
			if s.ends(ctx) {
				return p.Stop()
			}
			s.say("validator %s (pid %d) ended: %s; it is started again in %s", p.Node.ID, p.PID(), p.How(), s.pause)
		case s.ends(ctx):
			return nil // it was told to stop before it served
		case !served && !passes(err) && late:
			s.note(i, 0, false)
			s.say("validator %s is left as it is, the others go on: %v", id, s.withLog(n, i, err))
			<-ctx.Done()
			return nil
		case !served && !passes(err):
			return s.withLog(n, i, err)
		case early.add(time.Now()) && (late || s.quorumServes()):
			s.note(i, 0, false)
			s.say("validator %s is left as it is, the others go on: %v", id, s.withLog(n, i, early.fault(id, err)))
			<-ctx.Done()
			return nil
		case early.many():
			return s.withLog(n, i, early.fault(id, err))
		default:
			s.say("%v; it is tried again in %s", err, s.pause)
		}
		s.note(i, 0, false)
	}
	return nil
}

// ends reports whether a validator is to stop, or all are about to.
func (s *supervisor) ends(ctx context.Context) bool { return ctx.Err() != nil || closed(s.ending) }

// start starts a validator and waits until it serves.
func (s *supervisor) start(ctx context.Context, n *network.Network, i int) (*network.Process, error) {
	logs, err := s.app.logsOf(n, i)
	if err != nil {
		return nil, err
	}
	p, err := n.Launch(i, s.program, logs)
	s.app.closeLog(logs)
	if err != nil {
		return nil, err
	}
	s.note(i, p.PID(), false)
	return p, p.AwaitReady(ctx)
}

// serves notes that a validator serves.
func (s *supervisor) serves(i int, p *network.Process, again bool) {
	s.note(i, p.PID(), true)
	if again {
		s.say("validator %s serves again (pid %d)", p.Node.ID, p.PID())
	}
	s.count(i)
}

// count notes that a validator need not be waited for any more.
func (s *supervisor) count(i int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.served[i] = true; len(s.served) >= s.awaits && !closed(s.all) {
		close(s.all)
	}
}

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// note writes the run file. A network whose disk is full or broken runs on without it.
func (s *supervisor) note(i, pid int, ready bool) {
	if err := s.file.Set(i, pid, ready); err != nil {
		s.say("%v", err)
	}
}

// say writes a line on standard error: a log line with --json.
func (s *supervisor) say(format string, args ...any) {
	out, text := above{s.bar, s.app.err}, fmt.Sprintf(format, args...)
	if s.app.json {
		obs.NewLogger(out, slog.LevelInfo).Warn(text)
		return
	}
	fmt.Fprintln(out, text)
}

// quorumServes reports whether enough validators serve for the network to go on.
func (s *supervisor) quorumServes() bool {
	serving, members := 0, 0
	for _, n := range s.file.Nodes() {
		if n.Ready && n.PID != 0 {
			serving++
		}
		if !n.Left {
			members++
		}
	}
	return serving >= chain.Quorum(members)
}

// withLog names the log to look into.
func (s *supervisor) withLog(n *network.Network, i int, err error) error {
	if s.app.json {
		return fmt.Errorf("%w (its log is on standard error)", err)
	}
	return fmt.Errorf("%w (its log: %s)", err, logPath(n, i))
}

// left reports whether a validator says that it is no member of the network any more.
func left(err error) bool { return fault.ReasonOf(err) == node.ReasonLeft }

// passes reports whether the same start may succeed later.
func passes(err error) bool {
	return fault.Is(err, fault.Unavailable) || fault.Is(err, fault.Timeout) || fault.Is(err, fault.TryLater) || fault.Is(err, fault.Halted)
}

func await(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// earlyDeaths are the times at which a validator ended before it served.
type earlyDeaths []time.Time

// add adds one and reports whether there were too many of late.
func (d *earlyDeaths) add(now time.Time) bool {
	*d = append(*d, now)
	if len(*d) > earlyDeathsMax {
		*d = (*d)[1:]
	}
	return d.many()
}

func (d *earlyDeaths) many() bool {
	n := len(*d)
	return n == earlyDeathsMax && (*d)[n-1].Sub((*d)[0]) < earlyDeathsSpan
}

func (d *earlyDeaths) fault(id string, last error) error {
	return fault.New(fault.Unavailable, "validator %s ended %d times within %s before it served, most recently: %v", id, earlyDeathsMax, earlyDeathsSpan, last)
}
