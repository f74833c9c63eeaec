// SPDX-License-Identifier: Apache-2.0

package loadgen

import (
	"bytes"
	"context"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/aurigraph/aurigraph/client"
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// batchesInFlightMax bounds the bodies that one pipe holds: sent, and not answered.
const batchesInFlightMax = 48

// batchPipe sends signed batches over one connection.
type batchPipe struct {
	world   *world
	client  *client.Client
	stream  *client.BatchStream
	batches []signed
	bodies  chan []byte // free memory for bodies
	sent    chan []byte // bodies on their way, in order
	next    int         // next batch to be answered
	checks  *checker
}

func newBatchPipe(w *world, c *client.Client, checks *checker) *batchPipe {
	p := &batchPipe{world: w, client: c, checks: checks, bodies: make(chan []byte, batchesInFlightMax), sent: make(chan []byte, batchesInFlightMax)}
	for range batchesInFlightMax {
		p.bodies <- nil
	}
	return p
}

func (p *batchPipe) open(ctx context.Context) (err error) {
	p.stream, err = p.client.OpenBatchStream(ctx)
	return err
}

func (p *batchPipe) load(batches []signed) { p.batches, p.next = batches, 0 }

func (p *batchPipe) units() int { return len(p.batches) }

func (p *batchPipe) send(i int) error {
	body := <-p.bodies
	if body == nil {
		body = make([]byte, chain.BatchBytesMax)
	}
	b := &p.batches[i]
	p.world.fill(body, b)
	p.sent <- body
	return p.stream.Send(b.header.Sequence, &client.SignedBatch{ID: b.id, Bytes: body, Signature: b.signature})
}

func (p *batchPipe) recv() (answer, error) {
	got, err := p.stream.Recv()
	if err != nil {
		return answer{}, err
	}
	p.bodies <- <-p.sent
	b := &p.batches[p.next]
	p.next++
	a := answer{legs: int(b.header.Legs)}
	if got.Refused != nil {
		a.refusals = map[string]int{client.ReasonOf(got.Refused): a.legs}
		return a, nil
	}
	out, err := got.Receipt.Outcomes()
	if err != nil {
		return a, err
	}
	a.count(out.Codes)
	p.checks.sample(p.client, b, a.ok)
	return a, nil
}

func (a *answer) count(codes []client.Outcome) {
	for _, c := range codes {
		if c == chain.OK {
			a.ok++
			continue
		}
		if a.refusals == nil {
			a.refusals = map[string]int{}
		}
		a.refusals[c.String()]++
	}
}

func (p *batchPipe) closeSend() error { return p.stream.CloseSend() }
func (p *batchPipe) close()           { p.stream.Close() }

// One batch in sliceEvery has a run of sliceLegs legs proved by the node's slice: more than one leg in a thousand.
const (
	sliceLegs  = 256
	sliceEvery = 30
)

// checker asks the node for slices of answered batches and compares them with what was sent.
type checker struct {
	world   *world
	queue   chan check
	seen    atomic.Int64
	proved  atomic.Int64
	workers *errgroup.Group
}

// check is a batch, and who answered it.
type check struct {
	client *client.Client
	batch  *signed
}

// checksQueueMax bounds the batches whose slice is still to be asked for. Receivers wait at the bound.
const checksQueueMax = 4096

func newChecker(ctx context.Context, w *world) *checker {
	k := &checker{world: w, queue: make(chan check, checksQueueMax)}
	k.workers, ctx = errgroup.WithContext(ctx)
	k.workers.Go(func() error { return k.run(ctx) })
	return k
}

// sample takes every sliceEvery-th batch, the first one of a step too, if its legs all came out ok.
func (k *checker) sample(c *client.Client, b *signed, ok int) {
	if k.seen.Add(1)%sliceEvery == 1 && ok == int(b.header.Legs) {
		k.queue <- check{c, b}
	}
}

func (k *checker) run(ctx context.Context) error {
	raw := make([]byte, chain.BatchBytesMax)
	for c := range k.queue {
		b := c.batch
		from := uint32(b.seed % (chain.BatchLegsMax / sliceLegs) * sliceLegs)
		legs, err := c.client.Legs(ctx, b.id, from, sliceLegs)
		if err != nil {
			return err
		}
		k.world.fill(raw, b)
		at := chain.BatchHeaderBytes + int(from)*chain.LegBytes
		if !legs.Verified || !bytes.Equal(legs.Records, raw[at:at+sliceLegs*chain.LegBytes]) {
			return fault.New(fault.Corrupt, "the slice of batch %s from leg %d does not hold what was sent", b.id, from)
		}
		k.proved.Add(sliceLegs)
	}
	return nil
}

// wait ends the checker once all sampled batches are proved.
func (k *checker) wait() (int64, error) {
	close(k.queue)
	err := k.workers.Wait()
	return k.proved.Load(), err
}
