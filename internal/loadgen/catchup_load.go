// SPDX-License-Identifier: Apache-2.0

package loadgen

import (
	"context"
	"errors"
	"io"
	"maps"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/aurigraph/aurigraph/client"
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// signedAheadMax bounds the batches of a pipe that wait, signed, for their turn.
const signedAheadMax = 8

// steady is open-loop load of client batches whose end nobody knows when it begins: each batch is signed while those before it
// are on their way. It is due at its time whatever the network does, and its latency counts from then.
type steady struct {
	pipes   []*steadyPipe
	every   time.Duration // between two batches, those of all pipes in turn
	legs    int
	until   chain.Height
	sending context.Context
	stop    context.CancelFunc // ends the sending

	mu       sync.Mutex // guards what follows
	answers  []answered
	refusals map[string]int
}

// answered is a batch that came back with its receipt.
type answered struct {
	id      chain.Hash
	height  chain.Height
	due, at time.Time
	ok      int // legs with that outcome
}

// steadyPipe carries batches to one node.
type steadyPipe struct {
	stream *stream
	client *client.Client
	wire   *client.BatchStream
	free   chan []byte  // memory for bodies
	ready  chan readied // signed
	sent   chan readied // on their way, in order
}

// readied is a signed batch with its bytes, and when it was due.
type readied struct {
	signed
	body []byte
	due  time.Time
}

// newSteady opens a pipe to each of the nodes that stay.
func newSteady(ctx context.Context, b *bench, nodes []*client.Client, rate, legs int) (*steady, error) {
	until, err := b.validUntil(ctx)
	if err != nil {
		return nil, err
	}
	s := &steady{legs: legs, until: until, every: time.Duration(float64(legs) / float64(rate) * float64(time.Second)), refusals: map[string]int{}}
	s.sending, s.stop = context.WithCancel(ctx)
	for n, c := range nodes {
		if c == nil {
			continue
		}
		in, err := b.client.Institution(ctx, b.world.institution, uint8(n))
		if err != nil {
			return nil, err
		}
		s.pipes = append(s.pipes, newSteadyPipe(&stream{world: b.world, channel: uint8(n), next: in.ChannelSequence + 1}, c, legs))
	}
	return s, nil
}

func newSteadyPipe(from *stream, c *client.Client, legs int) *steadyPipe {
	p := &steadyPipe{
		stream: from, client: c,
		free:  make(chan []byte, batchesInFlightMax+signedAheadMax),
		ready: make(chan readied, signedAheadMax), sent: make(chan readied, batchesInFlightMax+signedAheadMax),
	}
	for range cap(p.free) {
		p.free <- make([]byte, chain.BatchHeaderBytes+legs*chain.LegBytes)
	}
	return p
}

// run carries the load until stop, and then until all that was sent is answered.
func (s *steady) run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	first := time.Now().Add(s.every)
	for n, p := range s.pipes {
		var err error
		if p.wire, err = p.client.OpenBatchStream(ctx); err != nil {
			return err
		}
		group.Go(func() error { return s.sign(ctx, p) })
		group.Go(func() error { return s.send(ctx, p, first.Add(time.Duration(n)*s.every)) })
		group.Go(func() error { return s.receive(p) })
	}
	return group.Wait()
}

func (s *steady) close() {
	s.stop()
	for _, p := range s.pipes {
		if p.wire != nil {
			p.wire.Close()
		}
	}
}

func (s *steady) sign(ctx context.Context, p *steadyPipe) error {
	for {
		var r readied
		select {
		case r.body = <-p.free:
		case <-s.sending.Done():
			return nil
		case <-ctx.Done():
			return nil // whoever ended it says why
		}
		made, err := p.stream.sign(1, s.until, r.body)
		if err != nil {
			return err
		}
		r.signed = made[0]
		select {
		case p.ready <- r:
		case <-s.sending.Done():
			return nil
		case <-ctx.Done():
			return nil
		}
	}
}

func (s *steady) send(ctx context.Context, p *steadyPipe, due time.Time) error {
	defer close(p.sent)
	for ; ; due = due.Add(s.every * time.Duration(len(s.pipes))) {
		select {
		case <-time.After(time.Until(due)):
		case <-s.sending.Done():
			return p.wire.CloseSend()
		case <-ctx.Done():
			return nil
		}
		var r readied
		select {
		case r = <-p.ready:
		case <-s.sending.Done():
			return p.wire.CloseSend()
		case <-ctx.Done():
			return nil
		}
		r.due = due
		p.sent <- r // there is room for all bodies
		if err := p.wire.Send(r.header.Sequence, &client.SignedBatch{ID: r.id, Bytes: r.body, Signature: r.signature}); err != nil {
			if errors.Is(err, io.EOF) {
				return nil // the reason comes from receive
			}
			return err
		}
	}
}

func (s *steady) receive(p *steadyPipe) error {
	defer context.AfterFunc(s.sending, func() { time.AfterFunc(drainMax, p.wire.Close) })() // who does not answer any more must not hold up the end
	for {
		got, err := p.wire.Recv()
		if errors.Is(err, io.EOF) {
			return allAnswered(p.sent)
		}
		if err != nil {
			return err
		}
		r, ok := <-p.sent
		if !ok {
			return fault.New(fault.Internal, "an answer came to nothing that was sent")
		}
		if err := s.add(&r, &got, time.Now()); err != nil {
			return err
		}
		p.free <- r.body
	}
}

func allAnswered(sent <-chan readied) error {
	if r, ok := <-sent; ok {
		return fault.New(fault.Unavailable, "the stream ended before batch %s was answered", r.id)
	}
	return nil
}

// add notes an answer.
func (s *steady) add(r *readied, got *client.BatchAnswer, now time.Time) error {
	a := answer{legs: s.legs}
	if got.Refused != nil {
		a.refusals = map[string]int{client.ReasonOf(got.Refused): s.legs}
	} else {
		out, err := got.Receipt.Outcomes()
		if err != nil {
			return err
		}
		a.count(out.Codes)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	maps.Copy(s.refusals, sum(s.refusals, a.refusals))
	if got.Refused == nil {
		s.answers = append(s.answers, answered{id: r.id, height: got.Receipt.Height, due: r.due, at: now, ok: a.ok})
	}
	return nil
}

// finality is that of the batches that were due between two times.
func (s *steady) finality(from, to time.Time) Percentiles {
	var in []sample
	for i := range s.answers {
		if a := &s.answers[i]; !a.due.Before(from) && a.due.Before(to) {
			in = append(in, sample{latency: a.at.Sub(a.due), legs: s.legs})
		}
	}
	return percentiles(in)
}

// perSecond is how many legs with outcome ok came back a second between two times.
func (s *steady) perSecond(from, to time.Time) float64 {
	legs := 0
	for i := range s.answers {
		if a := &s.answers[i]; !a.at.Before(from) && a.at.Before(to) {
			legs += a.ok
		}
	}
	return float64(legs) / to.Sub(from).Seconds()
}
