// SPDX-License-Identifier: Apache-2.0

package chainlog

import (
	"slices"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// Block is a certified block with what it was made of.
type Block struct {
	Header      *chain.ExecutedHeader
	Hash        chain.Hash
	HomeVersion uint64 // of the home table when it began
	Batches     []Contents
}

// Contents is a batch as it was ordered, and its packed outcomes.
type Contents struct{ Payload, Outcomes []byte }

// Asset is what never changes of an asset.
type Asset struct {
	Code     string
	Portable bool
	Issuer   chain.AccountNo
}

// Account says whether an account lives on V10 too, and its name there.
type Account struct {
	Portable bool
	Name     string // empty: not known
}

// Facts are what a batch's records need to know beyond the batch. None of them ever changes, but that a name becomes known.
type Facts struct {
	Accounts map[chain.AccountNo]Account // one that is not there does not exist
	Assets   map[chain.AssetNo]Asset     // likewise
	// Signed is whether the key that a client batch names belongs to the institution that it names.
	Signed bool
	// Institution is the custodian of V10's accounts: only its idempotency keys are V10's as well.
	Institution chain.InstitutionNo
	// SyncKeys are those of the applier of V10's changes.
	SyncKeys []chain.KeyNo
}

// act says what an item does that V10 may have to learn.
type act uint8

const (
	toPay act = iota
	toIssue
	toRedeem
	toOpen
	toMake
	toHold
)

// item is one leg or transaction that may have to be told.
type item struct {
	act       act
	place     uint32 // in its batch
	outcome   chain.Outcome
	from, to  chain.AccountNo // of toOpen, to is the account
	asset     chain.AssetNo
	amount    chain.Amount
	reference [32]byte
	keyed     bool
	made      *chain.CreateAsset
	moves     uint32 // of slots that stand before it in its batch
}

// parsed is a batch that may have something to tell.
type parsed struct {
	header chain.BatchHeader // zero for single transactions
	items  []item
	opened []chain.KeyNo // for which governance opened the inbox: the applier signs with them from now on
	moves  uint32        // of slots, or the close: each made the next version of the home table
	closes bool          // the migration: nothing behind it is V10's to know
}

// parse reads a batch of a block. Without items there is nothing to tell.
func parse(b *Block, index int, syncKeys []chain.KeyNo) (p parsed, err error) {
	if index >= len(b.Batches) || len(b.Batches) != len(b.Header.Batches) {
		return p, corrupt(b, index, fault.New(fault.Corrupt, "the header has %d batches, the block %d", len(b.Header.Batches), len(b.Batches)))
	}
	o, err := codec.UnpackOutcomes(b.Batches[index].Outcomes)
	if err != nil {
		return p, corrupt(b, index, err)
	}
	if len(o.Results) == 0 {
		p, err = parseLegs(b.Batches[index].Payload, o.Codes)
	} else {
		p, err = parseTxs(b.Batches[index].Payload, o, syncKeys)
	}
	if err != nil {
		return p, corrupt(b, index, err)
	}
	return p, nil
}

func corrupt(b *Block, index int, err error) error {
	return fault.Wrap(fault.Corrupt, err, "batch %d of block %d", index, b.Header.Height)
}

func parseLegs(payload []byte, codes []chain.Outcome) (p parsed, err error) {
	batch, err := chain.ParseBatch(payload)
	if err != nil {
		return p, err
	}
	if batch.Len() != len(codes) {
		return p, fault.New(fault.Corrupt, "%d legs have %d outcomes", batch.Len(), len(codes))
	}
	p.header = batch.Header()
	if p.header.Flags&chain.FlagSync != 0 {
		return p, nil
	}
	for i, code := range codes {
		leg := batch.Leg(i)
		_, keyed := leg.Key()
		it := item{
			place: uint32(i), outcome: code, from: leg.From, to: leg.To, asset: leg.Asset, amount: leg.Amount, reference: leg.Reference, keyed: keyed,
		}
		switch {
		case leg.Kind == chain.LegTransfer && (code == chain.OK || keyed && lastWord(code, p.header.Flags)):
			p.items = append(p.items, it)
		case leg.Kind == chain.LegHold && code == chain.OK:
			it.act = toHold
			p.items = append(p.items, it)
		}
	}
	return p, nil
}

// lastWord reports a refusal that the ledger noted under the leg's key. What refuses a whole batch notes nothing, nor does one that
// is all or nothing; and what has no home here goes to its home.
func lastWord(o chain.Outcome, flags chain.BatchFlags) bool {
	switch o {
	case chain.NotHome, chain.Duplicate, chain.Stale, chain.FutureSequence, chain.Expired, chain.UnknownKey, chain.UnknownInstitution:
		return false
	}
	return flags&chain.FlagAtomic == 0
}

func parseTxs(payload []byte, o codec.Outcomes, syncKeys []chain.KeyNo) (p parsed, err error) {
	signed, err := codec.SplitTxBatch(payload)
	if err != nil {
		return p, err
	}
	if len(signed) != len(o.Codes) {
		return p, fault.New(fault.Corrupt, "%d transactions have %d outcomes", len(signed), len(o.Codes))
	}
	for i, raw := range signed {
		if o.Codes[i] != chain.OK {
			continue
		}
		tx, _, err := codec.DecodeSignedTx(raw)
		if err != nil {
			return p, err // what was executed decodes
		}
		if inbox, opens := tx.Body.(*chain.OpenInbox); opens {
			p.opened = append(p.opened, inbox.Key)
		}
		switch tx.Body.(type) {
		case *chain.MoveSlots, *chain.AbortMove:
			p.moves++
		case *chain.CloseMigration:
			p.moves++
			p.closes = true
			return p, nil
		}
		if it, ok := itemOf(tx, uint32(i), o.Results[i]); ok && !slices.Contains(syncKeys, tx.Key) {
			it.moves = p.moves
			p.items = append(p.items, it)
		}
	}
	return p, nil
}

// itemOf reads an executed transaction. Posts and voids pay out holds, which nobody makes of a portable asset.
func itemOf(tx *chain.SignedTx, place, result uint32) (it item, ok bool) {
	it = item{place: place, from: tx.Sender}
	switch b := tx.Body.(type) {
	case *chain.Transfer:
		it.to, it.asset, it.amount, it.reference = b.To, b.Asset, b.Amount, b.Reference
	case *chain.Hold:
		it.act, it.to, it.asset, it.amount = toHold, b.To, b.Asset, b.Amount
	case *chain.Issue:
		it.act, it.to, it.asset, it.amount, it.reference = toIssue, b.To, b.Asset, b.Amount, b.Reference
	case *chain.Redeem:
		it.act, it.asset, it.amount, it.reference = toRedeem, b.Asset, b.Amount, b.Reference
	case *chain.OpenAccount:
		it.act, it.to = toOpen, chain.AccountNo(result)
		return it, !b.AliasTag.IsZero()
	case *chain.CreateAsset:
		it.act, it.asset, it.made = toMake, chain.AssetNo(result), b
		return it, b.Flags&chain.AssetPortable != 0
	default:
		return it, false
	}
	return it, true
}
