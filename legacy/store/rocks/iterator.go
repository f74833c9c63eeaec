// SPDX-License-Identifier: Apache-2.0

//go:build rocksdb

package rocks

import (
	"bytes"

	"github.com/linxGnu/grocksdb"

	"github.com/aurigraph/aurigraph/legacy/store"
)

// iterator walks a family between bounds that it compares itself.
type iterator struct {
	it         *grocksdb.Iterator
	r          store.Range
	started    bool
	done       bool
	key, value *grocksdb.Slice
}

// Iter implements store.Reader.
func (s *Store) Iter(f store.Family, r store.Range) (store.Iterator, error) {
	return s.iterate(s.reading, f, r), nil
}

func (s *Store) iterate(o *grocksdb.ReadOptions, f store.Family, r store.Range) store.Iterator {
	return &iterator{it: s.db.NewIteratorCF(o, s.handles[f]), r: r}
}

func (it *iterator) Next() bool {
	if it.done {
		return false
	}
	it.release()
	it.step()
	it.done = !it.it.Valid()
	if it.done {
		return false
	}
	it.key, it.value = it.it.Key(), it.it.Value()
	k := it.key.Data()
	it.done = (it.r.Low != nil && bytes.Compare(k, it.r.Low) < 0) || (it.r.High != nil && bytes.Compare(k, it.r.High) >= 0)
	return !it.done
}

func (it *iterator) step() {
	first := !it.started
	it.started = true
	switch {
	case first && it.r.Reverse && it.r.High != nil:
		it.seekBelow(it.r.High)
	case first && it.r.Reverse:
		it.it.SeekToLast()
	case first && it.r.Low != nil:
		it.it.Seek(it.r.Low)
	case first:
		it.it.SeekToFirst()
	case it.r.Reverse:
		it.it.Prev()
	default:
		it.it.Next()
	}
}

// seekBelow goes to the last key less than high.
func (it *iterator) seekBelow(high []byte) {
	it.it.SeekForPrev(high)
	if !it.it.Valid() {
		return
	}
	k := it.it.Key()
	defer k.Free()
	if bytes.Equal(k.Data(), high) {
		it.it.Prev()
	}
}

func (it *iterator) release() {
	if it.key != nil {
		it.key.Free()
		it.value.Free()
		it.key, it.value = nil, nil
	}
}

func (it *iterator) Key() []byte   { return it.key.Data() }
func (it *iterator) Value() []byte { return it.value.Data() }
func (it *iterator) Err() error    { return wrap(it.it.Err(), "iterate") }

func (it *iterator) Close() error {
	it.release()
	it.it.Close()
	return nil
}

// snapshot is one moment of a Store.
type snapshot struct {
	s       *Store
	at      store.Position
	moment  *grocksdb.Snapshot
	reading *grocksdb.ReadOptions
}

// Snapshot implements store.Store.
func (s *Store) Snapshot() store.Snapshot {
	// Under the writer's lock, so that position and rows are of the same moment.
	s.mu.Lock()
	defer s.mu.Unlock()
	o := grocksdb.NewDefaultReadOptions()
	moment := s.db.NewSnapshot()
	o.SetSnapshot(moment)
	return &snapshot{s, s.Head(), moment, o}
}

func (s *snapshot) Get(f store.Family, key []byte) ([]byte, error) {
	return s.s.get(s.reading, f, key)
}

func (s *snapshot) Iter(f store.Family, r store.Range) (store.Iterator, error) {
	return s.s.iterate(s.reading, f, r), nil
}

func (s *snapshot) Position() store.Position { return s.at }

func (s *snapshot) Close() {
	s.s.db.ReleaseSnapshot(s.moment)
	s.reading.Destroy()
}
