// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/pages"
)

// Counts are the sizes of the ledger's tables.
type Counts struct {
	Accounts, Assets, Institutions, Keys, Aliases uint32
	AccountsMax                                   uint32
	DenseAssets                                   uint32
	SparseHoldings                                uint32 // ever made, those of amount 0 included
	HoldsPending                                  uint32
	HoldSlots                                     uint32 // high-water mark of HoldsPending
}

// Counts returns the present sizes.
func (l *Ledger) Counts() Counts {
	m := l.meta.Ref(0)
	return Counts{
		Accounts: m.Accounts, Assets: m.Assets, Institutions: m.Institutions, Keys: m.Keys, Aliases: m.Aliases,
		AccountsMax: m.AccountsMax, DenseAssets: uint32(len(l.dense)),
		SparseHoldings: m.Sparse, HoldsPending: m.HoldsPending, HoldSlots: m.HoldSlots,
	}
}

// Chain is the network's id.
func (l *Ledger) Chain() chain.ChainID { return l.meta.Ref(0).Chain }

// Height is that of the last block begun; 0 after genesis.
func (l *Ledger) Height() chain.Height { return l.meta.Ref(0).Height }

// TimeUs is the proposer's time of the last block begun, in microseconds since 1970.
func (l *Ledger) TimeUs() uint64 { return l.meta.Ref(0).TimeUs }

// MigrationOpen reports whether portable assets are bound to portable accounts. Closed says when they were freed.
func (l *Ledger) MigrationOpen() bool { return l.meta.Ref(0).MigrationOpen != 0 }

// AccountView is an account without its holdings.
type AccountView struct {
	No        chain.AccountNo
	Address   chain.Address
	Key       chain.KeyNo         // its own key, or 0
	Custodian chain.InstitutionNo // or 0
	Alias     chain.Hash          // keyed hash of its V10 string, or zero
	Slot      uint16              // chain.SlotNone if it is native to V11
	House     bool                // an institution's house account
	Frozen    bool
	OnV10     bool   // only V10 may debit its portable assets
	Nonce     uint64 // the highest used
}

// Account returns an account, and false if there is none of this number.
func (l *Ledger) Account(no chain.AccountNo) (AccountView, bool) {
	if !l.accountExists(no) {
		return AccountView{}, false
	}
	r, word := l.accounts.Ref(uint64(no)), *l.words.Ref(uint64(no))
	v := AccountView{
		No: no, Address: r.Address, Key: r.Key, Custodian: l.custodian(no), Slot: r.Slot,
		House: r.Flags&accountHouse != 0, Frozen: word&wordFrozen != 0,
		OnV10: word&wordPortable != 0 && l.ownedByV10(r.Slot), Nonce: l.nonces.Ref(uint64(no)).High,
	}
	if r.Alias != 0 {
		v.Alias = l.aliases.Ref(uint64(r.Alias)).Tag
	}
	return v, true
}

// AccountByAddress finds an account by its address.
func (l *Ledger) AccountByAddress(a chain.Address) (chain.AccountNo, bool) {
	no := l.findAddress(a)
	return no, no != 0
}

// AccountByAlias finds an account by the keyed hash of its V10 string.
func (l *Ledger) AccountByAlias(tag chain.Hash) (chain.AccountNo, bool) {
	alias := l.findAlias(tag)
	return l.aliases.Ref(uint64(alias)).Account, alias != 0
}

// Balance is what an account, or Escrow, holds of an asset: 0 if one of them does not exist.
func (l *Ledger) Balance(account chain.AccountNo, asset chain.AssetNo) chain.Amount {
	if !l.assetExists(asset) || account != Escrow && !l.accountExists(account) {
		return chain.Amount{}
	}
	h, record := l.place(account, asset)
	return *h.column.Ref(record)
}

// Holding is an amount of an asset.
type Holding struct {
	Asset  chain.AssetNo
	Amount chain.Amount
}

// Holdings returns at most limit holdings of an account that are not 0: the dense assets by number, then the others, the
// newest holding first.
func (l *Ledger) Holdings(account chain.AccountNo, limit int) []Holding {
	var list []Holding
	add := func(asset chain.AssetNo, amount chain.Amount) bool {
		if len(list) < limit && !amount.IsZero() {
			list = append(list, Holding{asset, amount})
		}
		return len(list) < limit
	}
	for _, asset := range l.dense {
		if !add(asset, l.Balance(account, asset)) {
			return list
		}
	}
	if int(account) >= len(l.sparseLists.head) {
		return list
	}
	for no := l.sparseLists.head[account]; no != 0; no = l.sparseLists.next[no] {
		if !add(l.sparseKeys.Ref(uint64(no)).Asset, *l.sparse.Ref(uint64(no))) {
			break
		}
	}
	return list
}

