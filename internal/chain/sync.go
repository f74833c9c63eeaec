// SPDX-License-Identifier: Apache-2.0

package chain

import (
	"encoding/binary"
	"math"
)

// FlagSync makes a batch changes that the other ledger, V10, has made already: each is two legs, what changed and its origin. They
// are executed in order up to the first that cannot be, with which the batch is held; see SyncHead. Only the signer of the inbox may
// sign it (OpenInbox), and it is never atomic.
const FlagSync BatchFlags = 2

// Sizes of a sync batch. Its head lies behind what every batch header has.
const (
	SyncRecordLegs = 2
	SyncRecordsMax = BatchLegsMax / SyncRecordLegs
	syncLifeAt     = batchHeaderUsed
	syncMinorAt    = batchHeaderUsed + 4
	syncMajorAt    = batchHeaderUsed + 8
	syncHomeAt     = batchHeaderUsed + 16
	syncHeaderUsed = batchHeaderUsed + 24
	sync48         = 1<<48 - 1
)

// The kinds of leg that only a sync batch has. LegTransfer is a transfer that V10 executed; with LegKeyed under its idempotency key.
const (
	LegIssue   LegKind = 4  // V10 made Amount of Asset in To's holding; From is the issuer
	LegRedeem  LegKind = 5  // V10 took Amount of Asset out of From's holding, who is the issuer
	LegRefused LegKind = 6  // V10 refused a payment for good, with its origin's outcome; Arg as of a transfer
	LegOpened  LegKind = 7  // V10 has the account whose alias tag is the Reference; it was opened here before
	LegAsset   LegKind = 8  // V10 has Asset, with From as issuer and Arg as scale; it was made here before
	LegRound   LegKind = 9  // V10's consensus round Amount; the Reference is its hash
	LegBarrier LegKind = 10 // V10 wrote barrier Amount
	LegOrigin  LegKind = 11 // the second leg of each change
	LegOpen    LegKind = 12 // open an account of V10's, see OpenLeg; while V10 is copied only
	LegChunk   LegKind = 13 // a piece of V10's history, see ChunkLeg; while V10 is copied only
	LegNoted   LegKind = 14 // V10's answer under an idempotency key, its origin's outcome; while V10 is copied only
	legSyncEnd         = LegNoted
)

// Silent reports whether a leg of a sync batch is no transfer.
func (k LegKind) Silent() bool { return k > LegRefused && k <= legSyncEnd }

// ChunkRowsMax bounds the rows of a piece of history.
const ChunkRowsMax = 65_536

// The families of a piece of history.
const (
	ChunkTransactions = 1
	ChunkRounds       = 2
)

// SyncPosition is a place in the order of V10's changes: of a written batch, and in it.
type SyncPosition struct {
	Major uint64
	Minor uint32
}

// Before reports whether p lies before q.
func (p SyncPosition) Before(q SyncPosition) bool {
	return p.Major < q.Major || p.Major == q.Major && p.Minor < q.Minor
}

// The initial copy of V10 is the beginning of the order of its changes: the inbox is opened at CopyBegin, the copy's changes have major
// 0, and its last one is a barrier without a tag at CopyEnd of the sequence that was copied. What V10 did since comes behind it.

// CopyBegin is where the inbox is opened for a copy.
func CopyBegin() SyncPosition { return SyncPosition{Minor: 1} }

// CopyEnd is where a copy of V10 as of a sequence ends.
func CopyEnd(sequence uint64) SyncPosition {
	return SyncPosition{Major: sequence, Minor: math.MaxUint32}
}

// Copying reports whether p is within a copy that has not ended.
func (p SyncPosition) Copying() bool { return p.Major == 0 && p.Minor > 0 }

// EndsCopy reports whether a change is the last one of a copy.
func EndsCopy(l *Leg, o *SyncOrigin) bool {
	return l.Kind == LegBarrier && o.Position.Major > 0 && o.Position.Minor == math.MaxUint32 && o.Tag.IsZero()
}

// OpenedAccount is an account of V10's that a copy opens in the custody of the inbox's institution.
type OpenedAccount struct {
	Number  AccountNo // that it must get
	Tag     Hash      // of its V10 name
	Address Address
	Slot    uint16
}

// Leg is a as a change.
func (a *OpenedAccount) Leg() Leg {
	le := binary.LittleEndian
	return Leg{
		Kind: LegOpen, To: a.Number, Arg: uint32(a.Slot), From: AccountNo(le.Uint32(a.Address[16:])),
		Amount: Amount{Lo: le.Uint64(a.Address[:]), Hi: le.Uint64(a.Address[8:])}, Reference: [32]byte(a.Tag),
	}
}

// Opens reads a change that opens an account; false: it is none.
func (l *Leg) Opens() (a OpenedAccount, ok bool) {
	if l.Kind != LegOpen || l.Asset != 0 || l.Arg > math.MaxUint16 {
		return a, false
	}
	le := binary.LittleEndian
	a = OpenedAccount{Number: l.To, Tag: Hash(l.Reference), Slot: uint16(l.Arg)}
	le.PutUint64(a.Address[:], l.Amount.Lo)
	le.PutUint64(a.Address[8:], l.Amount.Hi)
	le.PutUint32(a.Address[16:], uint32(l.From))
	return a, true
}

// HistoryChunk says what a piece of V10's history holds, for whoever keeps the rows.
type HistoryChunk struct {
	Family uint32 // ChunkTransactions or ChunkRounds
	Number uint64 // from 1, in V10's order
	Rows   uint64 // 1 to ChunkRowsMax
	Sum    uint64 // modulo 2^64: of the units of what was executed, or of the rounds' transactions
	Digest Hash   // of the rows
}

