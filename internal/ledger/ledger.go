// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/pages"
)

// Bounds of the ledger's tables. A leg or transaction that would pass one answers LimitReached and changes nothing.
const (
	AssetsMax          = 1 << 20
	DenseAssetsMax     = 256 // each may grow to 16 B an account
	InstitutionsMax    = 1 << 16
	InstitutionKeysMax = 1024    // active keys of one institution
	KeysMax            = 1 << 27 // account keys included
	HoldingsMax        = 1 << 26 // sparse holdings ever made
	HoldsMax           = 1 << 22 // pending at a time
)

// HoldExpiriesPerBlockMax bounds the holds that expire at the beginning of a block; the rest waits for the next block,
// and is of no use to anyone meanwhile.
const HoldExpiriesPerBlockMax = 8192

// Escrow is the system's account: what is on hold lies in its holdings. Nobody can name it in a leg or transaction.
const Escrow chain.AccountNo = 0

// Ledger is the state machine of native assets. One goroutine owns it, reads included.
type Ledger struct {
	space     *pages.Space
	addressOf func(publicKey []byte) (chain.Address, bool)

	// State. Everything that decides an outcome lies in these columns, so the state root covers it.
	meta         *pages.Column[metaRecord]
	accounts     *pages.Column[accountRecord]
	words        *pages.Column[uint32]
	aliases      *pages.Column[aliasRecord]
	keys         *pages.Column[keyRecord]
	largeKeys    *pages.Column[largeKeyRecord]
	institutions *pages.Column[institutionRecord]
	channels     *pages.Column[uint64]
	nonces       *pages.Column[nonceRecord]
	assets       *pages.Column[assetRecord]
	homes        *pages.Column[uint64]
	holds        *pages.Column[holdRecord]
	lanes        *pages.Column[laneRecord]
	validators   *pages.Column[validatorRecord]
	sparseKeys   *pages.Column[sparseKey]
	sparse       *pages.Column[chain.Amount]
	keyedTotals  *pages.Column[keyedTotals]
	keyed        *pages.Column[keyedRecord]
	inbox        *pages.Column[inboxRecord]
	frozenSlots  *pages.Column[uint64]
	mover        *pages.Column[moverRecord]
	homeMoves    *pages.Column[homeMoveRecord]
	slotSince    *pages.Column[uint64] // the version with which its owner got a slot; 0: the genesis

	// Derived from the columns by Attach, and kept in step by the writer.
	hot           []hotAsset // by asset number
	dense         []chain.AssetNo
	byAddress     index
	byAlias       index
	byCode        index
	bySparse      index
	sparseLists   sparseLists
	holdByID      map[chain.Hash]uint32
	holdsFree     heap // slots below the high-water mark without a pending hold
	holdsExpiring heap // pending slots, by (expiry, slot)
	keyedTable    keyedTable

	// Of the present block.
	sums      Sums
	versioned []versionedPlace
	newKeys   []chain.KeyNo
	next      chain.Membership // that a change noted for the end of the block; epoch 0: none
	ended     bool             // the block is over and was the last of its epoch

	// Of the present batch.
	journal journal
	touched uint64 // keeps the compiler from dropping the reads that only fill the cache
}

// metaRecord is the one record of section 1.
type metaRecord struct {
	Chain         chain.ChainID
	Height        chain.Height
	TimeUs        uint64
	HomeVersion   uint64
	Epoch         chain.Epoch
	AccountsMax   uint32
	Accounts      uint32 // the highest account number, escrow not counted
	Assets        uint32
	Institutions  uint32
	Keys          uint32
	LargeKeys     uint32
	Aliases       uint32
	Sparse        uint32 // sparse holdings ever made
	HoldSlots     uint32 // high-water mark of hold slots
	HoldsPending  uint32
	Validators    uint32
	MigrationOpen uint32 // 1 while portable assets are bound to portable accounts
}

