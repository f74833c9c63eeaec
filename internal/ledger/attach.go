// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/pages"
)

// Attach rebuilds everything derived from pages that were loaded before New, and checks that the tables agree with each
// other and that the holdings add up. What does not is Corrupt; the ledger is then of no use. Call it before the first
// snapshot is awaited; with 1M accounts it takes a fraction of a second.
func (l *Ledger) Attach() error {
	l.resetDerived()
	for _, step := range []func() error{
		l.attachCounts, l.attachMembers, l.attachSections, l.attachAliases, l.attachKeys, l.attachInstitutions, l.attachAccounts, l.attachAssets, l.attachHoldings, l.attachHolds,
		l.attachKeyed, l.attachInbox, l.attachMoves,
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return l.Recount()
}

func corrupt(format string, args ...any) error {
	return fault.New(fault.Corrupt, "state: "+format, args...)
}

func (l *Ledger) attachCounts() error {
	m := l.meta.Ref(0)
	switch {
	case m.Chain == 0:
		return corrupt("there is no chain id")
	case m.AccountsMax > chain.AccountsMaxMax || m.Accounts > m.AccountsMax:
		return corrupt("%d accounts of at most %d", m.Accounts, m.AccountsMax)
	case m.Assets > AssetsMax || m.Institutions > InstitutionsMax || m.Keys > KeysMax || m.LargeKeys > m.Keys || m.LargeKeys > largeKeysMax:
		return corrupt("%d assets, %d institutions, %d keys, %d of them large", m.Assets, m.Institutions, m.Keys, m.LargeKeys)
	case m.Aliases > m.Accounts || m.Sparse > HoldingsMax || m.HoldSlots > HoldsMax || m.HoldsPending > m.HoldSlots || m.Validators > chain.ValidatorsMax:
		return corrupt("%d aliases, %d sparse holdings, %d hold slots, %d holds, %d validators", m.Aliases, m.Sparse, m.HoldSlots, m.HoldsPending, m.Validators)
	}
	return nil
}

// attachSections checks that no page was loaded that no column answers for.
func (l *Ledger) attachSections() error {
	sn := l.space.Snapshot()
	defer sn.Release()
	const amountBytes = 16
	for _, v := range sn.Sections() {
		asset := v.Section - sectionDense
		switch {
		case v.Section >= sectionMeta && v.Section <= sectionLast:
		case v.Section <= sectionDense || asset > l.meta.Ref(0).Assets || l.assets.Ref(uint64(asset)).Flags&chain.AssetDense == 0:
			return corrupt("section %d belongs to nothing", v.Section)
		case v.RecordBytes != amountBytes || v.Pages() > (chain.AccountsMaxMax*amountBytes)/pages.PageBytes+1:
			return corrupt("section %d has %d pages of records of %d bytes", v.Section, v.Pages(), v.RecordBytes)
		}
	}
	return nil
}

func (l *Ledger) attachAliases() error {
	m := l.meta.Ref(0)
	for no := uint64(1); no <= uint64(m.Aliases); no++ {
		r := l.aliases.Ref(no)
		if !l.accountExists(r.Account) || l.accounts.Ref(uint64(r.Account)).Alias != uint32(no) || l.findAlias(r.Tag) != 0 {
			return corrupt("alias %d leads to account %d", no, r.Account)
		}
		l.byAlias.add()
	}
	return nil
}

func (l *Ledger) attachKeys() error {
	m := l.meta.Ref(0)
	large := uint32(0)
	for no := uint64(1); no <= uint64(m.Keys); no++ {
		r := l.keys.Ref(no)
		if r.Scheme == 0 || int(r.Scheme) >= len(keySizes) || (r.State != keyActive && r.State != keyRevoked) {
			return corrupt("key %d has scheme %d and state %d", no, r.Scheme, r.State)
		}
		want := uint32(0)
		if keySizes[r.Scheme] > inlineKeyBytes {
			large++
			want = large
		}
		if r.Large != want {
			return corrupt("key %d lies in large key %d", no, r.Large)
		}
		institution := r.byInstitution() && l.institutionExists(chain.InstitutionNo(r.Owner))
		account := r.Kind == OwnedByAccount && l.accountExists(chain.AccountNo(r.Owner)) && l.accounts.Ref(uint64(r.Owner)).Key == chain.KeyNo(no)
		if !institution && !account {
			return corrupt("key %d is owned by %d of kind %d", no, r.Owner, r.Kind)
		}
	}
	if large != m.LargeKeys {
		return corrupt("%d large keys, not %d", large, m.LargeKeys)
	}
	return nil
}

func (l *Ledger) attachInstitutions() error {
	m := l.meta.Ref(0)
	active, delegated := make([]uint16, m.Institutions+1), make([]uint16, m.Institutions+1)
	for no := uint64(1); no <= uint64(m.Keys); no++ {
		r := l.keys.Ref(no)
		if !r.byInstitution() || r.State != keyActive {
			continue
		}
		active[r.Owner]++
		if r.Kind == ownedByDelegate {
			delegated[r.Owner]++
		}
	}
	for no := uint64(1); no <= uint64(m.Institutions); no++ {
		r := l.institutions.Ref(no)
		if r.ActiveKeys != active[no] || r.DelegatedKeys != delegated[no] || !l.accountExists(r.House) || r.NameBytes > chain.NameBytesMax || l.accounts.Ref(uint64(r.House)).Flags != accountHouse {
			return corrupt("institution %d has house account %d and %d active keys of %d", no, r.House, r.ActiveKeys, active[no])
		}
	}
	return nil
}

func (l *Ledger) attachAccounts() error {
	m := l.meta.Ref(0)
	for no := uint64(1); no <= uint64(m.Accounts); no++ {
		r, word := l.accounts.Ref(no), *l.words.Ref(no)
		custodian := word & wordCustodian
		ownKey, portable := word&wordOwnKey != 0, word&wordPortable != 0
		if word&^wordKnown != 0 || custodian > m.Institutions || custodian == 0 && !ownKey {
			return corrupt("account %d has debit word %#x", no, word)
		}
		if ownKey != (r.Key != 0) || uint32(r.Key) > m.Keys || ownKey && (l.keys.Ref(uint64(r.Key)).Kind != OwnedByAccount || l.keys.Ref(uint64(r.Key)).Owner != uint32(no)) {
			return corrupt("account %d has key %d", no, r.Key)
		}
		if portable != (r.Alias != 0) || portable != (r.Slot != chain.SlotNone) || r.Alias > m.Aliases || portable && l.aliases.Ref(uint64(r.Alias)).Account != chain.AccountNo(no) {
			return corrupt("account %d has alias %d and slot %d", no, r.Alias, r.Slot)
		}
		if r.Flags&^accountHouse != 0 || r.Address.IsZero() || l.findAddress(r.Address) != 0 {
			return corrupt("account %d has flags %#x and address %v", no, r.Flags, r.Address)
		}
		l.byAddress.add()
	}
	return nil
}

func (l *Ledger) attachAssets() error {
	m := l.meta.Ref(0)
	for no := chain.AssetNo(1); uint32(no) <= m.Assets; no++ {
		r := l.assets.Ref(uint64(no))
		if int(r.CodeBytes) > len(r.Code) || r.NameBytes > chain.NameBytesMax || !validCode(r.code()) || l.findCode(r.code()) != 0 {
			return corrupt("asset %d has code %q", no, r.Code)
		}
		if !l.accountExists(r.Issuer) || r.Scale > chain.ScaleMax || !r.Flags.Known() || r.Frozen > 1 || r.Reserved != 0 {
			return corrupt("asset %d has issuer %d, scale %d, flags %#x, frozen %d", no, r.Issuer, r.Scale, r.Flags, r.Frozen)
		}
		if r.Flags&chain.AssetDense != 0 && len(l.dense) >= DenseAssetsMax {
			return corrupt("asset %d is dense, the %d-th", no, DenseAssetsMax+1)
		}
		l.attachAsset(no)
	}
	return nil
}

func (l *Ledger) attachHoldings() error {
	m := l.meta.Ref(0)
	for no := uint32(1); no <= m.Sparse; no++ {
		k := *l.sparseKeys.Ref(uint64(no))
		if k.Account != Escrow && !l.accountExists(k.Account) || !l.assetExists(k.Asset) || !l.hot[k.Asset].sparse || l.findSparse(k) != 0 {
			return corrupt("sparse holding %d is of account %d in asset %d", no, k.Account, k.Asset)
		}
		l.bySparse.add()
		l.sparseLists.push(k.Account, no)
	}
	return nil
}

func (l *Ledger) attachHolds() error {
	m := l.meta.Ref(0)
	pending := uint32(0)
	for slot := uint32(0); slot < m.HoldSlots; slot++ {
		r := *l.holds.Ref(uint64(slot))
		if r == (holdRecord{}) {
			l.holdsFree.push(slot)
			continue
		}
		_, twice := l.holdByID[r.ID]
		if twice || r.State != holdPending || r.From == r.To || !l.accountExists(r.From) || !l.accountExists(r.To) || !l.assetExists(r.Asset) || r.Amount.IsZero() {
			return corrupt("hold slot %d has hold %v of account %d for account %d in asset %d, state %d", slot, r.ID, r.From, r.To, r.Asset, r.State)
		}
		pending++
		l.holdByID[r.ID] = slot
		l.holdsExpiring.push(slot)
	}
	if pending != m.HoldsPending {
		return corrupt("%d holds are pending, not %d", pending, m.HoldsPending)
	}
	return nil
}
