// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"encoding/binary"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
)

// accountRecord is what an account rarely needs; its debit word and its money are elsewhere.
type accountRecord struct {
	Address chain.Address
	Key     chain.KeyNo // its own key, or 0
	Alias   uint32      // its alias record, or 0
	Slot    uint16      // chain.SlotNone for accounts native to V11
	Flags   uint16
}

// accountHouse in accountRecord.Flags marks an institution's house account.
const accountHouse = 1

// A debit word says who may debit an account: bits 0 to 19 are its custodian, the flags follow. A word that equals an
// institution's number is an account that this institution may debit without any other question.
const (
	wordCustodian = 1<<20 - 1
	wordOwnKey    = 1 << 20
	wordFrozen    = 1 << 21
	wordPortable  = 1 << 22
	wordKnown     = 1<<23 - 1
)

// aliasRecord leads from the keyed hash of a V10 string to its account.
type aliasRecord struct {
	Tag     chain.Hash
	Account chain.AccountNo
}

func (l *Ledger) hashOfAccount(no uint32) uint64 {
	return hashOfAddress(l.accounts.Ref(uint64(no)).Address)
}
func (l *Ledger) hashOfAlias(no uint32) uint64 { return hashOfTag(l.aliases.Ref(uint64(no)).Tag) }

func hashOfAddress(a chain.Address) uint64 {
	le := binary.LittleEndian
	return mix(le.Uint64(a[:]) ^ le.Uint64(a[12:]))
}

func hashOfTag(t chain.Hash) uint64 { return mix(binary.LittleEndian.Uint64(t[:])) }

func (l *Ledger) findAddress(a chain.Address) chain.AccountNo {
	return chain.AccountNo(l.byAddress.find(hashOfAddress(a), func(no uint32) bool { return l.accounts.Ref(uint64(no)).Address == a }))
}

// findAlias returns the number of the alias record, or 0.
func (l *Ledger) findAlias(tag chain.Hash) uint32 {
	return l.byAlias.find(hashOfTag(tag), func(no uint32) bool { return l.aliases.Ref(uint64(no)).Tag == tag })
}

func (l *Ledger) accountExists(no chain.AccountNo) bool {
	return no != Escrow && uint32(no) <= l.meta.Ref(0).Accounts
}

// custodian returns the institution that may debit the account, or 0.
func (l *Ledger) custodian(no chain.AccountNo) chain.InstitutionNo {
	return chain.InstitutionNo(*l.words.Ref(uint64(no)) & wordCustodian)
}

// opening describes an account to be opened. Exactly one of publicKey and custodian is set.
type opening struct {
	publicKey []byte
	custodian chain.InstitutionNo
	alias     chain.Hash
	address   chain.Address // with alias only
	slot      uint16        // with alias only
}

// check says why o cannot be opened, or OK. It fills in the address if that follows from the key.
func (l *Ledger) check(o *opening) chain.Outcome {
	portable := !o.alias.IsZero()
	if portable != !o.address.IsZero() || portable && o.slot == chain.SlotNone || !portable && o.slot != 0 && o.slot != chain.SlotNone {
		return chain.BadField
	}
	if len(o.publicKey) > 0 {
		address, ok := l.addressOf(o.publicKey)
		if !ok || !validKey(o.publicKey) {
			return chain.BadField
		}
		if !portable {
			o.address = address
		}
	}
	m := l.meta.Ref(0)
	switch {
	case portable && l.findAlias(o.alias) != 0:
		return chain.AliasTaken
	case !o.address.IsZero() && l.findAddress(o.address) != 0:
		return chain.AddressTaken
	case m.Accounts >= m.AccountsMax:
		return chain.LimitReached
	case len(o.publicKey) > 0 && !l.keysFit(o.publicKey):
		return chain.LimitReached
	}
	return chain.OK
}

// open opens the account that check found possible.
func (l *Ledger) open(o opening, flags uint16) chain.AccountNo {
	m := l.meta.Mut(0)
	m.Accounts++
	no := chain.AccountNo(m.Accounts)
	if o.address.IsZero() {
		o.address = l.custodialAddress(m.Chain, no)
	}
	r := accountRecord{Address: o.address, Slot: chain.SlotNone, Flags: flags}
	word := uint32(o.custodian)
	if !o.alias.IsZero() {
		m.Aliases++
		*l.aliases.Mut(uint64(m.Aliases)) = aliasRecord{o.alias, no}
		l.byAlias.add()
		r.Alias, r.Slot = m.Aliases, o.slot
		word |= wordPortable
	}
	if len(o.publicKey) > 0 {
		r.Key = l.addKey(o.publicKey, OwnedByAccount, uint32(no))
		word |= wordOwnKey
	}
	*l.accounts.Mut(uint64(no)) = r
	*l.words.Mut(uint64(no)) = word
	l.byAddress.add()
	return no
}

// custodialAddress is the address of an account without key and alias. Whoever gave an earlier account this address on
// purpose only makes the next hash count: nobody can block the opening of accounts.
func (l *Ledger) custodialAddress(id chain.ChainID, no chain.AccountNo) (a chain.Address) {
	text := binary.LittleEndian.AppendUint64([]byte("aurigraph/custody/v1"), uint64(id))
	sum := codec.Sum(binary.LittleEndian.AppendUint32(text, uint32(no)))
	for {
		copy(a[:], sum[len(sum)-len(a):])
		if !a.IsZero() && l.findAddress(a) == 0 {
			return a
		}
		sum = codec.Sum(sum[:])
	}
}

func (l *Ledger) freezeAccount(no chain.AccountNo, frozen bool) {
	w := l.words.Mut(uint64(no))
	*w &^= wordFrozen
	if frozen {
		*w |= wordFrozen
	}
}
