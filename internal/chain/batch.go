// SPDX-License-Identifier: Apache-2.0

package chain

import (
	"encoding/binary"

	"github.com/aurigraph/aurigraph/internal/fault"
)

// Sizes of a client batch. The header fills BLAKE3's chunk 0 exactly, so a slice of it proves the leg count.
const (
	BatchHeaderBytes = 1024
	LegBytes         = 64
	BatchLegsMax     = 8192
	BatchBytesMax    = BatchHeaderBytes + BatchLegsMax*LegBytes
	batchVersion     = 1
	batchHeaderUsed  = 48
	legArgMax        = 1<<24 - 1
)

var batchMagic = [4]byte{'A', 'U', 'B', '1'}

// BatchFlags are options of a whole batch.
type BatchFlags uint16

// FlagAtomic makes a batch all or nothing: at the first leg that fails, none of its legs moves anything.
const FlagAtomic BatchFlags = 1

// BatchHeader is what an institution says once for all legs of a batch.
type BatchHeader struct {
	Flags       BatchFlags
	Chain       ChainID
	Institution InstitutionNo
	Key         KeyNo // the institution's key that signs
	Channel     uint8 // each channel has its own increasing Sequence
	Legs        uint32
	Sequence    uint64 // strictly increasing per channel; gaps are legal and final
	ValidUntil  Height // last height at which the batch may execute
}

// LegKind says what a leg does.
type LegKind uint8

// The kinds of leg; sync batches have more (LegIssue). Arg is the upper 24 bits of a leg's fourth word.
const (
	LegTransfer LegKind = 0 // move Amount of Asset from From to To; Arg = 0, or LegKeyed
	LegHold     LegKind = 1 // reserve Amount for To; Arg = lifetime in blocks, from 1
	LegPost     LegKind = 2 // pay out the hold that Reference names; Amount 0 = all, less = rest goes back
	LegVoid     LegKind = 3 // give the hold that Reference names back
)

// Leg is one 64-byte record of a batch.
type Leg struct {
	From, To  AccountNo
	Asset     AssetNo
	Kind      LegKind
	Arg       uint32 // 24 bits
	Amount    Amount
	Reference [32]byte // free text or hash of the payer; for post and void, the hold's id; of a keyed leg, see KeyedReference
}

// Batch is a client batch over its canonical bytes: a 1 KiB header, then Legs records. The bytes are the value: they are
// received, hashed, stored and executed in place, never copied into another form.
type Batch struct{ raw []byte }

// ParseBatch checks the framing of raw (length, magic, version, zero padding, leg count) and wraps it without copying.
// Every error is Invalid. It does not look into the legs.
func ParseBatch(raw []byte) (Batch, error) {
	bad := func(format string, args ...any) (Batch, error) {
		return Batch{}, fault.Reasoned(fault.Invalid, "batch_malformed", "batch: "+format, args...)
	}
	if len(raw) < BatchHeaderBytes+LegBytes {
		return bad("%d bytes, shorter than a header and one leg", len(raw))
	}
	if len(raw) > BatchBytesMax {
		return Batch{}, fault.Reasoned(fault.Invalid, "batch_oversized", "batch: %d bytes, at most %d (%d legs)", len(raw), BatchBytesMax, BatchLegsMax)
	}
	if [4]byte(raw[:4]) != batchMagic {
		return bad("does not begin with %q", batchMagic)
	}
	if v := binary.LittleEndian.Uint16(raw[4:]); v != batchVersion {
		return bad("version %d, this node knows %d", v, batchVersion)
	}
	b := Batch{raw}
	h := b.Header()
	if h.Flags&^(FlagAtomic|FlagSync) != 0 || h.Flags == FlagAtomic|FlagSync {
		return bad("unknown flags %#x", h.Flags)
	}
	if h.Legs == 0 || len(raw) != BatchHeaderBytes+int(h.Legs)*LegBytes {
		return bad("%d legs do not fill %d bytes", h.Legs, len(raw))
	}
	used := batchHeaderUsed
	if h.Flags&FlagSync != 0 {
		used = syncHeaderUsed
		if h.Legs%SyncRecordLegs != 0 {
			return bad("%d legs are no whole number of changes", h.Legs)
		}
	}
	if raw[25] != 0 || raw[26] != 0 || raw[27] != 0 || !allZero(raw[used:BatchHeaderBytes]) {
		return bad("header padding is not zero")
	}
	return b, nil
}

// NewBatch writes h and legs into a new byte slice; h.Legs is set to len(legs). What ParseBatch would refuse, and an Arg
// over 24 bits, is Invalid.
func NewBatch(h BatchHeader, legs []Leg) (Batch, error) { return newBatch(h, SyncHead{}, legs) }

// NewSyncBatch is NewBatch for changes of the other ledger, two legs each; FlagSync is set.
func NewSyncBatch(h BatchHeader, head SyncHead, legs []Leg) (Batch, error) {
	h.Flags |= FlagSync
	return newBatch(h, head, legs)
}

