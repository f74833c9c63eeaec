// SPDX-License-Identifier: Apache-2.0

//go:build rocksdb

package rocks

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/legacy/store"
	"github.com/aurigraph/aurigraph/legacy/store/storetest"
)

func open(dir string, logBytes int64) (store.Store, error) {
	s, err := Open(dir, Options{LogBytes: logBytes})
	if err != nil {
		return nil, err
	}
	return s, nil
}

func TestConformance(t *testing.T) { storetest.Run(t, open) }

// logFiles lists the write-ahead log's files, those kept beyond their flush included.
func logFiles(t *testing.T, dir string) []string {
	t.Helper()
	live, err := filepath.Glob(filepath.Join(dir, "*.log"))
	if err != nil {
		t.Fatal(err)
	}
	kept, err := filepath.Glob(filepath.Join(dir, "archive", "*.log"))
	if err != nil {
		t.Fatal(err)
	}
	return append(kept, live...)
}

// fill writes so many batches of 256 KiB.
func fill(t *testing.T, s store.Store, batches int) {
	t.Helper()
	for i := range batches {
		var b store.Batch
		b.Put(store.Family(i%len(store.Families())), []byte{byte(i)}, bytes.Repeat([]byte{byte(i)}, 256<<10))
		if _, err := s.Apply(&b); err != nil {
			t.Fatal(err)
		}
	}
}

func TestLogFilesAreSmall(t *testing.T) {
	dir := t.TempDir()
	s, err := open(dir, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	fill(t, s, 320)
	files := logFiles(t, dir)
	if len(files) < 80/16 {
		t.Errorf("80 MiB of log in %d files", len(files))
	}
	for _, path := range files {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if info.Size() > walFileBytes+1<<20 {
			t.Errorf("%s has %d bytes", path, info.Size())
		}
	}
}

// TestLostLogIsAGap removes old log files, as RocksDB does at its bound: whoever still needed them is told, others are not
// disturbed.
func TestLostLogIsAGap(t *testing.T) {
	dir := t.TempDir()
	s, err := open(dir, 0)
	if err != nil {
		t.Fatal(err)
	}
	begin := s.Head()
	fill(t, s, 160)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for _, path := range logFiles(t, dir) {
		if filepath.Base(filepath.Dir(path)) == "archive" {
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
		}
	}
	if s, err = open(dir, 0); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, sequence := range []uint64{0, 1, 5} {
		_, err := s.Since(store.Position{Incarnation: begin.Incarnation, Sequence: sequence})
		if !fault.Is(err, fault.Pruned) || fault.ReasonOf(err) != store.ReasonGap {
			t.Errorf("a tail above %d: %v", sequence, err)
		}
	}
	head := s.Head()
	storetest.Put(t, s, store.Meta, "k", "v")
	tail, err := s.Since(head)
	if err != nil {
		t.Fatal(err)
	}
	defer tail.Close()
	if c, ok, err := tail.Next(); !ok || err != nil || string(c.Ops[0].Key) != "k" {
		t.Error(c, ok, err)
	}
}

// TestMidBatchPositionIsRefused asks for a tail from inside a batch, a position that was never given out.
func TestMidBatchPositionIsRefused(t *testing.T) {
	s, err := open(t.TempDir(), 0)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var b store.Batch
	for i := range 4 {
		b.Put(store.Meta, []byte{byte(i)}, nil)
	}
	p, err := s.Apply(&b)
	if err != nil {
		t.Fatal(err)
	}
	storetest.Put(t, s, store.Meta, "k", "v")
	p.Sequence -= 2
	if _, err := s.Since(p); !fault.Is(err, fault.Pruned) {
		t.Error("a tail began in the middle of a batch:", err)
	}
}
