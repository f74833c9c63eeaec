// SPDX-License-Identifier: Apache-2.0

package envelope

import (
	"crypto/subtle"
	"encoding/binary"
	"encoding/hex"
	"sync"

	"github.com/zeebo/blake3"
	"google.golang.org/protobuf/proto"

	syncv1 "github.com/aurigraph/aurigraph/gen/aurigraph/sync/v1"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// Version is that of the envelope and of how its tag is made.
const Version = 1

// RecordBytesMax bounds a record on the wire. Larger is refused by Seal and by Open.
const RecordBytesMax = 1 << 20

// The reasons of errors; each is a word that is counted by.
const (
	ReasonMalformed        = "malformed"         // bytes that are no record, or a field out of its bounds
	ReasonOversized        = "oversized"         // more than RecordBytesMax
	ReasonUnknownVersion   = "unknown_version"   // of the envelope: upgrade the reader
	ReasonUnknownSchema    = "unknown_schema"    // of the body: upgrade the reader
	ReasonUnknownKey       = "unknown_key"       // the reader was not given the sync key that the tag is made with
	ReasonTampered         = "tampered"          // the tag does not follow from the bytes
	ReasonForeignLedger    = "foreign_ledger"    // of another ledger
	ReasonOtherOrigin      = "other_origin"      // of the other direction: it would go round in a loop
	ReasonOtherIncarnation = "other_incarnation" // of another life of the ledger
	ReasonGap              = "gap"               // a record is missing for ever
	ReasonDisorder         = "disorder"          // records are further out of order than a reader can hold
	ReasonFork             = "fork"              // two records for one place of the order
)

// Tag is a keyed BLAKE3 of a record's bytes, its predecessor's tag among them. Zero stands for none.
type Tag [32]byte

// IsZero reports whether t is none.
func (t Tag) IsZero() bool { return t == Tag{} }

// String returns 64 hex digits.
func (t Tag) String() string { return hex.EncodeToString(t[:]) }

// SecretBytesMin is the least size of what a sync key is made of.
const SecretBytesMin = 32

// keyContext separates tags from all else that the same secret may be used for.
const keyContext = "aurigraph 2026 sync record tag v1"

// Key is what tags are made with. Both sides of a direction share it, and the broker does not have it.
type Key struct {
	id      uint64
	hashers *sync.Pool // a keyed hasher is 10 KiB: they are used again
}

// NewKey derives a key from a secret of at least SecretBytesMin bytes.
func NewKey(secret []byte) (Key, error) {
	if len(secret) < SecretBytesMin {
		return Key{}, fault.New(fault.Invalid, "a sync key is made of at least %d bytes, not %d", SecretBytesMin, len(secret))
	}
	var derived [32]byte
	blake3.DeriveKey(keyContext, secret, derived[:])
	first, err := blake3.NewKeyed(derived[:])
	if err != nil {
		return Key{}, fault.Wrap(fault.Internal, err, "derive a sync key")
	}
	sum := blake3.Sum256(derived[:])
	return Key{id: binary.LittleEndian.Uint64(sum[:]), hashers: &sync.Pool{New: func() any { return first.Clone() }}}, nil
}

// ID says which key it is and nothing of the secret.
func (k *Key) ID() uint64 { return k.id }

func (k *Key) tag(version uint32, body []byte) (t Tag) {
	h := k.hashers.Get().(*blake3.Hasher)
	defer k.hashers.Put(h)
	h.Reset()
	_, _ = h.Write(binary.LittleEndian.AppendUint32(nil, version)) // a hash takes all
	_, _ = h.Write(body)
	h.Sum(t[:0])
	return t
}

// Record is one change with its place in the order of its source.
type Record struct {
	Source
	Position    Position
	Previous    Position // of the record before; for the first one where the capture began
	PreviousTag Tag      // of the record before; zero for the first of an incarnation
	// Since is the major of the batch or block before this record's: a capture that has to make this batch again asks its change
	// log from there.
	Since       uint64
	End         bool   // the last change of its batch or block
	HomeVersion uint64 // of the slot table, as the source knew it
	Change      Change

	Tag Tag // set by Seal and Open
}

// IsHeartbeat reports whether r is no change.
func (r *Record) IsHeartbeat() bool { _, ok := r.Change.(*Heartbeat); return ok }

// Seal checks r, sets its tag and returns its bytes.
func Seal(k *Key, r *Record) ([]byte, error) {
	if err := r.check(); err != nil {
		return nil, err
	}
	body, err := proto.MarshalOptions{Deterministic: true}.Marshal(toWire(r))
	if err != nil {
		return nil, malformed("a record does not encode: %v", err)
	}
	r.Tag = k.tag(Version, body)
	wire, err := proto.MarshalOptions{Deterministic: true}.Marshal(&syncv1.Envelope{Version: Version, Key: k.id, Body: body, Tag: r.Tag[:]})
	if err != nil {
		return nil, malformed("a record does not encode: %v", err)
	}
	if len(wire) > RecordBytesMax {
		return nil, fault.Reasoned(fault.Invalid, ReasonOversized, "a record of %d bytes, at most %d", len(wire), RecordBytesMax)
	}
	return wire, nil
}

// Open reads a record. Its errors have the reasons above, up to tampered; unknown_version, unknown_key and unknown_schema are
// Unavailable, because an upgrade or a key mends them.
func Open(keys []Key, wire []byte) (*Record, error) {
	if len(wire) > RecordBytesMax {
		return nil, fault.Reasoned(fault.Invalid, ReasonOversized, "a record of %d bytes, at most %d", len(wire), RecordBytesMax)
	}
	var e syncv1.Envelope
	if err := proto.Unmarshal(wire, &e); err != nil {
		return nil, malformed("these bytes are no record: %v", err)
	}
	if e.Version != Version {
		return nil, fault.Reasoned(fault.Unavailable, ReasonUnknownVersion, "a record of version %d: this program reads %d, upgrade it", e.Version, Version)
	}
	tag, err := verify(keys, &e)
	if err != nil {
		return nil, err
	}
	var b syncv1.Body
	if err := proto.Unmarshal(e.Body, &b); err != nil {
		return nil, malformed("the body of a record: %v", err)
	}
	if !schemaKnown(b.Schema) {
		return nil, fault.Reasoned(fault.Unavailable, ReasonUnknownSchema,
			"a record of schema %016x: this program writes %016x and does not know it, upgrade it", b.Schema, Schema())
	}
	r, err := fromWire(&b)
	if err != nil {
		return nil, err
	}
	if len(e.ProtoReflect().GetUnknown()) > 0 || hasUnknown(b.ProtoReflect()) {
		return nil, malformed("a record has fields that its schema does not have")
	}
	r.Tag = tag
	return r, r.check()
}

func verify(keys []Key, e *syncv1.Envelope) (Tag, error) {
	for i := range keys {
		if keys[i].id != e.Key {
			continue
		}
		tag := keys[i].tag(e.Version, e.Body)
		if subtle.ConstantTimeCompare(tag[:], e.Tag) != 1 {
			return Tag{}, fault.Reasoned(fault.Corrupt, ReasonTampered, "a record's tag does not follow from its bytes: somebody else wrote or changed it")
		}
		return tag, nil
	}
	return Tag{}, fault.Reasoned(fault.Unavailable, ReasonUnknownKey, "a record is made with sync key %016x, which this program was not given", e.Key)
}

// check returns why r is no record.
func (r *Record) check() error {
	if err := r.Source.Check(); err != nil {
		return err
	}
	if r.Change == nil {
		return malformed("a record has a change")
	}
	if r.IsHeartbeat() {
		return unless(r.Previous == r.Position, "a heart-beat's previous position is its own")
	}
	switch {
	case !r.Previous.Before(r.Position):
		return malformed("position %s does not lie above the previous, %s", r.Position, r.Previous)
	case r.Since >= r.Position.Major:
		return malformed("the batch before %s cannot have major %d", r.Position, r.Since)
	}
	if err := r.checkMaker(); err != nil {
		return err
	}
	return r.Change.check()
}

// checkMaker wants the id of a transaction to be one of the record's ledger: under another it would stand for one that the other made.
func (r *Record) checkMaker() error {
	c, executed := r.Change.(interface{ deed() *Deed })
	return unless(!executed || c.deed().ID.Legacy() == (r.Source.Origin == V10), "the id of a transaction of %s is one of the other ledger's", r.Source.Origin)
}
