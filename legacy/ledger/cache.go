// SPDX-License-Identifier: Apache-2.0

package ledger

import "github.com/aurigraph/aurigraph/legacy/store"

// rowsCachedMax bounds each of a cache's two halves: some 20 MB of names and balances in all.
const rowsCachedMax = 65_536

// rowCache keeps rows as the store has them: a few accounts make most payments, and reading each of their rows anew costs more than all else
// of a payment. Rows are kept in two halves; when the newer one is full it becomes the older one, which goes, but for what is
// asked for again. One that outlives a view belongs to whoever alone writes the store, and is told what was written.
type rowCache struct {
	max          int // rows in a half; 0: none is kept
	newer, older map[place][]byte
}

func newRowCache(rows int) *rowCache {
	return &rowCache{max: rows, newer: map[place][]byte{}}
}

func (c *rowCache) get(at place) ([]byte, bool) {
	if value, ok := c.newer[at]; ok {
		return value, true
	}
	value, ok := c.older[at]
	if ok {
		c.put(at, value)
	}
	return value, ok
}

func (c *rowCache) put(at place, value []byte) {
	if len(c.newer) >= c.max {
		c.newer, c.older = map[place][]byte{}, c.newer
	}
	if c.max > 0 {
		c.newer[at] = value
	}
}

// wrote takes over what the store has taken. Rows of transactions, rounds and keys are as good as never read again.
func (c *rowCache) wrote(rows []row) {
	for _, r := range rows {
		switch {
		case r.value == nil:
			delete(c.newer, r.place)
			delete(c.older, r.place)
		case r.family == store.Accounts || r.family == store.Assets || c.has(r.place):
			c.put(r.place, r.value)
		}
	}
}

func (c *rowCache) has(at place) bool {
	_, newer := c.newer[at]
	_, older := c.older[at]
	return newer || older
}
