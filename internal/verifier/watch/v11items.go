// SPDX-License-Identifier: Apache-2.0

package watch

import (
	"slices"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/fault"
	v10 "github.com/aurigraph/aurigraph/internal/v10"
)

// contents is a batch of a block as it was ordered, and what became of it.
type contents struct {
	payload  []byte
	outcomes codec.Outcomes
}

// accountFact and assetFact are what is needed of V11's accounts and assets. None of it ever changes. Zero: there is none.
type accountFact struct {
	address  chain.Address
	portable bool
}

type assetFact struct {
	code     string
	portable bool
}

// facts are those of all numbers that items name.
type facts struct {
	accounts map[chain.AccountNo]accountFact
	assets   map[chain.AssetNo]assetFact
}

// item is what a leg or transaction of V11 says, in V11's numbers.
type item struct {
	origin    Origin
	id        ID
	kind      kind
	from, to  chain.AccountNo
	asset     chain.AssetNo
	amount    chain.Amount
	outcome   chain.Outcome
	reference [32]byte
	tag       chain.Hash // of an account that was opened
	// Of a payment that V11 refused: it is told to V10 if the key that signed it is the custodian's.
	institution chain.InstitutionNo
	key         chain.KeyNo
	// Instead of all else, of V10's origin:
	round   bool // reference is its hash
	barrier uint64
}

// v11Log makes events of V11's blocks. It is pure but for its place among V10's barriers and the keys that it learns.
type v11Log struct {
	custodian chain.InstitutionNo // of V10's accounts: only its idempotency keys are told to V10
	syncKeys  []chain.KeyNo       // with which V10's changes are brought: what they sign is not V11's own
	next      uint64              // barrier of V10's that comes next; 0: none was seen
}

// items reads a block. What it cannot decode is Corrupt: it was executed and certified.
func (l *v11Log) items(h *chain.ExecutedHeader, batches []contents) ([]item, error) {
	var out []item
	for i := range batches {
		var err error
		if b := &batches[i]; len(b.outcomes.Results) > 0 {
			out, err = l.transactions(out, h, uint32(i), b)
		} else {
			out, err = l.legs(out, h, uint32(i), b)
		}
		if err != nil {
			return nil, fault.Wrap(fault.Corrupt, err, "batch %d of block %d", i, h.Height)
		}
	}
	return out, nil
}

func idAt(h *chain.ExecutedHeader, batch, place uint32) ID {
	tx := v10.TxID{Ms: h.TimeUs / 1000, Height: h.Height, Batch: batch, Item: place}
	return ID{Ms: tx.Ms, Round: uint64(tx.Height), Place: tx.Place()}
}

func (l *v11Log) legs(out []item, h *chain.ExecutedHeader, index uint32, c *contents) ([]item, error) {
	b, err := chain.ParseBatch(c.payload)
	if err != nil || b.Len() != len(c.outcomes.Codes) {
		return nil, fault.New(fault.Corrupt, "a batch of legs does not decode, or has other outcomes: %v", err)
	}
	header := b.Header()
	if header.Flags&chain.FlagSync != 0 {
		return l.applied(out, b, c.outcomes.Codes), nil
	}
	for i, outcome := range c.outcomes.Codes {
		leg := b.Leg(i)
		_, keyed := leg.Key()
		if leg.Kind != chain.LegTransfer || outcome != chain.OK && !(keyed && answered(outcome, header.Flags)) {
			continue
		}
		it := item{origin: V11, id: idAt(h, index, uint32(i)), kind: transfer, from: leg.From, to: leg.To, asset: leg.Asset, amount: leg.Amount, outcome: outcome}
		if !keyed {
			it.reference = leg.Reference
		}
		if outcome != chain.OK {
			if header.Institution != l.custodian || header.Chain != h.Chain {
				continue
			}
			it.institution, it.key = header.Institution, header.Key
		}
		out = append(out, it)
	}
	return out, nil
}

// answered reports a refusal that is an answer for good under a leg's key: what refuses a whole batch notes nothing, nor does a batch
// that is all or nothing.
func answered(o chain.Outcome, flags chain.BatchFlags) bool {
	switch o {
	case chain.Stale, chain.FutureSequence, chain.Expired, chain.UnknownKey, chain.UnknownInstitution:
		return false
	}
	return lastWord(o) && flags&chain.FlagAtomic == 0
}

// legKinds are what legs of V10's changes did there.
var legKinds = map[chain.LegKind]kind{
	chain.LegTransfer: transfer, chain.LegIssue: issue, chain.LegRedeem: redeem, chain.LegRefused: refused, chain.LegOpened: account, chain.LegAsset: asset,
}

// applied reads V10's changes that a sync batch made: pairs of what changed and where it comes from.
func (l *v11Log) applied(out []item, b chain.Batch, codes []chain.Outcome) []item {
	for i := 0; i+1 < b.Len(); i += chain.SyncRecordLegs {
		leg, second := b.Leg(i), b.Leg(i+1)
		origin, ok := second.Origin()
		if codes[i] != chain.OK || !ok {
			continue
		}
		it := item{origin: V10, id: ID{Ms: origin.TimeMs, Round: origin.Height, Place: origin.Place}}
		switch leg.Kind {
		case chain.LegBarrier:
			if it.barrier = leg.Amount.Lo; it.barrier == 0 {
				continue // the end of the initial copy, which is no barrier of V10's
			}
		case chain.LegRound:
			it.round, it.reference = true, leg.Reference
			it.id = ID{Table: Rounds, Ms: origin.TimeMs, Round: leg.Amount.Lo}
		default:
			it.kind, it.outcome = legKinds[leg.Kind], origin.Outcome
			it.from, it.to, it.asset, it.amount = leg.From, leg.To, leg.Asset, leg.Amount
			if leg.Kind == chain.LegOpened {
				it.tag = chain.Hash(leg.Reference)
			} else if leg.Arg != chain.LegKeyed {
				it.reference = leg.Reference
			}
		}
		out = append(out, it)
	}
	return out
}

