// SPDX-License-Identifier: Apache-2.0

package intake

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"go.uber.org/goleak"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/keys"
	"github.com/aurigraph/aurigraph/internal/lane"
	"github.com/aurigraph/aurigraph/internal/obs"
	"github.com/aurigraph/aurigraph/internal/seglog"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	testChain  chain.ChainID = 9
	testHeight chain.Height  = 100
)

// The keys of the directory.
const (
	keyBank    chain.KeyNo = 1 // of institution 2
	keyOther   chain.KeyNo = 2 // of institution 3
	keyAccount chain.KeyNo = 3 // of an account
	keyRevoked chain.KeyNo = 4 // of institution 2
	keyBroken  chain.KeyNo = 5 // of institution 2; no curve point
)

// world is a door with fakes behind it.
type world struct {
	t       testing.TB
	in      *Intake
	pool    *seglog.Pool
	signers map[chain.KeyNo]keys.Signer
	lane    fakeLane
	history fakeHistory
	metrics *prometheus.Registry
	last    func(institution chain.InstitutionNo, channel uint8) (uint64, error)
}

// fakeLane keeps what it is given. A gate, if there is one, is asked first.
type fakeLane struct {
	mu    sync.Mutex
	items []lane.Item
	added chan lane.Item
	gate  func(context.Context, lane.Item) error
}

func (l *fakeLane) Append(ctx context.Context, it lane.Item) error {
	if l.gate != nil {
		if err := l.gate(ctx, it); err != nil {
			it.Payload.Release()
			return err
		}
	}
	l.mu.Lock()
	l.items = append(l.items, it)
	l.mu.Unlock()
	l.added <- it
	return nil
}

// fakeHistory is receipts by id.
type fakeHistory struct {
	mu       sync.Mutex
	receipts map[chain.Hash]chain.Receipt
	items    map[chain.Hash]uint32
	from     chain.Height // 0: all is known
	err      error
}

func (h *fakeHistory) Receipt(id chain.Hash) (chain.Receipt, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	r, ok := h.receipts[id]
	switch {
	case h.err != nil:
		return r, h.err
	case !ok:
		return r, fault.New(fault.NotFound, "no receipt of %s", id)
	}
	return r, nil
}

func (h *fakeHistory) BatchesFrom() (chain.Height, error) { return max(h.from, 1), nil }

func (h *fakeHistory) TxReceipt(id chain.Hash) (chain.Receipt, uint32, error) {
	r, err := h.Receipt(id)
	return r, h.items[id], err
}

func newWorld(t testing.TB, cfg Config) *world {
	t.Helper()
	w := &world{
		t: t, pool: seglog.NewPool(4<<20, 0), signers: map[chain.KeyNo]keys.Signer{},
		lane:    fakeLane{added: make(chan lane.Item, 10_000)},
		history: fakeHistory{receipts: map[chain.Hash]chain.Receipt{}, items: map[chain.Hash]uint32{}},
		last:    func(chain.InstitutionNo, uint8) (uint64, error) { return 10, nil },
	}
	d := NewDirectory(keys.NewCache(100, 1<<20))
	for no := keyBank; no <= keyRevoked; no++ {
		s, err := keys.FromSeed(keys.Ed25519, [keys.SeedBytes]byte{byte(no)})
		if err != nil {
			t.Fatal(err)
		}
		w.signers[no] = s
		owner := map[chain.KeyNo]chain.InstitutionNo{keyBank: 2, keyOther: 3, keyRevoked: 2}[no]
		d.Set(KeyRecord{No: no, Public: s.Public().Bytes(), Institution: owner, Active: no != keyRevoked})
	}
	w.signers[keyBroken] = w.signers[keyBank]
	d.Set(KeyRecord{No: keyBroken, Public: []byte{1, 2, 3}, Institution: 2, Active: true})
	registry := prometheus.NewRegistry()
	w.metrics = registry
	stages, err := obs.NewStageTimer(registry)
	if err != nil {
		t.Fatal(err)
	}
	w.in = New(Parts{
		Chain: testChain, Pool: w.pool, Keys: d, Lane: &w.lane, History: &w.history, Stages: stages, Metrics: registry,
		Height: func() chain.Height { return testHeight },
		ChannelSequence: func(_ context.Context, i chain.InstitutionNo, channel uint8) (uint64, error) {
			return w.last(i, channel)
		},
	}, cfg)
	return w
}

// run runs the cutter; stop ends it.
func (w *world) run() (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	end := make(chan error, 1)
	go func() { end <- w.in.Run(ctx) }()
	return func() {
		cancel()
		if err := <-end; err != nil {
			w.t.Errorf("Run: %v", err)
		}
	}
}

