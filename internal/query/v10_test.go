// SPDX-License-Identifier: Apache-2.0

package query_test

import (
	"context"
	"testing"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/history"
	"github.com/aurigraph/aurigraph/internal/history/historytest"
	"github.com/aurigraph/aurigraph/internal/imported"
	"github.com/aurigraph/aurigraph/internal/query"
)

// Whatever way one asks for what V10 made, it has V10's id and V10's outcome; what proves it is unchanged.
func TestChangesOfV10(t *testing.T) {
	inWorldOf(t, historytest.StartBesideV10, func(t *testing.T, w *world) {
		ctx := t.Context()
		paid := pay(ported, historytest.Settled, historytest.Note, 5)
		refused, tooMuch := paid, pay(ported, historytest.Settled, historytest.Note, 5000)
		refused.Kind = chain.LegRefused
		r := w.Changes(1,
			historytest.Change{Leg: paid, Ms: 101, Round: 4, Place: 1},
			historytest.Change{Leg: refused, Outcome: chain.InsufficientFunds, Ms: 102, Round: 4, Place: 2},
			historytest.Change{Leg: tooMuch, Ms: 103, Round: 4, Place: 3},
		)
		want := map[uint32]history.Transfer{
			0: {Outcome: chain.OK, Origin: history.Origin{Ms: 101, Round: 4, Place: 1}},
			2: {Outcome: chain.InsufficientFunds, Origin: history.Origin{Ms: 102, Round: 4, Place: 2}},
		}
		found, err := w.FindTransfers(ctx, query.TransferFilter{Asset: historytest.Note}, 10, "")
		if err != nil || len(found.Items) != len(want) {
			t.Fatalf("%+v, %v", found, err)
		}
		inBlock, err := w.BlockTransfers(ctx, r.Location.Height, 10, "")
		if err != nil || len(inBlock.Items) != len(want) {
			t.Fatalf("%+v, %v", inBlock, err)
		}
		for _, x := range append(found.Items, inBlock.Items...) {
			if is := want[x.Item]; x.Outcome != is.Outcome || x.Origin != is.Origin || x.Kind != history.KindTransfer {
				t.Errorf("%+v, must be %+v", x, is)
			}
		}
		for item, is := range want {
			at := query.Place{Height: r.Location.Height, Index: r.Location.Index, Item: item}
			placed, err := w.TransferAt(ctx, at)
			if err != nil || placed.Outcome != is.Outcome || placed.Origin != is.Origin || placed.Amount != chain.Units(5) {
				t.Errorf("by place: %+v %v, must be %+v", placed, err, is)
			}
			byID, err := w.Transaction(ctx, chain.NewLegID(r.Batch, item), true)
			if err != nil || byID.Outcome != chain.OK || byID.Proof == nil || byID.Origin == nil || byID.Origin.Outcome != is.Outcome || byID.Origin.Place != is.Origin.Place {
				t.Errorf("by id: %+v %v, must be %+v", byID, err, is)
			}
		}
		for item, outcome := range map[uint32]chain.Outcome{1: chain.OK, 4: chain.InsufficientFunds, 5: chain.InsufficientFunds} {
			x, err := w.Transaction(ctx, chain.NewLegID(r.Batch, item), false)
			if err != nil || x.Origin != nil || x.Outcome != outcome {
				t.Errorf("item %d, which V10 did not make: %+v %v", item, x, err)
			}
		}
	})
}

// rows are V10's history before the copy.
type rows struct {
	query.Imported
	has map[history.Origin]imported.Row // without Ms
	err error
}

func (r rows) ByID(_ context.Context, round uint64, place uint32) (imported.Row, error) {
	row, ok := r.has[history.Origin{Round: round, Place: place}]
	if !ok && r.err == nil {
		return row, fault.New(fault.NotFound, "not imported")
	}
	return row, r.err
}

// What V10 made is found by its id: in the index, or behind it in what was copied.
func TestV10Transfer(t *testing.T) {
	synced := query.Transfer{Height: 9, From: 1, Origin: history.Origin{Ms: 50, Round: 8, Place: 1}}
	index := &fakeIndex{origins: map[history.Origin]query.Transfer{{Round: 8, Place: 1}: synced}}
	old := rows{has: map[history.Origin]imported.Row{
		{Round: 2, Place: 1}: {Seq: 1, Ms: 20, Round: 2, Place: 1, Kind: imported.Redeem, Payer: 3, Payee: 4, Asset: 5, Amount: chain.Units(6), Outcome: chain.FrozenAccount},
		{Round: 8, Place: 1}: {Seq: 2, Ms: 50, Round: 8, Place: 1},
		{Round: 2, Place: 2}: {Seq: 3, Ms: 20, Round: 2, Place: 2, Kind: 99},
	}}
	redeemed := query.Transfer{
		From: 3, To: 4, Asset: 5, Amount: chain.Units(6), Kind: history.KindRedeem, Outcome: chain.FrozenAccount, TimeUs: 20_000,
		Origin: history.Origin{Ms: 20, Round: 2, Place: 1},
	}
	unknown := query.Transfer{Kind: history.KindUnknown, TimeUs: 20_000, Origin: history.Origin{Ms: 20, Round: 2, Place: 2}}
	broken, away := fault.New(fault.Corrupt, "a page"), fault.New(fault.Unavailable, "away")
	for _, c := range []struct {
		name  string
		parts query.Parts
		round uint64
		place uint32
		want  query.Transfer
		kind  fault.Kind // of the error
	}{
		{"by sync", query.Parts{Index: index, Imported: old}, 8, 1, synced, 0},
		{"before the copy", query.Parts{Index: index, Imported: old}, 2, 1, redeemed, 0},
		{"before the copy, without an index", query.Parts{Imported: old}, 2, 1, redeemed, 0},
		{"of an unknown kind", query.Parts{Imported: old}, 2, 2, unknown, 0},
		{"another place", query.Parts{Index: index, Imported: old}, 8, 2, query.Transfer{}, fault.NotFound},
		{"nothing was copied", query.Parts{Index: index}, 2, 1, query.Transfer{}, fault.NotFound},
		{"no index", query.Parts{Imported: old}, 9, 1, query.Transfer{}, fault.Unavailable},
		{"neither", query.Parts{}, 9, 1, query.Transfer{}, fault.Unavailable},
		{"the index is away", query.Parts{Index: &fakeIndex{err: away}, Imported: old}, 2, 1, query.Transfer{}, fault.Unavailable},
		{"what was copied is damaged", query.Parts{Index: index, Imported: rows{err: broken}}, 2, 1, query.Transfer{}, fault.Corrupt},
	} {
		got, err := query.New(c.parts).V10Transfer(t.Context(), c.round, c.place)
		if c.kind != 0 {
			if !fault.Is(err, c.kind) || got != nil {
				t.Errorf("%s: %+v %v", c.name, got, err)
			}
			continue
		}
		if err != nil || *got != c.want {
			t.Errorf("%s: %+v %v, must be %+v", c.name, got, err, c.want)
		}
	}
}
