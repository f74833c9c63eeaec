// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"encoding/binary"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/store"
)

// metaBatchesFrom names the record of the first height whose batch rows were not pruned: height u64.
const metaBatchesFrom = "batches_from"

// readBatchesFrom finds out which heights have batch rows, when payloads after the height base are retained. Rows that went
// too early are a loss: a batch that is repeated within its validity would not get its first receipt.
func (a *audit) readBatchesFrom(base chain.Height) {
	a.batchesFrom = 1
	v, err := store.ReadMeta(a.store, metaBatchesFrom)
	if err != nil {
		return // checkRows reads all records
	}
	where := "meta " + metaBatchesFrom
	if len(v) != 8 {
		a.problem(a.cfg.Data("blocks"), where, "the record has %d bytes, not 8", len(v))
		return
	}
	a.batchesFrom = chain.Height(binary.LittleEndian.Uint64(v))
	lost := a.adopted.height > 0 && a.batchesFrom == a.adopted.height+1 // with a state of a peer none of the rows before it came
	if !lost && (a.batchesFrom > base || base-a.batchesFrom < a.rowsOutlivePayloads) {
		a.problem(a.cfg.Data("blocks"), where, "batch rows below height %d were pruned, payloads after height %d are retained: rows must stay %d heights longer than payloads",
			a.batchesFrom, base, a.rowsOutlivePayloads)
		return
	}
	a.note("receipts below height %d were pruned: headers and certificates were proved, outcomes could not be", a.batchesFrom)
}

// prunedBatch accounts for a batch whose rows were pruned: how many of its transfers went well is not known any more.
func (w *chainWalk) prunedBatch(r *chain.BatchResult) { w.bound.most += uint64(r.Legs) }
