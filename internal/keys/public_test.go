// SPDX-License-Identifier: Apache-2.0

package keys

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/aurigraph/aurigraph/internal/fault"
)

func TestSchemes(t *testing.T) {
	for _, c := range []struct {
		s                 Scheme
		number            uint8
		name              string
		public, signature int
	}{
		{Ed25519, 1, "ed25519", 32, 64},
		{Secp256k1, 2, "secp256k1", 33, 64},
		{MLDSA65, 3, "ml-dsa-65", 1952, 3309},
	} {
		if uint8(c.s) != c.number || c.s.String() != c.name || c.s.PublicBytes() != c.public || c.s.SignatureBytes() != c.signature {
			t.Errorf("%s is not what the format says", c.s)
		}
		if s, err := ParseScheme(c.name); s != c.s || err != nil {
			t.Errorf("ParseScheme(%q): %v, %v", c.name, s, err)
		}
	}
	if s := Scheme(9); s.String() != "unknown" || s.PublicBytes() != 0 || s.SignatureBytes() != 0 {
		t.Error("an unknown scheme must have no sizes")
	}
	for _, name := range []string{"", "unknown", "Ed25519", "rsa", strings.Repeat("x", 1000)} {
		if _, err := ParseScheme(name); !fault.Is(err, fault.Invalid) || len(err.Error()) > 200 {
			t.Errorf("ParseScheme(%q): %v", name, err)
		}
	}
}

func TestPublicForms(t *testing.T) {
	for _, s := range Schemes() {
		p := testSigner(t, s, 1).Public()
		if got, err := ParsePublic(p.Bytes()); got != p || err != nil {
			t.Errorf("%s: bytes: %v", s, err)
		}
		if got, err := ParsePublicText(p.String()); got != p || err != nil {
			t.Errorf("%s: text: %v", s, err)
		}
		name, digits, _ := strings.Cut(p.String(), ":")
		if got, err := ParsePublicText(name + ":" + strings.ToUpper(digits)); got != p || err != nil {
			t.Errorf("%s: upper-case text: %v", s, err)
		}
		text, err := json.Marshal(map[string]Public{"key": p})
		if err != nil || !strings.Contains(string(text), p.String()) {
			t.Errorf("%s: json: %v", s, err)
		}
		var back map[string]Public
		if err := json.Unmarshal(text, &back); err != nil || back["key"] != p {
			t.Errorf("%s: json back: %v", s, err)
		}
		p.Bytes()[1] ^= 1
		if p != testSigner(t, s, 1).Public() {
			t.Errorf("%s: Bytes gives away the key's own memory", s)
		}
		if p.Address().IsZero() || p == testSigner(t, s, 2).Public() {
			t.Errorf("%s: keys or addresses are not distinct", s)
		}
	}
}

func TestPublicZero(t *testing.T) {
	var p Public
	if !p.IsZero() || p.Scheme() != 0 || len(p.Bytes()) != 0 || p.String() != "" || !p.Address().IsZero() {
		t.Error("the zero Public must be no key")
	}
	if _, err := NewVerifier(p); !fault.Is(err, fault.Invalid) {
		t.Error("a verifier of no key:", err)
	}
	p = testSigner(t, Ed25519, 1).Public()
	if err := p.UnmarshalText(nil); err != nil || !p.IsZero() {
		t.Error("empty text must be no key:", err)
	}
	if err := p.UnmarshalText([]byte("ed25519:00")); !fault.Is(err, fault.Invalid) || !p.IsZero() {
		t.Error(err)
	}
}

func TestParsePublicRefuses(t *testing.T) {
	key := func(s Scheme, digits string) []byte { return append([]byte{byte(s)}, unhex(t, digits)...) }
	good := testSigner(t, Secp256k1, 1).Public().Bytes()
	hybrid := bytes.Clone(good)
	hybrid[1] += 4
	for name, b := range map[string][]byte{
		"empty":                   nil,
		"scheme 0":                make([]byte, 33),
		"scheme 4":                append([]byte{4}, make([]byte, 32)...),
		"short":                   make([]byte, 32),
		"ed25519 short":           append([]byte{1}, make([]byte, 31)...),
		"ed25519 long":            append([]byte{1}, make([]byte, 33)...),
		"ml-dsa-65 short":         append([]byte{3}, make([]byte, 1951)...),
		"ed25519 identity":        key(Ed25519, "0100000000000000000000000000000000000000000000000000000000000000"),
		"ed25519 order 4":         key(Ed25519, "0000000000000000000000000000000000000000000000000000000000000000"),
		"ed25519 order 8":         key(Ed25519, "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"),
		"ed25519 y=p+1":           key(Ed25519, "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
		"ed25519 y=2^255-1":       key(Ed25519, "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"),
		"ed25519 no point":        key(Ed25519, "0200000000000000000000000000000000000000000000000000000000000000"),
		"ed25519 -0":              key(Ed25519, "0100000000000000000000000000000000000000000000000000000000000080"),
		"secp256k1 infinity":      append([]byte{2}, make([]byte, 33)...),
		"secp256k1 hybrid prefix": hybrid,
		"secp256k1 x=5, no point": key(Secp256k1, "020000000000000000000000000000000000000000000000000000000000000005"),
		"secp256k1 x=p+1":         key(Secp256k1, "02fffffffffffffffffffffffffffffffffffffffffffffffffffffffefffffc30"),
		"secp256k1 uncompressed":  append([]byte{2, 4}, make([]byte, 64)...),
	} {
		if p, err := ParsePublic(b); !fault.Is(err, fault.Invalid) || fault.ReasonOf(err) != "key_malformed" || !p.IsZero() {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, text := range []string{
		"", "ed25519", "ed25519:", ":00", "rsa:00", "ed25519:" + strings.Repeat("0", 63), "ed25519:" + strings.Repeat("z", 64),
		"ed25519:" + strings.Repeat("0", 64), " ed25519:" + strings.Repeat("0", 64), "ed25519:0x" + strings.Repeat("0", 62),
	} {
		if _, err := ParsePublicText(text); !fault.Is(err, fault.Invalid) {
			t.Errorf("%q: %v", text, err)
		}
	}
}
