// SPDX-License-Identifier: Apache-2.0

package chain

import (
	"math/big"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/aurigraph/aurigraph/internal/fault"
)

const max128 = "340282366920938463463374607431768211455"

var amountMax = Amount{Lo: ^uint64(0), Hi: ^uint64(0)}

func TestParseAmount(t *testing.T) {
	for _, c := range []struct {
		text   string
		scale  uint8
		want   Amount
		reason string
	}{
		{"0", 0, Amount{}, ""},
		{"12", 0, Units(12), ""},
		{"012", 0, Units(12), ""},
		{"1.5", 3, Units(1500), ""},
		{"1.500", 3, Units(1500), ""},
		{"0.000000000000000001", ScaleMax, Units(1), ""},
		{"18446744073709551616", 0, Amount{Hi: 1}, ""},
		{max128, 0, amountMax, ""},
		{"340282366920938463463.374607431768211455", ScaleMax, amountMax, ""},
		{strings.Repeat("0", 63) + "7", 0, Units(7), ""},

		{"340282366920938463463374607431768211456", 0, Amount{}, "overflow"},
		{max128, 1, Amount{}, "overflow"},
		{strings.Repeat("9", 64), ScaleMax, Amount{}, "overflow"},

		{"1.0", 0, Amount{}, "excess_decimals"},
		{"1.5001", 3, Amount{}, "excess_decimals"},
		{"1.5000", 3, Amount{}, "excess_decimals"},

		{"", 2, Amount{}, "amount_malformed"},
		{".", 2, Amount{}, "amount_malformed"},
		{".5", 2, Amount{}, "amount_malformed"},
		{"5.", 2, Amount{}, "amount_malformed"},
		{"1.2.3", 2, Amount{}, "amount_malformed"},
		{"-1", 2, Amount{}, "amount_malformed"},
		{"+1", 2, Amount{}, "amount_malformed"},
		{" 1", 2, Amount{}, "amount_malformed"},
		{"1e3", 2, Amount{}, "amount_malformed"},
		{"1_000", 2, Amount{}, "amount_malformed"},
		{"1,5", 2, Amount{}, "amount_malformed"},
		{"0x10", 2, Amount{}, "amount_malformed"},
		{"١٢", 2, Amount{}, "amount_malformed"},
		{strings.Repeat("0", 65), 2, Amount{}, "amount_malformed"},
	} {
		got, err := ParseAmount(c.text, c.scale)
		if c.reason == "" {
			if err != nil || got != c.want {
				t.Errorf("ParseAmount(%q, %d) = %v, %v; want %v", c.text, c.scale, got, err, c.want)
			}
			continue
		}
		if !fault.Is(err, fault.Invalid) || fault.ReasonOf(err) != c.reason || got != (Amount{}) {
			t.Errorf("ParseAmount(%q, %d) = %v, %v; want reason %s", c.text, c.scale, got, err, c.reason)
		}
	}
}

func TestDecimal(t *testing.T) {
	for _, c := range []struct {
		amount Amount
		scale  uint8
		want   string
	}{
		{Amount{}, 0, "0"},
		{Amount{}, 18, "0"},
		{Units(1500), 3, "1.5"},
		{Units(1000), 3, "1"},
		{Units(5), 3, "0.005"},
		{Units(50), 3, "0.05"},
		{Units(100), 0, "100"},
		{amountMax, 0, max128},
		{amountMax, 18, "340282366920938463463.374607431768211455"},
	} {
		if got := c.amount.Decimal(c.scale); got != c.want {
			t.Errorf("%v.Decimal(%d) = %s, want %s", c.amount, c.scale, got, c.want)
		}
	}
	if Units(1500).String() != "1500" {
		t.Error("String must be in smallest units")
	}
	if !Units(0).IsZero() || Units(1).IsZero() || (Amount{Hi: 1}).IsZero() {
		t.Error("IsZero")
	}
}

// anyWord prefers the values around which carries go wrong.
func anyWord() *rapid.Generator[uint64] {
	return rapid.OneOf(rapid.Uint64(), rapid.SampledFrom([]uint64{0, 1, 2, 1<<63 - 1, 1 << 63, ^uint64(0) - 1, ^uint64(0)}))
}

func anyAmount() *rapid.Generator[Amount] {
	return rapid.Custom(func(t *rapid.T) Amount { return Amount{anyWord().Draw(t, "lo"), anyWord().Draw(t, "hi")} })
}

func TestAmountAgainstBig(t *testing.T) {
	limit := new(big.Int).Lsh(big.NewInt(1), 128)
	rapid.Check(t, func(t *rapid.T) {
		a, b := anyAmount().Draw(t, "a"), anyAmount().Draw(t, "b")
		x, y := a.big(), b.big()

		sum, ok := a.Add(b)
		want := new(big.Int).Add(x, y)
		if fits := want.Cmp(limit) < 0; ok != fits || sum.big().Cmp(want.Mod(want, limit)) != 0 {
			t.Fatalf("%v + %v = %v, %v", a, b, sum, ok)
		}
		diff, ok := a.Sub(b)
		want = new(big.Int).Sub(x, y)
		if ok != (x.Cmp(y) >= 0) || diff.big().Cmp(want.Mod(want, limit)) != 0 {
			t.Fatalf("%v - %v = %v, %v", a, b, diff, ok)
		}
		if a.Less(b) != (x.Cmp(y) < 0) {
			t.Fatalf("%v < %v = %v", a, b, a.Less(b))
		}
	})
}

func TestDecimalRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, scale := anyAmount().Draw(t, "a"), rapid.Uint8Range(0, ScaleMax).Draw(t, "scale")
		text := a.Decimal(scale)
		back, err := ParseAmount(text, scale)
		if err != nil || back != a {
			t.Fatalf("%v at scale %d is %q, which reads as %v, %v", a, scale, text, back, err)
		}
		if strings.Contains(text, ".") && strings.HasSuffix(text, "0") {
			t.Fatalf("%q has trailing zeros", text)
		}
	})
}

func FuzzParseAmount(f *testing.F) {
	for _, s := range []string{"0", "1.5", "00.50", max128, "1e3", "-1", ".", "٣", strings.Repeat("9", 64)} {
		f.Add(s, uint8(2))
		f.Add(s, uint8(ScaleMax))
	}
	f.Fuzz(func(t *testing.T, s string, scale uint8) {
		a, err := ParseAmount(s, scale)
		if err != nil {
			if !fault.Is(err, fault.Invalid) || a != (Amount{}) {
				t.Fatalf("ParseAmount(%q, %d) = %v, %v", s, scale, a, err)
			}
			return
		}
		text, ok := new(big.Rat).SetString(s)
		if !ok {
			t.Fatalf("%q is no number", s)
		}
		units := text.Mul(text, new(big.Rat).SetInt(new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(scale)), nil)))
		if !units.IsInt() || units.Num().Cmp(a.big()) != 0 {
			t.Fatalf("ParseAmount(%q, %d) = %v, want %v", s, scale, a, units)
		}
		if scale > ScaleMax {
			return // such text may be longer than ParseAmount takes
		}
		if back, err := ParseAmount(a.Decimal(scale), scale); err != nil || back != a {
			t.Fatalf("%q reads back as %v, %v", a.Decimal(scale), back, err)
		}
	})
}
