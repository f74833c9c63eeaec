// SPDX-License-Identifier: Apache-2.0

package commit

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/history"
	"github.com/aurigraph/aurigraph/internal/store"
	"github.com/aurigraph/aurigraph/internal/store/memstore"
)

// TestPrune lets payloads go, and later their batch rows, through a restart: never those of a payload that is there, nor of
// one that went less than a window ago.
func TestPrune(t *testing.T) {
	bubble(t, func(t *testing.T) {
		const window = 30
		d := newDisks(t)
		s := setup{commit: Config{CheckpointInterval: 200 * time.Millisecond, RetainBytes: 4 * testSegmentBytes, RowsOutlivePayloads: window}}
		n := mustOpen(t, d, s)
		for i := range 300 {
			n.mustSubmit(100)
			pause(30 * time.Millisecond)
			if i == 150 {
				n.mustStop()
				n = mustOpen(t, d, s)
				if n.loop.payloadsAfter.Load() == 0 {
					t.Fatal("a node that starts forgot how far its payloads have gone")
				}
			}
			checkRows(t, n, d.store, window)
		}
		pause(time.Minute)
		for range 5 { // enough to catch up, and too little for another segment to go
			n.work()
		}
		anchors, err := n.loop.anchors()
		if from := checkRows(t, n, d.store, window); err != nil || from < 50 || from+window != anchors[0].height {
			t.Errorf("rows from height %d on are there, anchors are %v, %v", from, anchors, err)
		}
		n.mustStop()
	})
}

// checkRows looks at the batch rows of every height, and returns the first that has them.
func checkRows(t *testing.T, n *node, s store.Reader, window chain.Height) chain.Height {
	t.Helper()
	from, err := store.ReadBatchesFrom(s)
	if err != nil {
		t.Fatal(err)
	}
	anchors, err := n.loop.anchors()
	if err != nil {
		t.Fatal(err)
	}
	if from > 1 && from+window > anchors[0].height {
		t.Fatalf("rows below %d went, the oldest anchor is %d and the window %d", from, anchors[0].height, window)
	}
	for h := chain.Height(1); h <= n.loop.Height(); h++ {
		header, err := readHeader(s, h)
		if err != nil {
			t.Fatal(err)
		}
		for i, b := range header.Batches {
			_, place := store.ReadPlace(s, h, uint32(i))
			_, outcome := store.ReadOutcome(s, h, uint32(i))
			_, batch := store.ReadBatch(s, b.Batch)
			for _, err := range []error{place, outcome, batch} {
				if gone := fault.Is(err, fault.Pruned); gone != (h < from) || !gone && err != nil {
					t.Fatalf("batch %d of height %d, rows from %d: %v, %v, %v", i, h, from, place, outcome, batch)
				}
			}
		}
	}
	return from
}

// rowsOf renders the keys of the batch tables by table and height.
func rowsOf(t *testing.T, s store.Reader) string {
	t.Helper()
	var words []string
	for h := chain.Height(1); h <= 12; h++ {
		if _, err := store.ReadPlace(s, h, 0); err == nil {
			words = append(words, fmt.Sprintf("l%d", h))
		}
		if _, err := store.ReadOutcome(s, h, 0); err == nil {
			words = append(words, fmt.Sprintf("o%d", h))
		}
		if raw, err := store.ReadBatch(s, chain.Hash{byte(h)}); err == nil {
			l, _ := codec.DecodeLocation(raw)
			words = append(words, fmt.Sprintf("b%d@%d", h, l.Height))
		}
	}
	return strings.Join(words, " ")
}

func writeBlock(c *store.Changes, h chain.Height, batch chain.Hash, indexed bool) {
	header := &chain.ExecutedHeader{Chain: testChain, Height: h, Batches: []chain.BatchResult{{Batch: batch, Legs: 1}}}
	store.WriteHeader(c, h, codec.AppendHeader(nil, header))
	place := codec.AppendLocation(nil, chain.Location{Height: h, Kind: chain.PayloadBatch, Legs: 1})
	store.WritePlace(c, h, 0, place)
	store.WriteOutcome(c, h, 0, []byte("o"))
	if indexed {
		store.WriteBatch(c, batch, place)
	}
}

