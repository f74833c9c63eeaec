// SPDX-License-Identifier: Apache-2.0

package node

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/keys"
	"github.com/aurigraph/aurigraph/internal/lane"
	"github.com/aurigraph/aurigraph/internal/server/grpcapi"
	"github.com/aurigraph/aurigraph/internal/store"
	"github.com/aurigraph/aurigraph/internal/store/pebblestore"
)

// submitBatch submits a client batch of the bank, as the edge does. Its legs are the payee's, who is custodial, and go to the
// payer.
func (r *running) submitBatch(sequence uint64, legs int) (grpcapi.Pending, error) {
	t := r.folder.t
	t.Helper()
	list := make([]chain.Leg, legs)
	for i := range list {
		list[i] = chain.Leg{From: payee, To: payer, Asset: 1, Amount: chain.Units(1)}
	}
	b, err := chain.NewBatch(chain.BatchHeader{Chain: testChain, Institution: 2, Key: 2, Sequence: sequence, ValidUntil: 90_000}, list)
	must(t, err)
	id := codec.Sum(b.Bytes())
	sig, err := signer(t, keys.Ed25519, 4).Sign(keys.BatchMessage(testChain, id))
	must(t, err)
	edge := backend{r.services.query, r.intake}
	buf, err := edge.Buffer(context.Background(), len(b.Bytes()))
	must(t, err)
	copy(buf.Payload(), b.Bytes())
	return edge.SubmitBatch(context.Background(), buf, sig)
}

// batch submits a batch and waits for its receipt.
func (r *running) batch(sequence uint64, legs int) chain.Receipt {
	t := r.folder.t
	t.Helper()
	p, err := r.submitBatch(sequence, legs)
	must(t, err)
	<-p.Done()
	receipt, _, err := p.Receipt()
	must(t, err)
	return receipt
}

// tryBatch submits a batch that may be refused.
func (r *running) tryBatch(sequence uint64, legs int) error {
	r.folder.t.Helper()
	p, err := r.submitBatch(sequence, legs)
	if err != nil {
		return err
	}
	<-p.Done()
	_, _, err = p.Receipt()
	return err
}

// Segments go when retention allows it, and the node starts from a checkpoint with what is left.
func TestRetentionAndRestart(t *testing.T) {
	f := newFolder(t)
	r := f.start()
	var receipts []chain.Receipt
	for sequence := uint64(1); sequence == 1 || r.laneLog.Segments()[0].Number == 1; sequence++ {
		if sequence > 500 {
			t.Fatal("nothing was recycled")
		}
		r.pay(1)
		receipts = append(receipts, r.batch(sequence, chain.BatchLegsMax))
	}
	paid := r.paid()
	r.halt()

	r = f.start()
	if r.state.Height == 0 || len(r.state.Skipped) != 0 || r.paid() != paid {
		t.Errorf("began at height %d, skipped %v, paid %d and before %d", r.state.Height, r.state.Skipped, r.paid(), paid)
	}
	if _, err := r.history.Payload(receipts[0].Location); !fault.Is(err, fault.Pruned) {
		t.Error("the first payload is there", err)
	}
	last := receipts[len(receipts)-1].Location
	if raw, err := r.history.Payload(last); err != nil || len(raw) == 0 {
		t.Error(err)
	}
	r.pay(1)
	r.halt()
}

func TestEdge(t *testing.T) {
	f := newFolder(t)
	r := f.start()
	edge := backend{r.services.query, r.intake}
	p := edge.SubmitTxs(t.Context(), [][]byte{f.transfer(), []byte("nonsense")})
	must(t, p[0].Refused())
	if !fault.Is(p[1].Refused(), fault.Invalid) {
		t.Error(p[1].Refused())
	}
	<-p[0].Done()
	buf, err := edge.Buffer(t.Context(), 10)
	must(t, err)
	if _, err := edge.SubmitBatch(t.Context(), buf, nil); !fault.Is(err, fault.Invalid) {
		t.Error(err)
	}
	if receipt := r.batch(7, 2); receipt.Location.Legs != 2 {
		t.Errorf("%+v", receipt)
	}
	seen, enough := 0, errors.New("enough")
	err = edge.FollowEvents(t.Context(), 1, 0, 0, func(e grpcapi.Events) error {
		if seen += len(e.Transfers); seen >= 3 {
			return enough
		}
		return nil
	})
	if !errors.Is(err, enough) || seen != 3 {
		t.Errorf("%d transfers were followed: %v", seen, err)
	}
	r.halt()
}

