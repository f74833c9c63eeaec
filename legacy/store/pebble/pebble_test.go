// SPDX-License-Identifier: Apache-2.0

package pebble

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"go.uber.org/goleak"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/testkit"
	"github.com/aurigraph/aurigraph/legacy/store"
	"github.com/aurigraph/aurigraph/legacy/store/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(dir string, logBytes int64) (store.Store, error) {
	s, err := Open(dir, Options{LogBytes: logBytes})
	if err != nil {
		return nil, err
	}
	return s, nil
}

func TestConformance(t *testing.T) { storetest.Run(t, open) }

// Who opens a store to read it once has all that is in it, what lies only in the log of writes too, and the tables stay as they were.
func TestOnce(t *testing.T) {
	dir := t.TempDir()
	const rows, runs = 20, 30
	for run := range runs { // each leaves a table behind
		s, err := Open(dir, Options{Once: true})
		if err != nil {
			t.Fatal(err)
		}
		for i := range rows {
			storetest.Put(t, s, store.Meta, fmt.Sprintf("k%02d", i), fmt.Sprint(run))
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	s, err := Open(dir, Options{Once: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for i := range rows {
		if v, err := s.Get(store.Meta, fmt.Appendf(nil, "k%02d", i)); err != nil || string(v) != fmt.Sprint(runs-1) {
			t.Errorf("row %d: %q, %v", i, v, err)
		}
	}
	if m := s.db.Metrics(); m.Compact.Count != 0 || m.Levels[0].TablesCount < runs-1 {
		t.Errorf("%d compactions, %d tables as they were written", m.Compact.Count, m.Levels[0].TablesCount)
	}
}

// TestOutboxIsBounded writes more than the bound: the newest stay, who needs older ones is told, and the floor and the
// count of bytes outlive a restart.
func TestOutboxIsBounded(t *testing.T) {
	const bound = 64 << 10
	dir := t.TempDir()
	s, err := Open(dir, Options{LogBytes: bound})
	if err != nil {
		t.Fatal(err)
	}
	begin := s.Head()
	for i := range 300 {
		storetest.Put(t, s, store.Meta, fmt.Sprintf("k%03d", i), string(bytes.Repeat([]byte("v"), 1000)))
		if kept := s.total - s.floor.bytes; kept > bound {
			t.Fatalf("the outbox holds %d bytes after write %d", kept, i)
		}
		if i == 200 {
			total, floor := s.total, s.floor
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			if s, err = Open(dir, Options{LogBytes: bound}); err != nil {
				t.Fatal(err)
			}
			if s.total != total || s.floor != floor {
				t.Errorf("reopened with %d and %v, closed with %d and %v", s.total, s.floor, total, floor)
			}
		}
	}
	defer s.Close()
	if _, err := s.Since(begin); !fault.Is(err, fault.Pruned) || fault.ReasonOf(err) != store.ReasonGap {
		t.Errorf("a tail from the beginning: %v", err)
	}
	p := store.Position{Incarnation: begin.Incarnation, Sequence: s.floor.sequence}
	tail, err := s.Since(p)
	if err != nil {
		t.Fatal(err)
	}
	n := uint64(0)
	for {
		_, ok, err := tail.Next()
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			break
		}
		n++
	}
	if n != 300-p.Sequence || n < 40 {
		t.Errorf("%d changes above %d", n, p.Sequence)
	}
	it, err := s.outbox(0)
	if err != nil {
		t.Fatal(err)
	}
	defer it.Close()
	rows := uint64(0)
	for ok := it.First(); ok; ok = it.Next() {
		rows++
	}
	if rows != n {
		t.Errorf("%d rows lie in the outbox, %d are above the floor", rows, n)
	}
}

func TestHaltedStoreRefuses(t *testing.T) {
	s, err := Open(t.TempDir(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	s.halt(fmt.Errorf("the disk is gone"))
	var b store.Batch
	b.Put(store.Meta, []byte("k"), nil)
	if _, err := s.Apply(&b); !fault.Is(err, fault.Halted) {
		t.Error("a halted store took a batch:", err)
	}
	if err := s.Trim(s.Head()); !fault.Is(err, fault.Halted) {
		t.Error("a halted store trims:", err)
	}
	if err := s.Close(); !fault.Is(err, fault.Halted) {
		t.Error("a halted store closes as if nothing were:", err)
	}
	if err := errors.Join(s.db.Close(), s.lock.Close()); err != nil {
		t.Error(err)
	}
}

// TestOutboxRowIsStable compares the bytes of a row with those in testdata: a restart reads what an older program wrote.
func TestOutboxRowIsStable(t *testing.T) {
	var b store.Batch
	b.Mark([]byte("v11:42"))
	b.Put(store.Accounts, []byte("alice"), bytes.Repeat([]byte("5"), 200))
	b.Put(store.Meta, []byte{0}, nil)
	b.Delete(store.Consensus, []byte{0xff})
	testkit.Golden(t, "outbox.golden", fmt.Appendf(nil, "%x\n", encodeOutbox(1<<40, &b)))
}

func FuzzDecodeOutbox(f *testing.F) {
	var b store.Batch
	b.Mark([]byte("origin"))
	b.Put(store.Accounts, []byte("key"), []byte("value"))
	b.Delete(store.Meta, []byte("key"))
	f.Add(encodeOutbox(7, &b))
	f.Add([]byte{})
	f.Add(bytes.Repeat([]byte{0xff}, 40))
	f.Fuzz(func(t *testing.T, row []byte) {
		before, c, err := decodeOutbox(row)
		if err != nil {
			if !fault.Is(err, fault.Corrupt) {
				t.Error(err)
			}
			return
		}
		var again store.Batch
		again.Mark(c.Origin)
		for _, op := range c.Ops {
			if op.Delete {
				again.Delete(op.Family, op.Key)
			} else {
				again.Put(op.Family, op.Key, op.Value)
			}
		}
		before2, c2, err := decodeOutbox(encodeOutbox(before, &again))
		if err != nil || before != before2 || fmt.Sprint(c) != fmt.Sprint(c2) {
			t.Errorf("%v %v, again %v %v: %v", before, c, before2, c2, err)
		}
	})
}
