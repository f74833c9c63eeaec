// SPDX-License-Identifier: Apache-2.0

package chain

import (
	"math/big"
	"math/bits"
	"strings"

	"github.com/aurigraph/aurigraph/internal/fault"
)

// ScaleMax is the largest number of decimals an asset may have.
const ScaleMax = 18

// amountTextBytesMax bounds decimal text: 39 digits, a point and room for leading zeros.
const amountTextBytesMax = 64

// Amount is an unsigned 128-bit number of an asset's smallest units. Its memory is its wire form: Lo, then Hi,
// little-endian.
type Amount struct{ Lo, Hi uint64 }

// Units makes an amount of n smallest units.
func Units(n uint64) Amount { return Amount{Lo: n} }

// IsZero reports whether a is 0.
func (a Amount) IsZero() bool { return a.Lo|a.Hi == 0 }

// Less reports whether a < b.
func (a Amount) Less(b Amount) bool {
	return a.Hi < b.Hi || (a.Hi == b.Hi && a.Lo < b.Lo)
}

// Add returns a+b, and false if that needs more than 128 bits.
func (a Amount) Add(b Amount) (Amount, bool) {
	lo, c := bits.Add64(a.Lo, b.Lo, 0)
	hi, c := bits.Add64(a.Hi, b.Hi, c)
	return Amount{lo, hi}, c == 0
}

// Sub returns a-b, and false if a < b.
func (a Amount) Sub(b Amount) (Amount, bool) {
	lo, c := bits.Sub64(a.Lo, b.Lo, 0)
	hi, c := bits.Sub64(a.Hi, b.Hi, c)
	return Amount{lo, hi}, c == 0
}

// Decimal writes a in an asset's scale without trailing zeros: 1500 at scale 3 is "1.5".
func (a Amount) Decimal(scale uint8) string {
	digits := a.big().String()
	if scale == 0 {
		return digits
	}
	if short := int(scale) + 1 - len(digits); short > 0 {
		digits = strings.Repeat("0", short) + digits
	}
	point := len(digits) - int(scale)
	frac := strings.TrimRight(digits[point:], "0")
	if frac == "" {
		return digits[:point]
	}
	return digits[:point] + "." + frac
}

// String writes a in smallest units.
func (a Amount) String() string { return a.Decimal(0) }

func (a Amount) big() *big.Int {
	n := new(big.Int).SetUint64(a.Hi)
	return n.Lsh(n, 64).Or(n, new(big.Int).SetUint64(a.Lo))
}

// ParseAmount reads a plain decimal ("12", "0.5", no sign, no exponent) in an asset's scale. More decimals than the
// scale has, or more than 128 bits, are Invalid: money is never rounded.
func ParseAmount(s string, scale uint8) (Amount, error) {
	if len(s) == 0 || len(s) > amountTextBytesMax {
		return Amount{}, fault.Reasoned(fault.Invalid, "amount_malformed", "amount %.70q is not a decimal number", s)
	}
	whole, frac, dotted := strings.Cut(s, ".")
	if whole == "" || (dotted && frac == "") || !allDigits(whole) || !allDigits(frac) {
		return Amount{}, fault.Reasoned(fault.Invalid, "amount_malformed", "amount %q is not a decimal number: write it as 12 or 12.50", s)
	}
	if len(frac) > int(scale) {
		return Amount{}, fault.Reasoned(fault.Invalid, "excess_decimals", "amount %s has %d decimals, the asset has %d", s, len(frac), scale)
	}
	n, _ := new(big.Int).SetString(whole+frac+strings.Repeat("0", int(scale)-len(frac)), 10)
	if n.BitLen() > 128 {
		return Amount{}, fault.Reasoned(fault.Invalid, "overflow", "amount %s does not fit 128 bits at scale %d", s, scale)
	}
	lo := new(big.Int).And(n, new(big.Int).SetUint64(^uint64(0))).Uint64()
	return Amount{Lo: lo, Hi: n.Rsh(n, 64).Uint64()}, nil
}

func allDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}
