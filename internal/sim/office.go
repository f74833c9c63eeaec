// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"math/rand/v2"
	"slices"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/keys"
)

// office is who changes the membership: governance, and the persons who run validators. It makes one change after the other: it
// gets the members' approvals, sends the transaction as clients do, and starts who joined.
type office struct {
	w       *world
	rand    *rand.Rand
	due     []*episode
	making  *making
	starts  int // of validators who joined and are not started yet
	nextKey int
	nonce   uint64

	falseHold bool // a liar says falsely what it holds of the ordering log
	rate      float64
	crashes   int   // that the present change may bring yet
	closing   int64 // until then an epoch's end is drilled
}

// making is a change that was sent.
type making struct {
	*change
	body     *chain.ChangeValidator
	node     *replica
	answered int
	sent     int
}

// officeMicros is how often the office looks.
const officeMicros = 10_000

// openOffice makes the plan's changes the office's.
func (w *world) openOffice() {
	w.places = w.size
	o := &office{w: w, rand: rand.New(rand.NewPCG(w.opts.Seed, 10)), nextKey: w.size}
	for _, e := range w.plan {
		switch {
		case e.kind == lieFalseHold:
			o.falseHold = true
		case e.change != nil:
			o.due = append(o.due, e)
			if e.change.kind == changeAdd {
				w.places++
			}
		}
	}
	if len(o.due) > 0 {
		slices.SortStableFunc(o.due, byTime)
		w.office = o
		w.queue.push(o.due[0].from, -1, o.look)
	}
}

// done reports whether there is nothing left to do.
func (o *office) done() bool { return o == nil || len(o.due) == 0 && o.making == nil && o.starts == 0 }

func (o *office) look() {
	if o.done() {
		return
	}
	o.w.after(officeMicros, -1, o.look)
	switch {
	case o.making != nil:
		o.follow()
	case len(o.due) > 0 && o.starts == 0 && o.w.now >= min(o.due[0].from, o.w.stormUs):
		c := *o.due[0].change
		o.due = o.due[1:]
		body := o.choose(&c)
		if body == nil { // a member more or less may be too many liars of the others
			c.kind, c.who = changeRekey, whoAny
			body = o.choose(&c)
		}
		if body != nil {
			o.begin(&c, body)
		}
	}
}

// begin sends a change.
func (o *office) begin(c *change, body *chain.ChangeValidator) {
	m := &making{change: c, body: body, node: o.w.nodes[body.Validator]}
	o.making, o.rate, o.crashes = m, c.rate, c.crashes
	if keyNumber(body.Ed25519) == o.nextKey {
		o.nextKey++
	}
	o.standDown(m)
	o.cutOff(c)
	o.approve(m)
	if o.send(m); m.twice {
		o.send(m)
	}
}

// again sends a change in the present epoch, because another one ended meanwhile.
func (o *office) again(m *making) {
	body := *m.body
	body.Epoch, body.Approvals = o.w.check.newest().Epoch, nil
	if o.w.check.newest().CheckChange(&body) != chain.OK || !o.allowed(o.w.check.newest().Changed(&body)) {
		o.making = nil
		m.node.keptDown = false
		m.node.bootAfter(0)
		return
	}
	m.body = &body
	o.approve(m)
	o.send(m)
}

// approve gets the approval of all honest members whose keys are not lost.
func (o *office) approve(m *making) {
	message := keys.ChangeMessage(simChain, codec.ChangeHash(m.body))
	for _, x := range o.w.check.newest().Members {
		if o.w.isLiar(x.No) || o.w.check.lost[keyNumber(x.Ed25519)] {
			continue
		}
		signature, err := validatorKeys()[keyNumber(x.Ed25519)].header.Sign(message)
		fault.Invariant(err == nil, "a key in memory does not sign: %v", err)
		m.body.Approvals = append(m.body.Approvals, chain.Approval{Validator: x.No, Signature: signature})
	}
}

// standDown takes the power of whom the change befalls until it is made, and perhaps its disk.
func (o *office) standDown(m *making) {
	lost := m.kind == changeRekey && m.lost
	if !lost && (m.kind != changeLeave || m.who != whoDown) || m.node.liar != nil || !o.standsDown(o.w.check.newest()) {
		return
	}
	o.w.count(faultCrash, 1)
	m.node.crash()
	m.node.keptDown = true
	if lost {
		o.loseDisk(m.node)
	}
}

