// SPDX-License-Identifier: Apache-2.0

package store

import "github.com/aurigraph/aurigraph/internal/fault"

// ErrNoRow says that a row is not there. It is one value: that a name or a key is new is the common case, and no failure.
var ErrNoRow = fault.New(fault.NotFound, "the store has no such row")

// Family is a column family: a key space of its own. The numbers are stable, they are part of both engines' formats.
type Family uint8

// The families. Append only.
const (
	Accounts     Family = iota // accounts and their balances
	Transactions               // transactions, and which account has a part in which
	Assets                     // assets and who holds them
	Consensus                  // a row per committed round, and rounds by block hash
	Meta                       // totals, idempotency keys, cursors
	familyCount
)

var familyNames = [familyCount]string{"accounts", "transactions", "assets", "consensus", "meta"}

// String returns the family's stable name, by which RocksDB knows it.
func (f Family) String() string {
	if f >= familyCount {
		return "unknown"
	}
	return familyNames[f]
}

// Families lists all families in order.
func Families() []Family {
	all := make([]Family, familyCount)
	for i := range all {
		all[i] = Family(i)
	}
	return all
}

// Bounds of what is written. A larger batch or key is fault.Invalid.
const (
	BatchBytesMax = 64 << 20
	KeyBytesMax   = 1 << 10
	OriginBytes   = 256 // at most
)

// LogBytesDefault bounds the change log: at the bound the oldest changes go, and a tail that still needed them stops with
// reason "gap".
const LogBytesDefault = 1 << 30

// Reader reads rows. It is safe for any number of goroutines.
type Reader interface {
	// Get returns a copy of the row at key, or fault.NotFound. Bytes that fail their checksum are fault.Corrupt.
	Get(f Family, key []byte) ([]byte, error)

	// Iter walks a range of a family as it is now; later writes are not seen. The caller closes it.
	Iter(f Family, r Range) (Iterator, error)
}

// Snapshot is a Reader of one moment.
type Snapshot interface {
	Reader

	// Position is the position of the last batch that the snapshot shows.
	Position() Position

	// Close releases the snapshot, after all its iterators.
	Close()
}

// Store is what a ledger keeps its rows in.
type Store interface {
	Reader
	ChangeLog

	// Apply makes all rows of b visible at once, later ones of a key over earlier ones, syncs them, and returns their
	// position. It keeps no reference to b. An empty or too large batch is fault.Invalid and changes nothing; any other
	// error is fault.Halted: the state is unknown, and no later Apply will do anything.
	Apply(b *Batch) (Position, error)

	// Snapshot shows the rows as they are now, until it is closed.
	Snapshot() Snapshot

	// Checkpoint writes a copy of the rows as they are now into dir, which must not exist, and returns the position of
	// the last batch in it. Opened as a store the copy is a new incarnation.
	Checkpoint(dir string) (Position, error)

	// Close releases everything. Iterators, snapshots and tails must be closed before.
	Close() error
}

// Iterator walks a range of keys. It is owned by one goroutine.
//
//	for it.Next() {
//		use(it.Key(), it.Value())
//	}
//	return errors.Join(it.Err(), it.Close())
type Iterator interface {
	// Next moves to the first or next key, and returns false at the end or at an error.
	Next() bool

	// Key returns the present key, valid until the next call of Next or Close.
	Key() []byte

	// Value returns the present row, valid until the next call of Next or Close.
	Value() []byte

	// Err returns what ended the walk early, nil at the true end.
	Err() error

	// Close releases the iterator. It may be called once.
	Close() error
}

// Range is the keys k with Low <= k < High in the order of bytes.Compare, from high to low if Reverse. A nil bound is
// none.
type Range struct {
	Low, High []byte
	Reverse   bool
}

// Prefix is the range of all keys that begin with p.
func Prefix(p []byte) Range {
	for i := len(p) - 1; i >= 0; i-- {
		if p[i] != 0xff {
			high := append([]byte(nil), p[:i+1]...)
			high[i]++
			return Range{Low: p, High: high}
		}
	}
	return Range{Low: p}
}

// Backward returns the same keys from high to low.
func (r Range) Backward() Range {
	r.Reverse = true
	return r
}
