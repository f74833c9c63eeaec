// SPDX-License-Identifier: Apache-2.0

package intake

import (
	"context"
	"errors"
	"math/rand/v2"
	"reflect"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/keys"
	"github.com/aurigraph/aurigraph/internal/lane"
	"github.com/aurigraph/aurigraph/internal/seglog"
)

func TestBatchRefusals(t *testing.T) {
	w := newWorld(t, Config{})
	with := func(change func(*chain.BatchHeader)) func() error {
		return func() error {
			h := header(11)
			change(&h)
			_, _, err := w.submit(h)
			return err
		}
	}
	raw := func(change func([]byte) []byte) func() error {
		return func() error {
			_, err := w.in.SubmitBatch(context.Background(), w.buffer(change(w.bytes(header(11)))), []byte("any"))
			return err
		}
	}
	for _, c := range []struct {
		name   string
		submit func() error
		kind   fault.Kind
		reason string
	}{
		{"empty", raw(func([]byte) []byte { return nil }), fault.Invalid, "batch_malformed"},
		{"no magic", raw(func(b []byte) []byte { b[0] = 'X'; return b }), fault.Invalid, "batch_malformed"},
		{"cut", raw(func(b []byte) []byte { return b[:len(b)-1] }), fault.Invalid, "batch_malformed"},
		{"oversized", raw(func(b []byte) []byte { return append(b, make([]byte, chain.BatchBytesMax)...) }), fault.Invalid, "batch_oversized"},
		{"wrong chain", with(func(h *chain.BatchHeader) { h.Chain++ }), fault.Invalid, "wrong_chain"},
		{"expired", with(func(h *chain.BatchHeader) { h.ValidUntil = testHeight }), fault.Refused, "expired"},
		{"valid too long", with(func(h *chain.BatchHeader) { h.ValidUntil = testHeight + 2 + chain.ValidityBlocksMax }), fault.Invalid, "valid_too_long"},
		{"unknown key", with(func(h *chain.BatchHeader) { h.Key = 99; w.signers[99] = w.signers[keyBank] }), fault.Denied, "unknown_key"},
		{"key number 0", with(func(h *chain.BatchHeader) { h.Key = 0; w.signers[0] = w.signers[keyBank] }), fault.Denied, "unknown_key"},
		{"revoked key", with(func(h *chain.BatchHeader) { h.Key = keyRevoked }), fault.Denied, "unknown_key"},
		{"another's key", with(func(h *chain.BatchHeader) { h.Key = keyOther }), fault.Denied, "unknown_key"},
		{"an account's key", with(func(h *chain.BatchHeader) { h.Key = keyAccount; h.Institution = 0 }), fault.Denied, "unknown_key"},
		{"a broken key", with(func(h *chain.BatchHeader) { h.Key = keyBroken }), fault.Denied, "bad_key"},
		{"bad signature", raw(func(b []byte) []byte { return b }), fault.Denied, "bad_signature"},
		{"stale", with(func(h *chain.BatchHeader) { h.Sequence = 10 }), fault.Refused, "stale"},
		{"future sequence", with(func(h *chain.BatchHeader) { h.Sequence = 11 + chain.SequenceJumpMax }), fault.Refused, "future_sequence"},
	} {
		before := w.refused(c.reason)
		checkReason(t, c.submit(), c.kind, c.reason)
		if n := w.refused(c.reason) - before; n != 1 {
			t.Errorf("%s is counted %d times as %s", c.name, n, c.reason)
		}
		w.lent(0)
	}
	if len(w.lane.items) != 0 || len(w.in.waiters) != 0 {
		t.Error("a refused batch left something behind")
	}
	// At the bounds it is admitted.
	h := header(10 + chain.SequenceJumpMax)
	h.ValidUntil = testHeight + 1 + chain.ValidityBlocksMax
	w.mustSubmit(h)
	h = header(11)
	h.Channel, h.ValidUntil = 1, testHeight+1
	w.mustSubmit(h)
	w.publish(chain.OK)
	w.lent(0)
}

