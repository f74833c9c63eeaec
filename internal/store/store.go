// SPDX-License-Identifier: Apache-2.0

package store

// Reader is the reading half of a Store, safe for any number of goroutines.
type Reader interface {
	// Get returns a copy of the value at key, or fault.NotFound. Bytes that fail their checksum are fault.Corrupt.
	Get(key []byte) ([]byte, error)

	// Iter returns an iterator over the keys of r as they are now; later writes are not seen. The caller closes it.
	Iter(r Range) (Iterator, error)
}

// Store is an ordered map from bytes to bytes. Keys are ordered as by bytes.Compare and are not empty.
type Store interface {
	Reader

	// Apply makes all changes of c visible at once, later changes of c over earlier ones, and keeps no reference to c.
	// With durable, it returns after they are on stable storage; without, a crash may lose this Apply and those after
	// it, but never an earlier one alone. Any error is fault.Halted: the state is unknown, the caller stops writing.
	Apply(c *Changes, durable bool) error

	// Close waits for background work and releases everything. All iterators must be closed before.
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

	// Key returns the present key. Its bytes are valid until the next call of Next or Close.
	Key() []byte

	// Value returns the present value. Its bytes are valid until the next call of Next or Close.
	Value() []byte

	// Err returns what ended the walk early, nil at the true end.
	Err() error

	// Close releases the iterator. It may be called once.
	Close() error
}

// Range is the keys k with Low <= k < High, from low to high unless Reverse. A nil Low or High is unbounded.
type Range struct {
	Low, High []byte
	Reverse   bool
}

// Prefix is the range of all keys that begin with p.
func Prefix(p []byte) Range { return Range{Low: p, High: After(p)} }

// Backward returns the same keys from high to low.
func (r Range) Backward() Range {
	r.Reverse = true
	return r
}

// After returns the least key that is greater than every key with prefix p, or nil if there is none (p is empty or all
// 0xff).
func After(p []byte) []byte {
	for i := len(p) - 1; i >= 0; i-- {
		if p[i] != 0xff {
			next := append([]byte(nil), p[:i+1]...)
			next[i]++
			return next
		}
	}
	return nil
}
