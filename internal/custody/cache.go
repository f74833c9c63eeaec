// SPDX-License-Identifier: Apache-2.0

package custody

import "sync"

// cache keeps what never changes, by name, bounded in entries: of two halves the older goes when the younger is full, so that what
// is used stays. It is safe for concurrent use.
type cache[T any] struct {
	max int

	mu         sync.Mutex // guards all below
	young, old map[string]T
}

func newCache[T any](most int) *cache[T] { return &cache[T]{max: max(2, most), young: map[string]T{}} }

func (c *cache[T]) get(name string) (v T, ok bool) {
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

func (c *cache[T]) put(name string, v T) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.insert(name, v)
}

func (c *cache[T]) insert(name string, v T) {
	if len(c.young) >= c.max/2 {
		c.old, c.young = c.young, make(map[string]T, c.max/2)
	}
	c.young[name] = v
}
