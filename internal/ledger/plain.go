// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"encoding/binary"

	"github.com/aurigraph/aurigraph/internal/chain"
)

// touchLegs is how many legs are touched before the first of them executes. Balances of a million accounts do not fit
// the cache: what a leg waits for is memory, and touching lets many legs wait at the same time.
const touchLegs = 32

// touch reads what the legs will probably change, and changes nothing. It has few instructions a leg, so that the
// processor has the misses of several legs under way at once.
func (l *Ledger) touch(legs []byte) {
	var slots [2 * touchLegs]uint32 // of the sparse index
	n := 0
	words, hot, shift := l.words, l.hot, l.bySparse.shift&63
	touched := uint64(0)
	for ; len(legs) >= chain.LegBytes; legs = legs[chain.LegBytes:] {
		raw := (*[chain.LegBytes]byte)(legs)
		from, to, asset := wordAt(raw, 0), wordAt(raw, 4), wordAt(raw, 8)
		if asset == 0 || int(asset) >= len(hot) {
			continue
		}
		if word := words.Peek(uint64(from)); word != nil {
			touched += uint64(*word)
		}
		h := &hot[asset]
		if h.sparse {
			a, b := sparseKey{chain.AccountNo(from), chain.AssetNo(asset)}, sparseKey{chain.AccountNo(to), chain.AssetNo(asset)}
			i, j := a.hash()>>shift, b.hash()>>shift
			touched += uint64(l.bySparse.slots[i]) + uint64(l.bySparse.slots[j])
			if n < len(slots)-1 {
				slots[n], slots[n+1] = uint32(i), uint32(j)
				n += 2
			}
			continue
		}
		if x, y := h.column.Peek(uint64(from)), h.column.Peek(uint64(to)); x != nil && y != nil {
			touched += x.Lo + y.Lo
		}
	}
	if n > 0 {
		touched += l.touchSparse(slots[:n])
	}
	l.touched += touched
}

// touchSparse reads the holdings at slots: mostly the first one probed is the right one.
func (l *Ledger) touchSparse(slots []uint32) (touched uint64) {
	keys, amounts := l.sparseKeys, l.sparse
	for _, slot := range slots {
		no := uint64(l.bySparse.slots[slot])
		if x, y := keys.Peek(no), amounts.Peek(no); x != nil && y != nil {
			touched += uint64(x.Account) + y.Lo
		}
	}
	return touched
}

// runPlain executes the legs up to the first that is not plain, or has another outcome than OK, and returns their
// number. A leg is plain if only OK, InsufficientFunds and Overflow can be its outcome:
//
//   - its fourth word is 0, so it is a transfer without argument; its amount is not 0 and its accounts differ (BadKind,
//     BadField);
//   - its accounts exist (UnknownAccount);
//   - the debit word of From equals the institution's number: this institution is its custodian (NotAuthorized), it is
//     not frozen (FrozenAccount), and it is not portable, so that it has no home to be away from (NotHome);
//   - its asset is plain, as refreshPlain derives it: it exists (UnknownAsset), is not frozen (FrozenAsset), is not
//     bound to portable accounts (NotPortable), and is not versioned, so that nothing is to be noted;
//   - both its holdings exist, so that none must be made (LimitReached).
//
// The last two outcomes are found here but told by the slow path, debit and credit, which checks everything again.
func (l *Ledger) runPlain(legs []byte, institution chain.InstitutionNo) (n int) {
	accounts, words, hot, journaling := l.meta.Ref(0).Accounts, l.words, l.hot, l.journal.on
	sums := l.sums
	for ; len(legs) >= chain.LegBytes; legs = legs[chain.LegBytes:] {
		raw := (*[chain.LegBytes]byte)(legs)
		from, to, asset := wordAt(raw, 0), wordAt(raw, 4), wordAt(raw, 8)
		if from-1 >= accounts || to-1 >= accounts || int(asset) >= len(hot) || wordAt(raw, 12) != 0 || from == to {
			break
		}
		word, h := words.Peek(uint64(from)), &hot[asset]
		if word == nil || *word != uint32(institution) || !h.plain {
			break
		}
		if h.sparse {
			from = l.findSparse(sparseKey{chain.AccountNo(from), chain.AssetNo(asset)})
			to = l.findSparse(sparseKey{chain.AccountNo(to), chain.AssetNo(asset)})
			if from == 0 || to == 0 {
				break
			}
		}
		x, y := h.column.Owned(uint64(from)), h.column.Owned(uint64(to))
		if x == nil || y == nil {
			x, y = h.column.Mut(uint64(from)), h.column.Mut(uint64(to))
		}
		amount := amountAt(raw)
		rest, enough := x.Sub(amount)
		sum, fits := y.Add(amount)
		if !enough || !fits || amount.IsZero() {
			break
		}
		if journaling {
			l.journal.amount(chain.AssetNo(asset), uint64(from), *x)
			l.journal.amount(chain.AssetNo(asset), uint64(to), *y)
		}
		*x, *y = rest, sum
		sums.Debits, sums.Credits = wrapAdd(sums.Debits, amount), wrapAdd(sums.Credits, amount)
		n++
	}
	l.sums = sums
	return n
}

func wordAt(raw *[chain.LegBytes]byte, at int) uint32 { return binary.LittleEndian.Uint32(raw[at:]) }

func amountAt(raw *[chain.LegBytes]byte) chain.Amount {
	return chain.Amount{Lo: binary.LittleEndian.Uint64(raw[16:]), Hi: binary.LittleEndian.Uint64(raw[24:])}
}
