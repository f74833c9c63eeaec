// SPDX-License-Identifier: Apache-2.0

package intake

import (
	"context"
	"sync"
	"time"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/keys"
	"github.com/aurigraph/aurigraph/internal/lane"
	"github.com/aurigraph/aurigraph/internal/obs"
	"github.com/aurigraph/aurigraph/internal/seglog"
)

// channelKey names one channel of an institution.
type channelKey struct {
	institution chain.InstitutionNo
	channel     uint8
}

// channel serialises the batches of one channel from the sequence check to the lane.
type channel struct {
	mu    sync.Mutex
	known bool
	last  uint64 // newest sequence put on the lane or executed
}

// Buffer lends memory for a payload of n bytes. At the pool's bound it waits AdmitWaitMax, then the answer is TryLater.
func (in *Intake) Buffer(ctx context.Context, n int) (*seglog.Buffer, error) {
	wait, cancel := context.WithTimeout(ctx, in.cfg.AdmitWaitMax)
	defer cancel()
	buf, err := in.Pool.Get(wait, n)
	if err == nil {
		return buf, nil
	}
	if ctx.Err() == nil && wait.Err() != nil {
		err = fault.Reasoned(fault.TryLater, "buffers_full", "the node has as much in flight as it can hold: send the batch again in a moment")
	}
	return nil, in.refuse(err)
}

// SubmitBatch admits a client batch whose bytes are the buffer's payload, or says why not. It takes over the buffer.
func (in *Intake) SubmitBatch(ctx context.Context, buf *seglog.Buffer, signature []byte) (*Ticket, error) {
	begin := time.Now()
	b, err := chain.ParseBatch(buf.Payload())
	if err != nil {
		buf.Release()
		return nil, in.refuse(err)
	}
	id, err := in.verifyBatch(b, signature)
	if err != nil {
		var t *Ticket
		if fault.ReasonOf(err) == reasonExpired {
			t, err = in.known(codec.Sum(b.Bytes()), err)
		}
		buf.Release()
		if err != nil {
			err = in.refuse(err)
		}
		return t, err
	}
	buf.Seal()
	in.Stages.Observe(obs.StageVerify, time.Since(begin))
	t, err := in.enter(ctx, b, lane.Item{Kind: chain.PayloadBatch, ID: id, Key: b.Header().Key, Signature: signature, Payload: buf})
	if err != nil {
		return nil, in.refuse(err)
	}
	in.metrics.admitted.WithLabelValues("batch").Inc()
	return t, nil
}

// verifyBatch checks everything about a batch that does not depend on other batches, and returns its id.
func (in *Intake) verifyBatch(b chain.Batch, signature []byte) (chain.Hash, error) {
	h := b.Header()
	if err := in.checkWindow(h.Chain, h.ValidUntil); err != nil {
		return chain.Hash{}, err
	}
	key, owner, err := in.Keys.verifier(h.Key)
	if err != nil {
		return chain.Hash{}, err
	}
	if owner == 0 || owner != h.Institution {
		return chain.Hash{}, fault.Reasoned(fault.Denied, "unknown_key", "key %d is not one of institution %d", h.Key, h.Institution)
	}
	id := codec.Sum(b.Bytes())
	if !key.Verify(keys.BatchMessage(h.Chain, id), signature) {
		return chain.Hash{}, fault.Reasoned(fault.Denied, "bad_signature", "the signature of batch %s does not verify with key %d", id, h.Key)
	}
	return id, nil
}

// reasonExpired marks a refusal that does not hold for what executed in time and is only submitted again.
const reasonExpired = "expired"

// checkWindow checks the chain and the validity height of a batch or transaction.
func (in *Intake) checkWindow(id chain.ChainID, validUntil chain.Height) error {
	next := in.Height() + 1
	switch {
	case id != in.Chain:
		return fault.Reasoned(fault.Invalid, "wrong_chain", "signed for chain %d, this is chain %d", id, in.Chain)
	case validUntil < next:
		return fault.Reasoned(fault.Refused, reasonExpired, "valid until height %d, the next height is %d: sign again", validUntil, next)
	case validUntil > next+chain.ValidityBlocksMax:
		return fault.Reasoned(fault.Invalid, "valid_too_long", "valid until height %d, at most %d blocks ahead of %d", validUntil, chain.ValidityBlocksMax, next)
	}
	return nil
}

// enter puts a verified batch on the lane in its channel's order, or answers for an earlier submission of it.
func (in *Intake) enter(ctx context.Context, b chain.Batch, item lane.Item) (*Ticket, error) {
	h := b.Header()
	ch := in.channel(channelKey{h.Institution, h.Channel})
	ch.mu.Lock()
	defer ch.mu.Unlock()
	if !ch.known {
		last, err := in.ChannelSequence(ctx, h.Institution, h.Channel)
		if err != nil {
			item.Payload.Release()
			return nil, err
		}
		ch.known, ch.last = true, last
	}
	if h.Sequence <= ch.last {
		item.Payload.Release()
		return in.earlier(h, item.ID, ch.last)
	}
	if h.Sequence-ch.last > chain.SequenceJumpMax {
		item.Payload.Release()
		return nil, fault.Reasoned(fault.Refused, "future_sequence", "sequence %d on channel %d is more than %d ahead of %d", h.Sequence, h.Channel, chain.SequenceJumpMax, ch.last)
	}
	t := newTicket()
	t.portable = in.legsOf(b)
	if err := in.reserve(t.portable); err != nil {
		item.Payload.Release()
		return nil, err
	}
	if err := in.await(item.ID, waiter{ticket: t}); err != nil {
		item.Payload.Release()
		return nil, in.giveBack(t, err)
	}
	if err := in.Lane.Append(ctx, item); err != nil {
		in.withdraw(item.ID)
		return nil, in.giveBack(t, err)
	}
	ch.last = h.Sequence
	return t, nil
}

// earlier answers for a batch whose sequence is not above the channel's last: it is on its way, executed, or stale.
func (in *Intake) earlier(h chain.BatchHeader, id chain.Hash, last uint64) (*Ticket, error) {
	stale := fault.Reasoned(fault.Refused, "stale", "sequence %d on channel %d was jumped over (last is %d): sign again with a higher one", h.Sequence, h.Channel, last)
	t, err := in.known(id, stale)
	switch {
	case err == nil:
		return t, nil
	case !in.tells():
		return nil, errGap()
	case fault.Is(err, fault.Pruned):
		return nil, stale // it is still valid, and no row of a batch that can be is pruned
	}
	return nil, err
}

// known answers for a batch that was submitted before: it is on its way, or executed. If it is neither, unknown is the
// error. Pruned means that nobody here can tell: to call it unknown would have it signed and paid again.
func (in *Intake) known(id chain.Hash, unknown error) (*Ticket, error) {
	if w, ok := in.waiting(id); ok && w.ticket != nil {
		in.metrics.repeated.Inc()
		return w.ticket.again(), nil
	}
	r, err := in.History.Receipt(id)
	switch {
	case err == nil:
		in.metrics.repeated.Inc()
		return settledTicket(r), nil
	case fault.Is(err, fault.NotFound):
		return nil, unknown
	}
	return nil, err
}

func (in *Intake) channel(k channelKey) *channel {
	in.channelsMu.Lock()
	defer in.channelsMu.Unlock()
	ch, ok := in.channels[k]
	if !ok {
		ch = &channel{}
		in.channels[k] = ch
	}
	return ch
}