// A block store of another format is not opened, and none of its bytes are changed.
func TestStoreOfAnotherFormat(t *testing.T) {
	f := newFolder(t)
	f.start().halt()
	s, err := pebblestore.Open(f.cfg.Data("blocks"), pebblestore.Options{})
	must(t, err)
	var c store.Changes
	store.WriteMeta(&c, "format", []byte{99})
	must(t, s.Apply(&c, true))
	must(t, s.Close())
	f.refuses(fault.Invalid, "use the release that wrote it")
}

// What cannot be opened is named, and a node that could not be opened leaves nothing locked or running.
func TestFolderThatCannotBeOpened(t *testing.T) {
	for name, says := range map[string]string{
		"": "make the data folder", "LOCK": "lock of the data folder", "lane": "data folders", "blocks": "folder", "order": "data folders", "checkpoints": "data folders",
	} {
		t.Run("data/"+name, func(t *testing.T) {
			f := newFolder(t)
			path := f.cfg.Data(name)
			if name == "LOCK" {
				must(t, os.MkdirAll(path, 0o755))
			} else {
				must(t, os.MkdirAll(f.cfg.Dir+"/data", 0o755))
				if name == "" {
					must(t, os.Remove(path))
				}
				must(t, os.WriteFile(path, nil, 0o644))
			}
			f.refuses(fault.Unavailable, says)
			must(t, os.RemoveAll(path))
			r := f.start()
			r.halt()
		})
	}
}

// Damage in a log is Corrupt, and names the file.
func TestDamagedSegment(t *testing.T) {
	for _, log := range []string{"lane", "order"} {
		f := newFolder(t)
		r := f.start()
		r.pay(1)
		r.pay(1)
		r.pay(1)
		r.halt()
		path := f.files("data/" + log + "/seg-*.log")[0]
		damage(t, path, 4096+100) // the head of the first record, which later ones prove
		f.refuses(fault.Corrupt, path)
	}
}

func damage(t *testing.T, path string, at int64) {
	t.Helper()
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	must(t, err)
	_, err = file.WriteAt([]byte("damage"), at)
	must(t, errors.Join(err, file.Close()))
}

// Before the API opens, what was decided before the start is executed: no reader sees a height of the past.
func TestReadyAfterReplay(t *testing.T) {
	f := newFolder(t)
	f.cfg.Commit.CheckpointInterval = time.Hour
	r := f.start()
	for range 20 {
		r.pay(1)
	}
	r.halt()
	for _, path := range f.files("data/checkpoints/*") {
		must(t, os.Remove(path))
	}
	r = f.start()
	if r.paid() != 20 || r.loop.ExecutedHeight() < r.engine.ReplayedTo() {
		t.Errorf("%d of 20 payments are seen, executed %d of %d", r.paid(), r.loop.ExecutedHeight(), r.engine.ReplayedTo())
	}
	r.halt()
	if !strings.Contains(r.log.String(), "state is up to date") {
		t.Error(r.log)
	}
}

// TestReadyAfterOffered starts a node whose lane holds payments that nobody decided: once it serves, each is known.
func TestReadyAfterOffered(t *testing.T) {
	f := newFolder(t)
	r := f.open() // does not run: nothing is ordered
	var ids []chain.Hash
	for range 50 {
		signed := f.transfer()
		_, id, err := codec.DecodeSignedTx(signed)
		must(t, err)
		ids = append(ids, id)
		payload := codec.AppendTxBatch(nil, [][]byte{signed})
		buf, err := r.pool.Get(t.Context(), len(payload))
		must(t, err)
		copy(buf.Payload(), payload)
		must(t, r.lane.Append(t.Context(), lane.Item{Kind: chain.PayloadTxs, ID: codec.Sum(payload), Payload: buf}))
	}
	must(t, r.laneLog.Close()) // all of it is on disk
	must(t, r.Close())
	r = f.start()
	for i, id := range ids {
		if _, _, err := r.history.TxReceipt(id); err != nil {
			t.Fatalf("payment %d: %v", i, err)
		}
	}
	if r.paid() != uint64(len(ids)) {
		t.Errorf("%d of %d payments were made", r.paid(), len(ids))
	}
	r.halt()
}
