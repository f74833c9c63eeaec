// SPDX-License-Identifier: Apache-2.0

package v10diff

import (
	"math/big"
	"strconv"
	"strings"

	"github.com/aurigraph/aurigraph/internal/fault"
)

// decimal is a JSON number in its one form: digits without zeros at either end, times 10^exponent. Zero has no digits.
type decimal struct {
	negative bool
	digits   string
	exponent int
}

// exponentMax bounds exponents, so that no sum of two overflows.
const exponentMax = 1 << 30

// parseDecimal reads a number as JSON writes it, and false if its exponent is out of bounds.
func parseDecimal(text string) (d decimal, ok bool) {
	text, d.negative = strings.CutPrefix(text, "-")
	if i := strings.IndexAny(text, "eE"); i >= 0 {
		n, err := strconv.Atoi(strings.TrimPrefix(text[i+1:], "+"))
		if err != nil || n > exponentMax || n < -exponentMax {
			return d, false
		}
		text, d.exponent = text[:i], n
	}
	whole, frac, _ := strings.Cut(text, ".")
	d.exponent -= len(frac)
	digits := whole + frac
	d.digits = strings.TrimRight(digits, "0")
	d.exponent += len(digits) - len(d.digits)
	d.digits = strings.TrimLeft(d.digits, "0")
	if d.digits == "" {
		return decimal{}, true
	}
	return d, true
}

// sameNumber compares two numbers exactly. Those out of bounds are equal if their text is.
func sameNumber(a, b string) bool {
	x, ok1 := parseDecimal(a)
	y, ok2 := parseDecimal(b)
	if !ok1 || !ok2 {
		return a == b
	}
	return x == y
}

// tolerance is how far numbers may be apart: so much, or so many per cent of the larger.
type tolerance struct {
	most    *big.Rat
	percent bool
}

// ratDigitsMax bounds what is calculated with: digits and zeros of a number.
const ratDigitsMax = 1000

func (d decimal) rat() (*big.Rat, bool) {
	if len(d.digits)+max(d.exponent, -d.exponent) > ratDigitsMax {
		return nil, false
	}
	text := d.digits + "e" + strconv.Itoa(d.exponent)
	if d.digits == "" {
		text = "0"
	}
	r, ok := new(big.Rat).SetString(text)
	if ok && d.negative {
		r.Neg(r)
	}
	return r, ok
}

func parseTolerance(text string) (t tolerance, err error) {
	number, percent := strings.CutSuffix(text, "%")
	t.percent = percent
	d, ok := parseDecimal(number)
	if ok {
		t.most, ok = d.rat()
	}
	if !ok || d.negative || number == "" {
		return t, fault.New(fault.Invalid, "within: %q is no bound: write a decimal such as 0.5, or 10%%", text)
	}
	if percent {
		t.most.Quo(t.most, big.NewRat(100, 1))
	}
	return t, nil
}

// holds reports whether two numbers are near each other. Numbers too long to calculate with are not.
func (t tolerance) holds(a, b string) bool {
	x, ok1 := parseDecimal(a)
	y, ok2 := parseDecimal(b)
	if !ok1 || !ok2 {
		return false
	}
	p, ok1 := x.rat()
	q, ok2 := y.rat()
	if !ok1 || !ok2 {
		return false
	}
	apart := new(big.Rat).Sub(p, q)
	apart.Abs(apart)
	if !t.percent {
		return apart.Cmp(t.most) <= 0
	}
	larger := p.Abs(p)
	if q.Abs(q); larger.Cmp(q) < 0 {
		larger = q
	}
	return apart.Cmp(new(big.Rat).Mul(t.most, larger)) <= 0
}
