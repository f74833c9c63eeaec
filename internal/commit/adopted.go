// SPDX-License-Identifier: Apache-2.0

package commit

import (
	"encoding/binary"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/store"
)

// AdoptLegs carries the count of transfers with outcome ok over to a height whose state was taken from a peer. Those between
// are not counted: no certificate says how many they are.
func AdoptLegs(r store.Reader, changes *store.Changes, h chain.Height) error {
	raw, err := store.ReadMeta(r, metaLegsOK)
	switch {
	case fault.Is(err, fault.NotFound):
		raw = make([]byte, 16)
	case err != nil:
		return err
	case len(raw) != 16:
		return fault.New(fault.Corrupt, "record %q has %d bytes, must have 16", metaLegsOK, len(raw))
	}
	binary.LittleEndian.PutUint64(raw, uint64(h))
	store.WriteMeta(changes, metaLegsOK, raw)
	return nil
}

// AppendHolding appends the row of a versioned holding.
func AppendHolding(dst []byte, a chain.Amount) []byte { return appendAmount(dst, a) }
