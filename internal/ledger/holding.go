// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"cmp"
	"slices"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// sparseKey says whose holding of what a sparse holding is.
type sparseKey struct {
	Account chain.AccountNo
	Asset   chain.AssetNo
}

// hash is Fibonacci hashing (Knuth, vol. 3, 6.4): consecutive accounts of an asset lie far apart in its upper bits.
func (k sparseKey) hash() uint64 {
	return (uint64(k.Asset)<<32 | uint64(k.Account)) * 0x9E3779B97F4A7C15
}

func (l *Ledger) hashOfSparse(no uint32) uint64 { return l.sparseKeys.Ref(uint64(no)).hash() }

// findSparse is index.find without the call per slot: a leg needs it twice.
func (l *Ledger) findSparse(k sparseKey) uint32 {
	slots := l.bySparse.slots
	mask := len(slots) - 1
	for i := int(k.hash() >> (l.bySparse.shift & 63)); ; i++ {
		no := slots[i&mask]
		if no == 0 {
			return 0
		}
		if other := l.sparseKeys.Peek(uint64(no)); other != nil && *other == k {
			return no
		}
	}
}

// sparseLists leads from an account to its sparse holdings, the newest first. Bound: 4 B an account and a holding.
type sparseLists struct {
	head []uint32 // by account
	next []uint32 // by holding number
}

func (s *sparseLists) push(account chain.AccountNo, no uint32) {
	s.head, s.next = widened(s.head, uint32(account)), widened(s.next, no)
	s.next[no] = s.head[account]
	s.head[account] = no
}

// pop undoes the push of no, the last one.
func (s *sparseLists) pop(account chain.AccountNo, no uint32) {
	s.head[account] = s.next[no]
	s.next[no] = 0
}

// widened returns list with a place i.
func widened(list []uint32, i uint32) []uint32 {
	if short := int(i) + 1 - len(list); short > 0 {
		return append(list, make([]uint32, short)...)
	}
	return list
}

// place is where a holding's amount lies: the record of its asset's column. Record 0 of the sparse column is never
// written, so it stands for the sparse holdings that do not exist.
func (l *Ledger) place(account chain.AccountNo, asset chain.AssetNo) (h *hotAsset, record uint64) {
	h = &l.hot[asset]
	if h.sparse {
		return h, uint64(l.findSparse(sparseKey{account, asset}))
	}
	return h, uint64(account)
}

// debit takes amount out of a holding from which it may be taken. What the escrow account holds was debited from its payer before and
// is checked by its hold.
func (l *Ledger) debit(from chain.AccountNo, asset chain.AssetNo, amount chain.Amount) chain.Outcome {
	if from != Escrow {
		if code := l.debitable(from, asset); code != chain.OK {
			return code
		}
	}
	return l.take(from, asset, amount)
}

// take takes amount out of a holding that has it. Every debit passes here, by debit or on V10's word (applyTransfer, applyRedeem), or
// through the fast path of a batch, which makes debit's checks.
func (l *Ledger) take(from chain.AccountNo, asset chain.AssetNo, amount chain.Amount) chain.Outcome {
	h, record := l.place(from, asset)
	rest, ok := h.column.Ref(record).Sub(amount)
	if !ok {
		return chain.InsufficientFunds
	}
	l.set(from, asset, record, rest)
	l.sums.Debits = wrapAdd(l.sums.Debits, amount)
	return chain.OK
}

// debitable says why nothing may be debited from an account in an asset, whatever it holds, or OK.
func (l *Ledger) debitable(from chain.AccountNo, asset chain.AssetNo) chain.Outcome {
	switch {
	case *l.words.Ref(uint64(from))&wordFrozen != 0:
		return chain.FrozenAccount
	case l.assets.Ref(uint64(asset)).Frozen != 0:
		return chain.FrozenAsset
	}
	return l.homeSays(from, asset)
}

// creditable says why amount cannot be credited to an account, or OK. It is asked before anything moves.
func (l *Ledger) creditable(to chain.AccountNo, asset chain.AssetNo, amount chain.Amount) chain.Outcome {
	if to != Escrow && l.boundToPortable(asset) && *l.words.Ref(uint64(to))&wordPortable == 0 {
		return chain.NotPortable
	}
	h, record := l.place(to, asset)
	if h.sparse && record == 0 {
		if l.meta.Ref(0).Sparse >= HoldingsMax {
			return chain.LimitReached
		}
		return chain.OK
	}
	if _, ok := h.column.Ref(record).Add(amount); !ok {
		return chain.Overflow
	}
	return chain.OK
}

