// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
)

// Times of clients, in microseconds.
const (
	patienceMicros = 500_000 // until a client sends a batch again, to another validator
	clientMicros   = 300     // on the way between a client and a validator
)

// request is a client's batch until its outcome is certified.
type request struct {
	id        chain.Hash
	kind      chain.PayloadKind
	payload   []byte
	signature []byte
	channel   *channel
	sent      int   // how often
	at        int64 // when it was made
	done      bool
	then      func() // instead of the next batch, once it is answered
}

// channel is one of the institution's: its batches are numbered, and mostly one is under way.
type channel struct {
	no       uint8
	sequence uint64
	open     int
}

// crowd is the clients: each sends a batch, waits for its certified outcome, thinks, and sends the next.
type crowd struct {
	w        *world
	channels []*channel
	open     []*request // not answered
	made     map[chain.Hash]*request
	list     []*request // all, in order
	closed   bool       // no new batches
}

func newCrowd(w *world) *crowd {
	c := &crowd{w: w, made: map[chain.Hash]*request{}}
	for i := range w.channels {
		ch := &channel{no: uint8(i)}
		c.channels = append(c.channels, ch)
		w.after(w.clientRand.Int64N(w.thinkUs), -1, func() { c.next(ch) })
	}
	return c
}

// next makes and sends a channel's next batch. Now and then it does not wait for the one before.
func (c *crowd) next(ch *channel) {
	if c.closed {
		return
	}
	if ch.open < 2 {
		r := c.make(ch)
		members := c.w.check.newest().Members
		c.submit(r, int(members[c.w.clientRand.IntN(len(members))].No))
	}
	if ch.open == 2 || c.w.clientRand.IntN(8) > 0 {
		return
	}
	c.w.after(c.w.clientRand.Int64N(c.w.thinkUs), -1, func() { c.next(ch) })
}

func (c *crowd) make(ch *channel) *request {
	r := c.w.clientRand
	ch.sequence += 1 + uint64(r.IntN(2)) // gaps are legal
	head := chain.BatchHeader{
		Chain: simChain, Institution: simClient, Key: simKey, Channel: ch.no, Sequence: ch.sequence,
		ValidUntil: c.w.check.model.height() + validityMax, Flags: chain.BatchFlags(r.IntN(2)),
	}
	var legs []chain.Leg
	for range 1 + r.IntN(3) {
		from, to := r.IntN(simAccounts), r.IntN(simAccounts-1)
		if to >= from {
			to++
		}
		legs = append(legs, chain.Leg{
			From: simFirst + chain.AccountNo(from), To: simFirst + chain.AccountNo(to),
			Asset: chain.AssetNo(1 + r.IntN(simAssets)), Amount: chain.Units(uint64(1 + r.IntN(80))),
		})
	}
	b, err := chain.NewBatch(head, legs)
	if err != nil {
		c.w.fail("sim", "a client's batch: %v", err)
	}
	id := codec.Sum(b.Bytes())
	made := &request{id: id, kind: chain.PayloadBatch, payload: b.Bytes(), signature: c.w.keys.signBatch(id), channel: ch, at: c.w.now}
	c.made[id], c.open, c.list = made, append(c.open, made), append(c.list, made)
	ch.open++
	return made
}

// submit sends a batch to a validator, and to the next one after a while without an answer.
func (c *crowd) submit(r *request, to int) {
	if r.sent++; r.sent > 1 {
		c.w.see(seenSentAgain, 1)
	}
	c.w.after(clientMicros, to, func() { c.w.nodes[to].door(r) })
	c.w.after(patienceMicros, -1, func() {
		if !r.done {
			c.submit(r, nextMember(c.w.check.newest(), to))
		}
	})
}

// door takes a client's batch: one that is known here is not cut again.
func (n *replica) door(r *request) {
	if !n.up || n.halted != "" || n.target != nil || r.done {
		return
	}
	if x := n.blocks.find(r.id); x != nil && n.liar == nil {
		n.w.crowd.answer(r, n, x, x.outcomes[r.id])
		return
	}
	n.requests[r.id] = r
	if n.liar != nil && n.liar.refuses() {
		return
	}
	if !n.inLane[r.id] && n.cut(r) {
		n.settle()
	}
}

// answer tells a client that its batch is certified in a height, with its outcome.
func (c *crowd) answer(r *request, n *replica, x *block, outcomes chain.Hash) {
	if !n.up {
		return
	}
	c.w.check.acknowledged(n, r, x, outcomes)
	c.w.after(clientMicros, -1, func() { c.close(r) })
}

// refuse tells a client that a certified height refused its batch as a whole: it must sign again.
func (c *crowd) refuse(r *request, n *replica, x *block) {
	if !n.up {
		return
	}
	c.w.check.refused(n, r, x)
	c.w.see(seenStale, 1)
	c.w.after(clientMicros, -1, func() { c.close(r) })
}

func (c *crowd) close(r *request) {
	if r.done {
		return
	}
	r.done = true
	for i := range c.open {
		if c.open[i] == r {
			c.open = append(c.open[:i:i], c.open[i+1:]...)
			break
		}
	}
	if r.then != nil {
		r.then()
		return
	}
	r.channel.open--
	c.w.after(c.w.clientRand.Int64N(2*c.w.thinkUs), -1, func() { c.next(r.channel) })
}
