// SPDX-License-Identifier: Apache-2.0

// Package memstore is a store.Store in memory, for tests and simulations: sorted, with snapshots by copy on write, and
// failing when told to.
package memstore

import (
	"bytes"
	"slices"
	"sort"
	"sync"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/store"
)

// Store is a sorted slice of pairs. A write copies the slice's headers, so that iterators keep what they saw; it is
// meant for some 10,000 keys. All methods are safe for concurrent use.
type Store struct {
	mu      sync.RWMutex
	pairs   []pair // never changed in place once published
	applies int
	failAt  int // the Apply, counted from 1, that fails; 0 for none
	broken  error
	closed  bool
}

type pair struct{ key, value []byte }

// New returns an empty store.
func New() *Store { return &Store{} }

// FailApply makes the n-th Apply from now fail, counted from 1, with nothing written, and every one after it.
func (s *Store) FailApply(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failAt = s.applies + n
}

// Applies is the number of calls of Apply, failed ones included.
func (s *Store) Applies() int {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.applies
}

// Get implements store.Reader.
func (s *Store) Get(key []byte) ([]byte, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return nil, errClosed()
	}
	i, found := search(s.pairs, key)
	if !found {
		return nil, fault.New(fault.NotFound, "the store has no key %x", key)
	}
	return bytes.Clone(s.pairs[i].value), nil
}

// Apply implements store.Store; durable makes no difference in memory.
func (s *Store) Apply(c *store.Changes, _ bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return fault.Halt(errClosed(), "apply")
	}
	s.applies++
	if s.applies == s.failAt {
		s.broken = fault.New(fault.Unavailable, "apply %d fails on purpose", s.applies)
	}
	if s.broken != nil {
		return fault.Halt(s.broken, "apply %d changes", c.Len())
	}
	pairs := slices.Clone(s.pairs)
	if err := c.Each(func(op store.Op) error {
		pairs = step(pairs, op)
		return nil
	}); err != nil {
		return fault.Halt(err, "apply %d changes", c.Len())
	}
	s.pairs = pairs
	return nil
}

func step(pairs []pair, op store.Op) []pair {
	i, found := search(pairs, op.Key)
	switch op.Kind {
	case store.OpPut:
		p := pair{bytes.Clone(op.Key), bytes.Clone(op.Value)}
		if found {
			pairs[i] = p
			return pairs
		}
		return slices.Insert(pairs, i, p)
	case store.OpDelete:
		if found {
			return slices.Delete(pairs, i, i+1)
		}
	case store.OpDeleteRange:
		if end, _ := search(pairs, op.Value); i < end {
			return slices.Delete(pairs, i, end)
		}
	}
	return pairs
}

// Iter implements store.Reader.
func (s *Store) Iter(r store.Range) (store.Iterator, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return nil, errClosed()
	}
	low, high := 0, len(s.pairs)
	if r.Low != nil {
		low, _ = search(s.pairs, r.Low)
	}
	if r.High != nil {
		high, _ = search(s.pairs, r.High)
	}
	it := &iterator{at: -1, step: 1}
	if low < high {
		it.pairs = s.pairs[low:high]
	}
	if r.Reverse {
		it.at, it.step = len(it.pairs), -1
	}
	return it, nil
}

// Close implements store.Store. Iterators made before stay readable.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	return nil
}

// Crash returns a store with the same content, healthy and open, as a process finds it after a restart.
func (s *Store) Crash() *Store {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return &Store{pairs: s.pairs}
}

type iterator struct {
	pairs    []pair
	at, step int
}

func (it *iterator) Next() bool {
	if next := it.at + it.step; next >= -1 && next <= len(it.pairs) {
		it.at = next
	}
	return it.at >= 0 && it.at < len(it.pairs)
}

func (it *iterator) Key() []byte   { return it.pairs[it.at].key }
func (it *iterator) Value() []byte { return it.pairs[it.at].value }
func (it *iterator) Err() error    { return nil }
func (it *iterator) Close() error  { return nil }

func search(pairs []pair, key []byte) (int, bool) {
	i := sort.Search(len(pairs), func(i int) bool { return bytes.Compare(pairs[i].key, key) >= 0 })
	return i, i < len(pairs) && bytes.Equal(pairs[i].key, key)
}

func errClosed() error { return fault.New(fault.Unavailable, "the store is closed") }
