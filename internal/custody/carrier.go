// SPDX-License-Identifier: Apache-2.0

package custody

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/keys"
)

// Pauses between attempts. They double from the first to the longest, and are drawn from half of it to all of it.
const (
	pauseMin = 10 * time.Millisecond
	pauseMax = time.Second
)

// carrier signs loads and carries them to the ledger, one at a time. Its goroutine owns it.
type carrier struct {
	desk  *Desk
	no    int
	loads chan []*request // of one place: the core gives a load only to a free carrier
	lease *lease
}

// run carries until the desk stops. ctx ends DrainMax later than that.
func (c *carrier) run(ctx context.Context) {
	defer func() {
		c.desk.leases.release(c.lease)
		c.lease = nil
	}()
	if !c.renew(ctx) {
		return
	}
	c.desk.metrics.leases.Inc()
	defer c.desk.metrics.leases.Dec()
	c.desk.dispatch(c.no)
	for {
		select {
		case rs := <-c.loads:
			c.take(ctx, rs)
			continue
		default:
		}
		select {
		case rs := <-c.loads:
			c.take(ctx, rs)
		case <-c.desk.stopped:
			// Nothing is dispatched any more, but the last load may have come in between.
			select {
			case rs := <-c.loads:
				c.take(ctx, rs)
			default:
				return
			}
		}
	}
}

func (c *carrier) take(ctx context.Context, rs []*request) {
	m := c.desk.metrics
	m.underWay.Inc()
	now := time.Now()
	for _, r := range rs {
		m.wait.Observe(now.Sub(r.since).Seconds())
	}
	c.carry(ctx, rs)
	m.underWay.Dec()
	c.desk.dispatch(c.no)
}

// renew leases a channel, and tries until it has one. False: the desk stops.
func (c *carrier) renew(ctx context.Context) bool {
	lost := c.lease
	for try := 0; ; try++ {
		got, err := c.desk.leases.take(ctx, c.desk.chain)
		if err != nil && lost != nil {
			// All others are in use: the lost one serves again, from the ledger's sequence on.
			c.desk.leases.release(lost)
			lost = nil
			continue
		}
		if err == nil {
			c.desk.leases.release(lost)
			c.lease = got
			return true
		}
		c.lease = nil
		if try == 0 {
			c.desk.log.Warn("a carrier waits for a channel", "error", err.Error())
		}
		select {
		case <-c.desk.stopped:
			return false
		default:
		}
		if pause(ctx, try) != nil {
			return false
		}
	}
}

// end is how a batch ended.
type end struct {
	fate  *BatchFate // executed
	never error      // why it was certainly not executed, and never will be
	// neither: nobody knows
}

// carry brings requests to their fate. They are signed again as long as what was signed before was certainly not executed and
// somebody still waits for them.
func (c *carrier) carry(ctx context.Context, rs []*request) {
	var why error
	for try := 0; ; try++ {
		if rs = wanted(rs); len(rs) == 0 {
			return
		}
		if try > 0 {
			c.desk.metrics.again.WithLabelValues(fault.ReasonOf(why)).Inc()
		}
		b, header, aboard, err := c.sign(ctx, rs)
		if err != nil {
			why = err
			if final(err) || pause(ctx, try) != nil {
				c.desk.fail(rs, notDone(err))
				return
			}
			continue
		}
		rs = aboard
		if b == nil {
			return // all callers left meanwhile
		}
		c.desk.metrics.legs.Observe(float64(len(rs)))
		e := c.pursue(ctx, b, header)
		switch {
		case e.fate != nil && len(e.fate.Outcomes) == len(rs):
			c.desk.deliver(rs, e.fate)
			return
		case e.never == nil:
			c.desk.lose(rs)
			return
		}
		why = e.never
		rs = wanted(rs)
		if final(why) || pauseUnlessStale(ctx, try, why) != nil {
			c.desk.fail(rs, notDone(why))
			return
		}
		if fault.ReasonOf(why) == reasonStale && !c.renew(ctx) {
			c.desk.fail(rs, notDone(why))
			return
		}
	}
}

// Reasons of refusals at the door and outcomes that say the same: not executed now, nor later.
const (
	reasonStale   = "stale"
	reasonExpired = "expired"
)

// pauseUnlessStale waits before legs are signed again. A channel that was lost is replaced at once.
func pauseUnlessStale(ctx context.Context, try int, why error) error {
	if fault.ReasonOf(why) == reasonStale && try == 0 {
		return ctx.Err()
	}
	return pause(ctx, try)
}

// final reports an error after which signing the same again does not help.
func final(err error) bool {
	switch fault.KindOf(err) {
	case fault.TryLater, fault.Unavailable, fault.Halted, fault.Timeout:
		return false
	}
	return fault.ReasonOf(err) != reasonStale && fault.ReasonOf(err) != reasonExpired
}

// notDone is the error of payments of which nothing was done. What is wrong is the desk's or the ledger's matter, never the
// client's.
func notDone(err error) error {
	return &fault.Error{Kind: fault.Unavailable, Reason: "not_done", Text: "the desk could not pay, nothing was done", Cause: err}
}

// wanted marks requests as certainly not done, and drops those for whom nobody waits.
func wanted(rs []*request) []*request {
	kept := rs[:0]
	for _, r := range rs {
		if r.group.disembark(r.at) {
			kept = append(kept, r)
		}
	}
	return kept
}

