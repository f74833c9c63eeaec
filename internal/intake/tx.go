// SPDX-License-Identifier: Apache-2.0

package intake

import (
	"context"
	"time"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/lane"
	"github.com/aurigraph/aurigraph/internal/obs"
)

// SubmitTxs admits signed transactions, verified together. There is one ticket for each, in order; a ticket whose Refused
// is not nil was not admitted. The byte slices become the intake's.
func (in *Intake) SubmitTxs(ctx context.Context, signed [][]byte) []*TxTicket {
	begin := time.Now()
	tickets := make([]*TxTicket, len(signed))
	memory := make([]TxTicket, len(signed)) // one piece for all: a message's tickets live and end together
	for i, raw := range signed {
		tickets[i] = &memory[i]
		tickets[i].done, tickets[i].first, tickets[i].signed = make(chan struct{}), true, raw
	}
	admitted := in.verifyTxs(tickets)
	in.Stages.Observe(obs.StageVerify, time.Since(begin))
	in.queueTxs(ctx, admitted)
	for _, t := range tickets {
		if t.fault != nil {
			t.fault = in.refuse(t.fault)
		}
	}
	return tickets
}

// verifyTxs returns the tickets whose transaction is signed well and may be cut; the others have their fault.
func (in *Intake) verifyTxs(tickets []*TxTicket) []*TxTicket {
	v := in.verifiers.take()
	defer in.verifiers.put(v)
	checked := make([]*TxTicket, 0, len(tickets))
	for _, t := range tickets {
		switch t.fault = in.checkTx(t, v); {
		case t.fault == nil:
			checked = append(checked, t)
		case fault.ReasonOf(t.fault) == reasonExpired:
			in.answerExpired(t)
		}
	}
	good := checked[:0]
	for i, valid := range v.batch.Verify() {
		t := checked[i]
		if !valid {
			t.fault = fault.Reasoned(fault.Denied, "bad_signature", "the signature of transaction %s does not verify", t.id)
			continue
		}
		good = append(good, t)
	}
	return good
}

// checkTx checks a transaction alone and adds its signature to those to verify.
func (in *Intake) checkTx(t *TxTicket, v *txVerifier) error {
	tx, id, err := codec.DecodeSignedTx(t.signed)
	if err != nil {
		return err
	}
	t.id = id
	if err := tx.Validate(); err != nil {
		return err
	}
	if err := in.checkWindow(tx.Chain, tx.ValidUntil); err != nil {
		return err
	}
	if in.cfg.Alone && tx.Body.Kind() == chain.TxChangeValidator {
		return fault.Reasoned(fault.Invalid, "one_validator", "a network of one validator cannot change its membership: begin one of four, and move the accounts there")
	}
	key, _, err := in.Keys.verifier(tx.Key)
	if err != nil {
		return err
	}
	v.add(key, tx.Chain, id, tx.Signature)
	t.portable = in.txLegs(tx)
	return nil
}

// answerExpired gives a transaction that executed before it expired its first receipt; one that did not stays refused.
func (in *Intake) answerExpired(t *TxTicket) {
	r, item, err := in.History.TxReceipt(t.id)
	switch {
	case err == nil:
		in.metrics.repeated.Inc()
		t.fault, t.item = nil, item
		t.settle(&r, false, nil)
	case !fault.Is(err, fault.NotFound):
		t.fault = err
	}
}

// queueTxs hands verified transactions to the cutter. The queue is bounded in bytes and in number: at either bound a
// transaction waits, all of a call AdmitWaitMax together, then it is told to try later.
func (in *Intake) queueTxs(ctx context.Context, txs []*TxTicket) {
	wait, cancel := context.WithTimeout(ctx, in.cfg.AdmitWaitMax)
	defer cancel()
	for _, t := range txs {
		n := int64(len(t.signed))
		if t.fault = in.reserve(t.portable); t.fault != nil {
			continue
		}
		if err := in.txRoom.Acquire(wait, n); err != nil {
			t.fault = in.giveBack(&t.Ticket, errTxsFull())
			continue
		}
		select {
		case in.txQueue <- t:
			in.metrics.admitted.WithLabelValues("transaction").Inc()
		case <-in.stopped:
			in.txRoom.Release(n)
			t.fault = in.giveBack(&t.Ticket, errStopping())
		case <-wait.Done():
			in.txRoom.Release(n)
			t.fault = in.giveBack(&t.Ticket, errTxsFull())
		}
	}
	select {
	case <-in.stopped: // the cutter may have ended between our looking and our queueing
		in.abandonQueue()
	default:
	}
}

func errTxsFull() error {
	return fault.Reasoned(fault.TryLater, "transactions_full", "too many transactions wait to be cut: send it again in a moment")
}

// runCutter cuts queued transactions into lane batches: when one is full, or CutDelay after its first.
func (in *Intake) runCutter(ctx context.Context) error {
	for {
		select {
		case t := <-in.txQueue:
			in.cut(ctx, in.collect(ctx, t))
		case <-ctx.Done():
			return nil
		}
	}
}

// collect gathers transactions for one batch, beginning with first.
func (in *Intake) collect(ctx context.Context, first *TxTicket) []*TxTicket {
	txs, total := []*TxTicket{first}, len(first.signed)
	due := time.NewTimer(in.cfg.CutDelay)
	defer due.Stop()
	for len(txs) < chain.TxsPerBatchMax && total+chain.TxBytesMax < in.cfg.CutBytesMax {
		select {
		case t := <-in.txQueue:
			txs, total = append(txs, t), total+len(t.signed)
		case <-due.C:
			return txs
		case <-ctx.Done():
			return txs
		}
	}
	return txs
}

// cut puts transactions on the lane as one batch. What fails before the lane has it is refused; the intake goes on.
func (in *Intake) cut(ctx context.Context, txs []*TxTicket) {
	signed := make([][]byte, len(txs))
	total := 0
	for i, t := range txs {
		t.item = uint32(i)
		signed[i] = t.signed
		total += len(t.signed)
	}
	defer in.txRoom.Release(int64(total))
	buf, err := in.Pool.Get(ctx, codec.TxBatchBytes(len(txs), total))
	if err != nil {
		in.refuseTxs(txs, stopped(ctx, err))
		return
	}
	codec.AppendTxBatch(buf.Payload()[:0], signed)
	id := codec.Sum(buf.Payload())
	if err := in.await(id, waiter{txs: txs}); err != nil {
		buf.Release()
		in.refuseTxs(txs, err)
		return
	}
	if err := in.Lane.Append(ctx, lane.Item{Kind: chain.PayloadTxs, ID: id, Payload: buf}); err != nil {
		in.withdraw(id)
		in.refuseTxs(txs, stopped(ctx, err))
	}
}

// stopped says that the node is stopping when that is why err came.
func stopped(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return errStopping()
	}
	return err
}

func (in *Intake) refuseTxs(txs []*TxTicket, err error) {
	for _, t := range txs {
		err = in.giveBack(&t.Ticket, in.refuse(err))
	}
	settleTxs(txs, err)
}

func settleTxs(txs []*TxTicket, err error) {
	for _, t := range txs {
		t.settle(nil, true, err)
	}
}
