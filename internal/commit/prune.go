// SPDX-License-Identifier: Apache-2.0

package commit

import (
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/store"
)

// prunedHeightsMax is how many heights' batch rows go with one block. One would do to keep up; more let a node catch up
// after a whole segment of small blocks was recycled.
const prunedHeightsMax = 4

// PruneBatches adds to changes the removal of the batch rows of at most prunedHeightsMax heights below the given one, the
// oldest first. Headers name the batches and stay, so nothing is searched for.
func PruneBatches(r store.Reader, changes *store.Changes, below chain.Height) error {
	if below <= 1 {
		return nil
	}
	from, err := store.ReadBatchesFrom(r)
	if err != nil || from >= below {
		return err
	}
	to := min(below, from+prunedHeightsMax)
	for h := from; h < to; h++ {
		if err := pruneHeight(r, changes, h); err != nil {
			return err
		}
	}
	store.WriteBatchesFrom(changes, to)
	return nil
}

func pruneHeight(r store.Reader, changes *store.Changes, h chain.Height) error {
	raw, err := store.ReadHeader(r, h)
	if err != nil {
		return err
	}
	header, err := codec.DecodeHeader(raw)
	if err != nil {
		return fault.Wrap(fault.Corrupt, err, "header %d", h)
	}
	for i, b := range header.Batches {
		store.DeletePlace(changes, h, uint32(i))
		store.DeleteOutcome(changes, h, uint32(i))
		here, err := foundAt(r, b.Batch, h)
		if err != nil {
			return err
		}
		if here {
			store.DeleteBatch(changes, b.Batch)
		}
	}
	return nil
}

// foundAt reports whether the id of a batch leads to h: one that was refused there may have executed later.
func foundAt(r store.Reader, id chain.Hash, h chain.Height) (bool, error) {
	raw, err := store.ReadBatch(r, id)
	if fault.Is(err, fault.NotFound) || fault.Is(err, fault.Pruned) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	l, err := codec.DecodeLocation(raw)
	if err != nil {
		return false, fault.Wrap(fault.Corrupt, err, "location of batch %s", id)
	}
	return l.Height == h, nil
}

// recycler is the payload log as retention sees it: when segments have gone, the persister may let batch rows go too.
type recycler struct {
	Segments
	loop *Loop
}

// Recycle gives segments below number back.
func (r recycler) Recycle(number uint64) error {
	err := r.Segments.Recycle(number)
	if err == nil {
		r.loop.notePayloads()
	}
	return err
}

// notePayloads notes the height behind which all payloads are retained.
func (l *Loop) notePayloads() { l.payloadsAfter.Store(uint64(l.floor().Height)) }

// pruneBelow is the height below which batch rows may go: they outlive their payloads by the longest validity window, so
// that whoever repeats a batch that could still be valid gets its first receipt.
func (l *Loop) pruneBelow() chain.Height {
	after := chain.Height(l.payloadsAfter.Load())
	return after - min(after, l.cfg.RowsOutlivePayloads)
}