// TestSignatureIsOverTheWholeMessage signs the right id for another chain, and for another purpose.
func TestSignatureIsOverTheWholeMessage(t *testing.T) {
	w := newWorld(t, Config{})
	raw := w.bytes(header(11))
	id := codec.Sum(raw)
	for _, message := range [][]byte{keys.BatchMessage(testChain+1, id), keys.TxMessage(testChain, id), id[:]} {
		_, err := w.in.SubmitBatch(context.Background(), w.buffer(raw), w.sign(keyBank, message))
		checkReason(t, err, fault.Denied, "bad_signature")
	}
	w.lent(0)
}

func TestBatchReceipt(t *testing.T) {
	w := newWorld(t, Config{})
	first, id := w.mustSubmit(header(11))
	again, sameID := w.mustSubmit(header(11)) // on its way
	if sameID != id || len(w.lane.items) != 1 {
		t.Error("a batch on its way went on the lane again")
	}
	for _, ticket := range []*Ticket{first, again} {
		select {
		case <-ticket.Done():
			t.Error("settled before it is published")
		default:
		}
	}
	w.publish(chain.OK)
	<-first.Done()
	<-again.Done()
	r, isFirst, err := first.Receipt()
	if err != nil || !isFirst || r.Batch != id || r.Location.Height != 7 || string(r.Header) != "header" || string(r.Certificate) != "certificate" || string(r.Outcomes) != "outcomes 0" {
		t.Errorf("%+v, %v, %v", r, isFirst, err)
	}
	if same, isFirst, err := again.Receipt(); err != nil || isFirst || !reflect.DeepEqual(same, r) {
		t.Errorf("the second submission got %+v, first %v, %v", same, isFirst, err)
	}
	w.history.receipts[id] = r
	later, _ := w.mustSubmit(header(11)) // executed
	<-later.Done()
	if got, isFirst, err := later.Receipt(); err != nil || isFirst || got.Batch != id || len(w.lane.items) != 0 {
		t.Errorf("%+v, %v, %v", got, isFirst, err)
	}
	w.history.err = fault.New(fault.Unavailable, "no disk")
	if _, _, err := w.submit(header(11)); !fault.Is(err, fault.Unavailable) {
		t.Errorf("history's error is %v", err)
	}
	w.lent(0)
	if w.refused("unavailable") != 1 {
		t.Error("not counted")
	}
}

// TestExpiredAgain submits batches again when they are not valid any more. One that executed in time, or is on its way,
// must not be called expired: whoever signs it again pays twice.
func TestExpiredAgain(t *testing.T) {
	w := newWorld(t, Config{})
	now := testHeight
	w.in.Height = func() chain.Height { return now }
	executed, executedID := w.mustSubmit(header(11))
	w.publish(chain.OK)
	<-executed.Done()
	r, _, _ := executed.Receipt()
	w.history.receipts[executedID] = r
	w.mustSubmit(header(12))
	now = testHeight + 60
	again, _ := w.mustSubmit(header(11))
	if got, first, err := again.Receipt(); err != nil || first || !reflect.DeepEqual(got, r) {
		t.Errorf("executed in time: %+v, first %v, %v", got, first, err)
	}
	waiting, _ := w.mustSubmit(header(12))
	w.publish(chain.Expired)
	<-waiting.Done()
	if _, first, err := waiting.Receipt(); err != nil || first {
		t.Errorf("on its way: first %v, %v", first, err)
	}
	_, _, err := w.submit(header(13))
	checkReason(t, err, fault.Refused, "expired")
	w.history.err = fault.Reasoned(fault.Pruned, "batch_pruned", "ask an archive node")
	_, _, err = w.submit(header(13)) // it may be older than what this node knows
	checkReason(t, err, fault.Pruned, "batch_pruned")
	w.lent(0)
}

// TestStaleOnAPrunedNode submits a batch that was jumped over. It is valid, so the node knows that it did not execute.
func TestStaleOnAPrunedNode(t *testing.T) {
	w := newWorld(t, Config{})
	w.history.err = fault.New(fault.Pruned, "ask an archive node")
	_, _, err := w.submit(header(10))
	checkReason(t, err, fault.Refused, "stale")
}

