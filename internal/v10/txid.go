// SPDX-License-Identifier: Apache-2.0

package v10

import (
	"math/bits"
	"strconv"
	"strings"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// How the number in a transaction id is made of height, batch and item.
const (
	itemBits  = 13 // chain.BatchLegsMax items
	batchBits = 7  // chain.EntriesPerBlockMax batches
	placeBits = itemBits + batchBits

	txIDDigitsMin = 9  // V10 wrote nine
	txIDDigitsMax = 17 // 84 bits
	txIDPrefix    = "tx_"
)

// TxIDBytesMax bounds a transaction id: the prefix, 20 digits, an underscore and 17 digits.
const TxIDBytesMax = len(txIDPrefix) + 20 + 1 + txIDDigitsMax

// PlacesPerBlockMax is how many transactions a block can name: batch and item as one number lie below it.
const PlacesPerBlockMax = 1 << placeBits

// LegacyPlaceMin is the place of the first transaction of a round of V10. V11's lie below it, as a block has fewer batches than half of what
// the bits allow: so no id is of both ledgers, though they may count to one height in one millisecond.
const LegacyPlaceMin = PlacesPerBlockMax / 2

const _ = uint(1<<(batchBits-1) - chain.EntriesPerBlockMax)

// TxID is where a transaction lies. It is written tx_<ms>_<base36>: the block's time, and height·2^20 + batch·2^13 + item.
type TxID struct {
	Ms     uint64 // time of the block, ms since 1970
	Height chain.Height
	Batch  uint32 // index in the block, below 2^7
	Item   uint32 // index in the batch, below 2^13
}

// TxIDAt makes the id of the transaction at a place, for ledgers that count transactions of a block without batches. place is
// below PlacesPerBlockMax.
func TxIDAt(ms uint64, height chain.Height, place uint32) TxID {
	return TxID{Ms: ms, Height: height, Batch: place >> itemBits, Item: place & (1<<itemBits - 1)}
}

// Place is batch and item as one number below PlacesPerBlockMax.
func (id TxID) Place() uint32 { return id.Batch<<itemBits | id.Item }

// Legacy reports whether the id is of a transaction that V10 made, and not V11.
func (id TxID) Legacy() bool { return id.Place() >= LegacyPlaceMin }

// Index is the transaction's number in its block or round, from 0.
func (id TxID) Index() uint32 {
	if id.Legacy() {
		return id.Place() - LegacyPlaceMin
	}
	return id.Place()
}

// String writes the id.
func (id TxID) String() string {
	var buf [TxIDBytesMax]byte
	return string(id.Append(buf[:0]))
}

// Append appends the id as text. Batch and Item within their bits are the caller's to keep: a block cannot hold more.
func (id TxID) Append(dst []byte) []byte {
	fault.Invariant(id.Batch < 1<<batchBits && id.Item < 1<<itemBits, "place %d.%d does not fit a transaction id", id.Batch, id.Item)
	dst = append(dst, txIDPrefix...)
	dst = strconv.AppendUint(dst, id.Ms, 10)
	dst = append(dst, '_')
	hi := uint64(id.Height) >> (64 - placeBits)
	lo := uint64(id.Height)<<placeBits | uint64(id.Place())
	return appendBase36(dst, hi, lo)
}

func appendBase36(dst []byte, hi, lo uint64) []byte {
	var digits [txIDDigitsMax]byte
	i := len(digits)
	for hi|lo != 0 || len(digits)-i < txIDDigitsMin {
		var r uint64
		hi, r = hi/36, hi%36
		lo, r = bits.Div64(r, lo, 36)
		i--
		digits[i] = "0123456789abcdefghijklmnopqrstuvwxyz"[r]
	}
	return append(dst, digits[i:]...)
}

var errTxID = fault.Reasoned(fault.Invalid, "transaction_id", "a transaction id is tx_<ms>_<base36>, as a submit answered it")

// ParseTxID reads an id. Invalid: it is not one, or not in its one spelling (leading zeros, upper case).
func ParseTxID(s string) (TxID, error) {
	rest, ok := strings.CutPrefix(s, txIDPrefix)
	ms, number, both := strings.Cut(rest, "_")
	if !ok || !both || len(s) > TxIDBytesMax || !decimalDigits(ms) || len(number) < txIDDigitsMin || len(number) > txIDDigitsMax {
		return TxID{}, errTxID
	}
	at, err := strconv.ParseUint(ms, 10, 64)
	if err != nil || (len(number) > txIDDigitsMin && number[0] == '0') {
		return TxID{}, errTxID
	}
	hi, lo, ok := parseBase36(number)
	if !ok || hi >= 1<<placeBits {
		return TxID{}, errTxID
	}
	id := TxIDAt(at, chain.Height(hi<<(64-placeBits)|lo>>placeBits), uint32(lo&(PlacesPerBlockMax-1)))
	return id, nil
}

// decimalDigits reports whether s is a number in its one spelling.
func decimalDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return len(s) == 1 || (len(s) > 1 && s[0] != '0')
}

func parseBase36(s string) (hi, lo uint64, ok bool) {
	for i := range len(s) {
		var digit uint64
		switch b := s[i]; {
		case '0' <= b && b <= '9':
			digit = uint64(b - '0')
		case 'a' <= b && b <= 'z':
			digit = uint64(b-'a') + 10
		default:
			return 0, 0, false
		}
		over, low := bits.Mul64(lo, 36)
		low, carry := bits.Add64(low, digit, 0)
		hi, lo = hi*36+over+carry, low
	}
	return hi, lo, true
}
