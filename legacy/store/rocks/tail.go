// SPDX-License-Identifier: Apache-2.0

//go:build rocksdb

package rocks

import (
	"strings"

	"github.com/linxGnu/grocksdb"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/legacy/store"
)

// tail reads the write-ahead log upwards.
type tail struct {
	s       *Store
	at      store.Position        // of the last batch that was handed out
	log     *grocksdb.WalIterator // nil until there is something to read, and after it said that it is too old
	pending *store.Change         // read from the log, and not yet below the head
}

// Since implements store.ChangeLog.
func (s *Store) Since(p store.Position) (store.Tail, error) {
	if err := store.CheckSince(s.Head(), p); err != nil {
		return nil, err
	}
	t := &tail{s: s, at: p}
	if p.Sequence == s.Head().Sequence {
		return t, nil // RocksDB has no iterator for what is not yet written
	}
	// The first batch is read now, so that a gap is found here.
	if err := t.read(); err != nil {
		t.Close()
		return nil, err
	}
	return t, nil
}

// Next implements store.Tail.
func (t *tail) Next() (store.Change, bool, error) {
	if t.at.Sequence >= t.s.Head().Sequence {
		return store.Change{}, false, nil
	}
	if t.pending == nil {
		if err := t.read(); err != nil {
			return store.Change{}, false, err
		}
	}
	if t.pending == nil || t.pending.Position.Sequence > t.s.Head().Sequence {
		return store.Change{}, false, nil
	}
	c := *t.pending
	t.pending, t.at = nil, c.Position
	return c, true, nil
}

// read takes the next batch from the log, opening it anew where needed. It leaves pending nil only if the log has none yet.
func (t *tail) read() error {
	// One attempt with what is open, one with a new iterator: what Head covers is in the log by then.
	for range 2 {
		ready, err := t.advance()
		if err != nil || !ready {
			return err
		}
		if t.log.Valid() {
			return t.take()
		}
		if err := t.log.Err(); err != nil && !reopens(err) {
			return wrap(err, "read the log above %s", t.at)
		}
		t.Close()
	}
	return nil
}

// advance moves the kept iterator on, or opens one. It is false if there is nothing to open yet.
func (t *tail) advance() (ready bool, err error) {
	if t.log != nil {
		t.log.Next()
		return true, nil
	}
	it, err := t.s.db.GetUpdatesSince(t.at.Sequence + 1)
	if it != nil {
		t.log = it
	}
	switch {
	case err == nil:
		return true, nil
	case strings.Contains(err.Error(), "not yet written"):
		t.Close()
		return false, nil
	case strings.HasPrefix(err.Error(), "NotFound"), strings.Contains(err.Error(), "Gap in sequence"):
		return false, store.Gap(t.at, t.s.Head().Sequence)
	}
	return false, wrap(err, "open the log above %s", t.at)
}

// reopens reports whether RocksDB asks for a new iterator: it does when it began another log file.
func reopens(err error) bool { return strings.Contains(err.Error(), "Create a new iterator") }

// take decodes the batch under the iterator into pending.
func (t *tail) take() error {
	w, first := t.log.GetBatch()
	defer w.Destroy()
	count := uint64(w.Count())
	if first != t.at.Sequence+1 || count == 0 {
		return store.Gap(t.at, first)
	}
	c := store.Change{Position: store.Position{Incarnation: t.at.Incarnation, Sequence: first + count - 1}}
	it := w.NewIterator()
	for it.Next() {
		if err := t.s.addRecord(&c, it.Record()); err != nil {
			return err
		}
	}
	if err := it.Error(); err != nil || uint64(len(c.Ops)) != count {
		return fault.New(fault.Corrupt, "the log's batch at %d has %d rows of %d: %v", first, len(c.Ops), count, err)
	}
	t.pending = &c
	return nil
}

// addRecord copies a record, whose bytes belong to C.
func (s *Store) addRecord(c *store.Change, r *grocksdb.WriteBatchRecord) error {
	switch r.Type {
	case grocksdb.WriteBatchLogDataRecord:
		c.Origin = append([]byte(nil), r.Value...)
		return nil
	case grocksdb.WriteBatchCFValueRecord, grocksdb.WriteBatchCFDeletionRecord:
	default:
		return fault.New(fault.Corrupt, "the log has a record of type %d, which this store never writes", r.Type)
	}
	f, ok := s.families[r.CF]
	if !ok {
		return fault.New(fault.Corrupt, "the log has a row of column family %d, which is none of ours", r.CF)
	}
	op := store.Op{Family: f, Delete: r.Type == grocksdb.WriteBatchCFDeletionRecord, Key: append([]byte{}, r.Key...)}
	if !op.Delete {
		op.Value = append([]byte{}, r.Value...)
	}
	c.Ops = append(c.Ops, op)
	return nil
}

// Close implements store.Tail.
func (t *tail) Close() {
	if t.log != nil {
		t.log.Destroy()
		t.log = nil
	}
}
