// SPDX-License-Identifier: Apache-2.0

package keys

import (
	"crypto/ed25519"

	"github.com/cloudflare/circl/sign/mldsa/mldsa65"

	"github.com/aurigraph/aurigraph/internal/fault"
)

// Scheme is a signature scheme. The numbers are stable: they are the first byte of a key. 0 is no scheme.
type Scheme uint8

// The schemes. Append only.
const (
	Ed25519   Scheme = 1
	Secp256k1 Scheme = 2
	MLDSA65   Scheme = 3
)

// Sizes of secp256k1 in the forms used here: a compressed point, and r‖s.
const (
	secp256k1PublicBytes    = 33
	secp256k1SignatureBytes = 64
)

// PublicBytesMax is the size of the largest key in canonical form, in bytes: ML-DSA-65's, with its scheme byte.
const PublicBytesMax = 1 + mldsa65.PublicKeySize

// Schemes lists every scheme, in order of number.
func Schemes() []Scheme { return []Scheme{Ed25519, Secp256k1, MLDSA65} }

// String returns the stable name, as written in key texts and files.
func (s Scheme) String() string {
	switch s {
	case Ed25519:
		return "ed25519"
	case Secp256k1:
		return "secp256k1"
	case MLDSA65:
		return "ml-dsa-65"
	}
	return "unknown"
}

// PublicBytes is the size of a public key without its scheme byte, in bytes; 0 if s is no scheme.
func (s Scheme) PublicBytes() int {
	switch s {
	case Ed25519:
		return ed25519.PublicKeySize
	case Secp256k1:
		return secp256k1PublicBytes
	case MLDSA65:
		return mldsa65.PublicKeySize
	}
	return 0
}

// SignatureBytes is the size of a signature in bytes; 0 if s is no scheme.
func (s Scheme) SignatureBytes() int {
	switch s {
	case Ed25519:
		return ed25519.SignatureSize
	case Secp256k1:
		return secp256k1SignatureBytes
	case MLDSA65:
		return mldsa65.SignatureSize
	}
	return 0
}

// ParseScheme reads a scheme's name. Any other text is Invalid.
func ParseScheme(name string) (Scheme, error) {
	for _, s := range Schemes() {
		if s.String() == name {
			return s, nil
		}
	}
	return 0, fault.Reasoned(fault.Invalid, "scheme_unknown", "no signature scheme %.32q: use ed25519, secp256k1 or ml-dsa-65", name)
}