// credit adds amount to a holding that creditable found to have room.
func (l *Ledger) credit(to chain.AccountNo, asset chain.AssetNo, amount chain.Amount) {
	h, record := l.place(to, asset)
	if h.sparse && record == 0 {
		record = uint64(l.makeSparse(sparseKey{to, asset}))
	}
	sum, ok := h.column.Ref(record).Add(amount)
	if !ok { // not as arguments: they would be allocated
		fault.Invariant(false, "account %d in asset %d: %v + %v does not fit", to, asset, *h.column.Ref(record), amount)
	}
	l.set(to, asset, record, sum)
	l.sums.Credits = wrapAdd(l.sums.Credits, amount)
}

// set writes a holding's amount, and keeps what undoing and versioned assets need.
func (l *Ledger) set(account chain.AccountNo, asset chain.AssetNo, record uint64, amount chain.Amount) {
	h := &l.hot[asset]
	p := h.column.Mut(record)
	if l.journal.on {
		l.journal.amount(asset, record, *p)
	}
	*p = amount
	if !h.plain && l.assets.Ref(uint64(asset)).Flags&chain.AssetVersioned != 0 {
		l.versioned = append(l.versioned, versionedPlace{asset, account})
	}
}

// makeSparse makes the next sparse holding, of amount 0.
func (l *Ledger) makeSparse(k sparseKey) uint32 {
	m := l.meta.Mut(0)
	m.Sparse++
	no := m.Sparse
	*l.sparseKeys.Mut(uint64(no)) = k
	l.bySparse.add()
	l.sparseLists.push(k.Account, no)
	if l.journal.on {
		l.journal.made()
	}
	return no
}

// unmakeSparse undoes the last makeSparse; the holding's amount is 0 again.
func (l *Ledger) unmakeSparse() {
	m := l.meta.Mut(0)
	no := m.Sparse
	l.bySparse.dropLast()
	l.sparseLists.pop(l.sparseKeys.Ref(uint64(no)).Account, no)
	*l.sparseKeys.Mut(uint64(no)) = sparseKey{}
	m.Sparse--
}

// transfer moves amount between two accounts of which the caller may debit from. It is the slow path: any asset, any
// account, every outcome.
func (l *Ledger) transfer(from, to chain.AccountNo, asset chain.AssetNo, amount chain.Amount) chain.Outcome {
	if code := l.creditable(to, asset, amount); code != chain.OK {
		return code
	}
	if code := l.debit(from, asset, amount); code != chain.OK {
		return code
	}
	l.credit(to, asset, amount)
	return chain.OK
}

// checkParties checks the fields that transfers and holds share.
func (l *Ledger) checkParties(from, to chain.AccountNo, asset chain.AssetNo, amount chain.Amount) chain.Outcome {
	switch {
	case amount.IsZero() || from == to:
		return chain.BadField
	case !l.accountExists(from) || !l.accountExists(to):
		return chain.UnknownAccount
	case !l.assetExists(asset):
		return chain.UnknownAsset
	}
	return chain.OK
}

// versionedPlace is a holding of a versioned asset that changed.
type versionedPlace struct {
	asset   chain.AssetNo
	account chain.AccountNo
}

// VersionedChange is a holding of an asset flagged AssetVersioned, as the block left it.
type VersionedChange struct {
	Asset   chain.AssetNo
	Account chain.AccountNo
	Amount  chain.Amount
}

// VersionedChanges returns the holdings of versioned assets that the present block touched, each once, by asset and
// account. Escrow counts as an account.
func (l *Ledger) VersionedChanges() []VersionedChange {
	slices.SortFunc(l.versioned, func(a, b versionedPlace) int {
		return cmp.Or(cmp.Compare(a.asset, b.asset), cmp.Compare(a.account, b.account))
	})
	l.versioned = slices.Compact(l.versioned)
	changes := make([]VersionedChange, 0, len(l.versioned))
	for _, p := range l.versioned {
		changes = append(changes, VersionedChange{p.asset, p.account, l.Balance(p.account, p.asset)})
	}
	return changes
}
