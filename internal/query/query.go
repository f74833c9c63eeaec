// SPDX-License-Identifier: Apache-2.0

package query

import (
	"bytes"
	"context"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/history"
	"github.com/aurigraph/aurigraph/internal/ledger"
	"github.com/aurigraph/aurigraph/internal/pages"
)

// HoldingsMax bounds the holdings that an account answer lists.
const HoldingsMax = 1024

// State is the executed state, as the writer lets readers see it.
type State interface {
	// View runs read on the executor between two blocks, and returns the height that it saw once that is certified.
	View(ctx context.Context, read func(*ledger.Ledger)) (chain.Height, error)
	// Prove runs read on the newest hashed state, and returns once a certified header carries its root.
	Prove(ctx context.Context, read func(*pages.Snapshot, *pages.Tree) error) (rootAt chain.Height, headerBytes, certBytes []byte, err error)
}

// Index lists transfers.
type Index interface {
	// Transfers lists up to limit transfers, newest first, that lie before a place which an earlier answer gave as next (0:
	// from the newest on), of blocks up to at. next is 0 only at the end.
	Transfers(ctx context.Context, account chain.AccountNo, asset chain.AssetNo, before uint64, limit int) (at chain.Height, rows []Transfer, next uint64, err error)
	// ByOrigin finds the transfer that V10 made at a place of one of its rounds, or NotFound.
	ByOrigin(ctx context.Context, round uint64, place uint32) (Transfer, error)
}

// Feed tells of certified heights.
type Feed interface {
	// Height is the newest certified height.
	Height() chain.Height
	// Follow calls each with every height from from on (0: from the next block on), until ctx ends or each fails.
	Follow(ctx context.Context, from chain.Height, each func(chain.Height) error) error
}

// Parts is what a Query answers from.
type Parts struct {
	History *history.History
	State   State
	Feed    Feed
	Index   Index         // nil: transfers are not listed
	Status  func() Status // fills in all of a Status that the ledger does not know
	// Imported is V10's history before the copy; nil: there is none.
	Imported Imported
}

// Query answers readers. It is safe for concurrent use.
type Query struct {
	history *history.History
	state   State
	feed    Feed
	index   Index
	status  func() Status
	oldest  oldestPayload
	counts  lastCounts

	imported Imported
}

// New makes a Query.
func New(p Parts) *Query {
	return &Query{history: p.History, state: p.State, feed: p.Feed, index: p.Index, status: p.Status, imported: p.Imported}
}

// view runs read between two blocks. read may fail with a fault, which is the answer then.
func (q *Query) view(ctx context.Context, read func(*ledger.Ledger) error) (chain.Height, error) {
	var failed error
	height, err := q.state.View(ctx, func(l *ledger.Ledger) { failed = read(l) })
	if err != nil {
		return 0, err
	}
	return height, failed
}

// Account finds an account with all its holdings, or with the one of an asset that is not 0.
func (q *Query) Account(ctx context.Context, name AccountName, asset chain.AssetNo) (*Account, error) {
	a := &Account{}
	height, err := q.view(ctx, func(l *ledger.Ledger) (err error) {
		*a, err = readAccount(l, name, asset)
		return err
	})
	if err != nil {
		return nil, err
	}
	a.Height = height
	return a, nil
}

func resolve(l *ledger.Ledger, name AccountName) (chain.AccountNo, error) {
	no, ok := name.Number, true
	switch {
	case no != 0:
	case !name.Address.IsZero():
		no, ok = l.AccountByAddress(name.Address)
	case !name.AliasTag.IsZero():
		no, ok = l.AccountByAlias(name.AliasTag)
	default:
		return 0, fault.New(fault.Invalid, "name the account by number, address or alias tag")
	}
	if !ok {
		return 0, fault.New(fault.NotFound, "there is no such account")
	}
	return no, nil
}

func readAccount(l *ledger.Ledger, name AccountName, asset chain.AssetNo) (Account, error) {
	no, err := resolve(l, name)
	if err != nil {
		return Account{}, err
	}
	v, ok := l.Account(no)
	if !ok {
		return Account{}, fault.New(fault.NotFound, "there is no account %d", no)
	}
	a := Account{Number: no, Address: v.Address, Institution: v.Custodian, Key: v.Key, Frozen: v.Frozen, Slot: v.Slot, Nonce: v.Nonce}
	if asset == 0 {
		for _, h := range l.Holdings(no, HoldingsMax) {
			a.Holdings = append(a.Holdings, holdingOf(l, h.Asset, h.Amount))
		}
		return a, nil
	}
	if _, ok := l.Asset(asset); !ok {
		return Account{}, fault.New(fault.NotFound, "there is no asset %d", asset)
	}
	a.Holdings = []Holding{holdingOf(l, asset, l.Balance(no, asset))}
	return a, nil
}

func holdingOf(l *ledger.Ledger, asset chain.AssetNo, amount chain.Amount) Holding {
	v, _ := l.Asset(asset)
	return Holding{Asset: asset, Code: v.Code, Scale: v.Scale, Amount: amount}
}