func (o *office) loseDisk(n *replica) {
	o.w.count(faultLostDisk, 1)
	if o.w.check.lost == nil {
		o.w.check.lost = map[int]bool{}
	}
	o.w.check.lost[n.key] = true
	n.disk = newDisk(n)
}

// cutOff lets some learn late what the others decided.
func (o *office) cutOff(c *change) {
	w := o.w
	if c.late == 0 || w.now >= w.stormUs {
		return
	}
	e := &episode{kind: faultPartition, set: c.late, told: true}
	w.begin(e)
	w.queue.push(min(w.now+c.lateUs, w.stormUs), -1, func() { w.end(e) })
}

// send sends a change in a transaction of its own.
func (o *office) send(m *making) {
	w := o.w
	o.nonce++
	tx := chain.SignedTx{Tx: chain.Tx{Chain: simChain, Sender: governance, Key: governanceKey, Nonce: o.nonce, ValidUntil: w.check.model.height() + validityMax, Body: m.body}}
	tx.Signature = w.keys.signTx(codec.TxID(&tx.Tx))
	payload := codec.AppendTxBatch(nil, [][]byte{codec.AppendSignedTx(nil, &tx)})
	r := &request{id: codec.Sum(payload), kind: chain.PayloadTxs, payload: payload, at: w.now, then: func() { m.answered++ }}
	m.sent++
	w.crowd.made[r.id], w.crowd.open = r, append(w.crowd.open, r)
	members := w.check.newest().Members
	w.crowd.submit(r, int(members[o.rand.IntN(len(members))].No))
}

// follow sees what became of the change.
func (o *office) follow() {
	m := o.making
	end := o.w.check.endOf(m.body.Epoch)
	switch {
	case end == nil && m.answered == m.sent:
		o.w.fail(checkMembership, "validator %d: all who were asked to %s it were answered, and epoch %d goes on", m.body.Validator, m.kind, m.body.Epoch)
	case end != nil && end.Verdict != chain.VerdictNone: // a seal came first
		o.again(m)
	case end != nil:
		o.making = nil
		o.w.count(faultMembership, 1)
		o.w.see("membership_"+m.kind, 1)
		o.made(m)
	}
}

// made does what persons do once they know that a change was made.
func (o *office) made(m *making) {
	o.talkOn(m)
	if m.kind == changeLeave {
		if m.node.keptDown = false; !m.node.up {
			m.node.bootAfter(o.rand.Int64N(100_000)) // nobody told it
		}
		return
	}
	o.starts++
	o.w.after(o.rand.Int64N(300_000), -1, func() {
		o.starts--
		o.start(m)
	})
}

// start starts a validator with its new keys, and with what another one knows of epochs. A newcomer's disk holds nothing else.
func (o *office) start(m *making) {
	n := m.node
	n.crash()
	if m.kind == changeAdd && m.lost {
		n.disk = newDisk(n)
	}
	if no := keyNumber(m.body.Ed25519); n.key != no {
		n.key = no
	}
	for e := n.newestEpoch(); o.w.check.endOf(e) != nil; e++ {
		n.keepEnd(o.w.check.endOf(e))
	}
	n.keptDown = false
	n.bootAfter(0)
}

// takesPower draws whether a step is a validator's last one for a while, or that of all.
func (o *office) takesPower(n *replica) bool {
	if o.crashes == 0 || o.w.now >= o.w.stormUs || o.rand.Float64() >= o.rate {
		return false
	}
	o.crashes--
	o.w.see(seenEndBroken, 1)
	if o.rand.IntN(4) == 0 {
		o.w.count(faultPowerCut, 1)
		for _, x := range o.w.nodes {
			x.crash()
			x.bootAfter(20_000 + o.rand.Int64N(300_000))
		}
		return true
	}
	o.w.count(faultCrash, 1)
	n.crash()
	n.bootAfter(5_000 + o.rand.Int64N(500_000))
	return true
}

// closes is told that a node executed the last block of an epoch: in the records of the next moments power is lost, too.
func (o *office) closes() {
	if o != nil {
		o.closing = o.w.now + closingMicros
	}
}

// closingMicros is how long an epoch's end is drilled in each record; recordsPerStep of them count as one step.
const (
	closingMicros  = 300_000
	recordsPerStep = 16
)

// recorded is told of each record that a node writes.
func (o *office) recorded(n *replica) {
	if o != nil && o.w.now < o.closing && o.rand.IntN(recordsPerStep) == 0 {
		o.takesPower(n)
	}
}
