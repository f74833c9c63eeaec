// SPDX-License-Identifier: Apache-2.0

package loadgen

import (
	"context"
	"time"

	"github.com/aurigraph/aurigraph/internal/chain"
)

func (b *bench) newLoad(ctx context.Context) (load, error) {
	if b.cfg.Auth == AuthSingle {
		return b.newSingles(ctx)
	}
	return b.newBatches(ctx)
}

// batchLoad is load of client batches.
type batchLoad struct {
	bench   *bench
	streams []*stream
	pipes   []*batchPipe
	checks  *checker
	counted int64 // legs proved before the present step
	signing time.Duration
}

func (b *bench) newBatches(ctx context.Context) (load, error) {
	l := &batchLoad{bench: b, checks: newChecker(ctx, b.world)}
	for n := range b.pipes() {
		c, err := b.dial(ctx, n%b.cfg.Nodes)
		if err != nil {
			return nil, err
		}
		in, err := b.client.Institution(ctx, b.world.institution, uint8(n))
		if err != nil {
			return nil, err
		}
		l.streams = append(l.streams, &stream{world: b.world, channel: uint8(n), next: in.ChannelSequence + 1})
		l.pipes = append(l.pipes, newBatchPipe(b.world, c, l.checks))
	}
	return l, nil
}

func (l *batchLoad) legsPerUnit() int { return chain.BatchLegsMax }

func (l *batchLoad) prepare(ctx context.Context, legsPerS float64, d time.Duration) ([]pipe, error) {
	until, err := l.bench.validUntil(ctx)
	if err != nil {
		return nil, err
	}
	begin := ownCPU()
	n := int(legsPerS*d.Seconds())/chain.BatchLegsMax/len(l.streams) + 2
	batches, err := signAll(l.streams, n, until)
	if err != nil {
		return nil, err
	}
	l.signing = ownCPU() - begin
	l.counted = l.checks.proved.Load()
	l.checks.seen.Store(0)
	pipes := make([]pipe, len(l.pipes))
	for i, p := range l.pipes {
		p.load(batches[i])
		if err := p.open(ctx); err != nil {
			return nil, err
		}
		pipes[i] = p
	}
	return pipes, nil
}

func (l *batchLoad) signingCPU() time.Duration { return l.signing }

func (l *batchLoad) proved() (int64, error) {
	before := l.counted
	n, err := l.checks.wait()
	for _, p := range l.pipes {
		p.client.Close()
	}
	return n - before, err
}

// singleLoad is load of individually signed transactions.
type singleLoad struct {
	bench   *bench
	payers  [][]payer
	pipes   []*singlePipe
	counted int64
	signing time.Duration
}

func (b *bench) newSingles(ctx context.Context) (load, error) {
	payers, err := b.openPayers(ctx)
	if err != nil {
		return nil, err
	}
	l := &singleLoad{bench: b}
	for n := range b.pipes() {
		c, err := b.dial(ctx, n%b.cfg.Nodes)
		if err != nil {
			return nil, err
		}
		l.pipes = append(l.pipes, &singlePipe{client: c})
		l.payers = append(l.payers, payers[n*len(payers)/b.pipes():(n+1)*len(payers)/b.pipes()])
	}
	return l, nil
}

func (l *singleLoad) legsPerUnit() int { return singlesPerMessage }

func (l *singleLoad) prepare(ctx context.Context, legsPerS float64, d time.Duration) ([]pipe, error) {
	until, err := l.bench.validUntil(ctx)
	if err != nil {
		return nil, err
	}
	begin := ownCPU()
	n := int(legsPerS*d.Seconds())/singlesPerMessage/len(l.pipes) + 2
	messages, err := signSingles(l.bench.world, l.payers, n, until)
	if err != nil {
		return nil, err
	}
	l.signing = ownCPU() - begin
	l.counted = l.total()
	pipes := make([]pipe, len(l.pipes))
	for i, p := range l.pipes {
		p.messages = messages[i]
		if err := p.open(ctx); err != nil {
			return nil, err
		}
		pipes[i] = p
	}
	return pipes, nil
}

func (l *singleLoad) signingCPU() time.Duration { return l.signing }

func (l *singleLoad) total() (n int64) {
	for _, p := range l.pipes {
		n += p.proved.Load()
	}
	return n
}

func (l *singleLoad) proved() (int64, error) {
	for _, p := range l.pipes {
		p.client.Close()
	}
	return l.total() - l.counted, nil
}