// sign makes a batch of those requests for whom somebody still waits, and marks them as sent. No batch: there are none.
func (c *carrier) sign(ctx context.Context, rs []*request) (b *Batch, h chain.BatchHeader, aboard []*request, err error) {
	cfg := &c.desk.cfg
	height, err := c.desk.chain.Height(ctx)
	if err != nil {
		return nil, h, nil, err
	}
	legs := make([]chain.Leg, 0, len(rs))
	for _, r := range rs {
		if r.group.embark(r.at) {
			aboard, legs = append(aboard, r), append(legs, r.leg)
		}
	}
	if len(aboard) == 0 {
		return nil, h, nil, nil
	}
	h = chain.BatchHeader{
		Chain: cfg.Chain, Institution: cfg.Institution, Key: cfg.Key, Channel: c.lease.channel,
		Sequence: c.lease.sequence, ValidUntil: height + cfg.ValidityBlocks,
	}
	c.lease.sequence++
	made, err := chain.NewBatch(h, legs)
	if err != nil {
		return nil, h, nil, err
	}
	b = &Batch{ID: codec.Sum(made.Bytes()), Bytes: made.Bytes()}
	b.Signature, err = cfg.Signer.Sign(keys.BatchMessage(h.Chain, b.ID))
	return b, h, aboard, fault.Wrap(fault.Unavailable, err, "sign a batch")
}

// pursue submits a batch, again and again as it is, until its fate is known or ctx ends.
func (c *carrier) pursue(ctx context.Context, b *Batch, h chain.BatchHeader) end {
	taken := false // some attempt may have been
	for try := 0; ; try++ {
		if try > 0 {
			c.desk.metrics.resent.Inc()
		}
		fate, err := c.attempt(ctx, b)
		switch {
		case err == nil && disowned(fate.Outcomes):
			return end{never: fault.Reasoned(fault.Denied, fate.Outcomes[0].String(), "the custodian's key was refused: %s", fate.Outcomes[0])}
		case err == nil && !voided(fate.Outcomes):
			return end{fate: fate}
		case err == nil:
			return c.lost(ctx, b, h, fault.Reasoned(fault.Refused, fate.Outcomes[0].String(), "the batch came out %s", fate.Outcomes[0]))
		case lapsed(err):
			return c.lost(ctx, b, h, err)
		case fault.Is(err, fault.Timeout):
			taken = true
		case fault.Is(err, fault.Pruned):
			return end{} // nobody can tell any more
		case !taken:
			return end{never: err}
		}
		if pause(ctx, try) != nil {
			return end{}
		}
	}
}

func (c *carrier) attempt(ctx context.Context, b *Batch) (*BatchFate, error) {
	ctx, cancel := context.WithTimeout(ctx, c.desk.cfg.AttemptMax)
	defer cancel()
	fate, err := c.desk.chain.SubmitBatch(ctx, b)
	if err == nil && len(fate.Outcomes) == 0 {
		err = fault.New(fault.Timeout, "an answer without outcomes")
	}
	return fate, err
}

// voided reports outcomes that stand for the whole batch, and say that it was not executed and its sequence not used.
func voided(os []chain.Outcome) bool {
	return os[0] == chain.Stale || os[0] == chain.Expired || os[0] == chain.FutureSequence
}

// disowned reports outcomes that stand for the whole batch, and say that its signer is nobody, or nobody any more: that never
// changes, and is no client's matter.
func disowned(os []chain.Outcome) bool {
	return os[0] == chain.UnknownKey || os[0] == chain.UnknownInstitution
}

// lapsed reports a refusal at the door that may be final: it is looked into.
func lapsed(err error) bool {
	r := fault.ReasonOf(err)
	return fault.Is(err, fault.Refused) && (r == reasonStale || r == reasonExpired)
}

// lost finds out whether a batch that is said to be stale or expired was executed before. It was not, and never will be, when the
// certified state rules it out and does not know it: a refusal at the door may come from a batch that only waits, with an older
// copy of this one still on its way.
func (c *carrier) lost(ctx context.Context, b *Batch, h chain.BatchHeader, why error) end {
	for try := 0; ; try++ {
		in, err := c.desk.chain.Institution(ctx, h.Institution, h.Channel)
		if err == nil && (in.Sequence >= h.Sequence || in.Height >= h.ValidUntil) {
			fate, err := c.desk.chain.FindBatch(ctx, b.ID, in.Height)
			switch {
			case err == nil && len(fate.Outcomes) > 0 && !voided(fate.Outcomes):
				return end{fate: fate}
			case err == nil, fault.Is(err, fault.NotFound):
				return end{never: why}
			case fault.Is(err, fault.Pruned):
				return end{}
			}
		}
		if pause(ctx, try) != nil {
			return end{}
		}
	}
}

func pause(ctx context.Context, try int) error {
	d := pauseMax
	if try < 7 {
		d = min(d, pauseMin<<try)
	}
	t := time.NewTimer(d/2 + rand.N(d/2))
	defer t.Stop()
	select {
	case <-t.C:
		return ctx.Err()
	case <-ctx.Done():
		return ctx.Err()
	}
}
