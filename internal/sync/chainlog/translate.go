// SPDX-License-Identifier: Apache-2.0

package chainlog

import (
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/sync/envelope"
	v10 "github.com/aurigraph/aurigraph/internal/v10"
)

// The reasons for which a direction stops. Each but the first needs a person.
const (
	ReasonNameUnknown  = "name_unknown"  // an account's V10 name is not in the vault: it heals when whoever knows the account pays or is paid
	ReasonNativeParty  = "native_party"  // a portable asset was paid by or to an account that V10 cannot name
	ReasonNativeIssuer = "native_issuer" // a portable asset has an issuer that V10 cannot name
	ReasonHold         = "hold"          // a portable asset was put on hold, which V10 does not know
	ReasonFactMissing  = "fact_missing"  // an executed item names what is not there
)

// Draft is a record that has its place, and no seal yet.
type Draft struct {
	Position    envelope.Position
	End         bool
	HomeVersion uint64
	Change      envelope.Change
}

// Mentions are the numbers of which Translate has to know the facts, each once, and the signer of a client batch.
type Mentions struct {
	Accounts    []chain.AccountNo
	Assets      []chain.AssetNo
	Institution chain.InstitutionNo // 0: single transactions
	Key         chain.KeyNo
	SyncKeys    []chain.KeyNo // for which the batch opened the inbox: V10's changes are signed with them from then on
}

// MentionsOf lists what batch index of a block names.
func MentionsOf(b *Block, index int, syncKeys []chain.KeyNo) (m Mentions, err error) {
	p, err := parse(b, index, syncKeys)
	if err != nil {
		return m, err
	}
	m.Institution, m.Key, m.SyncKeys = p.header.Institution, p.header.Key, p.opened
	accounts, assets := map[chain.AccountNo]bool{0: true}, map[chain.AssetNo]bool{0: true}
	for i := range p.items {
		it := &p.items[i]
		for _, no := range [...]chain.AccountNo{it.from, it.to} {
			if !accounts[no] {
				accounts[no], m.Accounts = true, append(m.Accounts, no)
			}
		}
		if !assets[it.asset] {
			assets[it.asset], m.Assets = true, append(m.Assets, it.asset)
		}
	}
	return m, nil
}

// Place is where the next record of a block goes.
type Place struct {
	Minor       uint32
	HomeVersion uint64 // of the home table there: a move within the block makes the next one
	Closed      bool   // the migration was closed before it: only the block's own record follows
}

// Begin is the place of a block's first record.
func Begin(b *Block) Place { return Place{HomeVersion: b.HomeVersion} }

// Translate makes the records of batch index of a block, from a place on, and says which place is next. An error has one of the reasons
// above, or is Corrupt; then nothing of the batch is to be told yet. Behind the close of the migration there is nothing to tell.
func Translate(b *Block, index int, f *Facts, at Place) ([]Draft, Place, error) {
	if at.Closed {
		return nil, at, nil
	}
	p, err := parse(b, index, f.SyncKeys)
	if err != nil {
		return nil, at, err
	}
	t := translator{facts: f, block: b, index: uint32(index)}
	t.shared = p.header.Institution == f.Institution && p.header.Chain == b.Header.Chain && f.Signed
	out := make([]Draft, 0, len(p.items))
	for i := range p.items {
		c, err := t.change(&p.items[i])
		if err != nil {
			return nil, at, err
		}
		if c != nil {
			minor := at.Minor + uint32(len(out))
			home := at.HomeVersion + uint64(p.items[i].moves)
			out = append(out, Draft{Position: envelope.Position{Major: uint64(b.Header.Height), Minor: minor}, HomeVersion: home, Change: c})
		}
	}
	return out, Place{Minor: at.Minor + uint32(len(out)), HomeVersion: at.HomeVersion + uint64(p.moves), Closed: p.closes}, nil
}

// EndOf is the last record of a block, at the place behind all others. It names no signers: each node has its own quorum of signatures in
// its certificate of a block, and two captures must tell the same.
func EndOf(b *Block, at Place) Draft {
	h := b.Header
	return Draft{
		Position: envelope.Position{Major: uint64(h.Height), Minor: at.Minor}, End: true, HomeVersion: at.HomeVersion,
		Change: &envelope.Block{Height: h.Height, TimeMs: h.TimeUs / 1000, Hash: b.Hash, Previous: h.Previous, Transactions: at.Minor},
	}
}

type translator struct {
	facts  *Facts
	block  *Block
	index  uint32
	shared bool // the batch's idempotency keys are V10's
}

