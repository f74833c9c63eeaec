// SPDX-License-Identifier: Apache-2.0

package envelope

import (
	"cmp"
	"encoding/binary"
	"math"
	"strconv"
	"strings"

	"github.com/aurigraph/aurigraph/internal/fault"
)

// PositionBytes is the size of an encoded position.
const PositionBytes = 12

// Position is the place of a change in the total order of its ledger's changes. Zero is before the first.
//
// Major is what the ledger's own log counts by: in V10 the sequence of a batch of its store, in V11 the height of a block. It
// rises and may jump. Minor is the place of the change among those of its batch or block, from 0.
type Position struct {
	Major uint64
	Minor uint32
}

// EndOf lies above every change of a batch or block and below those of the next: where a copy of the ledger as of then stands.
func EndOf(major uint64) Position { return Position{Major: major, Minor: math.MaxUint32} }

// Compare orders positions.
func (p Position) Compare(q Position) int {
	return cmp.Or(cmp.Compare(p.Major, q.Major), cmp.Compare(p.Minor, q.Minor))
}

// Before reports whether p lies before q.
func (p Position) Before(q Position) bool { return p.Compare(q) < 0 }

// IsZero reports whether p is before the first change.
func (p Position) IsZero() bool { return p == Position{} }

// Append appends p in PositionBytes bytes, whose order as bytes is that of positions.
func (p Position) Append(dst []byte) []byte {
	return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint64(dst, p.Major), p.Minor)
}

// DecodePosition reads what Append wrote.
func DecodePosition(b []byte) (Position, error) {
	if len(b) != PositionBytes {
		return Position{}, fault.New(fault.Invalid, "a position has %d bytes, not %d", PositionBytes, len(b))
	}
	return Position{Major: binary.BigEndian.Uint64(b), Minor: binary.BigEndian.Uint32(b[8:])}, nil
}

// String writes MAJOR.MINOR.
func (p Position) String() string {
	return strconv.FormatUint(p.Major, 10) + "." + strconv.FormatUint(uint64(p.Minor), 10)
}

// ParsePosition reads what String wrote; anything else is Invalid.
func ParsePosition(text string) (Position, error) {
	major, minor, _ := strings.Cut(text, ".")
	hi, err := strconv.ParseUint(major, 10, 64)
	lo, err2 := strconv.ParseUint(minor, 10, 32)
	p := Position{Major: hi, Minor: uint32(lo)}
	if err != nil || err2 != nil || p.String() != text {
		return Position{}, fault.New(fault.Invalid, "position %.60q: write MAJOR.MINOR as an earlier record had it", text)
	}
	return p, nil
}
