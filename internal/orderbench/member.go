// SPDX-License-Identifier: Apache-2.0

package orderbench

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// drainMax is how long a leader may take to decide what was offered.
const drainMax = 20 * time.Second

// keepHeights is how many decided proposals a member's log keeps, and trimEvery how often it forgets.
const (
	keepHeights = 1 << 14
	trimEvery   = 1 << 12
)

// member is one node of the bench, in a process of its own. Its goroutine is the one that answers requests.
type member struct {
	began time.Time
	node  *node // after doOpen
	meter *meter
	trim  chan chain.Height // holds the newest height decided, for the trimmer

	work     *errgroup.Group // all that runs until the end
	ctx      context.Context // of work
	stopLoad context.CancelFunc
	loading  chan struct{} // closed when no more is offered
	profile  *profile
}

// Member is one node of the bench. It answers requests from in on out until in or ctx ends.
func Member(ctx context.Context, in io.Reader, out io.Writer) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	m := &member{began: time.Now(), trim: make(chan chain.Height, 1)}
	m.work, m.ctx = errgroup.WithContext(ctx)
	requests := make(chan request)
	ended := make(chan error, 1)
	go func() { ended <- readRequests(m.ctx, in, requests) }()
	err := m.serve(requests, ended, json.NewEncoder(out))
	cancel()
	err = errors.Join(err, m.work.Wait())
	if m.profile != nil {
		err = errors.Join(err, m.profile.stop())
	}
	if m.node != nil {
		err = errors.Join(err, m.node.close())
	}
	return err
}

func readRequests(ctx context.Context, in io.Reader, to chan<- request) error {
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, lineMax)
	for lines.Scan() {
		var r request
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			return fault.Wrap(fault.Invalid, err, "read a request")
		}
		select {
		case to <- r:
		case <-ctx.Done():
			return nil
		}
	}
	return fault.Wrap(fault.Unavailable, lines.Err(), "read a request")
}

func (m *member) serve(requests <-chan request, ended <-chan error, out *json.Encoder) error {
	for {
		select {
		case r := <-requests:
			answer, err := m.do(r)
			if err != nil {
				answer.Error = err.Error()
			}
			if err := out.Encode(answer); err != nil {
				return fault.Wrap(fault.Unavailable, err, "answer a request")
			}
		case err := <-ended:
			return err
		case <-m.ctx.Done(): // told to stop, or something of work failed
			return nil
		}
	}
}

func (m *member) do(r request) (answer reply, err error) {
	switch {
	case r.Do == doOpen && m.node == nil && r.Open != nil:
		return m.open(r.Open)
	case m.node == nil:
		return answer, fault.New(fault.Invalid, "asked to %q before it was opened", r.Do)
	case r.Do == doJoin:
		return answer, m.join(r)
	case r.Do == doLook:
		answer.Mark = m.look()
	case r.Do == doMark:
		answer.Mark = m.look()
		answer.Mark.DecidedMs = m.meter.takeTimes()
		err = m.profile.toggle()
	case r.Do == doLoad && m.loading == nil:
		m.load()
	case r.Do == doDrain && m.loading != nil:
		answer.Undecided = m.drain()
	default:
		err = fault.New(fault.Invalid, "asked to %q", r.Do)
	}
	return answer, err
}

func (m *member) open(s *setup) (answer reply, err error) {
	if m.node, err = openNode(m.ctx, s); err != nil {
		return answer, err
	}
	m.meter = newMeter(s.Config.onTheirWay())
	m.profile = newProfile(s)
	return reply{Address: m.node.address()}, nil
}

func (m *member) join(r request) error {
	if err := m.node.connect(r.Peers); err != nil {
		return err
	}
	m.work.Go(func() error { return m.node.engine.Run(m.ctx) })
	m.work.Go(m.follow)
	m.work.Go(m.forget)
	return nil
}

// follow takes what is decided.
func (m *member) follow() error {
	for {
		select {
		case p := <-m.node.engine.Decided():
			if err := m.meter.decided(p, time.Now()); err != nil {
				return err
			}
			if p.Height > keepHeights && p.Height%trimEvery == 0 {
				select {
				case m.trim <- p.Height - keepHeights:
				default: // the trimmer is behind; the next height does as well
				}
			}
		case <-m.ctx.Done():
			return nil
		}
	}
}

// forget keeps the log short. Letting a segment go waits for the disk, which must not hold up follow.
func (m *member) forget() error {
	for {
		select {
		case below := <-m.trim:
			if err := m.node.engine.Trim(below); err != nil {
				return err
			}
		case <-m.ctx.Done():
			return nil
		}
	}
}

func (m *member) look() *mark {
	at := &mark{AtUs: uint64(time.Since(m.began).Microseconds()), Syncs: m.node.fs.syncs.Load(), Links: m.node.links()}
	m.node.reign(at)
	m.meter.fill(at)
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err == nil { // it only fails for other arguments
		at.CPUUs = (u.Utime.Nano() + u.Stime.Nano()) / 1000
	}
	return at
}

func (m *member) load() {
	ctx, cancel := context.WithCancel(m.ctx)
	m.stopLoad, m.loading = cancel, make(chan struct{})
	m.work.Go(func() error {
		defer close(m.loading)
		return load(ctx, m.node.engine, m.meter, m.node.setup.Config.Rate)
	})
}

// drain offers no more and waits until nothing is on its way.
func (m *member) drain() (undecided int) {
	m.stopLoad()
	<-m.loading
	late := time.NewTimer(drainMax)
	defer late.Stop()
	for range cap(m.meter.room) {
		select {
		case m.meter.room <- struct{}{}:
		case <-late.C:
			return m.meter.undecided()
		case <-m.ctx.Done():
			return m.meter.undecided()
		}
	}
	return m.meter.undecided()
}