func header(sequence uint64) chain.BatchHeader {
	return chain.BatchHeader{Chain: testChain, Institution: 2, Key: keyBank, Sequence: sequence, ValidUntil: testHeight + 50}
}

func (w *world) bytes(h chain.BatchHeader) []byte {
	w.t.Helper()
	b, err := chain.NewBatch(h, []chain.Leg{{From: 1, To: 2, Asset: 1, Amount: chain.Units(1)}, {From: 2, To: 1, Asset: 1, Amount: chain.Units(1)}})
	if err != nil {
		w.t.Fatal(err)
	}
	return b.Bytes()
}

func (w *world) sign(key chain.KeyNo, message []byte) []byte {
	w.t.Helper()
	sig, err := w.signers[key].Sign(message)
	if err != nil {
		w.t.Fatal(err)
	}
	return sig
}

func (w *world) buffer(raw []byte) *seglog.Buffer {
	w.t.Helper()
	buf, err := w.in.Buffer(context.Background(), len(raw))
	if err != nil {
		w.t.Fatal(err)
	}
	copy(buf.Payload(), raw)
	return buf
}

// submit submits a batch under a header.
func (w *world) submit(h chain.BatchHeader) (*Ticket, chain.Hash, error) {
	w.t.Helper()
	raw := w.bytes(h)
	id := codec.Sum(raw)
	t, err := w.in.SubmitBatch(context.Background(), w.buffer(raw), w.sign(h.Key, keys.BatchMessage(h.Chain, id)))
	return t, id, err
}

func (w *world) mustSubmit(h chain.BatchHeader) (*Ticket, chain.Hash) {
	w.t.Helper()
	t, id, err := w.submit(h)
	if err != nil {
		w.t.Fatal(err)
	}
	return t, id
}

// publish publishes a block of what is on the lane, all with one outcome, and gives the buffers back.
func (w *world) publish(code chain.Outcome) {
	w.t.Helper()
	w.lane.mu.Lock()
	items := w.lane.items
	w.lane.items = nil
	w.lane.mu.Unlock()
	c := &chain.Certified{Header: &chain.ExecutedHeader{Height: 7}, HeaderBytes: []byte("header"), CertBytes: []byte("certificate")}
	var outcomes []codec.Outcomes
	for i, it := range items {
		n := 2
		if it.Kind == chain.PayloadTxs {
			signed, err := codec.SplitTxBatch(it.Payload.Payload())
			if err != nil {
				w.t.Fatal(err)
			}
			n = len(signed)
		}
		codes := make([]chain.Outcome, n)
		for j := range codes {
			codes[j] = code
		}
		outcomes = append(outcomes, codec.Outcomes{Codes: codes})
		c.Header.Batches = append(c.Header.Batches, chain.BatchResult{Batch: it.ID})
		c.Batches = append(c.Batches, chain.CertifiedBatch{Location: chain.Location{Height: 7, Index: uint32(i)}, Packed: fmt.Appendf(nil, "outcomes %d", i)})
		it.Payload.Release()
	}
	w.in.OnPublished(c, outcomes)
}

// tx makes a signed transaction.
func (w *world) tx(nonce uint64, change func(*chain.SignedTx)) ([]byte, chain.Hash) {
	w.t.Helper()
	tx := &chain.SignedTx{Tx: chain.Tx{Chain: testChain, Sender: 3, Key: keyAccount, Nonce: nonce, ValidUntil: testHeight + 50,
		Body: &chain.Transfer{To: 2, Asset: 1, Amount: chain.Units(1)}}}
	if change != nil {
		change(tx)
	}
	id := codec.TxID(&tx.Tx)
	if tx.Signature == nil {
		key := tx.Key
		if w.signers[key] == nil {
			key = keyAccount
		}
		tx.Signature = w.sign(key, keys.TxMessage(tx.Chain, id))
	}
	return codec.AppendSignedTx(nil, tx), id
}

func (w *world) lent(want int64) {
	w.t.Helper()
	if n := w.pool.LentBytes(); n != want {
		w.t.Errorf("%d bytes of buffers are lent, not %d", n, want)
	}
}

func (w *world) refused(reason string) int {
	w.t.Helper()
	var m dto.Metric
	if err := w.in.metrics.refused.WithLabelValues(reason).Write(&m); err != nil {
		w.t.Fatal(err)
	}
	return int(m.GetCounter().GetValue())
}

func checkReason(t testing.TB, err error, kind fault.Kind, reason string) {
	t.Helper()
	if !fault.Is(err, kind) || fault.ReasonOf(err) != reason {
		t.Errorf("%v (%v, %s), must be %v, %s", err, fault.KindOf(err), fault.ReasonOf(err), kind, reason)
	}
}
