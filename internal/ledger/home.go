// SPDX-License-Identifier: Apache-2.0

package ledger

import "github.com/aurigraph/aurigraph/internal/chain"

// homeWords is the number of 64-bit words that hold a bit for each slot a u16 can name.
const (
	slotsPerWord = 64
	homeWords    = (1 << 16) / slotsPerWord
)

// ownedByV10 reports whether V10 is the home of a slot.
func (l *Ledger) ownedByV10(slot uint16) bool {
	return *l.homes.Ref(uint64(slot / 64))>>(slot%64)&1 != 0
}

func (l *Ledger) setHome(slot uint16, v10 bool) {
	word := l.homes.Mut(uint64(slot / slotsPerWord))
	if *word &^= 1 << (slot % slotsPerWord); v10 {
		*word |= 1 << (slot % slotsPerWord)
	}
}

// ownedSince reports whether V10 owned a slot when the home table was at a version, and has since then.
func (l *Ledger) ownedSince(slot uint16, version uint64) bool {
	return l.ownedByV10(slot) && version >= *l.slotSince.Ref(uint64(slot))
}

// homeSays is why nobody here may debit this account in this asset, both portable, or OK: V10 owns the slot, or a person must look
// at it first.
func (l *Ledger) homeSays(account chain.AccountNo, asset chain.AssetNo) chain.Outcome {
	if *l.words.Ref(uint64(account))&wordPortable == 0 || l.assets.Ref(uint64(asset)).Flags&chain.AssetPortable == 0 {
		return chain.OK
	}
	slot := l.accounts.Ref(uint64(account)).Slot
	switch {
	case l.ownedByV10(slot):
		return chain.NotHome
	case l.SlotFrozen(slot):
		return chain.FrozenSlot
	}
	return chain.OK
}

// away reports whether only V10 may debit this account in this asset.
func (l *Ledger) away(account chain.AccountNo, asset chain.AssetNo) bool {
	return l.homeSays(account, asset) == chain.NotHome
}

// boundToPortable reports whether only portable accounts may hold the asset, and nobody may put it on hold: V10, which
// may become the home again, knows neither native accounts nor holds.
func (l *Ledger) boundToPortable(asset chain.AssetNo) bool {
	return l.meta.Ref(0).MigrationOpen != 0 && l.assets.Ref(uint64(asset)).Flags&chain.AssetPortable != 0
}

// HomeVersion numbers the states of the home table.
func (l *Ledger) HomeVersion() uint64 { return l.meta.Ref(0).HomeVersion }

// V10Homes is a copy of the home table: bit slot % 64 of word slot / 64 is set if V10 owns the slot.
func (l *Ledger) V10Homes() (words [homeWords]uint64) {
	for i := range words {
		words[i] = *l.homes.Ref(uint64(i))
	}
	return words
}

// OwnedByV10 reports whether V10 is the home of a slot.
func (l *Ledger) OwnedByV10(slot uint16) bool { return l.ownedByV10(slot) }
