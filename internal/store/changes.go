// SPDX-License-Identifier: Apache-2.0

package store

import (
	"encoding/binary"

	"github.com/aurigraph/aurigraph/internal/fault"
)

// OpKind says what one change does.
type OpKind uint8

// The kinds of change.
const (
	OpPut         OpKind = iota + 1 // Key gets Value
	OpDelete                        // Key goes, if it was there
	OpDeleteRange                   // all keys k with Key <= k < Value go
)

// Op is one change. Key and Value point into the Changes they come from. For OpDeleteRange, Value is the exclusive end.
type Op struct {
	Kind       OpKind
	Key, Value []byte
}

// opHeaderBytes is the size of the record before each key: kind u8, key length u32, value length u32, little-endian.
const opHeaderBytes = 9

// Changes is an ordered list of puts and deletes, applied as one. The zero value is empty and ready. It copies what it
// is given into one buffer that Reset keeps, so that a writer that reuses it allocates nothing once it has grown. It is
// owned by one goroutine. Its size is bounded by the caller's block; a store takes at least ChangesBytesMax.
type Changes struct {
	buf []byte
	ops int
}

// ChangesBytesMax is the size of Changes, as given by Bytes, that every store accepts in one Apply.
const ChangesBytesMax = 64 << 20

// Put sets key, which is not empty, to value.
func (c *Changes) Put(key, value []byte) {
	fault.Invariant(len(key) > 0, "a store's key is empty")
	c.add(OpPut, key, value)
}

// Delete removes key; a key that is not there is no error.
func (c *Changes) Delete(key []byte) { c.add(OpDelete, key, nil) }

// DeleteRange removes all keys k with low <= k < high, puts of this Changes included if they came before.
func (c *Changes) DeleteRange(low, high []byte) { c.add(OpDeleteRange, low, high) }

// Len is the number of changes.
func (c *Changes) Len() int { return c.ops }

// Bytes is the size of the buffer in use: all keys and values and 9 bytes a change.
func (c *Changes) Bytes() int { return len(c.buf) }

// Reset empties c and keeps its memory.
func (c *Changes) Reset() { c.buf, c.ops = c.buf[:0], 0 }

// Each calls visit for each change in order, until one returns an error, which it returns.
func (c *Changes) Each(visit func(Op) error) error {
	for rest := c.buf; len(rest) > 0; {
		var op Op
		op, rest = nextOp(rest)
		if err := visit(op); err != nil {
			return err
		}
	}
	return nil
}

func (c *Changes) add(kind OpKind, key, value []byte) {
	c.buf = append(c.buf, byte(kind))
	c.buf = binary.LittleEndian.AppendUint32(c.buf, uint32(len(key)))
	c.buf = binary.LittleEndian.AppendUint32(c.buf, uint32(len(value)))
	c.buf = append(c.buf, key...)
	c.buf = append(c.buf, value...)
	c.ops++
}

func nextOp(b []byte) (op Op, rest []byte) {
	keyEnd := opHeaderBytes + int(binary.LittleEndian.Uint32(b[1:]))
	valueEnd := keyEnd + int(binary.LittleEndian.Uint32(b[5:]))
	return Op{OpKind(b[0]), b[opHeaderBytes:keyEnd:keyEnd], b[keyEnd:valueEnd:valueEnd]}, b[valueEnd:]
}
