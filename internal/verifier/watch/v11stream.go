// SPDX-License-Identifier: Apache-2.0

package watch

import (
	"context"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/aurigraph/aurigraph/client"
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// FactsMax bounds the accounts, and the assets, of which facts are kept. Above it they are asked for anew.
const FactsMax = 1 << 17

// asksMax is how many questions about accounts are under way at once.
const asksMax = 32

// Chain is V11 as it is read: client.Client.
type Chain interface {
	FollowContents(ctx context.Context, from chain.Height, each func(*client.Block, []client.BatchContents) error) error
	Block(ctx context.Context, h chain.Height) (*client.Block, error)
	Inbox(ctx context.Context) (*client.Inbox, error)
	Account(ctx context.Context, name client.AccountName, asset chain.AssetNo, proof bool) (*client.Account, error)
	Asset(ctx context.Context, no chain.AssetNo) (*client.Asset, error)
	Institution(ctx context.Context, no chain.InstitutionNo, channel uint8) (*client.Institution, error)
}

// v11Tail reads V11's chain from a height on, and goes on where it was when no node answers.
type v11Tail struct {
	chain Chain
	log   v11Log
	next  chain.Height
	facts facts
	owned map[chain.KeyNo]bool // whether a key is the custodian's
	each  func([]event)
	said  func(error)
}

func (t *v11Tail) run(ctx context.Context) error {
	for wait := pauseMin; ; wait = min(2*wait, pauseMax) {
		before := t.next
		err := t.chain.FollowContents(ctx, t.next, func(b *client.Block, batches []client.BatchContents) error { return t.block(ctx, b, batches) })
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil && !mends(err):
			return err
		case t.next > before:
			wait = pauseMin
		}
		t.said(err)
		if pauseFor(ctx, wait) != nil {
			return ctx.Err()
		}
	}
}

func (t *v11Tail) block(ctx context.Context, b *client.Block, batches []client.BatchContents) error {
	if !b.Verified {
		return fault.New(fault.Invalid, "V11's blocks are not verified: give the client a trust")
	}
	list := make([]contents, len(batches))
	for i := range batches {
		list[i] = contents{batches[i].Payload, batches[i].Outcomes}
	}
	items, err := t.log.items(b.Header, list)
	if err != nil {
		return err
	}
	if items, err = t.signed(ctx, items); err != nil {
		return err
	}
	if err := t.learn(ctx, items); err != nil {
		return err
	}
	t.each(t.log.events(b.Header, b.Hash, items, &t.facts))
	t.next = b.Height + 1
	return nil
}

// signed leaves out refusals of batches that somebody else signed than the custodian that they name: such a batch is refused whole,
// and V10 is told nothing of it.
func (t *v11Tail) signed(ctx context.Context, items []item) ([]item, error) {
	var failed error
	kept := slices.DeleteFunc(items, func(it item) bool {
		if it.institution == 0 || failed != nil {
			return false
		}
		owned, known := t.owned[it.key]
		if !known {
			in, err := t.chain.Institution(ctx, it.institution, 0)
			if err != nil {
				failed = err
				return false
			}
			owned = slices.ContainsFunc(in.Keys, func(k client.Key) bool { return k.Number == it.key })
			if t.owned == nil || len(t.owned) >= FactsMax {
				t.owned = map[chain.KeyNo]bool{}
			}
			t.owned[it.key] = owned
		}
		return !owned
	})
	return kept, failed
}

// learn asks for what is not known of the accounts and assets that items name.
func (t *v11Tail) learn(ctx context.Context, items []item) error {
	accounts, assets := mentions(items)
	if t.facts.accounts == nil || len(t.facts.accounts)+len(accounts) > FactsMax {
		t.facts.accounts = make(map[chain.AccountNo]accountFact, len(accounts))
	}
	if t.facts.assets == nil || len(t.facts.assets)+len(assets) > FactsMax {
		t.facts.assets = make(map[chain.AssetNo]assetFact, len(assets))
	}
	var mu sync.Mutex // guards facts
	asks, asking := errgroup.WithContext(ctx)
	asks.SetLimit(asksMax)
	for _, no := range accounts {
		mu.Lock()
		_, known := t.facts.accounts[no]
		mu.Unlock()
		if known {
			continue
		}
		asks.Go(func() error {
			f, err := t.account(asking, no)
			mu.Lock()
			defer mu.Unlock()
			t.facts.accounts[no] = f
			return err
		})
	}
	err := asks.Wait()
	for _, no := range assets {
		if _, known := t.facts.assets[no]; err == nil && !known {
			t.facts.assets[no], err = t.asset(ctx, no)
		}
	}
	if err != nil {
		t.facts = facts{} // some of it is not true
	}
	return err
}

// account asks for one. A node that is behind does not have it yet.
func (t *v11Tail) account(ctx context.Context, no chain.AccountNo) (accountFact, error) {
	a, err := known(ctx, func(ctx context.Context) (*client.Account, error) {
		return t.chain.Account(ctx, client.AccountName{Number: no}, 1, false)
	})
	if err != nil || a == nil {
		return accountFact{}, err
	}
	return accountFact{a.Address, a.Slot != chain.SlotNone}, nil
}

func (t *v11Tail) asset(ctx context.Context, no chain.AssetNo) (assetFact, error) {
	a, err := known(ctx, func(ctx context.Context) (*client.Asset, error) { return t.chain.Asset(ctx, no) })
	if err != nil || a == nil {
		return assetFact{}, err
	}
	return assetFact{a.Code, a.Portable}, nil
}

// known asks again while a node says NotFound, for as long as one may be behind the block that was just read; then it is nil.
func known[T any](ctx context.Context, ask func(context.Context) (*T, error)) (*T, error) {
	for wait := pauseMin / 4; ; wait *= 2 {
		a, err := ask(ctx)
		if !fault.Is(err, fault.NotFound) {
			return a, err
		}
		if wait > pauseMax {
			return nil, nil
		}
		if err := pauseFor(ctx, wait); err != nil {
			return nil, err
		}
	}
}