// AssetView is an asset.
type AssetView struct {
	No     chain.AssetNo
	Code   string
	Name   string
	Scale  uint8
	Flags  chain.AssetFlags
	Frozen bool
	Issuer chain.AccountNo
	Supply chain.Amount
}

// Asset returns an asset, and false if there is none of this number.
func (l *Ledger) Asset(no chain.AssetNo) (AssetView, bool) {
	if !l.assetExists(no) {
		return AssetView{}, false
	}
	r := l.assets.Ref(uint64(no))
	return AssetView{
		No: no, Code: r.code(), Name: string(r.Name[:r.NameBytes]), Scale: r.Scale, Flags: r.Flags,
		Frozen: r.Frozen != 0, Issuer: r.Issuer, Supply: r.Supply,
	}, true
}

// AssetByCode finds an asset by its code.
func (l *Ledger) AssetByCode(code string) (chain.AssetNo, bool) {
	no := l.findCode(code)
	return no, no != 0
}

// InstitutionView is an institution.
type InstitutionView struct {
	No         chain.InstitutionNo
	Name       string
	House      chain.AccountNo
	ActiveKeys uint32 // delegated ones included
}

// Institution returns an institution, and false if there is none of this number.
func (l *Ledger) Institution(no chain.InstitutionNo) (InstitutionView, bool) {
	if !l.institutionExists(no) {
		return InstitutionView{}, false
	}
	r := l.institutions.Ref(uint64(no))
	return InstitutionView{No: no, Name: string(r.Name[:r.NameBytes]), House: r.House, ActiveKeys: uint32(r.ActiveKeys)}, true
}

// Channel returns the last sequence of an institution's channel, 0 if it was never used.
func (l *Ledger) Channel(institution chain.InstitutionNo, channel uint8) uint64 {
	if !l.institutionExists(institution) {
		return 0
	}
	return *l.channels.Ref(channelIndex(institution, channel))
}

// NonceOutcome says what RunTx would answer for an account's nonce now: OK, NonceUsed or FutureSequence.
func (l *Ledger) NonceOutcome(account chain.AccountNo, nonce uint64) chain.Outcome {
	if !l.accountExists(account) {
		return chain.UnknownAccount
	}
	return l.nonces.Ref(uint64(account)).check(nonce)
}

// HoldView is a pending hold.
type HoldView struct {
	ID       chain.Hash
	From, To chain.AccountNo
	Asset    chain.AssetNo
	Amount   chain.Amount
	Expires  chain.Height // the block at whose beginning it is given back
}

// HoldByID returns a hold that can still be posted or voided in the present block.
func (l *Ledger) HoldByID(id chain.Hash) (HoldView, bool) {
	_, r, ok := l.pendingHold(id)
	if !ok {
		return HoldView{}, false
	}
	return HoldView{ID: r.ID, From: r.From, To: r.To, Asset: r.Asset, Amount: r.Amount, Expires: r.Expires}, true
}

// Place is where a record lies in the pages, so that it can be proved under a state root: record Record of
// section Section, which is bytes [Offset, Offset+Bytes) of its page Page. FORMAT.md says what they mean.
type Place struct {
	Section       uint32
	Record        uint64
	Page          uint64
	Offset, Bytes int
}

func placeOf[T any](c *pages.Column[T], record uint64) Place {
	page, offset := pages.Locate[T](record)
	_, end := pages.Locate[T](1)
	return Place{Section: c.Section(), Record: record, Page: page, Offset: offset, Bytes: end}
}

// LocateAccount tells where an account's record lies.
func (l *Ledger) LocateAccount(no chain.AccountNo) Place { return placeOf(l.accounts, uint64(no)) }

// LocateWord tells where an account's debit word lies: who may debit it, and whether it is frozen.
func (l *Ledger) LocateWord(no chain.AccountNo) Place { return placeOf(l.words, uint64(no)) }

// LocateAsset tells where an asset's record lies.
func (l *Ledger) LocateAsset(no chain.AssetNo) Place { return placeOf(l.assets, uint64(no)) }

// LocateBalance tells where an account's holding of an asset lies, and false if there is no such holding. A holding in
// the sparse column means nothing without its key: key is then where that lies, else its Bytes are 0.
func (l *Ledger) LocateBalance(account chain.AccountNo, asset chain.AssetNo) (amount, key Place, ok bool) {
	if !l.assetExists(asset) || account != Escrow && !l.accountExists(account) {
		return Place{}, Place{}, false
	}
	h, record := l.place(account, asset)
	if !h.sparse {
		return placeOf(h.column, record), Place{}, true
	}
	return placeOf(h.column, record), placeOf(l.sparseKeys, record), record != 0
}
