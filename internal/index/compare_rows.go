// SPDX-License-Identifier: Apache-2.0

package index

import (
	"cmp"
	"fmt"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/history"
)

// place is where a transfer stands on the chain.
type place struct {
	Height chain.Height
	Index  uint32
	Item   uint32
}

func placeOf(t *history.Transfer) place { return place{t.Height, t.Index, t.Item} }

func (p place) compare(q place) int {
	return cmp.Or(cmp.Compare(p.Height, q.Height), cmp.Compare(p.Index, q.Index), cmp.Compare(p.Item, q.Item))
}

// String names a place for a person.
func (p place) String() string {
	return fmt.Sprintf("height %d, batch %d, item %d", p.Height, p.Index, p.Item)
}

// batch compares the transfers of one batch.
func (w *comparison) batch(header *chain.ExecutedHeader, index uint32) error {
	err := w.history.BatchTransfers(header, index, w.transfer)
	if fault.Is(err, fault.Pruned) {
		err = w.recycledBatch(header, index)
	}
	if err != nil {
		return err
	}
	return w.extraRows(place{Height: header.Height, Index: index + 1}, "the chain has no such transfer")
}

// transfer wants the next row to be a transfer.
func (w *comparison) transfer(want *history.Transfer) error {
	have, err := w.find(placeOf(want))
	if err != nil || have == nil {
		return err
	}
	return w.take(want)
}

// take compares the next row with what must be in its place.
func (w *comparison) take(want *history.Transfer) (err error) {
	if have := w.rows.value; *have != *want {
		field, is, must := firstDifference(have, want)
		err = w.differ(placeOf(want).String(), "%s is %v in the index, %v on the chain", field, is, must)
	}
	w.previous = placeOf(want)
	w.rows.advance()
	return err
}

// find is the next row if it is of a place; nil after a report if it is not.
func (w *comparison) find(at place) (*history.Transfer, error) {
	if err := w.extraRows(at, "the chain has no such transfer"); err != nil {
		return nil, err
	}
	if !w.rows.ok() || placeOf(w.rows.value) != at {
		return nil, w.differ(at.String(), "the index does not have this transfer")
	}
	return w.rows.value, nil
}

// extraRows reports the rows before a place. Those that are out of order are reported wherever they stand.
func (w *comparison) extraRows(before place, what string) error {
	for w.rows.ok() {
		at := placeOf(w.rows.value)
		switch {
		case at.compare(w.previous) <= 0:
			what := fmt.Sprintf("the index has this transfer twice, or behind that of %s", w.previous)
			if err := w.differ(at.String(), "%s", what); err != nil {
				return err
			}
		case at.compare(before) >= 0:
			return nil
		default:
			w.previous = at
			if err := w.differ(at.String(), "the index has a transfer that it cannot have: %s", what); err != nil {
				return err
			}
		}
		w.rows.advance()
	}
	return w.rows.err
}

func firstDifference(have, want *history.Transfer) (field string, is, must any) {
	for _, f := range []struct {
		name     string
		is, must any
	}{
		{"the id", chain.Hash(have.ID), chain.Hash(want.ID)},
		{"the payer", have.From, want.From},
		{"the payee", have.To, want.To},
		{"the asset", have.Asset, want.Asset},
		{"the amount", have.Amount, want.Amount},
		{"the kind", have.Kind, want.Kind},
		{"the outcome", have.Outcome, want.Outcome},
		{"the reference", chain.Hash(have.Reference), chain.Hash(want.Reference)},
		{"V10's id", have.Origin, want.Origin},
	} {
		if f.is != f.must {
			return f.name, f.is, f.must
		}
	}
	return "the time", have.TimeUs, want.TimeUs
}

// recycledBatch compares what can be told of a batch whose payload is gone: a leg of a client batch has an id by its
// place, an outcome and a time. Which single transactions move money cannot be told, nor which of V10's changes do; those that are
// there have theirs.
func (w *comparison) recycledBatch(header *chain.ExecutedHeader, index uint32) error {
	result := &header.Batches[index]
	receipt, err := w.history.ReceiptAt(header.Height, index)
	if fault.Is(err, fault.Pruned) {
		return w.rowsWithin(header, index, nil)
	}
	if err != nil {
		return err
	}
	outcomes, err := codec.UnpackOutcomes(receipt.Outcomes)
	if err != nil {
		return err
	}
	if receipt.Location.Kind != chain.PayloadBatch {
		return w.rowsWithin(header, index, outcomes.Codes)
	}
	changes, err := w.changes(header, index, outcomes.Codes)
	if err != nil {
		return err
	}
	if changes {
		return w.recycledChanges(header, index, outcomes.Codes)
	}
	for item, code := range outcomes.Codes {
		at := place{header.Height, index, uint32(item)}
		have, err := w.find(at)
		if err != nil {
			return err
		}
		if have == nil {
			continue
		}
		want := *have
		want.ID, want.Outcome, want.TimeUs = chain.NewLegID(result.Batch, at.Item), code, header.TimeUs
		if err := w.take(&want); err != nil {
			return err
		}
	}
	return nil
}

// changes reports whether a client batch may be V10's changes: its first row says so, or it has none. Then nothing is missing, since most
// kinds of change are no transfer.
func (w *comparison) changes(header *chain.ExecutedHeader, index uint32, codes []chain.Outcome) (bool, error) {
	if err := w.extraRows(place{header.Height, index, 0}, "the chain has no such transfer"); err != nil {
		return false, err
	}
	if w.rows.ok() && w.rows.value.Height == header.Height && w.rows.value.Index == index {
		return w.rows.value.Origin != (history.Origin{}), nil
	}
	for i := 0; i+1 < len(codes); i += chain.SyncRecordLegs {
		if codes[i] != codes[i+1] {
			return false, nil
		}
	}
	return len(codes)%chain.SyncRecordLegs == 0, nil
}

// recycledChanges compares the rows that there are of a batch of V10's changes. Only what was applied has one, and of its outcome, which
// is V10's, the chain does not tell any more.
func (w *comparison) recycledChanges(header *chain.ExecutedHeader, index uint32, codes []chain.Outcome) error {
	for item := 0; item < len(codes); item += chain.SyncRecordLegs {
		at := place{header.Height, index, uint32(item)}
		if err := w.extraRows(at, "the chain has no such transfer"); err != nil {
			return err
		}
		if !w.rows.ok() || placeOf(w.rows.value) != at || codes[item] != chain.OK || w.rows.value.Origin == (history.Origin{}) {
			continue
		}
		want := *w.rows.value
		want.ID, want.TimeUs = chain.NewLegID(header.Batches[index].Batch, at.Item), header.TimeUs
		if err := w.take(&want); err != nil {
			return err
		}
	}
	return nil
}

// rowsWithin compares the rows that there are of a batch with its outcomes, or, without them, with its header alone.
func (w *comparison) rowsWithin(header *chain.ExecutedHeader, index uint32, codes []chain.Outcome) error {
	for item := range header.Batches[index].Legs {
		at := place{header.Height, index, item}
		if err := w.extraRows(at, "the chain has no such transfer"); err != nil {
			return err
		}
		if !w.rows.ok() || placeOf(w.rows.value) != at {
			continue
		}
		want := *w.rows.value
		want.TimeUs = header.TimeUs
		if codes != nil {
			want.Outcome = codes[item]
		}
		if err := w.take(&want); err != nil {
			return err
		}
	}
	return nil
}
