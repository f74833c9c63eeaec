// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"math/rand/v2"

	"github.com/aurigraph/aurigraph/internal/chain"
)

// block is an executed height, and its certificate once there is one.
type block struct {
	proposal    *chain.Proposal
	header      *chain.ExecutedHeader
	bytes       []byte
	hash        chain.Hash
	outcomes    map[chain.Hash]chain.Hash // of client batches that used up their sequence, by batch id
	certificate *chain.Certificate        // nil: the seal of its epoch stands for it
}

// blocks is the store of published heights. Its newest ones are lost in a crash until it is flushed.
type blocks struct {
	list   map[chain.Height]*block
	places map[chain.Hash]chain.Height // of client batches
	// headers are those of list, and those that came with a state: they say which lane entries were executed.
	headers map[chain.Height]*chain.ExecutedHeader
	head    chain.Height
	flushed chain.Height
	fetched chain.Height // of a checkpoint that a peer gave, durable with it
}

func (b *blocks) put(x *block) {
	if b.list == nil {
		b.list, b.places = map[chain.Height]*block{}, map[chain.Hash]chain.Height{}
	}
	if b.headers == nil {
		b.headers = map[chain.Height]*chain.ExecutedHeader{}
	}
	b.head = x.header.Height
	b.list[b.head], b.headers[b.head] = x, x.header
	for id := range x.outcomes {
		b.places[id] = b.head
	}
}

// find gives the published height at which a client's batch used up its sequence.
func (b *blocks) find(id chain.Hash) *block { return b.list[b.places[id]] }

// mayHave reports whether a batch that is refused now may have been executed below a state that a peer gave: its line is in a header
// there with another outcome, or a header is missing.
func (b *blocks) mayHave(now *chain.BatchResult) bool {
	for h := chain.Height(1); h <= b.fetched; h++ {
		if b.list[h] != nil {
			continue
		}
		x := b.headers[h]
		if x == nil {
			return true
		}
		for i := range x.Batches {
			if line := &x.Batches[i]; line.Batch == now.Batch && line.Outcomes != now.Outcomes {
				return true
			}
		}
	}
	return false
}

// leap goes on from a state that a peer gave.
func (b *blocks) leap(c *checkpoint) {
	if b.headers == nil {
		b.headers = map[chain.Height]*chain.ExecutedHeader{}
	}
	for _, h := range append(c.history, c.headers[0]) {
		if b.headers[h.Height] == nil {
			b.headers[h.Height] = h
		}
	}
	b.fetched = max(b.fetched, c.height)
	b.head, b.flushed = max(b.head, c.height), max(b.flushed, c.height)
}

// historyMax bounds the headers that go with a state.
const historyMax = 4096

// history is the headers below a height, newest first, as far as there are any.
func (b *blocks) history(h chain.Height) (list []*chain.ExecutedHeader) {
	for h > 1 && b.headers[h-1] != nil && len(list) < historyMax {
		h--
		list = append(list, b.headers[h])
	}
	return list
}

func (b *blocks) crash(r *rand.Rand) {
	if b.head == b.flushed {
		return
	}
	for range r.IntN(int(b.head-b.flushed) + 1) {
		if x := b.list[b.head]; x != nil {
			for id := range x.outcomes {
				delete(b.places, id)
			}
			delete(b.list, b.head)
			delete(b.headers, b.head)
		}
		b.head--
	}
}

// skip is a seeded bug: a height is taken for published, and its block is not stored.
func (b *blocks) skip(x *block) {
	b.head = x.header.Height
	b.headers[b.head] = x.header
}
