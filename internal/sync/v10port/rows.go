// SPDX-License-Identifier: Apache-2.0

package v10port

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"strconv"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// The rows of V10 that say something new, as legacy/ledger/FORMAT.md has them.

type units struct{ chain.Amount }

// UnmarshalText reads decimal text.
func (u *units) UnmarshalText(text []byte) (err error) {
	u.Amount, err = chain.ParseAmount(string(text), 0)
	return err
}

type transactionRow struct {
	Ms      uint64        `json:"ms"`
	Kind    string        `json:"kind"`
	From    string        `json:"from"`
	To      string        `json:"to"`
	Asset   string        `json:"asset"`
	Units   units         `json:"units"`
	Outcome chain.Outcome `json:"outcome"`
}

type assetRow struct {
	Name   string `json:"name"`
	Scale  uint8  `json:"scale"`
	Issuer string `json:"issuer"`
}

type hash [32]byte

// UnmarshalText reads 0x and hex.
func (h *hash) UnmarshalText(text []byte) error {
	digits, ok := bytes.CutPrefix(text, []byte("0x"))
	if !ok || hex.DecodedLen(len(digits)) != len(h) {
		return fault.New(fault.Corrupt, "%.80q is no hash", text)
	}
	_, err := hex.Decode(h[:], digits)
	return err
}

type roundRow struct {
	number       uint64
	Ms           uint64   `json:"ms"`
	Leader       string   `json:"leader"`
	Votes        []string `json:"votes"`
	Hash         hash     `json:"block_hash"`
	Previous     hash     `json:"previous_hash"`
	Transactions uint32   `json:"transactions"`
}

type totalsRow struct {
	HomeVersion uint64 `json:"home_version"`
}

type barrierRow struct {
	Ms uint64 `json:"ms"`
}

type keyRow struct {
	Caller string `json:"caller"`
	Key    string `json:"key"`
	Item   uint32 `json:"item"`
	Round  uint64 `json:"round"`
	Place  uint32 `json:"place"`
}

// hash is where V10 keeps the row: what it says of itself can be checked by it.
func (k *keyRow) hash() [sha256.Size]byte {
	h := sha256.New()
	h.Write([]byte("aurigraph/v10-reference/key"))
	h.Write(binary.BigEndian.AppendUint32(nil, uint32(len(k.Caller))))
	h.Write([]byte(k.Caller))
	h.Write(binary.BigEndian.AppendUint32(nil, k.Item))
	h.Write([]byte(k.Key))
	return [sha256.Size]byte(h.Sum(nil))
}

// place is where a transaction lies among V10's.
type place struct {
	round uint64
	place uint32
}

// batchRows is a batch, sorted by what its rows say.
type batchRows struct {
	transactions map[place]transactionRow
	keys         map[place]keyRow
	assets       map[string]assetRow
	rounds       []roundRow
	barriers     map[uint64]barrierRow
	homeVersion  uint64
}

// Reasons why the capture ends, beside those of V10's change log.
const (
	ReasonUnknownRow      = "unknown_row"      // a row of a kind that this program does not know: upgrade it
	ReasonUnreadableRow   = "unreadable_row"   // a row of a known kind that does not say what its kind does
	ReasonUnknownOrigin   = "unknown_origin"   // a batch with the mark of somebody else
	ReasonRoundIncomplete = "round_incomplete" // a round, its transactions and what they name are not in one batch
)

// sortRows reads all rows of a batch that say something new, and knows all others.
func sortRows(b *Batch) (*batchRows, error) {
	out := &batchRows{
		transactions: map[place]transactionRow{}, keys: map[place]keyRow{}, assets: map[string]assetRow{}, barriers: map[uint64]barrierRow{},
	}
	for i := range b.Ops {
		if err := out.take(&b.Ops[i]); err != nil {
			return nil, b.named(err)
		}
	}
	return out, nil
}

// named says which batch an error is of.
func (b *Batch) named(err error) error {
	return &fault.Error{Kind: fault.KindOf(err), Reason: fault.ReasonOf(err), Text: "V10's batch " + strconv.FormatUint(b.Sequence, 10), Cause: err}
}

// follows are the kinds of row that follow from others of their batch, or that only V10 uses: family and first byte of the key.
var follows = map[string]string{
	"accounts":     "anh",
	"assets":       "nh",
	"transactions": "p",
	"consensus":    "b",
	"meta":         "ech", // ages of keys, cursors, homes
}

func (rows *batchRows) take(op *Op) error {
	if len(op.Key) == 0 {
		return unknownRow(op)
	}
	kind, rest := op.Key[0], op.Key[1:]
	switch {
	case op.Family == "meta" && string(op.Key) == "totals":
		var t totalsRow
		err := read(op, &t)
		rows.homeVersion = t.HomeVersion
		return err
	case op.Family == "meta" && string(op.Key) == "inbox": // opened; when it moves, its batch bears a mark
		return nil
	case op.Family == "meta" && kind == 'k' && op.Delete: // its time is over
		return nil
	case bytes.IndexByte([]byte(follows[op.Family]), kind) >= 0:
		return nil
	case op.Delete:
		return unknownRow(op)
	case op.Family == "transactions" && kind == 't' && len(rest) == 12:
		return take(rows.transactions, place{binary.BigEndian.Uint64(rest), binary.BigEndian.Uint32(rest[8:])}, op)
	case op.Family == "assets" && kind == 'a':
		return take(rows.assets, string(rest), op)
	case op.Family == "consensus" && kind == 'r' && len(rest) == 8:
		r := roundRow{number: binary.BigEndian.Uint64(rest)}
		err := read(op, &r)
		rows.rounds = append(rows.rounds, r)
		return err
	case op.Family == "meta" && kind == 'g' && len(rest) == 8:
		return take(rows.barriers, binary.BigEndian.Uint64(rest), op)
	case op.Family == "meta" && kind == 'k' && len(rest) == sha256.Size:
		return rows.takeKey(op, [sha256.Size]byte(rest))
	}
	return unknownRow(op)
}

func take[K comparable, V any](into map[K]V, at K, op *Op) error {
	var v V
	err := read(op, &v)
	into[at] = v
	return err
}

func (rows *batchRows) takeKey(op *Op, at [sha256.Size]byte) error {
	var k keyRow
	if err := read(op, &k); err != nil {
		return err
	}
	if k.hash() != at {
		return fault.Reasoned(fault.Corrupt, ReasonUnreadableRow, "an idempotency key does not lie where its words put it: an older V10 wrote it, upgrade that")
	}
	rows.keys[place{k.Round, k.Place}] = k
	return nil
}

func read(op *Op, into any) error {
	if err := json.Unmarshal(op.Value, into); err != nil {
		return &fault.Error{Kind: fault.Corrupt, Reason: ReasonUnreadableRow, Text: "a row of " + op.Family, Cause: err}
	}
	return nil
}

func unknownRow(op *Op) error {
	return fault.Reasoned(fault.Unavailable, ReasonUnknownRow, "a row of %.40q whose key begins with %.1q is of a kind that this program does not know: upgrade it",
		op.Family, op.Key)
}
