// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/aurigraph/aurigraph/internal/store"
)

// cursor walks one table beside the keys that must be in it, in order, and reports all others.
type cursor struct {
	*audit
	it   store.Iterator
	has  bool // it stands on a key
	done bool // which was taken
}

func (a *audit) openCursor(table byte) (*cursor, error) {
	it, err := a.store.Iter(store.Prefix([]byte{table}))
	if err != nil {
		return nil, err
	}
	return &cursor{audit: a, it: it, has: it.Next()}, nil
}

// take returns the value at key, valid until the next call, and false if there is none. Keys are asked for in ascending
// order; those between are too many.
func (c *cursor) take(key []byte) ([]byte, bool) {
	if c.done {
		c.has, c.done = c.it.Next(), false
	}
	for c.has && bytes.Compare(c.it.Key(), key) < 0 {
		c.extra()
		c.has = c.it.Next()
	}
	if !c.has || !bytes.Equal(c.it.Key(), key) {
		return nil, false
	}
	c.done = true
	return c.it.Value(), true
}

// rest reports all keys that are left.
func (c *cursor) rest() {
	if c.done {
		c.has, c.done = c.it.Next(), false
	}
	for ; c.has; c.has = c.it.Next() {
		c.extra()
	}
}

func (c *cursor) extra() {
	c.problem(c.cfg.Data("blocks"), fmt.Sprintf("key %x", c.it.Key()), "the row belongs to no height of the chain")
}

func (c *cursor) close() error { return errors.Join(c.it.Err(), c.it.Close()) }
