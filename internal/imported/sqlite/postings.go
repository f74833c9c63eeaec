// SPDX-License-Identifier: Apache-2.0

package sqlite

import (
	"encoding/binary"
	"math"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// How many rows share a chunk, 1<<bits: 16 MiB of entries are sorted at once.
const (
	ChunkBitsDefault = 20
	chunkBitsMin     = 4
	chunkBitsMax     = 24
)

// entriesPerBlock is how many entries a block has, so that one look reads a few KiB.
const entriesPerBlock = 1024

// entry is account and row of one entry, in an order of its own: the account above, the row within its chunk below.
type entry uint64

func newEntry(account chain.AccountNo, seq int64, bits int) entry {
	return entry(account)<<32 | entry(seq&(1<<bits-1))
}

func (e entry) account() chain.AccountNo { return chain.AccountNo(e >> 32) }

func (e entry) seq(chunk int64, bits int) int64 { return chunk<<bits | int64(e&math.MaxUint32) }

// appendBlock appends the entries of a block behind its first one: how much larger each is than the one before.
func appendBlock(to []byte, entries []entry) []byte {
	for i := 1; i < len(entries); i++ {
		to = binary.AppendUvarint(to, uint64(entries[i]-entries[i-1]))
	}
	return to
}

// readBlock appends the entries of a block to a list.
func readBlock(to []entry, first entry, b []byte) ([]entry, error) {
	to = append(to, first)
	for at := first; len(b) > 0; {
		more, n := binary.Uvarint(b)
		if n <= 0 || more == 0 || at+entry(more) < at || len(to) > entriesPerBlock {
			return nil, fault.New(fault.Corrupt, "a block of account numbers does not decode: %s", ifCorrupt)
		}
		at += entry(more)
		to, b = append(to, at), b[n:]
	}
	return to, nil
}
