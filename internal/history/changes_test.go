// SPDX-License-Identifier: Apache-2.0

package history_test

import (
	"slices"
	"testing"
	"testing/synctest"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/history"
	"github.com/aurigraph/aurigraph/internal/history/historytest"
)

// TestChanges reads what V10 made: each change that moves money once, when it is applied, with V10's id, outcome and this ledger's time.
func TestChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := historytest.StartBesideV10(t, nil)
		pay := func(units uint64) chain.Leg {
			return historytest.Pay(historytest.Ported, historytest.Settled, historytest.Note, units)
		}
		refused := pay(7)
		refused.Kind = chain.LegRefused
		held := historytest.Change{Leg: pay(5000), Ms: 104, Round: 5, Place: 1}
		r := w.Changes(2,
			historytest.Change{Leg: pay(10), Ms: 101, Round: 4, Place: 8193},
			historytest.Change{Leg: chain.Leg{Kind: chain.LegRound, Amount: chain.Units(4)}, Ms: 101, Round: 4},
			historytest.Change{Leg: refused, Outcome: chain.FrozenSlot, Ms: 102, Round: 4, Place: 8194},
			historytest.Change{Leg: chain.Leg{Kind: chain.LegRefused}, Outcome: chain.UnknownAccount, Ms: 103},
			held,
			historytest.Change{Leg: pay(1), Ms: 105, Round: 5, Place: 2},
		)
		issue := chain.Leg{Kind: chain.LegIssue, From: historytest.Ported, To: historytest.Ported, Asset: historytest.Note, Amount: chain.Units(9000)}
		again := w.Changes(0, historytest.Change{Leg: issue, Ms: 106, Round: 6}, held)
		var got []history.Transfer
		for _, batch := range []chain.Receipt{r, again} {
			header, _, err := w.History.Header(batch.Location.Height)
			if err != nil {
				t.Fatal(err)
			}
			err = w.History.Transfers(header.Height, func(x *history.Transfer) error {
				if x.TimeUs != header.TimeUs || x.ID != chain.NewLegID(batch.Batch, x.Item) || x.Height != header.Height {
					t.Errorf("%+v is not of %+v", x, batch.Location)
				}
				x.ID, x.Height, x.TimeUs = [32]byte{}, 0, 0
				got = append(got, *x)
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		of := func(item uint32, kind string, leg chain.Leg, o chain.Outcome, ms, round uint64, place uint32) history.Transfer {
			return history.Transfer{
				Item: item, From: leg.From, To: leg.To, Asset: leg.Asset, Amount: leg.Amount, Kind: kind, Outcome: o,
				Origin: history.Origin{Ms: ms, Round: round, Place: place},
			}
		}
		want := []history.Transfer{
			of(0, history.KindTransfer, pay(10), chain.OK, 101, 4, 8193),
			of(4, history.KindTransfer, refused, chain.FrozenSlot, 102, 4, 8194),
			of(6, history.KindTransfer, chain.Leg{}, chain.UnknownAccount, 103, 0, 0),
			of(0, history.KindIssue, issue, chain.OK, 106, 6, 0),
			of(2, history.KindTransfer, held.Leg, chain.OK, 104, 5, 1),
		}
		if !slices.Equal(got, want) {
			t.Errorf("%+v\nmust be\n%+v", got, want)
		}
	})
}
