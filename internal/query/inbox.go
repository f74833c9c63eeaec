// SPDX-License-Identifier: Apache-2.0

package query

import (
	"context"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/ledger"
)

// PartiesMax bounds the accounts and the assets of one Parties, and the tags of one AccountsByTag.
const PartiesMax = 8192

// Inbox is how far V10's changes are applied as of Height, and who may bring more.
type Inbox struct {
	ledger.InboxView
	Height      chain.Height // certified
	HomeVersion uint64
	Closed      bool // the migration is over, and so is the inbox
}

// Inbox reads the inbox. Life 0: it was never opened.
func (q *Query) Inbox(ctx context.Context) (*Inbox, error) {
	in := &Inbox{}
	height, err := q.view(ctx, func(l *ledger.Ledger) error {
		_, closed := l.Closed()
		*in = Inbox{InboxView: l.Inbox(), HomeVersion: l.HomeVersion(), Closed: closed}
		return nil
	})
	if err != nil {
		return nil, err
	}
	in.Height = height
	return in, nil
}

// Parties are those of some accounts and assets that exist.
type Parties struct {
	Slots  map[chain.AccountNo]uint16 // chain.SlotNone: the account lives on V11 only
	Assets map[chain.AssetNo]Asset
}

// Parties looks many accounts and assets up at once. What it says of them never changes.
func (q *Query) Parties(ctx context.Context, accounts []chain.AccountNo, assets []chain.AssetNo) (*Parties, error) {
	if len(accounts) > PartiesMax || len(assets) > PartiesMax {
		return nil, tooMany(max(len(accounts), len(assets)))
	}
	p := &Parties{Slots: make(map[chain.AccountNo]uint16, len(accounts)), Assets: make(map[chain.AssetNo]Asset, len(assets))}
	_, err := q.view(ctx, func(l *ledger.Ledger) error {
		for _, no := range accounts {
			if v, ok := l.Account(no); ok {
				p.Slots[no] = v.Slot
			}
		}
		for _, no := range assets {
			if v, ok := l.Asset(no); ok {
				p.Assets[no] = assetOf(v)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return p, nil
}

// Tagged is an account found by its alias tag; Number 0: there is none.
type Tagged struct {
	Number  chain.AccountNo
	Address chain.Address
}

// AccountsByTag finds accounts by the tags of their V10 names, in order.
func (q *Query) AccountsByTag(ctx context.Context, tags []chain.Hash) ([]Tagged, error) {
	if len(tags) > PartiesMax {
		return nil, tooMany(len(tags))
	}
	out := make([]Tagged, len(tags))
	_, err := q.view(ctx, func(l *ledger.Ledger) error {
		for i, tag := range tags {
			if no, ok := l.AccountByAlias(tag); ok {
				v, _ := l.Account(no)
				out[i] = Tagged{no, v.Address}
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

func tooMany(n int) error {
	return fault.New(fault.Invalid, "%d at once, at most %d", n, PartiesMax)
}
