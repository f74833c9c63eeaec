// SPDX-License-Identifier: Apache-2.0

package v10

import (
	"math/bits"
	"strings"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// DecimalBytesMax bounds the text of an amount in a request: 39 digits, a point, an exponent and some room.
const DecimalBytesMax = 64

// The asset of a payment that names none.
const (
	DefaultAsset = "AUR"
	DefaultScale = 8
)

// Decimal is the decimal text of an amount and the form in which it travels: V10 clients send numbers or strings and get back
// what they sent. The zero value is the number 0.
type Decimal struct {
	Text   string // as JSON has it, without quotes
	Quoted bool   // a string
}

// DecimalOf writes units of an asset without trailing zeros and without an exponent.
func DecimalOf(units chain.Amount, scale uint8, quoted bool) Decimal {
	return Decimal{units.Decimal(scale), quoted}
}

// Units reads a payment's amount in an asset's scale. A number may have an exponent if its value is exact in that scale; a string
// is a plain decimal. Invalid, with a text for the client: not a decimal, not above 0, more decimals than the asset has, or
// more than 128 bits of smallest units.
func (d Decimal) Units(scale uint8) (chain.Amount, error) {
	m, err := d.mantissa()
	if err != nil {
		return chain.Amount{}, err
	}
	if m.exponent != 0 {
		m.trim()
	}
	zeros := int(scale) - len(m.frac) + m.exponent
	if m.isZero() {
		zeros = max(zeros, 0)
	}
	if len(m.frac) > int(scale) && m.exponent == 0 || zeros < 0 {
		return chain.Amount{}, fault.Reasoned(fault.Invalid, "excess_decimals", "amount has more decimals than the asset, which has %d", scale)
	}
	a, ok := m.times10(zeros)
	switch {
	case !ok:
		return chain.Amount{}, fault.Reasoned(fault.Invalid, "overflow", "amount is too large")
	case a.IsZero():
		return chain.Amount{}, fault.Reasoned(fault.Invalid, "amount_zero", "amount must be greater than 0")
	}
	return a, nil
}

// mantissa is a decimal taken apart: whole.frac times 10^exponent. whole has no leading zeros and may be empty.
type mantissa struct {
	whole, frac string
	exponent    int
}

var (
	errAmountMissing   = fault.Reasoned(fault.Invalid, "amount_missing", "amount is required")
	errAmountMalformed = fault.Reasoned(fault.Invalid, "amount_malformed", "amount must be a decimal number, such as 12 or \"12.50\"")
	errAmountNegative  = fault.Reasoned(fault.Invalid, "amount_negative", "amount must be greater than 0")
)

func (d Decimal) mantissa() (m mantissa, err error) {
	text := d.Text
	switch {
	case text == "" && !d.Quoted:
		return m, errAmountMissing
	case text == "" || len(text) > DecimalBytesMax:
		return m, errAmountMalformed
	}
	if text[0] == '-' {
		if plain := (Decimal{text[1:], d.Quoted}); len(text) > 1 && text[1] != '-' {
			if _, err := plain.mantissa(); err != nil {
				return m, err
			}
		}
		return m, errAmountNegative
	}
	if !d.Quoted {
		var ok bool
		if text, m.exponent, ok = cutExponent(text); !ok {
			return m, errAmountMalformed
		}
	}
	whole, frac, dotted := strings.Cut(text, ".")
	if whole == "" || (dotted && frac == "") || !allDigits(whole) || !allDigits(frac) {
		return m, errAmountMalformed
	}
	m.whole, m.frac = strings.TrimLeft(whole, "0"), frac
	return m, nil
}

func (m *mantissa) isZero() bool { return m.whole == "" && strings.Trim(m.frac, "0") == "" }

// trim takes zeros off the end, so that 10e-9 is the same as 1e-8.
func (m *mantissa) trim() {
	m.frac = strings.TrimRight(m.frac, "0")
	if m.frac != "" {
		return
	}
	short := strings.TrimRight(m.whole, "0")
	m.exponent += len(m.whole) - len(short)
	m.whole = short
}

// cutExponent takes the exponent off a number.
func cutExponent(text string) (string, int, bool) {
	for i := range len(text) {
		if text[i]|0x20 == 'e' {
			exponent, ok := exponentOf(text[i+1:])
			return text[:i], exponent, ok
		}
	}
	return text, 0, true
}

// exponentOf reads what follows an e. Its size is bounded far above what any scale needs.
func exponentOf(s string) (int, bool) {
	negative := strings.HasPrefix(s, "-")
	if negative || strings.HasPrefix(s, "+") {
		s = s[1:]
	}
	if s == "" || !allDigits(s) {
		return 0, false
	}
	n := 0
	for i := range len(s) {
		n = min(n*10+int(s[i]-'0'), 1<<20)
	}
	if negative {
		n = -n
	}
	return n, true
}

// times10 is the number that the digits make, with zeros more behind them, and false beyond 128 bits.
func (m *mantissa) times10(zeros int) (a chain.Amount, ok bool) {
	frac := m.frac
	if m.whole == "" {
		frac = strings.TrimLeft(frac, "0")
	}
	const digitsMax = 39 // of 128 bits
	if digits := len(m.whole) + len(frac); digits == 0 {
		return a, true
	} else if digits > digitsMax || zeros > digitsMax-digits {
		return a, false
	}
	for _, part := range [...]string{m.whole, frac} {
		for i := range len(part) {
			if a, ok = push(a, uint64(part[i]-'0')); !ok {
				return a, false
			}
		}
	}
	for range zeros {
		if a, ok = push(a, 0); !ok {
			return a, false
		}
	}
	return a, true
}

// push appends a decimal digit.
func push(a chain.Amount, digit uint64) (chain.Amount, bool) {
	over, lo := bits.Mul64(a.Lo, 10)
	lo, carry := bits.Add64(lo, digit, 0)
	top, hi := bits.Mul64(a.Hi, 10)
	hi, carry = bits.Add64(hi, over, carry)
	return chain.Amount{Lo: lo, Hi: hi}, top|carry == 0
}

func allDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

// AppendJSON appends d as it travels.
func (d Decimal) AppendJSON(dst []byte) []byte {
	if d.Quoted {
		return AppendString(dst, d.Text)
	}
	if d.Text == "" {
		return append(dst, '0')
	}
	return append(dst, d.Text...)
}

// MarshalJSON writes d as it travels.
func (d Decimal) MarshalJSON() ([]byte, error) { return d.AppendJSON(nil), nil }

// UnmarshalJSON takes a JSON number or string; Units says whether it is an amount.
func (d *Decimal) UnmarshalJSON(text []byte) error {
	s := &scanner{text: string(text), raw: text}
	read, err := s.decimal("amount")
	if err != nil {
		return err
	}
	*d = read
	return nil
}