// New registers the ledger's columns in space, adopting pages that were loaded before. Call InitGenesis on an empty
// space, or Attach on a loaded one, before anything else. addressOf makes the address of a self-owned account from its
// public key (scheme byte, key), and says false if that is no usable key; it must be pure.
func New(space *pages.Space, addressOf func(publicKey []byte) (chain.Address, bool)) *Ledger {
	const accountsMax = chain.AccountsMaxMax + 1
	l := &Ledger{
		space:        space,
		addressOf:    addressOf,
		meta:         pages.NewColumn[metaRecord](space, sectionMeta, 1),
		accounts:     pages.NewColumn[accountRecord](space, sectionAccounts, accountsMax),
		words:        pages.NewColumn[uint32](space, sectionWords, accountsMax),
		aliases:      pages.NewColumn[aliasRecord](space, sectionAliases, accountsMax),
		keys:         pages.NewColumn[keyRecord](space, sectionKeys, KeysMax+1),
		largeKeys:    pages.NewColumn[largeKeyRecord](space, sectionLargeKeys, largeKeysMax+1),
		institutions: pages.NewColumn[institutionRecord](space, sectionInstitutions, InstitutionsMax+1),
		channels:     pages.NewColumn[uint64](space, sectionChannels, (InstitutionsMax+1)*chain.ChannelsMax),
		nonces:       pages.NewColumn[nonceRecord](space, sectionNonces, accountsMax),
		assets:       pages.NewColumn[assetRecord](space, sectionAssets, AssetsMax+1),
		homes:        pages.NewColumn[uint64](space, sectionHomes, homeWords),
		holds:        pages.NewColumn[holdRecord](space, sectionHolds, HoldsMax),
		lanes:        pages.NewColumn[laneRecord](space, sectionLanes, chain.ValidatorsMax),
		validators:   pages.NewColumn[validatorRecord](space, sectionValidators, chain.ValidatorsMax),
		sparseKeys:   pages.NewColumn[sparseKey](space, sectionSparseKeys, HoldingsMax+1),
		sparse:       pages.NewColumn[chain.Amount](space, sectionSparse, HoldingsMax+1),
		keyedTotals:  pages.NewColumn[keyedTotals](space, sectionKeyedTotals, 1),
		keyed:        pages.NewColumn[keyedRecord](space, sectionKeyed, keyedRingMax),
		inbox:        pages.NewColumn[inboxRecord](space, sectionInbox, 1),
		frozenSlots:  pages.NewColumn[uint64](space, sectionFrozenSlots, homeWords),
		mover:        pages.NewColumn[moverRecord](space, sectionMover, 1),
		homeMoves:    pages.NewColumn[homeMoveRecord](space, sectionHomeMoves, chain.HomeMovesMax),
		slotSince:    pages.NewColumn[uint64](space, sectionSlotSince, slotsPerWord*homeWords),
	}
	l.resetDerived()
	return l
}

func (l *Ledger) resetDerived() {
	l.hot = []hotAsset{{}}
	l.dense = nil
	l.byAddress, l.byAlias = newIndex(l.hashOfAccount), newIndex(l.hashOfAlias)
	l.byCode, l.bySparse = newIndex(l.hashOfAsset), newIndex(l.hashOfSparse)
	l.sparseLists = sparseLists{}
	l.holdByID = map[chain.Hash]uint32{}
	l.holdsFree = newHeap(func(a, b uint32) bool { return a < b })
	l.holdsExpiring = newHeap(l.expiresBefore)
	l.keyedTable = newKeyedTable()
}

// Sums are what a block moved, over all assets, modulo 2^128. Debits are kept by take alone and Credits
// by the credit function alone.
type Sums struct {
	Debits, Credits  chain.Amount
	Issued, Redeemed chain.Amount
}

// balanced reports whether what was credited is what was debited, but for what was issued and redeemed.
func (s *Sums) balanced() bool { return wrapAdd(s.Debits, s.Issued) == wrapAdd(s.Credits, s.Redeemed) }

func wrapAdd(a, b chain.Amount) chain.Amount {
	sum, _ := a.Add(b)
	return sum
}

// BeginBlock begins the block of the next height, whose time in microseconds is the proposer's. It expires the holds that are
// due, at most HoldExpiriesPerBlockMax, and gives up the idempotency keys whose life is over, at most KeyExpiriesPerBlockMax.
// Another height breaks an invariant.
func (l *Ledger) BeginBlock(height chain.Height, timeUs uint64) {
	m := l.meta.Mut(0)
	fault.Invariant(height == m.Height+1, "block %d begins after block %d", height, m.Height)
	m.Height, m.TimeUs = height, timeUs
	l.sums = Sums{}
	l.versioned, l.newKeys = l.versioned[:0], l.newKeys[:0]
	l.next, l.ended = chain.Membership{}, false
	l.expireHolds(height)
	l.expireKeyed(timeUs)
}

// EndBlock asserts that the block made and lost no money, switches to the next membership if the block ended its epoch, and
// returns its sums.
func (l *Ledger) EndBlock() Sums {
	fault.Invariant(l.sums.balanced(), "block %d: debits %v + issued %v != credits %v + redeemed %v", l.meta.Ref(0).Height,
		l.sums.Debits, l.sums.Issued, l.sums.Credits, l.sums.Redeemed)
	if l.ended = l.next.Epoch != 0; l.ended {
		l.setMembership(&l.next)
	}
	return l.sums
}
