// SPDX-License-Identifier: Apache-2.0

package query

import (
	"cmp"
	"container/heap"
	"context"
	"slices"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/ledger"
)

// Bounds of looking for holders: no index has them, so every account is looked at, in turns between which blocks are executed.
const (
	HoldersAccountsMax = 1 << 20
	holdersPerTurn     = 8192
)

// Holder is an account's holding of an asset.
type Holder struct {
	Account chain.AccountNo
	Amount  chain.Amount
}

// Holders are the largest holdings of an asset, the largest first. They were read in turns, the last one at Height: what moved
// meanwhile may be in two of them or in none.
type Holders struct {
	Height chain.Height
	Asset  Asset
	Items  []Holder
}

// Holders finds the accounts that hold most of an asset, at most limit, which is 1 to PageItemsMax. Unavailable, reason
// too_many_accounts: the ledger has more than HoldersAccountsMax accounts.
func (q *Query) Holders(ctx context.Context, asset chain.AssetNo, limit int) (*Holders, error) {
	if err := checkLimit(limit); err != nil {
		return nil, err
	}
	out, top := &Holders{}, topHolders{most: limit}
	for next := chain.AccountNo(1); next != 0; {
		var err error
		out.Height, err = q.view(ctx, func(l *ledger.Ledger) error {
			v, ok := l.Asset(asset)
			if !ok {
				return fault.New(fault.NotFound, "there is no such asset")
			}
			out.Asset = assetOf(v)
			next, err = holdersTurn(l, asset, next, &top)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	out.Asset.Height, out.Items = out.Height, top.sorted()
	return out, nil
}

// holdersTurn looks at the accounts of one turn, and returns where the next one begins, 0 at the end.
func holdersTurn(l *ledger.Ledger, asset chain.AssetNo, from chain.AccountNo, top *topHolders) (chain.AccountNo, error) {
	accounts := l.Counts().Accounts
	if accounts > HoldersAccountsMax {
		return 0, fault.Reasoned(fault.Unavailable, "too_many_accounts", "there are %d accounts, and holders are looked for among %d at most", accounts, HoldersAccountsMax)
	}
	for no := from; no < from+holdersPerTurn; no++ {
		if uint32(no) > accounts {
			return 0, nil
		}
		if amount := l.Balance(no, asset); !amount.IsZero() {
			top.add(Holder{no, amount})
		}
	}
	return from + holdersPerTurn, nil
}

// topHolders keeps the largest. It is a heap whose first is the smallest.
type topHolders struct {
	most int
	list []Holder
}

func (t *topHolders) add(h Holder) {
	if len(t.list) < t.most {
		heap.Push(t, h)
	} else if t.list[0].Amount.Less(h.Amount) {
		t.list[0] = h
		heap.Fix(t, 0)
	}
}

// sorted is the largest first, and of equal ones the older account.
func (t *topHolders) sorted() []Holder {
	slices.SortFunc(t.list, func(a, b Holder) int {
		switch {
		case b.Amount.Less(a.Amount):
			return -1
		case a.Amount.Less(b.Amount):
			return 1
		}
		return cmp.Compare(a.Account, b.Account)
	})
	return t.list
}

// Len is part of heap.Interface.
func (t *topHolders) Len() int { return len(t.list) }

// Less is part of heap.Interface.
func (t *topHolders) Less(i, j int) bool { return t.list[i].Amount.Less(t.list[j].Amount) }

// Swap is part of heap.Interface.
func (t *topHolders) Swap(i, j int) { t.list[i], t.list[j] = t.list[j], t.list[i] }

// Push is part of heap.Interface.
func (t *topHolders) Push(x any) { t.list = append(t.list, x.(Holder)) }

// Pop is part of heap.Interface.
func (t *topHolders) Pop() any {
	last := t.list[len(t.list)-1]
	t.list = t.list[:len(t.list)-1]
	return last
}
