// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"bytes"
	"encoding/binary"
	"errors"
	"strconv"

	"github.com/aurigraph/aurigraph/internal/sync/envelope"
	v10 "github.com/aurigraph/aurigraph/internal/v10"
	"github.com/aurigraph/aurigraph/legacy/store"
)

// rowKey is where a row lies.
type rowKey struct {
	family store.Family
	key    []byte
}

// appliedTransaction is a transaction of the other ledger: a Transaction, and its reference, so that two are told apart by all they say.
type appliedTransaction struct {
	Transaction
	Reference string `json:"reference,omitempty"` // hex
}

// appliedKeyOf is the key of a transaction of the other ledger. It begins with the time, so that lists go by time, and holds all of the
// id, so that no other transaction has it.
func appliedKeyOf(kind byte, id v10.TxID) []byte { return appendID([]byte{kind}, id) }

func appendID(k []byte, id v10.TxID) []byte {
	return appendPlace(binary.BigEndian.AppendUint64(k, id.Ms), uint64(id.Height), id.Place())
}

// lastKey is the highest key of a kind, nil if there is none.
func lastKey(r store.Reader, f store.Family, kind byte) (key []byte, err error) {
	it, err := r.Iter(f, store.Prefix([]byte{kind}).Backward())
	if err != nil {
		return nil, err
	}
	if it.Next() {
		key = bytes.Clone(it.Key())
	}
	return key, errors.Join(it.Err(), it.Close())
}

// appliedRow is the row that a change leaves of itself, nil for one that leaves none: a transaction, or a block of the other ledger.
func appliedRow(c envelope.Change) (rowKey, []byte) {
	var t Transaction
	var ref [32]byte
	var d *envelope.Deed
	switch c := c.(type) {
	case *envelope.Transfer:
		d, ref = &c.Deed, c.Reference
		t = Transaction{Kind: Transfer, From: c.From, To: c.To, Asset: c.Asset, Units: Units{c.Amount}}
	case *envelope.AccountOpened:
		d, t = &c.Deed, Transaction{Kind: OpenAccount, To: c.Alias}
	case *envelope.AssetCreated:
		d, t = &c.Deed, Transaction{Kind: CreateAsset, From: c.Issuer, Asset: c.Code}
	case *envelope.Issued:
		d, ref = &c.Deed, c.Reference
		t = Transaction{Kind: Issue, From: c.Issuer, To: c.To, Asset: c.Asset, Units: Units{c.Amount}}
	case *envelope.Redeemed:
		d, ref = &c.Deed, c.Reference
		t = Transaction{Kind: Redeem, From: c.Issuer, Asset: c.Asset, Units: Units{c.Amount}}
	case *envelope.Round:
		return blockRow(c.Number, Round{Ms: c.TimeMs, Leader: c.Leader, Votes: c.Votes, Hash: c.Hash, Previous: c.Previous, Transactions: c.Transactions})
	case *envelope.Block:
		return blockRow(uint64(c.Height), Round{Ms: c.TimeMs, Votes: signersOf(c), Hash: Hash(c.Hash), Previous: Hash(c.Previous), Transactions: c.Transactions})
	default:
		return rowKey{}, nil
	}
	t.Ms, t.Outcome = d.ID.Ms, d.Outcome
	return rowKey{store.Transactions, appliedKeyOf(byApplied, d.ID)}, encodeRow(appliedTransaction{t, referenceText(ref)})
}

func blockRow(number uint64, r Round) (rowKey, []byte) {
	if r.Votes == nil {
		r.Votes = []string{}
	}
	return rowKey{store.Consensus, numbered(byAppliedBlock, number)}, encodeRow(r)
}

// signersOf names validators by their numbers, as V11 does where V10 had names.
func signersOf(b *envelope.Block) []string {
	names := make([]string, len(b.Signers))
	for i, no := range b.Signers {
		names[i] = strconv.FormatUint(uint64(no), 10)
	}
	return names
}

// partiesOf are the accounts that have a part in a transaction, each once.
func partiesOf(c envelope.Change) []string {
	var names []string
	switch c := c.(type) {
	case *envelope.Transfer:
		names = []string{c.From, c.To}
	case *envelope.AccountOpened:
		names = []string{c.Alias}
	case *envelope.AssetCreated:
		names = []string{c.Issuer}
	case *envelope.Issued:
		names = []string{c.Issuer, c.To}
	case *envelope.Redeemed:
		names = []string{c.Issuer}
	}
	if len(names) == 2 && names[0] == names[1] {
		names = names[:1]
	}
	return names
}
