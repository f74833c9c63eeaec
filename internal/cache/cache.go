// SPDX-License-Identifier: Apache-2.0

// Package cache keeps what never changes within a bound, so that nothing in it can be out of date and nothing has to be told.
//
//	c := cache.New[string, chain.AccountNo](1 << 16)
//	c.Put("alice", 7)
//	no, ok := c.Get("alice")
package cache

import "sync"

// Cache keeps values by name, bounded in entries: of two halves the older goes when the younger is full, so that what is used
// stays. It is safe for concurrent use.
type Cache[K comparable, T any] struct {
	max int

	mu         sync.Mutex // guards all below
	young, old map[K]T
}

// New makes a cache of at most so many entries, at least two.
func New[K comparable, T any](most int) *Cache[K, T] {
	return &Cache[K, T]{max: max(2, most), young: map[K]T{}}
}

// Get finds a value, and keeps it for longer.
func (c *Cache[K, T]) Get(name K) (v T, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if v, ok = c.young[name]; ok {
		return v, true
	}
	if v, ok = c.old[name]; ok {
		c.insert(name, v)
	}
	return v, ok
}

// Put keeps a value.
func (c *Cache[K, T]) Put(name K, v T) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.insert(name, v)
}

func (c *Cache[K, T]) insert(name K, v T) {
	if len(c.young) >= c.max/2 {
		c.old, c.young = c.young, make(map[K]T)
	}
	c.young[name] = v
}
