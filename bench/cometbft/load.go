// SPDX-License-Identifier: Apache-2.0

package cometbft

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/aurigraph/aurigraph/bench/peer"
)

const (
	recordBytes = 64
	pollEvery   = 5 * time.Millisecond // adds half of it to each latency
	refusedWait = 10 * time.Millisecond
)

// flight holds what is under way: at most a window of transactions.
type flight struct {
	mu    sync.Mutex
	asked []time.Time // of those accepted and not yet seen in a block, oldest first
	early int         // seen in a block before their acceptance was answered
	room  chan struct{}
}

func newFlight(window int) *flight {
	f := &flight{room: make(chan struct{}, window)}
	for range window {
		f.room <- struct{}{}
	}
	return f
}

// take waits for room for n transactions.
func (f *flight) take(ctx context.Context, n int) bool {
	for range n {
		select {
		case <-f.room:
		case <-ctx.Done():
			return false
		}
	}
	return true
}

// give returns room.
func (f *flight) give(n int) {
	for range n {
		f.room <- struct{}{}
	}
}

// accepted notes transactions that were asked for together. It returns how many of them a block has held already.
func (f *flight) accepted(n int, asked time.Time) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	early := min(n, f.early)
	f.early -= early
	for range n - early {
		f.asked = append(f.asked, asked)
	}
	return early
}

// committed takes n transactions, oldest first, and gives when they were asked for.
func (f *flight) committed(n int) []time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	known := min(n, len(f.asked))
	f.early += n - known
	asked := append([]time.Time(nil), f.asked[:known]...)
	f.asked = f.asked[known:]
	return asked
}

// Load keeps a window of transactions under way, offered to all validators in turn.
func (p *Peer) Load(ctx context.Context, tally *peer.Tally) error {
	_, height, err := p.nodes[0].committed(ctx, 0)
	for was := int64(-1); err == nil && was != height; {
		was = height
		_, height, err = p.nodes[0].committed(ctx, height)
	}
	if err != nil {
		return err
	}
	f := newFlight(p.variant.Window)
	g, ctx := errgroup.WithContext(ctx)
	for i := range p.variant.Senders {
		s := newSender(i, p.variant)
		g.Go(func() error { return s.run(ctx, p.nodes[i%len(p.nodes)], f, tally) })
	}
	g.Go(func() error { return p.follow(ctx, height, f, tally) })
	return g.Wait()
}

// follow counts what stands in blocks.
func (p *Peer) follow(ctx context.Context, height int64, f *flight, tally *peer.Tally) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pollEvery):
		}
		n, newest, err := p.nodes[0].committed(ctx, height)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return errors.Join(err, p.processes[0].Exited())
		}
		height = newest
		asked := f.committed(n)
		for _, at := range asked {
			tally.Done(p.variant.Records, at)
		}
		f.give(len(asked))
	}
}

// sender makes transactions and offers them.
type sender struct {
	variant Variant
	no      int
	made    int
	random  *rand.Rand
	records []byte // a long run of them: each transaction carries a part that begins elsewhere
}

func newSender(no int, v Variant) *sender {
	s := &sender{variant: v, no: no, random: rand.New(rand.NewPCG(uint64(no), 1))}
	s.records = make([]byte, 2*v.Records*recordBytes+4096)
	const letters = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	for i := range s.records {
		s.records[i] = letters[s.random.IntN(len(letters))]
	}
	return s
}

// tx is key=value as kvstore wants it; the key is never used again.
func (s *sender) tx() []byte {
	s.made++
	size := s.variant.Records * recordBytes
	from := s.random.IntN(len(s.records) - size)
	return append(fmt.Appendf(make([]byte, 0, size+17), "%04x%012x=", s.no, s.made), s.records[from:from+size]...)
}

func (s *sender) run(ctx context.Context, node rpc, f *flight, tally *peer.Tally) error {
	for f.take(ctx, s.variant.PerRequest) {
		txs := make([][]byte, s.variant.PerRequest)
		for i := range txs {
			txs[i] = s.tx()
		}
		asked := time.Now()
		reasons, err := node.broadcast(ctx, txs)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		accepted := 0
		for _, why := range reasons {
			if why == "" {
				accepted++
				continue
			}
			tally.Refused(s.variant.Records, why)
		}
		early := f.accepted(accepted, asked)
		for range early {
			tally.Done(s.variant.Records, asked)
		}
		f.give(early + len(txs) - accepted)
		if accepted < len(txs) {
			wait(ctx, refusedWait)
		}
	}
	return nil
}

func wait(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
