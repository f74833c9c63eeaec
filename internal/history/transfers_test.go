// SPDX-License-Identifier: Apache-2.0

package history_test

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/history"
	"github.com/aurigraph/aurigraph/internal/history/historytest"
	"github.com/aurigraph/aurigraph/internal/testkit"
)

// everyBody is a transaction of each kind; hold is of a pending hold of 7 units, heldBack of another.
func everyBody(hold, heldBack chain.Hash) []chain.Body {
	ref := [32]byte{0xEE}
	return []chain.Body{
		&chain.Transfer{To: bob, Asset: silver, Amount: chain.Units(1), Reference: ref},
		&chain.Transfer{To: bob, Asset: silver, Amount: chain.Units(1 << 40)},
		&chain.Hold{To: bob, Asset: silver, Amount: chain.Units(2), Blocks: 1000, Reference: ref},
		&chain.Post{Hold: hold},
		&chain.Void{Hold: heldBack},
		&chain.Issue{To: bob, Asset: silver, Amount: chain.Units(3), Reference: ref},
		&chain.Redeem{Asset: silver, Amount: chain.Units(4), Reference: ref},
		&chain.CreateAsset{Code: "COPPER", Name: "Copper"},
		&chain.OpenAccount{Slot: chain.SlotNone},
		&chain.OpenAccounts{Count: 2},
		&chain.Freeze{Account: alice, Frozen: true},
		&chain.AddKey{PublicKey: append([]byte{1, 77}, make([]byte, 31)...)},
		&chain.RevokeKey{Key: 99},
	}
}

// The rows of every kind of leg and transaction, of some that fail and of bytes that are no transaction.
func TestTransfers(t *testing.T) {
	inWorld(t, func(t *testing.T, w *historytest.World) {
		var got bytes.Buffer
		show := func(what string, r chain.Receipt, id func(item uint32) [32]byte) {
			fmt.Fprintf(&got, "%s\n", what)
			header, _, err := w.History.Header(r.Location.Height)
			if err != nil {
				t.Fatal(err)
			}
			err = w.History.Transfers(r.Location.Height, func(row *history.Transfer) error {
				if row.Height != header.Height || row.TimeUs != header.TimeUs || row.Index != r.Location.Index || row.ID != id(row.Item) {
					t.Errorf("%+v is not of %+v", row, r.Location)
				}
				fmt.Fprintf(&got, "  %2d %-8s %d -> %d  %v of %d  %v  ref %x\n",
					row.Item, row.Kind, row.From, row.To, row.Amount, row.Asset, row.Outcome, row.Reference[:2])
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		txs, id := everyTx(t, w)
		show("transactions", txs, id)
		hold := chain.Leg{Kind: chain.LegHold, From: house, To: alice, Asset: gold, Amount: chain.Units(6), Arg: 100}
		holds := w.Batch(hold, hold)
		held := [2]chain.LegID{chain.NewLegID(holds.Batch, 0), chain.NewLegID(holds.Batch, 1)}
		r := w.Batch(
			chain.Leg{Kind: chain.LegTransfer, From: house, To: alice, Asset: gold, Amount: chain.Units(5), Reference: [32]byte{0xEE}},
			chain.Leg{Kind: chain.LegTransfer, From: alice, To: alice, Asset: gold, Amount: chain.Units(5)},
			hold,
			chain.Leg{Kind: chain.LegPost, From: house, Amount: chain.Units(3), Reference: held[0]},
			chain.Leg{Kind: chain.LegVoid, From: alice, To: house, Asset: gold, Reference: held[1]},
			chain.Leg{Kind: chain.LegVoid, From: alice, Reference: [32]byte{2}},
			chain.Leg{Kind: 9, From: house, To: alice, Asset: gold, Amount: chain.Units(7)},
		)
		show("legs", r, func(item uint32) [32]byte { return chain.NewLegID(r.Batch, item) })
		testkit.Golden(t, "transfers.txt", got.Bytes())
	})
}

func everyTx(t *testing.T, w *historytest.World) (chain.Receipt, func(uint32) [32]byte) {
	var holds [2]chain.Hash
	var signed [2][]byte
	for i := range holds {
		signed[i], holds[i] = w.Tx(house, historytest.GovernanceKey, &chain.Hold{To: alice, Asset: gold, Amount: chain.Units(7), Blocks: 1000})
	}
	issue, _ := w.Tx(house, historytest.GovernanceKey, &chain.Issue{To: house, Asset: silver, Amount: chain.Units(100)})
	w.Txs(signed[0], signed[1], issue)
	var all [][]byte
	ids := map[uint32][32]byte{}
	for i, body := range everyBody(holds[0], holds[1]) {
		sender := house
		if body.Kind() == chain.TxVoid {
			sender = alice // the payee gives it back
		}
		raw, id := w.Tx(sender, historytest.GovernanceKey, body)
		all, ids[uint32(i)] = append(all, raw), id
	}
	r := w.Txs(append(all, []byte("no transaction"))...)
	if n := len(w.Outcomes(r).Codes); n != len(all)+1 {
		t.Errorf("%d outcomes", n)
	}
	return r, func(item uint32) [32]byte { return ids[item] }
}

func TestTouches(t *testing.T) {
	row := history.Transfer{From: 1, To: 2, Asset: 3}
	for _, c := range []struct {
		account chain.AccountNo
		asset   chain.AssetNo
		want    bool
	}{{0, 0, true}, {1, 0, true}, {2, 0, true}, {3, 0, false}, {0, 3, true}, {0, 1, false}, {1, 3, true}, {1, 2, false}, {9, 3, false}} {
		if row.Touches(c.account, c.asset) != c.want {
			t.Errorf("account %d, asset %d: not %v", c.account, c.asset, c.want)
		}
	}
}
