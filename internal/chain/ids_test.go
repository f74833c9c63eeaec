// SPDX-License-Identifier: Apache-2.0

package chain

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/aurigraph/aurigraph/internal/fault"
)

func TestParseHash(t *testing.T) {
	digits := strings.Repeat("0f", 31) + "A1"
	want := Hash{31: 0xa1}
	for i := range 31 {
		want[i] = 0x0f
	}
	for text, ok := range map[string]bool{
		digits:                               true,
		"0x" + digits:                        true,
		"0X" + digits:                        true,
		strings.ToUpper(digits):              true,
		"0x0X" + digits:                      false,
		"0X0x" + digits:                      false,
		"":                                   false,
		"0x":                                 false,
		digits[1:]:                           false,
		digits + "0":                         false,
		strings.Replace(digits, "A", "g", 1): false,
	} {
		h, err := ParseHash(text)
		if ok && (err != nil || h != want) {
			t.Errorf("ParseHash(%q) = %v, %v", text, h, err)
		}
		if !ok && (!fault.Is(err, fault.Invalid) || !h.IsZero()) {
			t.Errorf("ParseHash(%q) = %v, %v; want Invalid", text, h, err)
		}
	}
	if want.IsZero() || want.String() != strings.ToLower(digits) {
		t.Errorf("String is %s", want)
	}
}

func TestParseAddress(t *testing.T) {
	digits := strings.Repeat("0", 38) + "Be"
	for text, ok := range map[string]bool{
		"0x" + digits:            true,
		"0X" + digits:            true,
		digits:                   false,
		"0x0X" + digits:          false,
		"0x" + digits[2:]:        false,
		"0x" + digits + "00":     false,
		"0x" + "zz" + digits[2:]: false,
	} {
		a, err := ParseAddress(text)
		if ok && (err != nil || a != Address{19: 0xbe}) {
			t.Errorf("ParseAddress(%q) = %v, %v", text, a, err)
		}
		if !ok && (!fault.Is(err, fault.Invalid) || !a.IsZero()) {
			t.Errorf("ParseAddress(%q) = %v, %v; want Invalid", text, a, err)
		}
	}
}

func TestIdsRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := Hash(rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "hash"))
		if back, err := ParseHash(h.String()); err != nil || back != h {
			t.Fatalf("hash %s reads as %v, %v", h, back, err)
		}
		a := Address(h[:20])
		if back, err := ParseAddress(a.String()); err != nil || back != a {
			t.Fatalf("address %s reads as %v, %v", a, back, err)
		}
		index := rapid.Uint32().Draw(t, "index")
		leg := NewLegID(h, index)
		if prefix, i := leg.Split(); prefix != [28]byte(h[:28]) || i != index {
			t.Fatalf("leg %s splits into %x, %d", leg, prefix, i)
		}
		if back, err := ParseHash(leg.String()); err != nil || LegID(back) != leg {
			t.Fatalf("leg %s reads as %v, %v", leg, back, err)
		}
	})
}