func newBatch(h BatchHeader, head SyncHead, legs []Leg) (Batch, error) {
	if len(legs) == 0 || len(legs) > BatchLegsMax {
		return Batch{}, fault.New(fault.Invalid, "a batch holds 1 to %d legs, not %d", BatchLegsMax, len(legs))
	}
	raw := make([]byte, BatchHeaderBytes+len(legs)*LegBytes)
	h.Legs = uint32(len(legs))
	PutBatchHeader(raw, h)
	PutSyncHead(raw, head)
	for i, l := range legs {
		if l.Arg > legArgMax {
			return Batch{}, fault.New(fault.Invalid, "leg %d: argument %d, at most %d", i, l.Arg, legArgMax)
		}
		PutLeg(raw[BatchHeaderBytes+i*LegBytes:], l)
	}
	return ParseBatch(raw)
}

// PutBatchHeader writes h into the first BatchHeaderBytes of raw, padding included.
func PutBatchHeader(raw []byte, h BatchHeader) {
	clear(raw[:BatchHeaderBytes])
	copy(raw, batchMagic[:])
	le := binary.LittleEndian
	le.PutUint16(raw[4:], batchVersion)
	le.PutUint16(raw[6:], uint16(h.Flags))
	le.PutUint64(raw[8:], uint64(h.Chain))
	le.PutUint32(raw[16:], uint32(h.Institution))
	le.PutUint32(raw[20:], uint32(h.Key))
	raw[24] = h.Channel
	le.PutUint32(raw[28:], h.Legs)
	le.PutUint64(raw[32:], h.Sequence)
	le.PutUint64(raw[40:], uint64(h.ValidUntil))
}

// PutLeg writes l into the first LegBytes of raw. An Arg over 24 bits breaks an invariant.
func PutLeg(raw []byte, l Leg) {
	fault.Invariant(l.Arg <= legArgMax, "a leg's argument has more than 24 bits")
	_ = raw[LegBytes-1]
	le := binary.LittleEndian
	le.PutUint32(raw[0:], uint32(l.From))
	le.PutUint32(raw[4:], uint32(l.To))
	le.PutUint32(raw[8:], uint32(l.Asset))
	le.PutUint32(raw[12:], uint32(l.Kind)|l.Arg<<8)
	le.PutUint64(raw[16:], l.Amount.Lo)
	le.PutUint64(raw[24:], l.Amount.Hi)
	copy(raw[32:LegBytes], l.Reference[:])
}

// Bytes returns the canonical bytes, shared with b.
func (b Batch) Bytes() []byte { return b.raw }

// Header reads the header.
func (b Batch) Header() BatchHeader {
	le := binary.LittleEndian
	return BatchHeader{
		Flags:       BatchFlags(le.Uint16(b.raw[6:])),
		Chain:       ChainID(le.Uint64(b.raw[8:])),
		Institution: InstitutionNo(le.Uint32(b.raw[16:])),
		Key:         KeyNo(le.Uint32(b.raw[20:])),
		Channel:     b.raw[24],
		Legs:        le.Uint32(b.raw[28:]),
		Sequence:    le.Uint64(b.raw[32:]),
		ValidUntil:  Height(le.Uint64(b.raw[40:])),
	}
}

// Len is the number of legs.
func (b Batch) Len() int { return (len(b.raw) - BatchHeaderBytes) / LegBytes }

// Records returns the legs' bytes, LegBytes each.
func (b Batch) Records() []byte { return b.raw[BatchHeaderBytes:] }

// Leg reads leg i.
func (b Batch) Leg(i int) Leg { return ReadLeg(b.raw[BatchHeaderBytes+i*LegBytes:]) }

// ReadLeg reads the leg in the first LegBytes of raw. Any bytes are a leg; whether it may execute is the ledger's word.
func ReadLeg(raw []byte) Leg {
	_ = raw[LegBytes-1]
	le := binary.LittleEndian
	word := le.Uint32(raw[12:])
	return Leg{
		From:      AccountNo(le.Uint32(raw[0:])),
		To:        AccountNo(le.Uint32(raw[4:])),
		Asset:     AssetNo(le.Uint32(raw[8:])),
		Kind:      LegKind(word),
		Arg:       word >> 8,
		Amount:    Amount{le.Uint64(raw[16:]), le.Uint64(raw[24:])},
		Reference: [32]byte(raw[32:LegBytes]),
	}
}

// LegID names a leg: the first 28 bytes of its batch's id, then its place in the batch (u32, little-endian).
type LegID [32]byte

// NewLegID makes the id of leg index of batch id.
func NewLegID(id Hash, index uint32) LegID {
	var l LegID
	copy(l[:28], id[:28])
	binary.LittleEndian.PutUint32(l[28:], index)
	return l
}

// Split returns the prefix of the batch id and the leg's place in the batch.
func (l LegID) Split() (prefix [28]byte, index uint32) {
	return [28]byte(l[:28]), binary.LittleEndian.Uint32(l[28:])
}

// String returns 64 lower-case hex digits.
func (l LegID) String() string { return Hash(l).String() }

func allZero(b []byte) bool {
	for _, x := range b {
		if x != 0 {
			return false
		}
	}
	return true
}
