// SPDX-License-Identifier: Apache-2.0

package intake

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/lane"
	"github.com/aurigraph/aurigraph/internal/seglog"
)

func (w *world) submitTx(signed []byte) *TxTicket {
	w.t.Helper()
	ticket := w.in.SubmitTxs(context.Background(), [][]byte{signed})[0]
	if err := ticket.Refused(); err != nil {
		w.t.Fatal(err)
	}
	return ticket
}

// TestGoodAndBadTogether submits one of each sort in one call.
func TestGoodAndBadTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, Config{})
		defer w.run()()
		cases := []struct {
			name   string
			change func(*chain.SignedTx)
			kind   fault.Kind
			reason string // of the refusal; empty for a good one
		}{
			{"good", nil, 0, ""},
			{"wrong chain", func(tx *chain.SignedTx) { tx.Chain++ }, fault.Invalid, "wrong_chain"},
			{"expired", func(tx *chain.SignedTx) { tx.ValidUntil = testHeight }, fault.Refused, "expired"},
			{"valid too long", func(tx *chain.SignedTx) { tx.ValidUntil = 1 << 40 }, fault.Invalid, "valid_too_long"},
			{"another good one", func(tx *chain.SignedTx) { tx.Key = keyBank }, 0, ""},
			{"unknown key", func(tx *chain.SignedTx) { tx.Key = 99 }, fault.Denied, "unknown_key"},
			{"revoked key", func(tx *chain.SignedTx) { tx.Key = keyRevoked }, fault.Denied, "unknown_key"},
			{"bad signature", func(tx *chain.SignedTx) { tx.Signature = make([]byte, 64) }, fault.Denied, "bad_signature"},
			{"signature of another length", func(tx *chain.SignedTx) { tx.Signature = []byte("short") }, fault.Denied, "bad_signature"},
			{"out of range", func(tx *chain.SignedTx) { tx.Body = &chain.OpenAccounts{} }, fault.Invalid, "tx_field"},
			{"a last good one", nil, 0, ""},
		}
		var signed [][]byte
		var ids []chain.Hash
		for i, c := range cases {
			raw, id := w.tx(uint64(i+1), c.change)
			signed, ids = append(signed, raw), append(ids, id)
		}
		signed = append(signed, []byte("nonsense"), nil, make([]byte, chain.TxBytesMax+1))
		tickets := w.in.SubmitTxs(t.Context(), signed)
		for i, c := range cases {
			if c.reason == "" {
				if err := tickets[i].Refused(); err != nil || tickets[i].ID() != ids[i] {
					t.Errorf("%s: %v", c.name, err)
				}
				continue
			}
			checkReason(t, tickets[i].Refused(), c.kind, c.reason)
			if w.refused(c.reason) == 0 {
				t.Errorf("%s is not counted", c.name)
			}
		}
		for i := len(cases); i < len(signed); i++ {
			if err := tickets[i].Refused(); !fault.Is(err, fault.Invalid) {
				t.Errorf("bytes that are no transaction: %v", err)
			}
		}
		<-w.lane.added
		w.publish(chain.OK)
		item := uint32(0)
		for i, c := range cases {
			if c.reason != "" {
				continue
			}
			<-tickets[i].Done()
			if r, first, err := tickets[i].Receipt(); err != nil || !first || r.Location.Height != 7 || tickets[i].Item() != item {
				t.Errorf("%s: item %d, %v, %v", c.name, tickets[i].Item(), first, err)
			}
			item++
		}
		w.lent(0)
	})
}

// cuts are the sizes of what was cut.
func (w *world) cuts() (sizes []int) {
	w.lane.mu.Lock()
	defer w.lane.mu.Unlock()
	for _, it := range w.lane.items {
		signed, err := codec.SplitTxBatch(it.Payload.Payload())
		if err != nil || codec.Sum(it.Payload.Payload()) != it.ID || it.Kind != chain.PayloadTxs {
			w.t.Errorf("cut: %v", err)
		}
		sizes = append(sizes, len(signed))
	}
	return sizes
}

func TestCutByAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, Config{CutDelay: 10 * time.Millisecond})
		stop := w.run()
		for i := range uint64(5) {
			raw, _ := w.tx(i+1, nil)
			w.submitTx(raw)
			<-time.After(4 * time.Millisecond) // the third comes 8 ms after the first, the fourth 12 ms
		}
		<-time.After(time.Second)
		if got := w.cuts(); len(got) != 2 || got[0] != 3 || got[1] != 2 {
			t.Errorf("cuts of %v", got)
		}
		w.publish(chain.OK)
		stop()
		w.lent(0)
	})
}

func TestCutBySize(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const most = 20 << 10
		w := newWorld(t, Config{CutDelay: time.Hour, CutBytesMax: most})
		stop := w.run()
		var signed [][]byte
		total := 0
		for i := range uint64(400) {
			raw, _ := w.tx(i+1, nil)
			signed = append(signed, raw)
			total += len(raw)
		}
		w.in.SubmitTxs(t.Context(), signed)
		synctest.Wait()
		got := w.cuts()
		if n := total / (most - chain.TxBytesMax); len(got) < n-1 || len(got) > n+1 {
			t.Errorf("%d bytes were cut into %v", total, got)
		}
		<-time.After(2 * time.Hour)
		synctest.Wait()
		for _, it := range w.lane.items {
			if n := len(it.Payload.Payload()); n > most+chain.TxsPerBatchMax*4 {
				t.Errorf("a cut of %d bytes", n)
			}
		}
		sum := 0
		for _, n := range w.cuts() {
			sum += n
		}
		if sum != 400 {
			t.Errorf("%d of 400 were cut", sum)
		}
		w.publish(chain.OK)
		stop()
		w.lent(0)
	})
}

func TestCutByCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, Config{CutDelay: time.Hour, CutBytesMax: 1 << 30})
		stop := w.run()
		for i := range chain.TxsPerBatchMax + 3 {
			// Straight into the queue: signatures would take seconds.
			ticket := &TxTicket{Ticket: *newTicket(), signed: []byte{byte(i), byte(i >> 8)}}
			if err := w.in.txRoom.Acquire(t.Context(), 2); err != nil {
				t.Fatal(err)
			}
			w.in.txQueue <- ticket
		}
		<-time.After(2 * time.Hour)
		if got := w.cuts(); len(got) != 2 || got[0] != chain.TxsPerBatchMax || got[1] != 3 {
			t.Errorf("cuts of %v", got)
		}
		w.publish(chain.OK)
		stop()
		w.lent(0)
	})
}

// TestSameTransactionAlone cuts one transaction alone twice, so that both payloads have one id: both submitters get an end.
func TestSameTransactionAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, Config{})
		stop := w.run()
		raw, id := w.tx(1, nil)
		first := w.submitTx(raw)
		<-time.After(time.Second)
		second := w.submitTx(raw)
		<-time.After(time.Second)
		if got := w.cuts(); len(got) != 2 {
			t.Fatalf("cuts of %v", got)
		}
		items := w.lane.items
		w.lane.items = items[:1]
		w.publish(chain.OK)
		<-first.Done()
		r, isFirst, err := first.Receipt()
		if err != nil || !isFirst {
			t.Errorf("%v, %v", isFirst, err)
		}
		r.Location.Height = 3
		w.history.receipts[id], w.history.items[id] = r, 5
		select {
		case <-second.Done():
			t.Error("the second was settled with the first's block")
		default:
		}
		w.lane.items = items[1:]
		w.publish(chain.NonceUsed)
		<-second.Done()
		if got, isFirst, err := second.Receipt(); err != nil || isFirst || got.Location.Height != 3 || second.Item() != 5 {
			t.Errorf("%+v, %v, %v; item %d", got, isFirst, err, second.Item())
		}
		third := w.submitTx(raw)
		<-time.After(time.Second)
		delete(w.history.receipts, id)
		w.publish(chain.NonceUsed) // by another transaction
		<-third.Done()
		if got, isFirst, err := third.Receipt(); err != nil || !isFirst || got.Location.Height != 7 {
			t.Errorf("%+v, %v, %v", got, isFirst, err)
		}
		stop()
		w.lent(0)
	})
}

func TestTxQueueIsFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		raw, _ := newWorld(t, Config{}).tx(1, nil)
		w := newWorld(t, Config{AdmitWaitMax: 50 * time.Millisecond, TxQueueBytesMax: int64(3 * len(raw))})
		var signed [][]byte
		for i := range uint64(5) {
			raw, _ := w.tx(i+1, nil)
			signed = append(signed, raw)
		}
		begin := time.Now()
		tickets := w.in.SubmitTxs(t.Context(), signed) // nobody cuts
		if waited := time.Since(begin); waited != 50*time.Millisecond {
			t.Errorf("waited %s", waited)
		}
		for i, ticket := range tickets {
			if i < 3 {
				if err := ticket.Refused(); err != nil {
					t.Error(err)
				}
				continue
			}
			checkReason(t, ticket.Refused(), fault.TryLater, "transactions_full")
		}
		stop := w.run()
		<-time.After(time.Second)
		if got := w.cuts(); len(got) != 1 || got[0] != 3 {
			t.Errorf("cuts of %v", got)
		}
		w.submitTx(signed[4]) // there is room again
		<-time.After(time.Second)
		w.publish(chain.OK)
		stop()
		w.lent(0)
	})
}

// TestTxQueueIsFullInNumber fills the queue with transactions so small that their bytes do not.
func TestTxQueueIsFullInNumber(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, Config{AdmitWaitMax: 50 * time.Millisecond})
		for range txQueueLen {
			w.in.txQueue <- &TxTicket{Ticket: *newTicket()}
		}
		raw, _ := w.tx(1, nil)
		ticket := w.in.SubmitTxs(t.Context(), [][]byte{raw})[0]
		checkReason(t, ticket.Refused(), fault.TryLater, "transactions_full")
		if !w.in.txRoom.TryAcquire(w.in.cfg.TxQueueBytesMax) {
			t.Error("its bytes are still counted")
		}
	})
}

func TestCutFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, Config{})
		stop := w.run()
		w.lane.gate = func(context.Context, lane.Item) error {
			return fault.Reasoned(fault.TryLater, "no_room", "no room")
		}
		raw, _ := w.tx(1, nil)
		ticket := w.submitTx(raw)
		<-ticket.Done()
		_, _, err := ticket.Receipt()
		checkReason(t, err, fault.TryLater, "no_room")
		if w.refused("no_room") != 1 || len(w.in.waiters) != 0 {
			t.Error("not counted, or somebody waits")
		}
		w.lane.gate = nil
		w.submitTx(raw) // the cutter goes on
		<-w.lane.added
		w.publish(chain.OK)
		stop()
		w.lent(0)
	})
}

// TestStopWithTransactions ends the door with transactions at each stage: queued, being gathered, waiting for memory, on
// the lane.
func TestStopWithTransactions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, Config{})
		stop := w.run()
		onLane, _ := w.tx(1, nil)
		waits := w.submitTx(onLane)
		<-w.lane.added
		var held []*seglog.Buffer
		for w.pool.LentBytes() <= 3<<20 {
			held = append(held, w.buffer(make([]byte, 1<<19)))
		}
		for b, err := w.pool.TryGet(0); err == nil; b, err = w.pool.TryGet(0) {
			held = append(held, b)
		}
		a, _ := w.tx(2, nil)
		noMemory := w.submitTx(a)
		<-time.After(time.Second) // the cutter waits for memory
		b, _ := w.tx(3, nil)
		queued := w.submitTx(b)
		stop()
		for _, c := range []struct {
			ticket *TxTicket
			kind   fault.Kind
		}{{waits, fault.Timeout}, {noMemory, fault.Unavailable}, {queued, fault.Unavailable}} {
			<-c.ticket.Done()
			_, _, err := c.ticket.Receipt()
			checkReason(t, err, c.kind, "stopping")
		}
		late := w.in.SubmitTxs(t.Context(), [][]byte{a})[0]
		if err := late.Refused(); err != nil {
			checkReason(t, err, fault.Unavailable, "stopping")
		} else {
			<-late.Done()
		}
		if !w.in.txRoom.TryAcquire(w.in.cfg.TxQueueBytesMax) {
			t.Error("bytes of transactions are still counted")
		}
		for _, b := range held {
			b.Release()
		}
		w.publish(chain.OK)
		w.lent(0)
	})
}

