// SPDX-License-Identifier: Apache-2.0

package copier

import (
	"encoding/binary"
	"encoding/json"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// Rows is a checkpoint of V10. It is safe for any number of goroutines.
type Rows interface {
	// Get returns a row, or NotFound.
	Get(family string, key []byte) ([]byte, error)
	// Scan calls each for the rows with low <= key < high, ascending. Key and value are valid within the call. each ends it by an error,
	// which is returned.
	Scan(family string, low, high []byte, each func(key, value []byte) error) error
	Close() error
}

// The families, and the first byte of keys within them.
const (
	famAccounts     = "accounts"
	famAssets       = "assets"
	famTransactions = "transactions"
	famConsensus    = "consensus"
	famMeta         = "meta"

	byName   = 'a'
	byNumber = 'n'
	byHolder = 'h'
	byPlace  = 't'
	byRound  = 'r'
	byKey    = 'k'
	byAge    = 'e'
	totals   = "totals"
)

// all is the range of a kind of row.
func all(kind byte) (low, high []byte) { return []byte{kind}, []byte{kind + 1} }

// totalsRow is what V10 counts.
type totalsRow struct {
	Round        uint64 `json:"round"`
	Ms           uint64 `json:"ms"`
	Accounts     uint64 `json:"accounts"`
	Assets       uint64 `json:"assets"`
	Transactions uint64 `json:"transactions"`
	Keys         uint64 `json:"keys"`
	Generation   uint64 `json:"generation"`
	Applied      uint64 `json:"applied"` // of Transactions: another V11 made them
}

type units struct{ chain.Amount }

// UnmarshalText reads decimal text.
func (u *units) UnmarshalText(text []byte) (err error) {
	u.Amount, err = parseUnits(text)
	return err
}

// parseUnits reads decimal text below 2^128. Most amounts have 64 bits.
func parseUnits(text []byte) (chain.Amount, error) {
	if len(text) == 0 || len(text) > 19 {
		return chain.ParseAmount(string(text), 0)
	}
	n := uint64(0)
	for _, c := range text {
		if c < '0' || c > '9' {
			return chain.ParseAmount(string(text), 0)
		}
		n = n*10 + uint64(c-'0')
	}
	return chain.Units(n), nil
}

type assetRow struct {
	Code   string `json:"-"`
	Number uint64 `json:"number"`
	Name   string `json:"name"`
	Scale  uint8  `json:"scale"`
	Issuer string `json:"issuer"`
	Supply units  `json:"supply"`
}

type keyRow struct {
	Caller  string        `json:"caller"`
	Key     string        `json:"key"`
	Item    uint32        `json:"item"`
	Round   uint64        `json:"round"`
	Place   uint32        `json:"place"`
	Ms      uint64        `json:"ms"`
	Outcome chain.Outcome `json:"outcome"`
}

// readRow reads a JSON row.
func readRow(value []byte, what string, into any) error {
	if err := json.Unmarshal(value, into); err != nil {
		return &fault.Error{Kind: fault.Corrupt, Reason: ReasonUnreadable, Text: "a row of V10's " + what, Cause: err}
	}
	return nil
}

func unreadable(what string) error {
	return fault.Reasoned(fault.Corrupt, ReasonUnreadable, "a row of V10's %s does not say what its kind says: V10 wrote it in another format, or it is damaged", what)
}

func inconsistent(format string, args ...any) error {
	return fault.Reasoned(fault.Corrupt, ReasonInconsistent, "V10's rows contradict each other: "+format+"; compare V10 with itself before it is copied", args...)
}

func readTotals(r Rows) (t totalsRow, err error) {
	text, err := r.Get(famMeta, []byte(totals))
	if err != nil {
		return t, fault.Wrap(fault.KindOf(err), err, "read what V10 counts: is the folder a checkpoint of V10?")
	}
	return t, readRow(text, "totals", &t)
}

// holder reads the key of a holding: the code of its asset and the name of who holds it.
func holder(key []byte) (code, name []byte, ok bool) {
	if len(key) < 3 {
		return nil, nil, false
	}
	n := int(binary.BigEndian.Uint16(key[1:]))
	if len(key) < 3+n {
		return nil, nil, false
	}
	return key[3 : 3+n], key[3+n:], true
}
