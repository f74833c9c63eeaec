// SPDX-License-Identifier: Apache-2.0

package journal

import (
	"encoding/json"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/migration"
)

// Encode gives an entry its number, and is its text. Invalid: it cannot be written.
func Encode(seq uint64, e *migration.Entry) ([]byte, error) {
	e.Seq = seq
	text, err := json.Marshal(e)
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "an entry that cannot be written")
	}
	if len(text) > EntryBytesMax {
		return nil, fault.New(fault.Invalid, "an entry of %d bytes, at most %d", len(text), EntryBytesMax)
	}
	return text, nil
}

// Decode reads the text of the entry with a number. Corrupt: it is not that; ifCorrupt says what to do then.
func Decode(seq uint64, text []byte, ifCorrupt string) (e migration.Entry, err error) {
	if err := json.Unmarshal(text, &e); err != nil || e.Seq != seq {
		return e, fault.New(fault.Corrupt, "entry %d of the journal cannot be read: %s", seq, ifCorrupt)
	}
	return e, nil
}

// Follows says why an entry cannot stand behind seq when last is the newest; nil: it can.
func Follows(last, seq uint64) error {
	if last == seq {
		return nil
	}
	return fault.Reasoned(fault.Conflict, ReasonBehind, "the journal is at entry %d, not %d: read it again", last, seq)
}

// CheckSnapshot says why a snapshot cannot be kept.
func CheckSnapshot(text []byte) error {
	if len(text) > SnapshotBytesMax {
		return fault.New(fault.Invalid, "a snapshot of %d bytes, at most %d", len(text), SnapshotBytesMax)
	}
	return nil
}