// TestManyAtOnce submits from many goroutines while blocks are published and the door ends: everyone gets an end.
func TestManyAtOnce(t *testing.T) {
	w := newWorld(t, Config{CutDelay: time.Microsecond})
	stop := w.run()
	ctx, cancel := context.WithCancel(context.Background())
	var signed [][]byte
	for i := range uint64(64) {
		raw, _ := w.tx(i+1, nil)
		signed = append(signed, raw)
	}
	var submitters, publisher sync.WaitGroup
	publisher.Go(func() {
		for ctx.Err() == nil {
			select {
			case <-w.lane.added:
				w.publish([]chain.Outcome{chain.OK, chain.NonceUsed}[rand.IntN(2)])
			case <-ctx.Done():
			}
		}
	})
	ended := make(chan struct{})
	for range 8 {
		submitters.Go(func() {
			for i := range 60 {
				if i == 30 {
					select {
					case ended <- struct{}{}:
					default:
					}
				}
				tickets := w.in.SubmitTxs(context.Background(), signed[rand.IntN(32):32+rand.IntN(32)])
				for _, ticket := range tickets {
					if ticket.Refused() == nil {
						<-ticket.Done()
					}
				}
			}
		})
	}
	<-ended
	stop()
	submitters.Wait()
	cancel()
	publisher.Wait()
	w.publish(chain.OK)
	w.lent(0)
	if len(w.in.waiters) != 0 {
		t.Error("somebody still waits")
	}
}

// TestExpiredTxAgain submits transactions that are not valid any more: executed in time, never seen, and not to be told.
func TestExpiredTxAgain(t *testing.T) {
	w := newWorld(t, Config{})
	expired := func(tx *chain.SignedTx) { tx.ValidUntil = testHeight }
	executed, id := w.tx(1, expired)
	unknown, _ := w.tx(2, expired)
	w.history.receipts[id], w.history.items[id] = chain.Receipt{Location: chain.Location{Height: 3}}, 5
	tickets := w.in.SubmitTxs(t.Context(), [][]byte{executed, unknown})
	if err := tickets[0].Refused(); err != nil {
		t.Fatal(err)
	}
	<-tickets[0].Done()
	if r, first, err := tickets[0].Receipt(); err != nil || first || r.Location.Height != 3 || tickets[0].Item() != 5 {
		t.Errorf("%+v, item %d, first %v, %v", r, tickets[0].Item(), first, err)
	}
	checkReason(t, tickets[1].Refused(), fault.Refused, "expired")
	w.history.err = fault.Reasoned(fault.Pruned, "batch_pruned", "ask an archive node")
	checkReason(t, w.in.SubmitTxs(t.Context(), [][]byte{unknown})[0].Refused(), fault.Pruned, "batch_pruned")
}

// TestMembershipOfOne refuses a change of the membership where one validator orders by itself, and takes it where several do.
func TestMembershipOfOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		removal := func(tx *chain.SignedTx) {
			tx.Body = &chain.ChangeValidator{Epoch: 1, Validator: 1, Approvals: []chain.Approval{{Signature: make([]byte, chain.Ed25519SignatureBytes)}}}
		}
		for alone, reason := range map[bool]string{true: "one_validator", false: ""} {
			w := newWorld(t, Config{Alone: alone})
			stop := w.run()
			raw, _ := w.tx(1, removal)
			err := w.in.SubmitTxs(t.Context(), [][]byte{raw})[0].Refused()
			if (err == nil) != (reason == "") || err != nil && (fault.ReasonOf(err) != reason || !fault.Is(err, fault.Invalid)) {
				t.Errorf("alone %v: %v", alone, err)
			}
			stop()
		}
	})
}
