// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"

	"github.com/aurigraph/aurigraph/internal/fault"
)

// Hash is a block hash: SHA-256. V10's own hashes were salted and nobody could compute them again.
type Hash [sha256.Size]byte

// String returns 0x and 64 hex digits.
func (h Hash) String() string { return "0x" + hex.EncodeToString(h[:]) }

// MarshalText writes h as String does.
func (h Hash) MarshalText() ([]byte, error) { return []byte(h.String()), nil }

// UnmarshalText reads what MarshalText wrote; anything else is Invalid.
func (h *Hash) UnmarshalText(text []byte) error {
	raw, err := hex.DecodeString(string(text[min(2, len(text)):]))
	if err != nil || len(raw) != len(h) || text[0] != '0' || text[1] != 'x' {
		return fault.New(fault.Invalid, "%.80q is no hash: 0x and 64 hex digits", text)
	}
	copy(h[:], raw)
	return nil
}

// hashRound is over the round's number, time and leader, the hash before, and its transactions' rows in order; FORMAT.md.
func hashRound(r *Round, rows [][]byte) Hash {
	h := sha256.New()
	h.Write([]byte("aurigraph/v10-reference/round"))
	h.Write(binary.BigEndian.AppendUint64(nil, r.Number))
	h.Write(binary.BigEndian.AppendUint64(nil, r.Ms))
	h.Write(r.Previous[:])
	h.Write(binary.BigEndian.AppendUint32(nil, uint32(len(r.Leader))))
	h.Write([]byte(r.Leader))
	for _, row := range rows {
		h.Write(binary.BigEndian.AppendUint32(nil, uint32(len(row))))
		h.Write(row)
	}
	return Hash(h.Sum(nil))
}
