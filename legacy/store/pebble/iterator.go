// SPDX-License-Identifier: Apache-2.0

package pebble

import (
	engine "github.com/cockroachdb/pebble/v2"

	"github.com/aurigraph/aurigraph/legacy/store"
)

// iterator adapts Pebble's positions to Next, and takes the family's byte off the keys.
type iterator struct {
	it      *engine.Iterator
	reverse bool
	started bool
	done    bool
}

// Iter implements store.Reader.
func (s *Store) Iter(f store.Family, r store.Range) (store.Iterator, error) {
	return iterate(s.db, f, r)
}

func iterate(db engine.Reader, f store.Family, r store.Range) (store.Iterator, error) {
	o := &engine.IterOptions{LowerBound: familyKey(f, r.Low), UpperBound: []byte{byte(f) + 1}}
	if r.High != nil {
		o.UpperBound = familyKey(f, r.High)
	}
	empty := string(o.LowerBound) >= string(o.UpperBound)
	if empty {
		o.UpperBound = o.LowerBound
	}
	it, err := db.NewIter(o)
	if err != nil {
		return nil, wrap(err, "iterate over %s", f)
	}
	return &iterator{it: it, reverse: r.Reverse, done: empty}, nil
}

func (it *iterator) Next() bool {
	if !it.done {
		it.done = !it.step()
	}
	return !it.done
}

func (it *iterator) step() bool {
	first := !it.started
	it.started = true
	switch {
	case first && it.reverse:
		return it.it.Last()
	case first:
		return it.it.First()
	case it.reverse:
		return it.it.Prev()
	default:
		return it.it.Next()
	}
}

func (it *iterator) Key() []byte   { return it.it.Key()[1:] }
func (it *iterator) Value() []byte { return it.it.Value() }
func (it *iterator) Err() error    { return wrap(it.it.Error(), "iterate") }
func (it *iterator) Close() error  { return wrap(it.it.Close(), "close an iterator") }

// snapshot is one moment of a Store.
type snapshot struct {
	db *engine.Snapshot
	at store.Position
}

// Snapshot implements store.Store.
func (s *Store) Snapshot() store.Snapshot {
	// Under the writer's lock, so that position and rows are of the same moment.
	s.mu.Lock()
	defer s.mu.Unlock()
	return &snapshot{s.db.NewSnapshot(), s.Head()}
}

func (s *snapshot) Get(f store.Family, key []byte) ([]byte, error) {
	return get(s.db, familyKey(f, key))
}

func (s *snapshot) Iter(f store.Family, r store.Range) (store.Iterator, error) {
	return iterate(s.db, f, r)
}

func (s *snapshot) Position() store.Position { return s.at }

// Close can fail only if it is called twice.
func (s *snapshot) Close() { _ = s.db.Close() }
