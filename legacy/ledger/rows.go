// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"encoding/binary"
	"encoding/json"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	v10 "github.com/aurigraph/aurigraph/internal/v10"
	"github.com/aurigraph/aurigraph/legacy/store"
)

// Account is who holds balances.
type Account struct {
	Name    string   `json:"-"` // it is the key
	Number  uint64   `json:"number"`
	Created v10.Time `json:"-"`
	Ms      uint64   `json:"created_ms"`
}

// Asset is what is held.
type Asset struct {
	Code   string `json:"-"` // it is the key
	Number uint64 `json:"number"`
	Name   string `json:"name"`
	Scale  uint8  `json:"scale"`
	Issuer string `json:"issuer"`
	Supply Units  `json:"supply"`
	Ms     uint64 `json:"created_ms"`
}

// Units is an amount of smallest units, as decimal text in rows.
type Units struct{ chain.Amount }

// MarshalText writes the digits.
func (u Units) MarshalText() ([]byte, error) { return []byte(u.String()), nil }

// UnmarshalText reads them.
func (u *Units) UnmarshalText(text []byte) (err error) {
	u.Amount, err = chain.ParseAmount(string(text), 0)
	return err
}

// Transaction is one executed order.
type Transaction struct {
	ID      v10.TxID      `json:"-"` // it is the key, with Ms
	Other   bool          `json:"-"` // the other ledger made it: ID.Height is a height of its
	Ms      uint64        `json:"ms"`
	Kind    Kind          `json:"kind"`
	From    string        `json:"from,omitempty"`
	To      string        `json:"to,omitempty"`
	Asset   string        `json:"asset,omitempty"`
	Units   Units         `json:"units"`
	Outcome chain.Outcome `json:"outcome"`
}

// Round is one committed group of orders.
type Round struct {
	Number       uint64   `json:"-"` // it is the key
	Ms           uint64   `json:"ms"`
	Leader       string   `json:"leader"`
	Votes        []string `json:"votes"`
	Hash         Hash     `json:"block_hash"`
	Previous     Hash     `json:"previous_hash"`
	Transactions uint32   `json:"transactions"`
}

// Totals are what the ledger counts, as of its last round.
type Totals struct {
	Round        uint64 `json:"round"`
	Ms           uint64 `json:"ms"`
	Hash         Hash   `json:"block_hash"`
	Accounts     uint64 `json:"accounts"`
	Assets       uint64 `json:"assets"`
	Transactions uint64 `json:"transactions"`
	Refused      uint64 `json:"refused"` // of Transactions
	Keys         uint64 `json:"keys"`
	KeysAged     uint64 `json:"keys_aged"`    // that left because of their age
	KeysCrowded  uint64 `json:"keys_crowded"` // that left because newer ones came
	// Of the sync with the other ledger; absent where there was none.
	Generation  uint64 `json:"generation,omitempty"`   // of the newest barrier
	Guard       uint64 `json:"guard,omitempty"`        // of the newest barrier of a guard: orders of an older one are refused
	HomeVersion uint64 `json:"home_version,omitempty"` // of the home table
	Applied     uint64 `json:"applied,omitempty"`      // of Transactions: made by the other ledger
	AppliedKeys uint64 `json:"applied_keys,omitempty"` // that came with them
}

// keyRow is what a used idempotency key leads to.
type keyRow struct {
	Caller  string        `json:"caller"`
	Key     string        `json:"key"`
	Item    uint32        `json:"item,omitempty"`
	Request []byte        `json:"request"` // hash of the request
	Round   uint64        `json:"round"`
	Place   uint32        `json:"place"`
	Ms      uint64        `json:"ms"`
	Outcome chain.Outcome `json:"outcome"`
}

// The first byte of a key within its family.
const (
	byName    = 'a' // accounts, assets: then the name or code
	byNumber  = 'n' // accounts, assets: then the number
	byHolder  = 'h' // assets: then length and code, then name; accounts: then length and name, then code
	byPlace   = 't' // transactions: then round and place
	byParty   = 'p' // transactions: then length and name, then round and place
	byRound   = 'r' // consensus: then the round
	byHash    = 'b' // consensus: then the block hash
	byKey     = 'k' // meta: then the key's hash
	byAge     = 'e' // meta: then ms and the key's hash
	byCursor  = 'c' // meta: then a cursor's name
	totalsKey = "totals"

	// Of the other ledger, so that nothing of it can meet a row of this one.
	byApplied      = 'u' // transactions: then ms, height and place
	byAppliedParty = 'q' // transactions: then length and name, then ms, height and place
	byAppliedBlock = 'v' // consensus: then the height
	byAppliedKey   = 's' // meta: then the shared key
	byAppliedAge   = 'x' // meta: then the ms of its end, and the shared key
	byGeneration   = 'g' // meta: then the generation of a barrier
	byResolution   = 'w' // meta: then life and position of a record of the other ledger
	inboxKey       = "inbox"
	homesKey       = "homes"
)

func named(kind byte, name string) []byte {
	k := make([]byte, 0, 1+len(name))
	return append(append(k, kind), name...)
}

func numbered(kind byte, numbers ...uint64) []byte {
	k := append(make([]byte, 0, 1+8*len(numbers)), kind)
	for _, n := range numbers {
		k = binary.BigEndian.AppendUint64(k, n)
	}
	return k
}

// within is the prefix of the keys that belong to a name: the length before it keeps one name from being the beginning of
// another.
func within(kind byte, name string) []byte {
	k := make([]byte, 0, 3+len(name)+16)
	k = binary.BigEndian.AppendUint16(append(k, kind), uint16(len(name)))
	return append(k, name...)
}

func appendPlace(k []byte, round uint64, place uint32) []byte {
	return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint64(k, round), place)
}

func txKey(id v10.TxID) []byte {
	return appendPlace([]byte{byPlace}, uint64(id.Height), id.Place())
}

// placeOf reads the end of a key that appendPlace made.
func placeOf(key []byte) (round uint64, place uint32, ok bool) {
	if len(key) < 12 {
		return 0, 0, false
	}
	end := key[len(key)-12:]
	return binary.BigEndian.Uint64(end), binary.BigEndian.Uint32(end[8:]), true
}

func encodeRow(row any) []byte {
	text, err := json.Marshal(row)
	fault.Invariant(err == nil, "a row does not encode: %v", err)
	return text
}

// readRow reads the JSON row at key into row. A row that does not decode is Corrupt.
func readRow(r store.Reader, f store.Family, key []byte, row any) error {
	text, err := r.Get(f, key)
	if err != nil {
		return err
	}
	return decodeRow(f, key, text, row)
}

func decodeRow(f store.Family, key, text []byte, row any) error {
	return fault.Wrap(fault.Corrupt, json.Unmarshal(text, row), "row %x of %s", key, f)
}
