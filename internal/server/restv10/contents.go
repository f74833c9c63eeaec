// SPDX-License-Identifier: Apache-2.0

package restv10

import (
	"context"
	"sync"
	"sync/atomic"
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

	reading sync.Mutex // one reads what sockets are pushed, the others wait for it
	push    atomic.Pointer[pushed]
}

// content is a block's transfers. It does not change once ready is closed.
type content struct {
	height       chain.Height
	ready        chan struct{}
	err          error
	transactions []v10.Transaction
	frames       [][]byte // all of them, in parts
	touching     map[chain.AccountNo][]int
}

// head is the newest block as sockets are sent it: frames of whoever wants the block, who leads, or both.
type head struct {
	height                 chain.Height
	block, consensus, both [][]byte
}

func (h *head) frames(wants topics) [][]byte {
	switch wants & onHeads {
	case wantBlocks:
		return h.block
	case wantConsensus:
		return h.consensus
	}
	return h.both
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

// peek is the contents of a block that was read already, nil if it was not.
func (c *contents) peek(h chain.Height) *content {
	c.mu.Lock()
	defer c.mu.Unlock()
	if b, ok := c.kept[h]; ok && b.settled() {
		return b
	}
	return nil
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
		text := v10.Marshal(message{Type: channelTransactions, Channel: channelTransactions, Height: uint64(b.height), Data: part})
		b.frames = append(b.frames, frameOf(opText, text))
	}
	return nil
}

// pushed is what V10 pushed every five seconds, as frames.
type pushed struct {
	at            time.Time
	metrics, both [][]byte
}

// peekPushed are the figures if they are at most socketPushAge old, else nil.
func (c *contents) peekPushed() *pushed {
	if p := c.push.Load(); p != nil && time.Since(p.at) < socketPushAge {
		return p
	}
	return nil
}

// pushed are the figures, at most socketPushAge old.
func (c *contents) pushed(ctx context.Context) (*pushed, error) {
	c.reading.Lock()
	defer c.reading.Unlock()
	if p := c.peekPushed(); p != nil {
		return p, nil
	}
	o, err := c.server.overviewNow(ctx)
	if err != nil {
		return nil, err
	}
	m, err := c.server.metricsNow(ctx)
	if err != nil {
		return nil, err
	}
	overview := frameOf(opText, v10.Marshal(message{Type: "overview", Data: o}))
	metrics := frameOf(opText, v10.Marshal(message{Type: channelMetrics, Data: m}))
	p := &pushed{at: time.Now(), metrics: [][]byte{metrics}, both: [][]byte{overview, metrics}}
	c.push.Store(p)
	return p, nil
}

// readHead reads the block of a height, and who leads.
func (s *Server) readHead(ctx context.Context, at chain.Height) (*head, error) {
	b, err := s.parts.Reader.Block(ctx, at)
	if err != nil {
		return nil, err
	}
	who, err := s.leader(ctx, nil)
	if err != nil {
		return nil, err
	}
	block := frameOf(opText, v10.Marshal(message{Type: "block", Channel: channelBlocks, Height: uint64(at), Data: blockOf(b)}))
	consensus := frameOf(opText, v10.Marshal(message{Type: channelConsensus, Channel: channelConsensus, Height: uint64(at), Data: who}))
	return &head{at, [][]byte{block}, [][]byte{consensus}, [][]byte{block, consensus}}, nil
}