// TestPruneBatches prunes in bounded steps. Batch 2 was refused at height 2 and executed at height 11, batch 7 was refused.
func TestPruneBatches(t *testing.T) {
	s := memstore.New()
	apply := func(fill func(*store.Changes) error) {
		t.Helper()
		var c store.Changes
		if err := fill(&c); err != nil {
			t.Fatal(err)
		}
		if err := s.Apply(&c, true); err != nil {
			t.Fatal(err)
		}
	}
	apply(func(c *store.Changes) error {
		for h := chain.Height(1); h <= 10; h++ {
			writeBlock(c, h, chain.Hash{byte(h)}, h != 2 && h != 7)
		}
		writeBlock(c, 11, chain.Hash{2}, true)
		return nil
	})
	for _, step := range []struct {
		below chain.Height
		want  string
	}{
		{0, "l1 o1 b1@1 l2 o2 b2@11 l3 o3 b3@3 l4 o4 b4@4 l5 o5 b5@5 l6 o6 b6@6 l7 o7 l8 o8 b8@8 l9 o9 b9@9 l10 o10 b10@10 l11 o11"},
		{2, "l2 o2 b2@11 l3 o3 b3@3 l4 o4 b4@4 l5 o5 b5@5 l6 o6 b6@6 l7 o7 l8 o8 b8@8 l9 o9 b9@9 l10 o10 b10@10 l11 o11"},
		{9, "b2@11 l6 o6 b6@6 l7 o7 l8 o8 b8@8 l9 o9 b9@9 l10 o10 b10@10 l11 o11"},
		{9, "b2@11 l9 o9 b9@9 l10 o10 b10@10 l11 o11"},
		{9, "b2@11 l9 o9 b9@9 l10 o10 b10@10 l11 o11"},
		{5, "b2@11 l9 o9 b9@9 l10 o10 b10@10 l11 o11"},
		{12, ""},
	} {
		apply(func(c *store.Changes) error { return PruneBatches(s, c, step.below) })
		if got := rowsOf(t, s); got != step.want {
			t.Errorf("below %d:\n%s, must be\n%s", step.below, got, step.want)
		}
	}
}

// TestHistoryOfPruned asks for what was pruned in every way. An id that leads nowhere may be of a pruned batch.
func TestHistoryOfPruned(t *testing.T) {
	s := memstore.New()
	var c store.Changes
	for h := chain.Height(1); h <= 3; h++ {
		writeBlock(&c, h, chain.Hash{byte(h)}, true)
		store.WriteCertificate(&c, h, []byte("certificate"))
	}
	store.WriteTx(&c, chain.Hash{77}, store.TxPlace{Height: 1})
	if err := s.Apply(&c, true); err != nil {
		t.Fatal(err)
	}
	h := history.New(s, func(chain.Location) ([]byte, error) { return nil, fault.New(fault.Pruned, "no payload") })
	ask := func(batch byte, height chain.Height) map[string]error {
		_, receipt := h.Receipt(chain.Hash{batch})
		_, receiptAt := h.ReceiptAt(height, 0)
		_, _, leg := h.Leg(chain.NewLegID(chain.Hash{batch}, 0))
		return map[string]error{"receipt": receipt, "receipt by place": receiptAt, "leg": leg}
	}
	for what, err := range ask(9, 9) {
		if !fault.Is(err, fault.NotFound) {
			t.Errorf("%s that never was, with nothing pruned: %v", what, err)
		}
	}
	c.Reset()
	if err := PruneBatches(s, &c, 2); err != nil {
		t.Fatal(err)
	}
	if err := s.Apply(&c, true); err != nil {
		t.Fatal(err)
	}
	gone, kept, unknown := ask(1, 1), ask(2, 2), ask(9, 1)
	_, _, gone["transaction"] = h.TxReceipt(chain.Hash{77})
	for what, err := range gone {
		if !fault.Is(err, fault.Pruned) || !strings.Contains(err.Error(), "archive node") {
			t.Errorf("%s of a pruned batch: %v", what, err)
		}
		if unknown[what] != nil && !fault.Is(unknown[what], fault.Pruned) {
			t.Errorf("%s of an id that is not found: %v", what, unknown[what])
		}
	}
	for what, err := range kept {
		if err != nil {
			t.Errorf("%s of a batch that is kept: %v", what, err)
		}
	}
	if _, _, err := h.Header(1); err != nil {
		t.Errorf("headers stay: %v", err)
	}
}

// TestPruneDamage meets rows that cannot be read.
func TestPruneDamage(t *testing.T) {
	for name, damage := range map[string]func(*store.Changes){
		"no header":  func(c *store.Changes) { store.DeleteHeader(c, 1) },
		"bad header": func(c *store.Changes) { store.WriteHeader(c, 1, []byte("?")) },
		"bad place":  func(c *store.Changes) { store.WriteBatch(c, chain.Hash{1}, []byte("?")) },
		"bad mark":   func(c *store.Changes) { store.WriteMeta(c, "batches_from", []byte("?")) },
	} {
		s := memstore.New()
		var c store.Changes
		writeBlock(&c, 1, chain.Hash{1}, true)
		damage(&c)
		if err := s.Apply(&c, true); err != nil {
			t.Fatal(err)
		}
		if err := PruneBatches(s, &c, 2); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
