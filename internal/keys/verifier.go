// SPDX-License-Identifier: Apache-2.0

package keys

import (
	"github.com/cloudflare/circl/sign/mldsa/mldsa65"
	"github.com/ethereum/go-ethereum/crypto/secp256k1"
	"github.com/oasisprotocol/curve25519-voi/primitives/ed25519"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// Verifier is a public key with its key schedule worked out: Ed25519's table of multiples of -A, the uncompressed point
// of secp256k1 (saves a square root), the matrix of ML-DSA-65. It is immutable and safe for use by many goroutines.
type Verifier struct {
	public  Public
	address chain.Address

	// Exactly one of these is set, by scheme.
	ed25519   *ed25519.ExpandedPublicKey
	secp256k1 *[65]byte
	mldsa65   *mldsa65.PublicKey
}

// Heap bytes of a Verifier with its key and its place in a Cache, by scheme, rounded up. A test measures them: 1,610,
// 190 and 43,070 without the place.
const (
	ed25519VerifierBytes   = 1792
	secp256k1VerifierBytes = 512
	mldsa65VerifierBytes   = 44 << 10
)

// NewVerifier works out the key schedule of p: a quarter of a verification for the curves, three for ML-DSA-65. It fails, as Invalid, for the zero Public only, because
// ParsePublic refuses unusable keys.
func NewVerifier(p Public) (*Verifier, error) {
	v := &Verifier{public: p, address: p.Address()}
	switch p.Scheme() {
	case Ed25519:
		expanded, err := ed25519.NewExpandedPublicKey(ed25519.PublicKey(p.raw[1:]))
		if err != nil {
			return nil, malformed("of ed25519: %v", err)
		}
		v.ed25519 = expanded
	case Secp256k1:
		point := uncompressed(p.raw[1:])
		v.secp256k1 = &point
	case MLDSA65:
		v.mldsa65 = new(mldsa65.PublicKey)
		v.mldsa65.Unpack((*[mldsa65.PublicKeySize]byte)([]byte(p.raw[1:])))
	default:
		return nil, fault.Reasoned(fault.Invalid, "key_malformed", "there is no key to verify with")
	}
	return v, nil
}

// Public returns the key.
func (v *Verifier) Public() Public { return v.public }

// Scheme returns the key's scheme.
func (v *Verifier) Scheme() Scheme { return v.public.Scheme() }

// Address returns the key's address, worked out once.
func (v *Verifier) Address() chain.Address { return v.address }

// Verify reports whether sig is a signature of msg by this key, under the rule of acceptance of the package. Any bytes
// may be given; a wrong length is a wrong signature.
func (v *Verifier) Verify(msg, sig []byte) bool {
	if len(sig) != v.Scheme().SignatureBytes() {
		return false
	}
	switch {
	case v.ed25519 != nil:
		return ed25519.VerifyExpanded(v.ed25519, msg, sig)
	case v.secp256k1 != nil:
		digest := keccak256(msg)
		return secp256k1.VerifySignature(v.secp256k1[:], digest[:], sig)
	default:
		return mldsa65.Verify(v.mldsa65, msg, nil, sig)
	}
}

// heapBytes is what v keeps alive, for the cache's bound.
func (v *Verifier) heapBytes() int {
	switch v.Scheme() {
	case Ed25519:
		return ed25519VerifierBytes
	case Secp256k1:
		return secp256k1VerifierBytes
	default:
		return mldsa65VerifierBytes
	}
}
