// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"github.com/aurigraph/aurigraph/internal/chain"
)

// Recount adds up all holdings and holds: for each asset the holdings, escrow included, must make its supply, and the
// pending holds must make what escrow holds. It reads every holding (about 1 ms for a million dense ones). What does not
// add up is Corrupt.
func (l *Ledger) Recount() error {
	held := make([]chain.Amount, len(l.hot))
	reserved := make([]chain.Amount, len(l.hot))
	overflow := chain.AssetNo(0)
	add := func(sums []chain.Amount, asset chain.AssetNo, amount chain.Amount) {
		sum, ok := sums[asset].Add(amount)
		if !ok {
			overflow = asset
		}
		sums[asset] = sum
	}
	for _, asset := range l.dense {
		column := l.hot[asset].column
		for account := range min(column.Len(), uint64(l.meta.Ref(0).Accounts)+1) {
			add(held, asset, *column.Ref(account))
		}
	}
	for no := uint64(1); no <= uint64(l.meta.Ref(0).Sparse); no++ {
		add(held, l.sparseKeys.Ref(no).Asset, *l.sparse.Ref(no))
	}
	for slot := range uint64(l.meta.Ref(0).HoldSlots) {
		if r := l.holds.Ref(slot); r.State == holdPending {
			add(reserved, r.Asset, r.Amount)
		}
	}
	if overflow != 0 {
		return corrupt("the holdings of asset %d exceed 128 bits", overflow)
	}
	for no := chain.AssetNo(1); int(no) < len(l.hot); no++ {
		if supply := l.assets.Ref(uint64(no)).Supply; held[no] != supply {
			return corrupt("the holdings of asset %d make %v, its supply is %v", no, held[no], supply)
		}
		if escrow := l.Balance(Escrow, no); reserved[no] != escrow {
			return corrupt("the holds of asset %d make %v, escrow holds %v", no, reserved[no], escrow)
		}
	}
	return nil
}