// TestStaleAfterRestart submits a batch that executed before a restart which the door does not know of yet.
func TestStaleAfterRestart(t *testing.T) {
	w := newWorld(t, Config{})
	ticket, id := w.mustSubmit(header(11))
	w.history.receipts[id] = chain.Receipt{Batch: id, Location: chain.Location{Height: 3}}
	w.publish(chain.Stale)
	<-ticket.Done()
	if r, first, err := ticket.Receipt(); err != nil || first || r.Location.Height != 3 {
		t.Errorf("%+v, %v, %v", r, first, err)
	}
	ticket, _ = w.mustSubmit(header(12))
	w.publish(chain.Stale) // it was jumped over
	<-ticket.Done()
	if r, first, err := ticket.Receipt(); err != nil || !first || r.Location.Height != 7 {
		t.Errorf("%+v, %v, %v", r, first, err)
	}
}

func TestPublishedBeforeARestartHasNoWaiter(t *testing.T) {
	w := newWorld(t, Config{})
	w.mustSubmit(header(11))
	w.in.waiters = map[chain.Hash][]waiter{}
	w.publish(chain.OK)
	w.lent(0)
}

// TestChannelsKeepTheirOrder submits each channel's sequences from many goroutines at once.
func TestChannelsKeepTheirOrder(t *testing.T) {
	const channels, each = 5, 40
	w := newWorld(t, Config{})
	var wg sync.WaitGroup
	for channel := range uint8(channels) {
		for _, i := range rand.Perm(each) {
			wg.Go(func() {
				h := header(uint64(11 + i))
				h.Channel = channel
				if _, _, err := w.submit(h); err != nil && fault.ReasonOf(err) != "stale" {
					t.Error(err)
				}
			})
		}
	}
	wg.Wait()
	last := map[uint8]uint64{}
	for _, it := range w.lane.items {
		b, err := chain.ParseBatch(it.Payload.Payload())
		if err != nil {
			t.Fatal(err)
		}
		h := b.Header()
		if h.Sequence <= last[h.Channel] {
			t.Errorf("channel %d: %d follows %d", h.Channel, h.Sequence, last[h.Channel])
		}
		last[h.Channel] = h.Sequence
	}
	for channel := range uint8(channels) {
		if last[channel] != 10+each {
			t.Errorf("channel %d ends at %d", channel, last[channel])
		}
	}
	w.publish(chain.OK)
	w.lent(0)
}

func TestChannelSequenceFails(t *testing.T) {
	w := newWorld(t, Config{})
	w.last = func(chain.InstitutionNo, uint8) (uint64, error) {
		return 0, fault.New(fault.TryLater, "readers wait")
	}
	if _, _, err := w.submit(header(11)); !fault.Is(err, fault.TryLater) {
		t.Error(err)
	}
	w.last = func(chain.InstitutionNo, uint8) (uint64, error) { return 10, nil }
	w.mustSubmit(header(11)) // asked again
	w.publish(chain.OK)
	w.lent(0)
}

func TestLaneRefuses(t *testing.T) {
	w := newWorld(t, Config{})
	w.lane.gate = func(context.Context, lane.Item) error { return fault.New(fault.TryLater, "no room") }
	if _, _, err := w.submit(header(11)); !fault.Is(err, fault.TryLater) {
		t.Error(err)
	}
	if len(w.in.waiters) != 0 {
		t.Error("somebody waits for what is not on the lane")
	}
	w.lane.gate = nil
	w.mustSubmit(header(11)) // its sequence is not used up
	w.publish(chain.OK)
	w.lent(0)
}

func TestFullPool(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, Config{AdmitWaitMax: 200 * time.Millisecond})
		var held []*seglog.Buffer
		for range 4 {
			held = append(held, w.buffer(make([]byte, 1<<20-seglog.PageBytes)))
		}
		begin := time.Now()
		_, err := w.in.Buffer(t.Context(), 1000)
		checkReason(t, err, fault.TryLater, "buffers_full")
		if waited := time.Since(begin); waited != 200*time.Millisecond {
			t.Errorf("waited %s", waited)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if _, err := w.in.Buffer(ctx, 1000); !errors.Is(err, context.DeadlineExceeded) || fault.ReasonOf(err) == "buffers_full" {
			t.Errorf("the caller gave up first: %v", err)
		}
		go func() {
			<-time.After(100 * time.Millisecond)
			held[0].Release()
		}()
		b, err := w.in.Buffer(t.Context(), 1000) // room comes in time
		if err != nil {
			t.Fatal(err)
		}
		b.Release()
		for _, b := range held[1:] {
			b.Release()
		}
		w.lent(0)
		if _, err := w.in.Buffer(t.Context(), 1<<30); !fault.Is(err, fault.Invalid) {
			t.Error(err)
		}
	})
}