// AccountProof proves an account and, if asset is not 0, that holding, under the newest certified state root. An account
// or holding that is newer than that root is TryLater.
//
// What exists can be proved, and that a holding of a dense asset is 0. That an account has never held an asset which is
// not dense cannot: such holdings lie in the order in which they were made, so no page shows that one is missing. That is
// NotFound, and the word of this node.
func (q *Query) AccountProof(ctx context.Context, name AccountName, asset chain.AssetNo) (*StateProof, error) {
	p := &StateProof{}
	var places []proofPlace
	height, err := q.view(ctx, func(l *ledger.Ledger) (err error) {
		if p.Account, err = readAccount(l, name, asset); err != nil {
			return err
		}
		places, err = placesOf(l, p.Account.Number, asset)
		return err
	})
	if err != nil {
		return nil, err
	}
	p.Account.Height = height
	p.RootHeight, p.HeaderBytes, p.CertBytes, err = q.state.Prove(ctx, func(sn *pages.Snapshot, tree *pages.Tree) error {
		p.Pages = nil
		for _, at := range places {
			page, err := provePage(sn, tree, at)
			if err != nil {
				return err
			}
			p.Pages = append(p.Pages, page)
		}
		return nil
	})
	return p, err
}

// proofPlace is where a record lies. One that must exist is not all zeros.
type proofPlace struct {
	ledger.Place
	must bool
}

func placesOf(l *ledger.Ledger, account chain.AccountNo, asset chain.AssetNo) ([]proofPlace, error) {
	places := []proofPlace{{l.LocateAccount(account), true}, {l.LocateWord(account), false}}
	if asset == 0 {
		return places, nil
	}
	amount, key, ok := l.LocateBalance(account, asset)
	if !ok {
		return nil, fault.New(fault.NotFound, "account %d has no holding of asset %d to prove", account, asset)
	}
	if key.Bytes != 0 {
		places = append(places, proofPlace{key, true})
	}
	return append(places, proofPlace{amount, false}), nil
}

// provePage proves one page of a snapshot. The place is of the newest state: the snapshot may be from before the record
// was made, and what it has there instead proves nothing.
func provePage(sn *pages.Snapshot, tree *pages.Tree, at proofPlace) (PageProof, error) {
	view, ok := sn.Section(at.Section)
	if !ok {
		return PageProof{}, errNewerThanRoot()
	}
	page, _ := view.Page(at.Page)
	record := page.Bytes()[at.Offset : at.Offset+at.Bytes]
	if at.must && len(bytes.Trim(record, "\x00")) == 0 {
		return PageProof{}, errNewerThanRoot()
	}
	path, err := tree.Proof(at.Section, at.Page).AppendBinary(nil)
	if err != nil {
		return PageProof{}, err
	}
	return PageProof{Section: at.Section, Record: at.Record, Page: append([]byte(nil), page.Bytes()...), Path: path}, nil
}

func errNewerThanRoot() error {
	return fault.Reasoned(fault.TryLater, "newer_than_root", "the record is newer than the last state root: ask again in a moment")
}

// Asset finds an asset by its number.
func (q *Query) Asset(ctx context.Context, no chain.AssetNo) (*Asset, error) {
	return q.asset(ctx, func(*ledger.Ledger) chain.AssetNo { return no })
}

// AssetByCode finds an asset by its code.
func (q *Query) AssetByCode(ctx context.Context, code string) (*Asset, error) {
	return q.asset(ctx, func(l *ledger.Ledger) chain.AssetNo {
		no, _ := l.AssetByCode(code)
		return no
	})
}

func (q *Query) asset(ctx context.Context, which func(*ledger.Ledger) chain.AssetNo) (*Asset, error) {
	a := &Asset{}
	height, err := q.view(ctx, func(l *ledger.Ledger) error {
		v, ok := l.Asset(which(l))
		if !ok {
			return fault.New(fault.NotFound, "there is no such asset")
		}
		*a = assetOf(v)
		return nil
	})
	if err != nil {
		return nil, err
	}
	a.Height = height
	return a, nil
}

// Institution finds an institution, its keys, and the last sequence of one of its channels.
func (q *Query) Institution(ctx context.Context, no chain.InstitutionNo, channel uint8) (*Institution, error) {
	in := &Institution{}
	height, err := q.view(ctx, func(l *ledger.Ledger) error {
		v, ok := l.Institution(no)
		if !ok {
			return fault.New(fault.NotFound, "there is no institution %d", no)
		}
		*in = Institution{Number: no, Name: v.Name, House: v.House, ChannelSequence: l.Channel(no, channel)}
		for _, k := range l.InstitutionKeys(no) {
			in.Keys = append(in.Keys, Key{Number: k.No, Public: k.Public, Active: k.Active, Delegated: k.Delegated})
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	in.Height = height
	return in, nil
}
