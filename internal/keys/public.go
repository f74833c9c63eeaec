// SPDX-License-Identifier: Apache-2.0

package keys

import (
	"encoding/hex"
	"strings"

	"github.com/ethereum/go-ethereum/crypto/secp256k1"
	"github.com/oasisprotocol/curve25519-voi/curve"
	"golang.org/x/crypto/sha3"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// addressDomain begins the preimage of an address that is not Ethereum's.
const addressDomain = "aurigraph/key"

// Public is a public key that ParsePublic found usable. It is immutable and comparable, so it can be a map's key. The
// zero value is no key.
type Public struct{ raw string }

// ParsePublic reads the canonical form: the scheme's byte, then the key. It refuses, as Invalid: an unknown scheme, a
// wrong length, Ed25519 keys that are no point, not canonically encoded or of small order, and secp256k1 keys that are
// not a compressed point of the curve. Every 1,952 bytes are an ML-DSA-65 key. Costs 5-10 µs for the curves.
func ParsePublic(b []byte) (Public, error) {
	if len(b) == 0 {
		return Public{}, malformed("is empty")
	}
	s, key := Scheme(b[0]), b[1:]
	want := s.PublicBytes()
	if want == 0 {
		return Public{}, malformed("has unknown scheme %d", b[0])
	}
	if len(key) != want {
		return Public{}, malformed("of %s must have %d bytes, has %d", s, want, len(key))
	}
	if err := checkKey(s, key); err != nil {
		return Public{}, err
	}
	return Public{raw: string(b)}, nil
}

// ParsePublicText reads the text form, as String writes it; hex digits in either case. Errors as of ParsePublic.
func ParsePublicText(text string) (Public, error) {
	name, digits, found := strings.Cut(text, ":")
	if !found {
		return Public{}, malformed("must be written scheme:hex, as in ed25519:d75a98…")
	}
	s, err := ParseScheme(name)
	if err != nil {
		return Public{}, err
	}
	if len(digits) != 2*s.PublicBytes() {
		return Public{}, malformed("of %s must have %d hex digits, has %d", s, 2*s.PublicBytes(), len(digits))
	}
	key, err := hex.DecodeString(digits)
	if err != nil {
		return Public{}, malformed("of %s is not hex", s)
	}
	return ParsePublic(append([]byte{byte(s)}, key...))
}

func malformed(format string, args ...any) error {
	return fault.Reasoned(fault.Invalid, "key_malformed", "public key "+format, args...)
}

// checkKey refuses keys of the right length that are not usable.
func checkKey(s Scheme, key []byte) error {
	switch s {
	case Ed25519:
		return checkEd25519(key)
	case Secp256k1:
		if x, _ := secp256k1.DecompressPubkey(key); x == nil {
			return malformed("of secp256k1 is not a compressed point of the curve")
		}
	}
	return nil
}

// checkEd25519 applies to A what the package's rule of acceptance says about A, so that no Verifier ever holds a key
// under which nothing can be valid.
func checkEd25519(key []byte) error {
	var y curve.CompressedEdwardsY
	if _, err := y.SetBytes(key); err != nil {
		return malformed("of ed25519: %v", err)
	}
	if !y.IsCanonicalVartime() {
		return malformed("of ed25519 is not canonically encoded")
	}
	var p curve.EdwardsPoint
	if _, err := p.SetCompressedY(&y); err != nil {
		return malformed("of ed25519 is not a point of the curve")
	}
	if p.IsSmallOrder() {
		return malformed("of ed25519 has small order")
	}
	return nil
}

// IsZero reports whether p is no key.
func (p Public) IsZero() bool { return p.raw == "" }

// Scheme returns the key's scheme, 0 for no key.
func (p Public) Scheme() Scheme {
	if p.IsZero() {
		return 0
	}
	return Scheme(p.raw[0])
}

// Bytes returns the canonical form: the scheme's byte, then Scheme().PublicBytes() bytes of key.
func (p Public) Bytes() []byte { return []byte(p.raw) }

// String returns the text form: the scheme's name, a colon, and the key in lower-case hex.
func (p Public) String() string {
	if p.IsZero() {
		return ""
	}
	return p.Scheme().String() + ":" + hex.EncodeToString([]byte(p.raw[1:]))
}

// MarshalText writes the text form.
func (p Public) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText reads the text form; empty text is no key.
func (p *Public) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*p = Public{}
		return nil
	}
	parsed, err := ParsePublicText(string(text))
	if err == nil {
		*p = parsed
	}
	return err
}

// Address returns the address of an account that this key owns: the last 20 bytes of keccak256 of the 64 bytes x‖y for
// secp256k1, which is Ethereum's rule, and of keccak256("aurigraph/key" ‖ scheme ‖ key) for the others. No key has the
// zero address. Costs 1-10 µs: a Verifier keeps it.
func (p Public) Address() chain.Address {
	switch p.Scheme() {
	case 0:
		return chain.Address{}
	case Secp256k1:
		point := uncompressed(p.raw[1:])
		return lastOfKeccak(point[1:])
	}
	return lastOfKeccak([]byte(addressDomain), p.Bytes())
}

// uncompressed returns 04 ‖ x ‖ y of a compressed point that checkKey accepted.
func uncompressed(key string) (point [65]byte) {
	x, y := secp256k1.DecompressPubkey([]byte(key))
	fault.Invariant(x != nil, "a parsed secp256k1 key is no point")
	point[0] = 4
	x.FillBytes(point[1:33])
	y.FillBytes(point[33:])
	return point
}

func lastOfKeccak(parts ...[]byte) (a chain.Address) {
	digest := keccak256(parts...)
	copy(a[:], digest[len(digest)-len(a):])
	return a
}

// keccak256 is the hash of Ethereum, which is not SHA3-256.
func keccak256(parts ...[]byte) (digest [32]byte) {
	h := sha3.NewLegacyKeccak256()
	for _, p := range parts {
		h.Write(p)
	}
	h.Sum(digest[:0])
	return digest
}