// TestStop ends the door with batches on their way, under submissions: nobody waits for ever.
func TestStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, Config{})
		stop := w.run()
		ticket, _ := w.mustSubmit(header(11))
		reached, pass := make(chan struct{}), make(chan struct{})
		w.lane.gate = func(context.Context, lane.Item) error {
			close(reached)
			<-pass
			return nil
		}
		inLane := make(chan *Ticket, 1)
		go func() {
			h := header(11)
			h.Channel = 1
			ticket, _ := w.mustSubmit(h)
			inLane <- ticket
		}()
		<-reached
		stop()
		close(pass)
		for _, ticket := range []*Ticket{ticket, <-inLane} {
			<-ticket.Done()
			_, _, err := ticket.Receipt()
			checkReason(t, err, fault.Timeout, "stopping")
		}
		w.lane.gate = nil
		_, _, err := w.submit(header(12))
		checkReason(t, err, fault.Unavailable, "stopping")
		if len(w.in.waiters) != 0 {
			t.Error("somebody still waits")
		}
		w.publish(chain.OK) // what was on the lane may be published yet
		w.lent(0)
	})
}

// TestStopWhileTheLaneRefuses lets the door end between a batch's registration and the lane's refusal.
func TestStopWhileTheLaneRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, Config{})
		stop := w.run()
		w.lane.gate = func(context.Context, lane.Item) error {
			stop()
			return fault.New(fault.Halted, "the disk is gone")
		}
		if _, _, err := w.submit(header(11)); !fault.Is(err, fault.Halted) {
			t.Error(err)
		}
		w.lent(0)
	})
}

func TestDirectoryFollowsChanges(t *testing.T) {
	w := newWorld(t, Config{})
	w.mustSubmit(header(11))
	w.in.Keys.Set(KeyRecord{No: keyBank, Public: w.signers[keyBank].Public().Bytes(), Institution: 2, Active: false})
	_, _, err := w.submit(header(12))
	checkReason(t, err, fault.Denied, "unknown_key")
	w.in.Keys.Set(KeyRecord{No: 40, Public: w.signers[keyBank].Public().Bytes(), Institution: 2, Active: true})
	h := header(12)
	h.Key = 40
	w.signers[40] = w.signers[keyBank]
	w.mustSubmit(h)
	w.publish(chain.OK)
}

func TestGauges(t *testing.T) {
	w := newWorld(t, Config{})
	w.mustSubmit(header(11))
	families, err := w.metrics.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, f := range families {
		if g := f.GetMetric()[0].GetGauge(); g != nil {
			got[f.GetName()] = g.GetValue()
		}
	}
	if got["aurigraph_intake_buffers_bytes"] != float64(w.pool.LentBytes()) || got["aurigraph_intake_waiting"] != 1 || got["aurigraph_intake_transactions_queued"] != 0 {
		t.Errorf("%v", got)
	}
	w.publish(chain.OK)
}

// TestGapIsNotStale: a node that went on from a peer's state does not know what was executed before it. Whatever comes out as
// used up may be this very batch or transaction, so it is not called refused.
func TestGapIsNotStale(t *testing.T) {
	w := newWorld(t, Config{})
	w.history.from = 2
	_, _, err := w.submit(header(10)) // below the channel's sequence
	checkReason(t, err, fault.Timeout, "history_gap")
	ticket, id := w.mustSubmit(header(11))
	w.publish(chain.Stale)
	<-ticket.Done()
	_, _, err = ticket.Receipt()
	checkReason(t, err, fault.Timeout, "history_gap")

	ticket, _ = w.mustSubmit(header(12))
	w.history.receipts[id] = chain.Receipt{Batch: id, Location: chain.Location{Height: 3}}
	w.publish(chain.OK) // what executes here is known
	<-ticket.Done()
	if _, first, err := ticket.Receipt(); err != nil || !first {
		t.Errorf("%v, %v", first, err)
	}
	tx := &TxTicket{Ticket: *newTicket(), id: chain.Hash{1}}
	w.in.settleTx(tx, &chain.Receipt{}, chain.NonceUsed)
	_, _, err = tx.Receipt()
	checkReason(t, err, fault.Timeout, "history_gap")
}
