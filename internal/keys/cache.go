// SPDX-License-Identifier: Apache-2.0

package keys

import (
	"container/list"
	"sync"

	"github.com/aurigraph/aurigraph/internal/fault"
)

// Default bounds of a Cache. 8,192 Ed25519 keys take 14 MiB; ML-DSA-65 keys, at 44 KiB each, meet the bytes first:
// 744 of them.
const (
	CacheEntriesMax = 8192
	CacheBytesMax   = 32 << 20
)

// Cache keeps the Verifiers of the keys used last, for many goroutines. At either bound the key not used for longest
// goes: nobody waits and nothing is refused. A caller with ever new keys pays for their schedules, and makes others pay
// again for theirs, at most NewVerifier's cost a signature; verified batches and quotas bound who that can be.
type Cache struct {
	entriesMax, bytesMax int

	mu    sync.Mutex // guards all below; held for a lookup or a swap, never while a key schedule is worked out
	byKey map[string]*list.Element
	order *list.List // of *Verifier, used last first
	bytes int
	stats CacheStats
}

// CacheStats are a Cache's counts since it was made, and its present size.
type CacheStats struct {
	Hits, Misses, Evictions uint64
	Entries, Bytes          int
}

// NewCache returns a cache bounded by a number of entries and by heap bytes, both at least one key's worth.
func NewCache(entriesMax, bytesMax int) *Cache {
	fault.Invariant(entriesMax >= 1 && bytesMax >= mldsa65VerifierBytes, "key cache of %d entries, %d bytes", entriesMax, bytesMax)
	return &Cache{entriesMax: entriesMax, bytesMax: bytesMax, byKey: map[string]*list.Element{}, order: list.New()}
}

// Get returns the Verifier of p. Errors as of NewVerifier.
func (c *Cache) Get(p Public) (*Verifier, error) {
	if v := c.lookup([]byte(p.raw)); v != nil {
		return v, nil
	}
	v, err := NewVerifier(p)
	if err != nil {
		return nil, err
	}
	return c.insert(v), nil
}

// Find is Get for a key in canonical bytes; a known key is neither parsed nor checked again, and nothing is allocated.
// Errors as of ParsePublic.
func (c *Cache) Find(key []byte) (*Verifier, error) {
	if v := c.lookup(key); v != nil {
		return v, nil
	}
	p, err := ParsePublic(key)
	if err != nil {
		return nil, err
	}
	v, err := NewVerifier(p)
	if err != nil {
		return nil, err
	}
	return c.insert(v), nil
}

// Stats returns the counts.
func (c *Cache) Stats() CacheStats {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.stats
	s.Entries, s.Bytes = len(c.byKey), c.bytes
	return s
}

func (c *Cache) lookup(key []byte) *Verifier {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.byKey[string(key)]
	if !ok {
		c.stats.Misses++
		return nil
	}
	c.stats.Hits++
	c.order.MoveToFront(e)
	return e.Value.(*Verifier)
}

// insert adds v and evicts down to the bounds. Of two callers who missed together, both get the first one's Verifier.
func (c *Cache) insert(v *Verifier) *Verifier {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, ok := c.byKey[v.public.raw]; ok {
		return e.Value.(*Verifier)
	}
	c.byKey[v.public.raw] = c.order.PushFront(v)
	c.bytes += v.heapBytes()
	for len(c.byKey) > c.entriesMax || c.bytes > c.bytesMax {
		oldest := c.order.Remove(c.order.Back()).(*Verifier)
		delete(c.byKey, oldest.public.raw)
		c.bytes -= oldest.heapBytes()
		c.stats.Evictions++
	}
	return v
}
