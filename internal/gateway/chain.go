// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"google.golang.org/grpc"

	ledgerv1 "github.com/aurigraph/aurigraph/gen/aurigraph/ledger/v1"
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/obs"
)

// Bounds of reading the chain.
const (
	recentMax   = 512       // proved headers kept
	windowBytes = 256 << 10 // of headers that are read where the index catches up
	readMax     = 3 * time.Second
	liarPause   = time.Minute // in which a validator is asked last whose answer did not prove itself
)

// Reader is a validator as the chain is read from it.
type Reader interface {
	ReadBlocks(ctx context.Context, q *ledgerv1.ReadBlocksRequest, opts ...grpc.CallOption) (*ledgerv1.ReadBlocksResponse, error)
	ListHandovers(ctx context.Context, q *ledgerv1.ListHandoversRequest, opts ...grpc.CallOption) (*ledgerv1.ListHandoversResponse, error)
}

// named is a Reader with its address.
type named struct {
	Reader
	address string
}

// Chain is the certified chain, read from validators and proved. The tracker and the index's follower use it, each from one
// goroutine.
type Chain struct {
	*prover
	readers func() []named // who can be asked now
	metrics *metrics
	log     *slog.Logger
	turn    int // of the tracker among the readers

	mu     sync.Mutex
	liars  map[string]time.Time // guarded by mu; until when, by address
	recent [recentMax]proved    // guarded by mu; by height
}

func newChain(p *prover, readers func() []named, m *metrics, log *slog.Logger) *Chain {
	return &Chain{prover: p, readers: readers, metrics: m, log: log, liars: map[string]time.Time{}}
}

// block is a proved header, and the contents of its batches that an answer has, from number first on.
type block struct {
	proved
	first   uint32
	batches []contents
}

// ask puts one question to one validator, and proves the answer. What does not prove itself is Corrupt. retained is not 0 if the
// validator says that what was asked for is gone up to there; no blocks, that it is not certified yet.
func (c *Chain) ask(ctx context.Context, of named, q *ledgerv1.ReadBlocksRequest) (blocks []block, retained chain.Height, err error) {
	ctx, cancel := context.WithTimeout(ctx, readMax)
	defer cancel()
	a, err := of.ReadBlocks(ctx, q)
	if err != nil {
		return nil, 0, err
	}
	if len(a.Blocks) == 0 {
		return nil, chain.Height(a.RetainedFrom), nil
	}
	err = c.prove(ctx, of, q, a, &blocks)
	if fault.Is(err, fault.Corrupt) {
		c.caught(of, err)
	}
	return blocks, 0, err
}

func (c *Chain) prove(ctx context.Context, by named, q *ledgerv1.ReadBlocksRequest, a *ledgerv1.ReadBlocksResponse, to *[]block) error {
	raw := make([][]byte, len(a.Blocks))
	for i, b := range a.Blocks {
		raw[i] = b.GetHeader()
	}
	headers, err := c.prover.follow(chain.Height(q.FromHeight), raw)
	if err != nil {
		return err
	}
	if err := c.proveLast(ctx, by, headers[len(headers)-1], a.Certificate); err != nil {
		return err
	}
	blocks := make([]block, len(headers))
	for i, h := range headers {
		blocks[i] = block{proved: h}
		if i == 0 {
			blocks[i].first = q.FromBatch
		}
		for j, b := range a.Blocks[i].Batches {
			x, err := checkContents(h, blocks[i].first+uint32(j), b.GetPayload(), b.GetOutcomes())
			if err != nil {
				return err
			}
			blocks[i].batches = append(blocks[i].batches, x)
		}
	}
	if b := &blocks[0]; !q.HeadersOnly && len(b.batches) == 0 && int64(q.FromBatch) < int64(len(b.Batches)) {
		return unproved(reasonNotAsked, "batch %d of block %d was asked for, and is not in the answer", q.FromBatch, b.Height)
	}
	c.remember(headers)
	*to = blocks
	return nil
}

// proveLast proves the last header of an answer, of an epoch that may have to be learned of first.
func (c *Chain) proveLast(ctx context.Context, by named, h proved, certificate []byte) error {
	if known, ok := c.known(h.Height); ok && known.hash == h.hash {
		return nil
	}
	err := c.certified(h, certificate)
	if fault.ReasonOf(err) != reasonUnknownEpoch {
		return err
	}
	if err := c.learn(ctx, by); err != nil {
		return err
	}
	return c.certified(h, certificate)
}

// learn follows the handovers behind the newest known epoch as far as a validator has them.
func (c *Chain) learn(ctx context.Context, from named) error {
	for {
		known := c.history.Current().Epoch()
		a, err := from.ListHandovers(ctx, &ledgerv1.ListHandoversRequest{FromEpoch: uint64(known) + 1})
		if err != nil {
			return err
		}
		for _, raw := range a.Handovers {
			if err := c.extend(raw); err != nil {
				return err
			}
		}
		now := c.history.Current().Epoch()
		if now == known {
			return nil
		}
		c.log.Info("the chain is in a later membership epoch", obs.KeyEpoch, uint64(now))
	}
}

// caught notes a validator whose answer did not prove itself.
func (c *Chain) caught(who named, err error) {
	c.metrics.refusals.WithLabelValues(who.address, fault.ReasonOf(err)).Inc()
	c.log.Warn("a validator's answer about the chain proves nothing, and is refused: look at that validator", obs.KeyAddress, who.address, obs.KeyReason, fault.ReasonOf(err), obs.KeyErr, err.Error())
	c.mu.Lock()
	defer c.mu.Unlock()
	c.liars[who.address] = time.Now().Add(liarPause)
}

// inOrder lists who can be asked, those last who were caught.
func (c *Chain) inOrder() []named {
	all := c.readers()
	c.mu.Lock()
	defer c.mu.Unlock()
	var honest, liars []named
	for _, r := range all {
		if until, ok := c.liars[r.address]; ok && time.Now().Before(until) {
			liars = append(liars, r)
			continue
		}
		delete(c.liars, r.address)
		honest = append(honest, r)
	}
	return append(honest, liars...)
}

// read asks one validator after the other until one has blocks. Pruned: more say that they are gone than may lie, with from
// where on nothing is missing. Unavailable: nobody has them now.
func (c *Chain) read(ctx context.Context, q *ledgerv1.ReadBlocksRequest) ([]block, chain.Height, error) {
	gone, from := 0, chain.Height(0)
	last := error(fault.New(fault.Unavailable, "no validator is reached"))
	for _, r := range c.inOrder() {
		blocks, retained, err := c.ask(ctx, r, q)
		switch {
		case err != nil:
			last = err
		case len(blocks) > 0:
			return blocks, 0, nil
		case retained > chain.Height(q.FromHeight):
			if gone++; from == 0 || retained < from {
				from = retained
			}
		default:
			last = fault.New(fault.Unavailable, "validator %s does not have the block yet", r.address)
		}
	}
	if ctx.Err() != nil {
		return nil, 0, ctx.Err()
	}
	if gone > c.mayLie() {
		return nil, from, fault.New(fault.Pruned, "block %d is gone, all is there from %d on", q.FromHeight, from)
	}
	return nil, 0, fault.Wrap(fault.Unavailable, last, "read block %d from the validators", q.FromHeight)
}

// remember keeps proved headers for who asks next.
func (c *Chain) remember(list []proved) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, h := range list {
		c.recent[h.Height%recentMax] = h
	}
}

// known is a proved header of a height, if it is still kept.
func (c *Chain) known(h chain.Height) (proved, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := c.recent[h%recentMax]
	return p, p.ExecutedHeader != nil && p.Height == h
}
