// SPDX-License-Identifier: Apache-2.0

package intake

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/lane"
)

// fakePortable lets a number of legs of asset 1 in.
type fakePortable struct {
	mu      sync.Mutex
	room    uint64
	ahead   uint64
	settled map[chain.Height]uint64
}

func (p *fakePortable) Legs(b chain.Batch) uint64 { return uint64(b.Len()) }

func (p *fakePortable) Tx(tx *chain.SignedTx) uint64 {
	if b, ok := tx.Body.(*chain.Transfer); ok && b.Asset == 1 {
		return 1
	}
	return 0
}

func (p *fakePortable) Admit(legs uint64) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if legs > p.room {
		return false
	}
	p.room -= legs
	p.ahead += legs
	return true
}

func (p *fakePortable) Settled(legs uint64, height chain.Height) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ahead -= legs
	p.settled[height] += legs
}

func (p *fakePortable) check(t *testing.T, ahead, never, seventh uint64) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ahead != ahead || p.settled[0] != never || p.settled[7] != seventh {
		t.Errorf("%d ahead, settled %v; want %d, %d never and %d in block 7", p.ahead, p.settled, ahead, never, seventh)
	}
}

// TestPortable: what has to wait for V10 is told to try later; what was let in is settled once, with its block or without.
func TestPortable(t *testing.T) {
	w := newWorld(t, Config{})
	p := &fakePortable{room: 6, settled: map[chain.Height]uint64{}}
	w.in.Portable = p
	defer w.run()()
	ticket, _ := w.mustSubmit(header(11)) // two legs
	p.check(t, 2, 0, 0)
	if again, _ := w.mustSubmit(header(11)); again == nil {
		t.Error("no ticket")
	}
	p.check(t, 2, 0, 0) // a repeat is not let in again

	w.lane.gate = func(context.Context, lane.Item) error { return errors.New("full") }
	if _, _, err := w.submit(header(12)); err == nil {
		t.Error("taken")
	}
	p.check(t, 2, 2, 0)
	w.lane.gate = nil
	<-w.lane.added

	portable, _ := w.tx(1, nil)
	native, _ := w.tx(2, func(tx *chain.SignedTx) { tx.Body = &chain.Transfer{To: 2, Asset: 2, Amount: chain.Units(1)} })
	more, _ := w.tx(3, nil)
	last, _ := w.tx(4, nil)
	txs := w.in.SubmitTxs(context.Background(), [][]byte{portable, native, more, last})
	for i, tx := range txs[:3] {
		if tx.Refused() != nil {
			t.Error(i, tx.Refused())
		}
	}
	checkReason(t, txs[3].Refused(), fault.TryLater, ReasonReverseRate)
	if _, _, err := w.submit(header(12)); fault.ReasonOf(err) != ReasonReverseRate || !fault.Is(err, fault.TryLater) {
		t.Error(err)
	}
	if n := w.refused(ReasonReverseRate); n != 2 {
		t.Errorf("%d refusals counted", n)
	}
	<-w.lane.added
	w.publish(chain.OK)
	<-ticket.Done()
	<-txs[2].Done()
	p.check(t, 0, 2, 4)
	p.room = 2
	if _, _, err := w.submit(header(12)); err != nil { // what was refused may come again
		t.Error(err)
	}
}