func (l *v11Log) transactions(out []item, h *chain.ExecutedHeader, index uint32, c *contents) ([]item, error) {
	signed, err := codec.SplitTxBatch(c.payload)
	if err != nil || len(signed) != len(c.outcomes.Codes) || len(signed) != len(c.outcomes.Results) {
		return nil, fault.New(fault.Corrupt, "a batch of transactions does not decode, or has other outcomes: %v", err)
	}
	for i, raw := range signed {
		if c.outcomes.Codes[i] != chain.OK {
			continue
		}
		tx, _, err := codec.DecodeSignedTx(raw)
		if err != nil {
			return nil, err
		}
		if inbox, opens := tx.Body.(*chain.OpenInbox); opens {
			l.syncKeys = append(l.syncKeys, inbox.Key)
		}
		if it, ok := ofBody(tx, chain.AssetNo(c.outcomes.Results[i])); ok && !slices.Contains(l.syncKeys, tx.Key) {
			it.origin, it.id = V11, idAt(h, index, uint32(i))
			out = append(out, it)
		}
	}
	return out, nil
}

// ofBody reads an executed transaction that V10 may have to learn of. result is the number of what it made.
func ofBody(tx *chain.SignedTx, result chain.AssetNo) (item, bool) {
	it := item{from: tx.Sender}
	switch b := tx.Body.(type) {
	case *chain.Transfer:
		it.kind, it.to, it.asset, it.amount, it.reference = transfer, b.To, b.Asset, b.Amount, b.Reference
	case *chain.Issue:
		it.kind, it.to, it.asset, it.amount, it.reference = issue, b.To, b.Asset, b.Amount, b.Reference
	case *chain.Redeem:
		it.kind, it.asset, it.amount, it.reference = redeem, b.Asset, b.Amount, b.Reference
	case *chain.OpenAccount:
		it.kind, it.from, it.tag = account, 0, b.AliasTag
		return it, !b.AliasTag.IsZero()
	case *chain.CreateAsset:
		it.kind, it.asset = asset, result
		return it, b.Flags&chain.AssetPortable != 0
	default:
		return it, false
	}
	return it, true
}

// mentions are the numbers of which the facts are needed.
func mentions(items []item) (accounts []chain.AccountNo, assets []chain.AssetNo) {
	for i := range items {
		it := &items[i]
		accounts = append(accounts, it.from, it.to)
		assets = append(assets, it.asset)
	}
	return distinct(accounts), distinct(assets)
}

// distinct sorts numbers, and leaves out repeats and 0.
func distinct[T ~uint32](list []T) []T {
	slices.Sort(list)
	list = slices.Compact(list)
	if len(list) > 0 && list[0] == 0 {
		list = list[1:]
	}
	return list
}

// events are what a block says: the end of earlier intervals of V11's, what it did itself, and what it made of V10's changes.
func (l *v11Log) events(h *chain.ExecutedHeader, hash chain.Hash, items []item, f *facts) []event {
	ms := h.TimeUs / 1000
	slot := slotOf(ms)
	out := make([]event, 0, len(items)+2)
	if slot > 1 {
		out = append(out, event{origin: V11, side: Executed, barrier: slot - 1})
	}
	out = append(out, event{
		origin: V11, side: Executed, label: slot, id: ID{Table: Rounds, Ms: ms, Round: uint64(h.Height)}, content: roundContent(ms, hash, h.Previous),
	})
	for i := range items {
		it := &items[i]
		switch {
		case it.origin == V11:
			if it.told(f) {
				out = append(out, event{origin: V11, side: Executed, label: slot, id: it.id, content: it.content(f)})
			}
		case it.barrier != 0:
			out = append(out, event{origin: V10, side: Applied, barrier: it.barrier})
			l.next = it.barrier + 1
		case it.round:
			out = append(out, event{origin: V10, side: Applied, label: l.next, id: it.id, content: roundContent(it.id.Ms, it.reference, [32]byte{})})
		default:
			out = append(out, event{origin: V10, side: Applied, label: l.next, id: it.id, content: it.content(f)})
		}
	}
	return out
}

// told reports whether V10 gets a row of one of V11's own items: it knows portable assets and accounts only.
func (it *item) told(f *facts) bool {
	if it.kind == account || it.kind == asset {
		return true
	}
	if !f.assets[it.asset].portable {
		return false
	}
	return it.outcome == chain.OK || f.accounts[it.from].portable && f.accounts[it.to].portable
}

func (it *item) content(f *facts) []byte {
	d := deed{kind: it.kind, amount: it.amount, outcome: it.outcome, ms: it.id.Ms, reference: it.reference, code: f.assets[it.asset].code}
	if it.from != 0 {
		d.from = ofAddress(f.accounts[it.from].address)
	}
	if it.to != 0 {
		d.to = ofAddress(f.accounts[it.to].address)
	}
	if it.kind == account {
		d.to = identity(it.tag)
	}
	return d.content(it.origin)
}