// change makes a change of an item; nil: V10 has nothing to learn of it.
func (t *translator) change(it *item) (envelope.Change, error) {
	switch it.act {
	case toOpen:
		alias, err := t.name(it.to, ReasonFactMissing)
		return &envelope.AccountOpened{Deed: t.deed(it), Alias: alias}, err
	case toMake:
		issuer, err := t.name(it.from, ReasonNativeIssuer)
		return &envelope.AssetCreated{Deed: t.deed(it), Code: it.made.Code, Name: it.made.Name, Scale: it.made.Scale, Issuer: issuer}, err
	}
	if it.outcome != chain.OK {
		return t.refused(it)
	}
	asset, known := t.facts.Assets[it.asset]
	switch {
	case !known:
		return nil, t.stop(ReasonFactMissing, it, "an executed item names an asset that is not there")
	case !asset.Portable:
		return nil, nil
	}
	switch it.act {
	case toHold:
		return nil, t.stop(ReasonHold, it, "a portable asset was put on hold")
	case toIssue:
		return t.issued(it, asset)
	case toRedeem:
		issuer, err := t.name(it.from, ReasonNativeIssuer)
		return &envelope.Redeemed{Deed: t.deed(it), Asset: asset.Code, Issuer: issuer, Amount: it.amount, Reference: it.reference}, err
	}
	return t.paid(it, asset)
}

func (t *translator) issued(it *item, asset Asset) (envelope.Change, error) {
	issuer, err := t.name(it.from, ReasonNativeIssuer)
	if err != nil {
		return nil, err
	}
	to, err := t.name(it.to, ReasonNativeParty)
	return &envelope.Issued{Deed: t.deed(it), Asset: asset.Code, Issuer: issuer, To: to, Amount: it.amount, Reference: it.reference}, err
}

// paid is a transfer, also one that was refused. What a key's leg has as reference is the key, which is not the payer's.
func (t *translator) paid(it *item, asset Asset) (envelope.Change, error) {
	from, err := t.name(it.from, ReasonNativeParty)
	if err != nil {
		return nil, err
	}
	to, err := t.name(it.to, ReasonNativeParty)
	out := &envelope.Transfer{Deed: t.deed(it), From: from, To: to, Asset: asset.Code, Amount: it.amount}
	if !it.keyed {
		out.Reference = it.reference
	}
	return out, err
}

// refused tells of a refusal under a key, so that a repeat that comes to V10 later finds its answer: as a payment, if V10 could have
// made it, else as an answer only. Keys of others than the custodian mean nothing to V10.
func (t *translator) refused(it *item) (envelope.Change, error) {
	r := t.request(it)
	asset, known := t.facts.Assets[it.asset]
	if r == nil || known && !asset.Portable {
		return nil, nil
	}
	from, to := t.facts.Accounts[it.from], t.facts.Accounts[it.to]
	if asset.Portable && from.Portable && to.Portable {
		return t.paid(it, asset)
	}
	return &envelope.Refusal{TimeMs: t.block.Header.TimeUs / 1000, Request: *r, Outcome: it.outcome, Reason: it.outcome.String()}, nil
}

// deed is where an item was executed, how, and under which key.
func (t *translator) deed(it *item) envelope.Deed {
	return envelope.Deed{
		ID:      v10.TxID{Ms: t.block.Header.TimeUs / 1000, Height: t.block.Header.Height, Batch: t.index, Item: it.place},
		Outcome: it.outcome, Request: t.request(it),
	}
}

// request is the key of a keyed leg and what was asked for; nil: it has none that is V10's.
func (t *translator) request(it *item) *envelope.Request {
	key := chain.IdempotencyKey(it.reference[:16])
	if !it.keyed || !t.shared || key.IsZero() {
		return nil
	}
	return &envelope.Request{Key: key, Body: [16]byte(it.reference[16:])}
}

// name is the V10 name of an account that must have one; native is the reason if it lives on V11 only.
func (t *translator) name(no chain.AccountNo, native string) (string, error) {
	a := t.facts.Accounts[no]
	switch {
	case !a.Portable:
		return "", fault.Reasoned(fault.Conflict, native, "block %d: V10 cannot name account %d", t.block.Header.Height, no)
	case a.Name == "":
		return "", fault.Reasoned(fault.Unavailable, ReasonNameUnknown, "block %d: the vault has no name for account %d yet", t.block.Header.Height, no)
	}
	return a.Name, nil
}

func (t *translator) stop(reason string, it *item, text string) error {
	return fault.Reasoned(fault.Conflict, reason, "item %d of batch %d of block %d: %s", it.place, t.index, t.block.Header.Height, text)
}
