// SPDX-License-Identifier: Apache-2.0

package store

import (
	"encoding/hex"
	"strconv"
	"strings"

	"github.com/aurigraph/aurigraph/internal/fault"
)

// Incarnation is one life of a ledger: drawn when it is made, and again when it is restored from a copy.
type Incarnation [16]byte

// String returns 32 hex digits.
func (i Incarnation) String() string { return hex.EncodeToString(i[:]) }

// Position is the place of a batch in the total order of its ledger's writes. Sequence 0 is before the first. A later batch
// has a higher sequence; what lies between two neighbours is the engine's business.
type Position struct {
	Incarnation Incarnation
	Sequence    uint64
}

// String returns INCARNATION:SEQUENCE, which ParsePosition reads.
func (p Position) String() string {
	return p.Incarnation.String() + ":" + strconv.FormatUint(p.Sequence, 10)
}

// ParsePosition reads what String wrote; anything else is fault.Invalid.
func ParsePosition(text string) (Position, error) {
	var p Position
	life, sequence, _ := strings.Cut(text, ":")
	id, err := hex.DecodeString(life)
	if err == nil && len(id) == len(p.Incarnation) {
		copy(p.Incarnation[:], id)
		p.Sequence, err = strconv.ParseUint(sequence, 10, 64)
	}
	if err != nil || p.String() != text {
		return Position{}, fault.New(fault.Invalid, "position %q: write INCARNATION:SEQUENCE as an earlier change had it", text)
	}
	return p, nil
}

// ChangeLog is every batch of a store in order. It is safe for any number of goroutines.
type ChangeLog interface {
	// Head is the position of the last synced batch, sequence 0 if there is none.
	Head() Position

	// Advanced returns a channel that is closed once Head lies above p; at once if it does already.
	Advanced(p Position) <-chan struct{}

	// Since returns a tail of the batches above p. The errors, with their reasons:
	//
	//   - Conflict, "other_incarnation": p is of another life of this ledger. Copy everything anew.
	//   - Conflict, "ahead": p lies above Head. The ledger lost what it had told, or p is no position of it.
	//   - Pruned, "gap": the log does not reach back to p. Copy everything anew.
	Since(p Position) (Tail, error)

	// Trim lets the log forget what lies at or below p: the last reader has it durably. Without it the log keeps as
	// much as its bound in bytes allows.
	Trim(p Position) error
}

// Change is one batch as the log has it.
type Change struct {
	Position Position
	Origin   []byte // see Batch.Mark
	Ops      []Op
}

// Tail reads a change log upwards. It is owned by one goroutine.
type Tail interface {
	// Next returns the next batch, or false if there is none yet; ask again after Advanced. Its errors are those of
	// Since, and fault.Corrupt for a log that cannot be read. After an error the tail is of no more use.
	Next() (Change, bool, error)

	// Close releases the tail.
	Close()
}

// The reasons why a tail cannot go on; see ChangeLog.Since.
const (
	ReasonOtherIncarnation = "other_incarnation"
	ReasonAhead            = "ahead"
	ReasonGap              = "gap"
)

// CheckSince returns why no tail above p can be had from a log with this head, nil if one may.
func CheckSince(head, p Position) error {
	switch {
	case p.Incarnation != head.Incarnation:
		return fault.Reasoned(fault.Conflict, ReasonOtherIncarnation,
			"position %s is of another life of this ledger, which is %s: copy everything anew", p, head.Incarnation)
	case p.Sequence > head.Sequence:
		return fault.Reasoned(fault.Conflict, ReasonAhead,
			"position %s lies above the last write, %d: the ledger lost writes or was restored; compare before you copy", p, head.Sequence)
	}
	return nil
}

// Gap is the error of a log that begins above what was asked for. found is the least sequence that is still there.
func Gap(p Position, found uint64) error {
	return fault.Reasoned(fault.Pruned, ReasonGap, "the change log begins at %d, above %s: copy everything anew", found, p)
}
