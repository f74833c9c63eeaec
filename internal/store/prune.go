// SPDX-License-Identifier: Apache-2.0

package store

import (
	"encoding/binary"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// metaBatchesFrom names the record of the first height whose batch rows are all there: u64. Below it there is no place, no
// outcome array and no location by batch id; headers, certificates, proposals and places of transactions stay for good.
const metaBatchesFrom = "batches_from"

// ReadBatchesFrom returns the first height whose batch rows are there; 1 while nothing was pruned.
func ReadBatchesFrom(r Reader) (chain.Height, error) {
	v, err := ReadMeta(r, metaBatchesFrom)
	if fault.Is(err, fault.NotFound) {
		return 1, nil
	}
	if err != nil {
		return 0, err
	}
	if len(v) != 8 {
		return 0, fault.New(fault.Corrupt, "record %q has %d bytes, must have 8", metaBatchesFrom, len(v))
	}
	return chain.Height(binary.LittleEndian.Uint64(v)), nil
}

// WriteBatchesFrom puts the first height whose batch rows are there. It belongs into the Apply that removes those below.
func WriteBatchesFrom(c *Changes, h chain.Height) {
	WriteMeta(c, metaBatchesFrom, binary.LittleEndian.AppendUint64(nil, uint64(h)))
}

// OlderPruned is Pruned once batch rows were pruned, because then an id that is not found may be of an older batch: whoever
// took it for unknown could pay twice. It is nil in a store that has all rows.
func OlderPruned(r Reader) error {
	from, err := ReadBatchesFrom(r)
	if err == nil && from > 1 {
		err = fault.Reasoned(fault.Pruned, "batch_pruned", "it is not among the batches from height %d on, and older ones were pruned: ask an archive node", from)
	}
	return err
}

// getOfHeight is Get for a batch row of a height, which may have been pruned.
func getOfHeight(r Reader, key []byte, h chain.Height) ([]byte, error) {
	v, err := r.Get(key)
	if !fault.Is(err, fault.NotFound) {
		return v, err
	}
	from, readErr := ReadBatchesFrom(r)
	if readErr != nil {
		return nil, readErr
	}
	if h < from {
		err = fault.Reasoned(fault.Pruned, "batch_pruned", "the batches of height %d were pruned, those from height %d on are here: ask an archive node", h, from)
	}
	return nil, err
}
