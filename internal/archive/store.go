// SPDX-License-Identifier: Apache-2.0

package archive

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"time"

	"github.com/aurigraph/aurigraph/internal/fault"
)

// Digest is the SHA-256 of an object or a file. Its text is hex.
type Digest [sha256.Size]byte

// String returns the digest as hex.
func (d Digest) String() string { return hex.EncodeToString(d[:]) }

// MarshalText implements encoding.TextMarshaler.
func (d Digest) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *Digest) UnmarshalText(text []byte) error {
	if len(text) != hex.EncodedLen(len(d)) {
		return fault.New(fault.Invalid, "a SHA-256 digest has %d hex digits", hex.EncodedLen(len(d)))
	}
	_, err := hex.Decode(d[:], text)
	return fault.Wrap(fault.Invalid, err, "a SHA-256 digest")
}

// Who keeps an object from being changed before its date.
const (
	ModeCompliance = "COMPLIANCE" // the store, against everybody, its owner included
	ModeFolder     = "FOLDER"     // this program alone: whoever may write the folder can change it
)

// Object is what a store has.
type Object struct {
	Key         string
	Version     string // empty where a store has one version of each
	Bytes       int64
	Digest      Digest // as the store noted it when it was written; zero: it did not
	Mode        string
	RetainUntil time.Time
}

// Store keeps objects until a date. It is safe for any number of goroutines. There is no way to remove one: after its date that is its
// owner's, by his own tools.
type Store interface {
	// Ready returns why nothing can be kept here, as Refused, Denied or Unavailable.
	Ready(ctx context.Context) error

	// Put writes an object of size bytes, whole or not at all, durably, until a date in whole seconds, and returns it as Stat does. An object of
	// that key stays as it is: either Put is refused as Conflict, or the new one is another version. Bytes that do not have
	// the digest are Conflict, and nothing is written.
	Put(ctx context.Context, key string, body io.ReaderAt, size int64, digest Digest, until time.Time) (Object, error)

	// Stat returns what the store says of an object, or NotFound. Without a version it is the first that was written: what came later, a
	// removal too, does not hide it.
	Stat(ctx context.Context, key, version string) (Object, error)

	// Get reads an object from its beginning. Not found, or a wrong version: NotFound, before any byte. The caller closes it.
	Get(ctx context.Context, key, version string) (io.ReadCloser, error)

	// List calls each for every version of the objects whose key begins with prefix, with Key, Version and Bytes alone.
	List(ctx context.Context, prefix string, each func(Object) error) error

	// Mode says who keeps the objects.
	Mode() string

	// String is the place as people write it.
	String() string
}
