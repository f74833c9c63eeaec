// SPDX-License-Identifier: Apache-2.0

package query

import (
	"context"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/ledger"
)

// InOrder is a list in the order of numbers, as of Height. More says that another number follows the last item's.
type InOrder[T any] struct {
	Height chain.Height
	Items  []T
	More   bool
}

// AccountsFrom lists the accounts after a number, the oldest first, without holdings: at most limit, which is 1 to PageItemsMax.
func (q *Query) AccountsFrom(ctx context.Context, after chain.AccountNo, limit int) (out InOrder[Account], err error) {
	if err := checkLimit(limit); err != nil {
		return out, err
	}
	out.Height, err = q.view(ctx, func(l *ledger.Ledger) error {
		last := chain.AccountNo(l.Counts().Accounts)
		for no := after + 1; no > after && no <= last && len(out.Items) < limit; no++ {
			v, ok := l.Account(no)
			if !ok {
				continue
			}
			out.Items = append(out.Items, Account{
				Number: v.No, Address: v.Address, Institution: v.Custodian, Key: v.Key, Frozen: v.Frozen, Slot: v.Slot, Nonce: v.Nonce,
			})
		}
		out.More = len(out.Items) > 0 && out.Items[len(out.Items)-1].Number < last
		return nil
	})
	if err != nil {
		return InOrder[Account]{}, err
	}
	for i := range out.Items {
		out.Items[i].Height = out.Height
	}
	return out, nil
}

// AssetsFrom lists the assets after a number, the oldest first: at most limit, which is 1 to PageItemsMax.
func (q *Query) AssetsFrom(ctx context.Context, after chain.AssetNo, limit int) (out InOrder[Asset], err error) {
	if err := checkLimit(limit); err != nil {
		return out, err
	}
	out.Height, err = q.view(ctx, func(l *ledger.Ledger) error {
		last := chain.AssetNo(l.Counts().Assets)
		for no := after + 1; no > after && no <= last && len(out.Items) < limit; no++ {
			if v, ok := l.Asset(no); ok {
				out.Items = append(out.Items, assetOf(v))
			}
		}
		out.More = len(out.Items) > 0 && out.Items[len(out.Items)-1].Number < last
		return nil
	})
	if err != nil {
		return InOrder[Asset]{}, err
	}
	for i := range out.Items {
		out.Items[i].Height = out.Height
	}
	return out, nil
}

func checkLimit(limit int) error {
	if limit < 1 || limit > PageItemsMax {
		return fault.New(fault.Invalid, "limit: is %d, must be 1 to %d", limit, PageItemsMax)
	}
	return nil
}
