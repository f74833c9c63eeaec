// SPDX-License-Identifier: Apache-2.0

package store

import "github.com/aurigraph/aurigraph/internal/fault"

// Op is one change of a row: a put, or a delete, whose Value is nil.
type Op struct {
	Family     Family
	Delete     bool
	Key, Value []byte
}

// Batch is a list of changes that are made together. The zero value is empty. It is owned by one goroutine.
type Batch struct {
	ops    []Op
	origin []byte
	bytes  int
}

// Put sets a row. The batch keeps both slices: the caller leaves them alone from then on.
func (b *Batch) Put(f Family, key, value []byte) {
	b.add(Op{Family: f, Key: key, Value: value})
}

// Delete removes a row, or nothing if there is none.
func (b *Batch) Delete(f Family, key []byte) {
	b.add(Op{Family: f, Key: key, Delete: true})
}

func (b *Batch) add(op Op) {
	b.ops = append(b.ops, op)
	b.bytes += len(op.Key) + len(op.Value)
}

// Mark says where the changes come from, in at most OriginBytes: whoever copies them back and forth knows its own by it.
// It travels in the log with the rows and is no row itself.
func (b *Batch) Mark(origin []byte) { b.origin = origin }

// Origin returns what Mark set, nil for changes of the ledger's own clients.
func (b *Batch) Origin() []byte { return b.origin }

// Ops returns the changes in order; they are read only.
func (b *Batch) Ops() []Op { return b.ops }

// Bytes is the size of all keys and rows.
func (b *Batch) Bytes() int { return b.bytes }

// Reset empties the batch for another use.
func (b *Batch) Reset() { *b = Batch{ops: b.ops[:0]} }

// Check returns fault.Invalid for a batch that no engine takes.
func (b *Batch) Check() error {
	switch {
	case len(b.ops) == 0:
		return fault.Reasoned(fault.Invalid, "batch_empty", "a batch without rows has no position: an origin cannot stand alone")
	case b.bytes > BatchBytesMax:
		return fault.Reasoned(fault.Invalid, "batch_too_large", "a batch of %d bytes, at most %d: write it in parts", b.bytes, BatchBytesMax)
	case len(b.origin) > OriginBytes:
		return fault.Reasoned(fault.Invalid, "origin_too_long", "an origin of %d bytes, at most %d", len(b.origin), OriginBytes)
	}
	for _, op := range b.ops {
		if op.Family >= familyCount || len(op.Key) == 0 || len(op.Key) > KeyBytesMax {
			return fault.Reasoned(fault.Invalid, "key", "a key of %d bytes in family %s: 1 to %d bytes", len(op.Key), op.Family, KeyBytesMax)
		}
	}
	return nil
}
