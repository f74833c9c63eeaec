// SPDX-License-Identifier: Apache-2.0

package watch

import (
	"encoding/binary"
	"strconv"

	"github.com/aurigraph/aurigraph/internal/chain"
	v10 "github.com/aurigraph/aurigraph/internal/v10"
)

// Origin is the ledger that executed a row.
type Origin uint8

// The origins.
const (
	V10 Origin = iota
	V11
	originCount
)

// String returns v10 or v11.
func (o Origin) String() string { return [...]string{"v10", "v11"}[o] }

// Table is what a row is of.
type Table uint8

// The tables.
const (
	Transactions Table = iota
	Rounds             // of V11: blocks
)

// ID is the identity of a row, alike on both sides.
type ID struct {
	Table Table
	Ms    uint64 // since 1970
	Round uint64 // of V11: height
	Place uint32 // of a transaction
}

func (id *ID) bytes() (b [21]byte) {
	b[0] = byte(id.Table)
	binary.LittleEndian.PutUint64(b[1:], id.Ms)
	binary.LittleEndian.PutUint64(b[9:], id.Round)
	binary.LittleEndian.PutUint32(b[17:], id.Place)
	return b
}

// String is a transaction's id as clients have it, or the number of a round.
func (id ID) String() string {
	if id.Table == Rounds {
		return "round " + strconv.FormatUint(id.Round, 10)
	}
	return v10.TxIDAt(id.Ms, chain.Height(id.Round), id.Place).String()
}

// kind is what a transaction did; the words are those of V10's rows.
type kind byte

const (
	transfer kind = iota + 1
	account
	asset
	issue
	redeem
	refused // V11 has no more of what V10 refused than amount and outcome
)

var kindWords = map[string]kind{"transfer": transfer, "account": account, "asset": asset, "issue": issue, "redeem": redeem}

// identity is who an account is on both sides: its address, which follows from its V10 name; of one that was opened, its tag.
type identity [32]byte

// deed is a transaction as it is compared.
type deed struct {
	kind      kind
	from, to  identity
	code      string
	amount    chain.Amount
	outcome   chain.Outcome
	ms        uint64
	reference [32]byte
}

// lastWord reports an outcome that the other ledger learns of. What is sent to its home, or is a repeat, it does not.
func lastWord(o chain.Outcome) bool { return o != chain.NotHome && o != chain.Duplicate }

// roundContent is the canonical form of a round or block.
func roundContent(ms uint64, hash, previous [32]byte) []byte {
	b := binary.LittleEndian.AppendUint64(make([]byte, 0, 72), ms)
	return append(append(b, hash[:]...), previous[:]...)
}

// SlotMs is the length of the intervals that V11's origin is compared by: of block time, since 1970.
const SlotMs = 10_000

// slotOf is the label of what happened at a time.
func slotOf(ms uint64) uint64 { return ms/SlotMs + 1 }

// event is what a log says: a row, a barrier behind all rows of its label, or a difference that the log shows by itself.
type event struct {
	origin  Origin
	side    Side
	barrier uint64 // not 0: no row
	label   uint64
	id      ID
	content []byte
	found   *Difference
}

// content is the canonical form of a deed. Of what V10 refused only that is left which its leg on V11 always has.
func (d *deed) content(origin Origin) []byte {
	if origin == V10 && d.outcome != chain.OK {
		reduced := deed{kind: refused, outcome: d.outcome, ms: d.ms}
		if d.kind == transfer || d.kind == refused {
			reduced.amount = d.amount
		}
		d = &reduced
	}
	le := binary.LittleEndian
	b := make([]byte, 0, 128)
	b = append(b, byte(d.kind), byte(d.outcome))
	b = append(append(b, d.from[:]...), d.to[:]...)
	b = le.AppendUint64(le.AppendUint64(le.AppendUint64(b, d.ms), d.amount.Lo), d.amount.Hi)
	b = append(b, d.reference[:]...)
	b = le.AppendUint32(b, uint32(len(d.code)))
	return append(b, d.code...)
}
