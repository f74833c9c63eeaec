// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// genesisHomeVersion is the first version of the homes.
const genesisHomeVersion = 1

// InitGenesis makes the state of height 0 in an empty space. An error is Invalid and names the entry at fault; the space
// is then of no use. The migration is open if V10 owns a slot.
func (l *Ledger) InitGenesis(g *chain.Genesis) error {
	if err := g.Validate(); err != nil {
		return err
	}
	if l.meta.Ref(0).Chain != 0 {
		return fault.New(fault.Conflict, "the state of chain %d exists already", l.meta.Ref(0).Chain)
	}
	*l.meta.Mut(0) = metaRecord{
		Chain: g.Chain, TimeUs: g.TimeUs, AccountsMax: g.AccountsMax,
		HomeVersion: genesisHomeVersion,
	}
	if g.IdempotencyKeysMax != 0 {
		l.keyedTotals.Mut(0).Max = g.IdempotencyKeysMax
	}
	l.genesisHomes(g.V10Slots)
	l.setMembership(g.Membership())
	for _, step := range []func(*chain.Genesis) error{l.genesisInstitutions, l.genesisAccounts, l.genesisAssets, l.genesisHoldings} {
		if err := step(g); err != nil {
			return err
		}
	}
	l.newKeys, l.versioned = l.newKeys[:0], l.versioned[:0]
	return nil
}

func (l *Ledger) genesisHomes(ranges []chain.SlotRange) {
	for _, r := range ranges {
		for slot := int(r.From); slot <= int(r.To); slot++ {
			l.setHome(uint16(slot), true)
		}
		l.meta.Mut(0).MigrationOpen = 1
	}
}

// refused says which entry of a list is at fault, and by which outcome.
func refused(list string, i int, code chain.Outcome) error {
	return fault.New(fault.Invalid, "genesis: %s[%d]: %v", list, i, code)
}

func (l *Ledger) genesisInstitutions(g *chain.Genesis) error {
	for i, in := range g.Institutions {
		if i >= InstitutionsMax || len(in.Keys)+len(in.DelegatedKeys) > InstitutionKeysMax {
			return refused("institutions", i, chain.LimitReached)
		}
		no := l.makeInstitution(in.Name)
		if err := l.genesisKeys(i, in.Keys, OwnedByInstitution, no); err != nil {
			return err
		}
		if err := l.genesisKeys(i, in.DelegatedKeys, ownedByDelegate, no); err != nil {
			return err
		}
	}
	return nil
}

func (l *Ledger) genesisKeys(i int, list []chain.HexBytes, kind OwnerKind, owner chain.InstitutionNo) error {
	for _, public := range list {
		if !validKey(public) {
			return fault.New(fault.Invalid, "genesis: institutions[%d]: a key of %d bytes needs a scheme byte and a key of its length", i, len(public))
		}
		l.addKey(public, kind, uint32(owner))
	}
	return nil
}

func (l *Ledger) genesisAccounts(g *chain.Genesis) error {
	for i, a := range g.Accounts {
		o := opening{publicKey: a.PublicKey, custodian: a.Institution, slot: a.Slot}
		copy(o.alias[:], a.AliasTag)
		copy(o.address[:], a.Address)
		switch {
		case (len(a.PublicKey) == 0) == (a.Institution == 0):
			return fault.New(fault.Invalid, "genesis: accounts[%d]: needs either a public_key or an institution", i)
		case a.Institution != 0 && !l.institutionExists(a.Institution):
			return refused("accounts", i, chain.UnknownInstitution)
		}
		if code := l.check(&o); code != chain.OK {
			return refused("accounts", i, code)
		}
		l.open(o, 0)
	}
	return nil
}

func (l *Ledger) genesisAssets(g *chain.Genesis) error {
	for i, a := range g.Assets {
		if !l.accountExists(a.Issuer) {
			return refused("assets", i, chain.UnknownAccount)
		}
		made := chain.CreateAsset{Code: a.Code, Name: a.Name, Scale: a.Scale, Flags: a.Flags}
		if code := l.checkAsset(&made); code != chain.OK {
			return refused("assets", i, code)
		}
		l.makeAsset(&made, a.Issuer)
	}
	return nil
}

func (l *Ledger) genesisHoldings(g *chain.Genesis) error {
	for i, h := range g.Holdings {
		amount, err := chain.ParseAmount(h.Amount, 0)
		switch {
		case err != nil || amount.IsZero():
			return refused("holdings", i, chain.BadField)
		case !l.accountExists(h.Account):
			return refused("holdings", i, chain.UnknownAccount)
		case !l.assetExists(h.Asset):
			return refused("holdings", i, chain.UnknownAsset)
		}
		if code := l.issue(h.Account, h.Asset, amount); code != chain.OK {
			return refused("holdings", i, code)
		}
	}
	return nil
}
