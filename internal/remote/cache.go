// SPDX-License-Identifier: Apache-2.0

package remote

import "sync"

// cache keeps what never changes, by name, bounded in entries: of two halves the older goes when the younger is full, so that what
// is used stays. It is safe for concurrent use.
type cache[K comparable, T any] struct {
	max int

	mu         sync.Mutex // guards all below
	young, old map[K]T
}

func newCache[K comparable, T any](most int) *cache[K, T] {
	return &cache[K, T]{max: max(2, most), young: map[K]T{}}
}

func (c *cache[K, T]) get(name K) (v T, ok bool) {
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

func (c *cache[K, T]) put(name K, v T) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.insert(name, v)
}

func (c *cache[K, T]) insert(name K, v T) {
	if len(c.young) >= c.max/2 {
		c.old, c.young = c.young, make(map[K]T)
	}
	c.young[name] = v
}
