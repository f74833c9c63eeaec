// SPDX-License-Identifier: Apache-2.0

package pebblestore

import (
	"github.com/aurigraph/aurigraph/internal/store"
	"github.com/cockroachdb/pebble/v2"
)

// iterator adapts Pebble's positions to Next: its start lies before the first key.
type iterator struct {
	it      *pebble.Iterator
	reverse bool
	started bool
	done    bool
	err     error
}

// Iter implements store.Reader.
func (s *Store) Iter(r store.Range) (store.Iterator, error) {
	if r.Low != nil && r.High != nil && string(r.Low) >= string(r.High) {
		return &iterator{done: true}, nil
	}
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: r.Low, UpperBound: r.High})
	if err != nil {
		return nil, wrap(err, "iterate")
	}
	return &iterator{it: it, reverse: r.Reverse}, nil
}

func (it *iterator) Next() bool {
	if it.done {
		return false
	}
	it.done = !it.step()
	if it.done {
		it.err = wrap(it.it.Error(), "iterate")
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

func (it *iterator) Key() []byte   { return it.it.Key() }
func (it *iterator) Value() []byte { return it.it.Value() }
func (it *iterator) Err() error    { return it.err }

func (it *iterator) Close() error {
	if it.it == nil {
		return nil
	}
	// Close repeats the walk's error, which Err has told.
	if err := it.it.Close(); err != nil && it.err == nil {
		return wrap(err, "close an iterator")
	}
	return nil
}
