// SPDX-License-Identifier: Apache-2.0

package query_test

import (
	"testing"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/ledger"
	"github.com/aurigraph/aurigraph/internal/query"
)

// TestParties: who is portable, what assets are, and who has a tag, many at a time.
func TestParties(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		r := w.Batch(pay(house, alice, gold, 1))
		p, err := w.Parties(ctx, []chain.AccountNo{alice, ported, 9999, 0}, []chain.AssetNo{gold, silver, 99})
		if err != nil || len(p.Slots) != 2 || len(p.Assets) != 2 || p.Slots[alice] != chain.SlotNone || p.Slots[ported] == chain.SlotNone || p.Assets[silver].Number != silver {
			t.Errorf("%+v %v", p, err)
		}
		var tag chain.Hash
		var address chain.Address
		if _, err := w.Loop.View(ctx, func(l *ledger.Ledger) { v, _ := l.Account(ported); tag, address = v.Alias, v.Address }); err != nil {
			t.Fatal(err)
		}
		found, err := w.AccountsByTag(ctx, []chain.Hash{{99}, tag, {}})
		if err != nil || len(found) != 3 || found[0].Number != 0 || found[1] != (query.Tagged{Number: ported, Address: address}) || found[2].Number != 0 {
			t.Errorf("%+v %v", found, err)
		}
		in, err := w.Inbox(ctx)
		if err != nil || in.Life != 0 || in.Height < r.Location.Height || in.HomeVersion == 0 {
			t.Errorf("%+v %v", in, err)
		}
		_, err = w.Parties(ctx, make([]chain.AccountNo, query.PartiesMax+1), nil)
		want(t, "too many accounts", err, fault.Invalid, "at most")
		_, err = w.AccountsByTag(ctx, make([]chain.Hash, query.PartiesMax+1))
		want(t, "too many tags", err, fault.Invalid, "at most")
	})
}
