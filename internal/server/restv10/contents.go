// SPDX-License-Identifier: Apache-2.0

package restv10

import (
	"context"
	"sync"
	"time"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/query"
	v10 "github.com/aurigraph/aurigraph/internal/v10"
)

// Bounds of what sockets share.
const (
	contentsKept       = 64     // blocks
	contentsRowsMax    = 65_536 // transfers of all of them; a larger block is read for each socket anew
	transactionsInPart = 256    // transfers of one message
)

// contents keeps the newest blocks as sockets are sent them, so that a block is read once however many follow. It is safe for
// concurrent use.
type contents struct {
	server *Server

	mu   sync.Mutex // guards all below
	kept map[chain.Height]*content
	rows int

	reading sync.Mutex // one reads what follows, the others wait for it
	last    *head      // guarded by reading
	push    *pushed    // guarded by reading
}

// content is a block's transfers. It does not change once ready is closed.
type content struct {
	height       chain.Height
	ready        chan struct{}
	err          error
	transactions []v10.Transaction
	messages     [][]byte // all of them, in parts
	touching     map[chain.AccountNo][]int
}

// head is the newest block as sockets are sent it.
type head struct {
	height           chain.Height
	block, consensus []byte
}

func newContents(s *Server) *contents { return &contents{server: s, kept: map[chain.Height]*content{}} }

// at is the contents of a block.
func (c *contents) at(ctx context.Context, h chain.Height) (*content, error) {
	c.mu.Lock()
	b, ok := c.kept[h]
	if !ok {
		b = &content{height: h, ready: make(chan struct{})}
		c.kept[h] = b
	}
	c.mu.Unlock()
	if !ok {
		b.err = c.server.readContent(ctx, b)
		close(b.ready)
		c.settle(b)
	}
	select {
	case <-b.ready:
		return b, b.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// settle keeps a block that was read, and lets the oldest go beyond the bounds.
func (c *contents) settle(b *content) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if b.err != nil || len(b.transactions) > contentsRowsMax/2 {
		delete(c.kept, b.height)
		return
	}
	c.rows += len(b.transactions)
	for len(c.kept) > contentsKept || c.rows > contentsRowsMax {
		oldest := b
		for _, k := range c.kept {
			if k.settled() && k.height < oldest.height {
				oldest = k
			}
		}
		delete(c.kept, oldest.height)
		c.rows -= len(oldest.transactions)
		if oldest == b {
			return
		}
	}
}

func (b *content) settled() bool {
	select {
	case <-b.ready:
		return b.err == nil
	default:
		return false
	}
}

// readContent reads a block's transfers and writes them for people.
func (s *Server) readContent(ctx context.Context, b *content) error {
	var rows []query.Transfer
	err := s.parts.Reader.Transfers(ctx, b.height, func(t *query.Transfer) error {
		rows = append(rows, *t)
		return nil
	})
	if err != nil {
		return err
	}
	if b.transactions, err = s.transactions(ctx, rows); err != nil {
		return err
	}
	b.touching = make(map[chain.AccountNo][]int, len(rows))
	for i := range rows {
		b.touching[rows[i].From] = append(b.touching[rows[i].From], i)
		if rows[i].To != rows[i].From {
			b.touching[rows[i].To] = append(b.touching[rows[i].To], i)
		}
	}
	for from := 0; from < len(b.transactions); from += transactionsInPart {
		part := b.transactions[from:min(from+transactionsInPart, len(b.transactions))]
		b.messages = append(b.messages, v10.Marshal(message{Type: channelTransactions, Channel: channelTransactions, Height: uint64(b.height), Data: part}))
	}
	return nil
}

// pushed is what V10 pushed every five seconds.
type pushed struct {
	at                time.Time
	overview, metrics []byte
}

// pushed are the figures, at most socketPushAge old.
func (c *contents) pushed(ctx context.Context) (*pushed, error) {
	c.reading.Lock()
	defer c.reading.Unlock()
	if c.push != nil && time.Since(c.push.at) < socketPushAge {
		return c.push, nil
	}
	o, err := c.server.overviewNow(ctx)
	if err != nil {
		return nil, err
	}
	m, err := c.server.metricsNow(ctx)
	if err != nil {
		return nil, err
	}
	c.push = &pushed{time.Now(), v10.Marshal(message{Type: "overview", Data: o}), v10.Marshal(message{Type: channelMetrics, Data: m})}
	return c.push, nil
}

// newest is the block of a height, and who leads; whoever asks for an older one gets what was read last.
func (c *contents) newest(ctx context.Context, at chain.Height) (*head, error) {
	c.reading.Lock()
	defer c.reading.Unlock()
	if c.last != nil && c.last.height >= at {
		return c.last, nil
	}
	b, err := c.server.parts.Reader.Block(ctx, at)
	if err != nil {
		return nil, err
	}
	who, err := c.server.leader(ctx, nil)
	if err != nil {
		return nil, err
	}
	c.last = &head{
		height:    at,
		block:     v10.Marshal(message{Type: "block", Channel: channelBlocks, Height: uint64(at), Data: blockOf(b)}),
		consensus: v10.Marshal(message{Type: channelConsensus, Channel: channelConsensus, Height: uint64(at), Data: who}),
	}
	return c.last, nil
}