// Leg is c as a change.
func (c *HistoryChunk) Leg() Leg {
	return Leg{
		Kind: LegChunk, Arg: c.Family, From: AccountNo(uint32(c.Number)), To: AccountNo(uint32(c.Number >> 32)),
		Amount: Amount{Lo: c.Rows, Hi: c.Sum}, Reference: [32]byte(c.Digest),
	}
}

// Chunk reads a change that is a piece of history; false: it is none.
func (l *Leg) Chunk() (c HistoryChunk, ok bool) {
	c = HistoryChunk{Family: l.Arg, Number: uint64(l.From) | uint64(l.To)<<32, Rows: l.Amount.Lo, Sum: l.Amount.Hi, Digest: Hash(l.Reference)}
	ok = l.Kind == LegChunk && l.Asset == 0 && (c.Family == ChunkTransactions || c.Family == ChunkRounds) &&
		c.Number > 0 && c.Rows > 0 && c.Rows <= ChunkRowsMax && !c.Digest.IsZero()
	return c, ok
}

// SyncHead is what a sync batch says once for all its changes.
type SyncHead struct {
	Life        uint32       // of V10, as the inbox was opened for
	Previous    SyncPosition // what must be the newest change applied
	HomeVersion uint64       // of the home table that V10 executed the changes under
}

// SyncOrigin is where a change comes from.
type SyncOrigin struct {
	Position SyncPosition
	Outcome  Outcome // that V10 gave it
	TimeMs   uint64  // since 1970, 48 bits
	Height   uint64  // of V10, 48 bits; with TimeMs and Place it makes V10's transaction id
	Place    uint32
	Tag      Hash // of the change's record, which chains it to the one before
}

// PutSyncHead writes s behind the header that PutBatchHeader wrote.
func PutSyncHead(raw []byte, s SyncHead) {
	le := binary.LittleEndian
	le.PutUint32(raw[syncLifeAt:], s.Life)
	le.PutUint32(raw[syncMinorAt:], s.Previous.Minor)
	le.PutUint64(raw[syncMajorAt:], s.Previous.Major)
	le.PutUint64(raw[syncHomeAt:], s.HomeVersion)
}

// SyncHead reads the head of a batch that has FlagSync.
func (b Batch) SyncHead() SyncHead {
	le := binary.LittleEndian
	return SyncHead{
		Life:        le.Uint32(b.raw[syncLifeAt:]),
		Previous:    SyncPosition{Major: le.Uint64(b.raw[syncMajorAt:]), Minor: le.Uint32(b.raw[syncMinorAt:])},
		HomeVersion: le.Uint64(b.raw[syncHomeAt:]),
	}
}

// Leg is o as the second leg of a change. Times and heights lose what is above 48 bits.
func (o *SyncOrigin) Leg() Leg {
	time, height := o.TimeMs&sync48, o.Height&sync48
	return Leg{
		From: AccountNo(uint32(o.Position.Major)), To: AccountNo(uint32(o.Position.Major >> 32)), Asset: AssetNo(o.Position.Minor),
		Kind: LegOrigin, Arg: uint32(o.Outcome),
		Amount:    Amount{Lo: time | height<<48, Hi: height>>16 | uint64(o.Place)<<32},
		Reference: [32]byte(o.Tag),
	}
}

// Origin reads the second leg of a change; false: it is none.
func (l *Leg) Origin() (SyncOrigin, bool) {
	if l.Kind != LegOrigin || l.Arg > 0xFF {
		return SyncOrigin{}, false
	}
	return SyncOrigin{
		Position: SyncPosition{Major: uint64(l.From) | uint64(l.To)<<32, Minor: uint32(l.Asset)},
		Outcome:  Outcome(l.Arg),
		TimeMs:   l.Amount.Lo & sync48,
		Height:   l.Amount.Lo>>48 | l.Amount.Hi&(1<<32-1)<<16,
		Place:    uint32(l.Amount.Hi >> 32),
		Tag:      Hash(l.Reference),
	}, true
}

// OpenInbox lets changes of V10 in: from its life of this number on, those after Position, signed with Key of Institution, which is
// the custodian of V10's accounts. Governance only. Life is the present one's next (1 at first), or the present one with all else as
// it is but the signer, who is changed by it.
type OpenInbox struct {
	Ledger      Hash // V10's name of itself
	Incarnation [16]byte
	Life        uint32
	Institution InstitutionNo
	Key         KeyNo
	Position    SyncPosition // of the copy that the two ledgers begin with
	Tag         Hash         // of the record there; zero: none
}

// SkipSync passes over the change with which the inbox is held, and freezes the slot that it debits (SlotNone: none). Governance only.
type SkipSync struct {
	Life     uint32
	Position SyncPosition // the change's
	Tag      Hash
	Slot     uint16
	Reason   Hash // of the text in the report
}

// FreezeSlot sets or lifts the freeze of a slot: while it is set, nobody debits its accounts in portable assets here. Governance only.
type FreezeSlot struct {
	Slot   uint16
	Frozen bool
}

// Kind returns TxOpenInbox.
func (*OpenInbox) Kind() TxKind { return TxOpenInbox }

// Kind returns TxSkipSync.
func (*SkipSync) Kind() TxKind { return TxSkipSync }

// Kind returns TxFreezeSlot.
func (*FreezeSlot) Kind() TxKind { return TxFreezeSlot }
