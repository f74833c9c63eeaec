// SPDX-License-Identifier: Apache-2.0

package v10port

import (
	"bytes"
	"strconv"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/sync/envelope"
	v10 "github.com/aurigraph/aurigraph/internal/v10"
)

// OriginPrefix begins the mark of batches of applied records; see legacy/ledger.
const OriginPrefix = "sync:"

// SharedKeys are the names under which both ledgers know a client's idempotency key and what it asked for; custody's desk makes them.
// The item of a request with several is a part of key; see sharedName.
type SharedKeys interface {
	Key(caller, key string) chain.IdempotencyKey
	Body(from, to, asset string, units chain.Amount) [16]byte
}

// sharedName is a key as V11 writes it: one of several orders has its number in the request, from 0, behind a space. item counts from
// 1; 0 is the only order of its request.
func sharedName(key string, item uint32) string {
	if item == 0 {
		return key
	}
	return key + " " + strconv.FormatUint(uint64(item)-1, 10)
}

// Draft is a change with its place. The fields are those of bus.Draft.
type Draft struct {
	Position    envelope.Position
	End         bool // the last change of its batch
	HomeVersion uint64
	Change      envelope.Change
}

// Translate says what V10 did in a batch, in order: nothing, if the batch is of applied records, or only keeps house.
func Translate(keys SharedKeys, b *Batch) ([]Draft, error) {
	if len(b.Origin) > 0 {
		if !bytes.HasPrefix(b.Origin, []byte(OriginPrefix)) {
			return nil, fault.Reasoned(fault.Unavailable, ReasonUnknownOrigin, "V10's batch %d was written by %.60q, of whom this program does not know whether it is V10's",
				b.Sequence, b.Origin)
		}
		return nil, nil
	}
	rows, err := sortRows(b)
	if err != nil {
		return nil, err
	}
	changes, err := rows.changes(keys)
	if err != nil {
		return nil, b.named(err)
	}
	drafts := make([]Draft, len(changes))
	for i, c := range changes {
		drafts[i] = Draft{
			Position: envelope.Position{Major: b.Sequence, Minor: uint32(i)}, End: i == len(changes)-1, HomeVersion: rows.homeVersion, Change: c,
		}
	}
	return drafts, nil
}

func incomplete(format string, args ...any) error {
	return fault.Reasoned(fault.Corrupt, ReasonRoundIncomplete, format, args...)
}

// changes are the transactions of the batch's round and the round, or its barrier.
func (rows *batchRows) changes(keys SharedKeys) ([]envelope.Change, error) {
	if len(rows.rounds) > 1 || len(rows.barriers) > 1 || len(rows.rounds)+len(rows.barriers) > 1 {
		return nil, incomplete("%d rounds and %d barriers at once", len(rows.rounds), len(rows.barriers))
	}
	if len(rows.rounds) == 0 {
		if len(rows.transactions)+len(rows.keys)+len(rows.assets) > 0 {
			return nil, incomplete("transactions, keys or assets without a round")
		}
		for generation, g := range rows.barriers {
			return []envelope.Change{&envelope.Barrier{Generation: generation, TimeMs: g.Ms}}, nil
		}
		return nil, nil
	}
	r := &rows.rounds[0]
	if int(r.Transactions) != len(rows.transactions) {
		return nil, incomplete("round %d has %d transactions, its batch %d", r.number, r.Transactions, len(rows.transactions))
	}
	changes := make([]envelope.Change, 0, r.Transactions+1)
	for i := range r.Transactions {
		c, err := rows.change(keys, place{r.number, v10.LegacyPlaceMin + i})
		if err != nil {
			return nil, err
		}
		changes = append(changes, c)
	}
	if len(rows.keys) > 0 {
		return nil, incomplete("%d idempotency keys lead to no transaction of round %d", len(rows.keys), r.number)
	}
	return append(changes, &envelope.Round{
		Number: r.number, TimeMs: r.Ms, Leader: r.Leader, Votes: r.Votes, Hash: r.Hash, Previous: r.Previous, Transactions: r.Transactions,
	}), nil
}

// change is the transaction at a place, with its key, which it takes away.
func (rows *batchRows) change(keys SharedKeys, at place) (envelope.Change, error) {
	t, found := rows.transactions[at]
	if !found {
		return nil, incomplete("round %d lacks its transaction %d", at.round, at.place)
	}
	d := envelope.Deed{ID: v10.TxIDAt(t.Ms, chain.Height(at.round), at.place), Outcome: t.Outcome}
	if k, keyed := rows.keys[at]; keyed {
		d.Request = &envelope.Request{
			Key: keys.Key(k.Caller, sharedName(k.Key, k.Item)), Body: keys.Body(t.From, t.To, t.Asset, t.Units.Amount), Caller: k.Caller,
		}
		delete(rows.keys, at)
	}
	switch t.Kind {
	case "transfer":
		return &envelope.Transfer{Deed: d, From: t.From, To: t.To, Asset: t.Asset, Amount: t.Units.Amount}, nil
	case "account":
		return &envelope.AccountOpened{Deed: d, Alias: t.To}, nil
	case "issue":
		return &envelope.Issued{Deed: d, Asset: t.Asset, Issuer: t.From, To: t.To, Amount: t.Units.Amount}, nil
	case "redeem":
		return &envelope.Redeemed{Deed: d, Asset: t.Asset, Issuer: t.From, Amount: t.Units.Amount}, nil
	case "asset":
		return rows.created(d, &t)
	}
	return nil, fault.Reasoned(fault.Unavailable, ReasonUnknownRow, "a transaction of kind %.40q is not known to this program: upgrade it", t.Kind)
}

// created is a new asset; what a refused one would have been called is not in V10's rows.
func (rows *batchRows) created(d envelope.Deed, t *transactionRow) (envelope.Change, error) {
	c := &envelope.AssetCreated{Deed: d, Code: t.Asset, Issuer: t.From}
	if d.Outcome != chain.OK {
		return c, nil
	}
	a, found := rows.assets[t.Asset]
	if !found || a.Issuer != t.From {
		return nil, incomplete("asset %s was made, and its row is not in the batch", t.Asset)
	}
	c.Name, c.Scale = a.Name, a.Scale
	return c, nil
}
