// SPDX-License-Identifier: Apache-2.0

package keys

import (
	"crypto/ed25519"
	"fmt"
	"io"

	"github.com/cloudflare/circl/sign/mldsa/mldsa65"
	"github.com/ethereum/go-ethereum/crypto/secp256k1"

	"github.com/aurigraph/aurigraph/internal/fault"
)

// SeedBytes is the size of every scheme's secret, in bytes.
const SeedBytes = 32

// Signer signs with one key. It is safe for use by many goroutines. Sign returns Public().Scheme().SignatureBytes()
// bytes; it may take long or fail where the key lives in another device.
type Signer interface {
	Public() Public
	Sign(msg []byte) ([]byte, error)
}

// memorySigner is a key held in this process. Its seed is the whole secret: RFC 8032's and FIPS 204's seed, or the
// secp256k1 scalar, big-endian. Secrets are captured by functions, not held in fields: package fmt walks unexported
// fields of a struct that embeds a Signer without asking Format.
type memorySigner struct {
	public Public
	seed   func() [SeedBytes]byte
	sign   func(msg []byte) ([]byte, error)
}

// Generate makes a new key from 32 bytes of rand, which is crypto/rand.Reader except in tests. A reader's failure is
// Unavailable.
func Generate(s Scheme, rand io.Reader) (Signer, error) {
	var seed [SeedBytes]byte
	defer clear(seed[:])
	if _, err := io.ReadFull(rand, seed[:]); err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "read %d random bytes for a key", SeedBytes)
	}
	return FromSeed(s, seed)
}

// FromSeed makes the key of a seed: the same key each time. Invalid: an unknown scheme, and a seed of secp256k1 that is
// zero or not below the group order (one in 2^128).
func FromSeed(s Scheme, seed [SeedBytes]byte) (Signer, error) {
	switch s {
	case Ed25519:
		return newEd25519Signer(seed)
	case Secp256k1:
		return newSecp256k1Signer(seed)
	case MLDSA65:
		return newMLDSA65Signer(seed, false)
	}
	return nil, fault.Reasoned(fault.Invalid, "scheme_unknown", "no signature scheme %d", s)
}

// Hedged returns s, but with fresh randomness in each signature if it is an ML-DSA-65 key in memory: this is FIPS 204's
// default and blunts fault attacks on the machine, at the price that signing again gives other bytes. Other signers are
// returned as they are.
func Hedged(s Signer) (Signer, error) {
	m, ok := s.(*memorySigner)
	if !ok || m.public.Scheme() != MLDSA65 {
		return s, nil
	}
	return newMLDSA65Signer(m.seed(), true)
}

func newEd25519Signer(seed [SeedBytes]byte) (Signer, error) {
	key := ed25519.NewKeyFromSeed(seed[:])
	return newMemorySigner(Ed25519, key[SeedBytes:], seed, func(msg []byte) ([]byte, error) {
		return ed25519.Sign(key, msg), nil
	})
}

func newSecp256k1Signer(seed [SeedBytes]byte) (Signer, error) {
	public, err := secp256k1PublicOf(seed)
	if err != nil {
		return nil, err
	}
	return newMemorySigner(Secp256k1, public[:], seed, func(msg []byte) ([]byte, error) {
		digest := keccak256(msg)
		sig, err := secp256k1.Sign(digest[:], seed[:])
		if err != nil {
			return nil, fault.Wrap(fault.Internal, err, "sign with secp256k1")
		}
		return sig[:secp256k1SignatureBytes], nil
	})
}

// secp256k1PublicOf finds the public key by signing and recovering, because the library's own multiplication by a
// secret goes through big.Int, whose time tells about the secret.
func secp256k1PublicOf(seed [SeedBytes]byte) (public [secp256k1PublicBytes]byte, err error) {
	digest := keccak256()
	sig, err := secp256k1.Sign(digest[:], seed[:])
	if err != nil {
		return public, fault.Reasoned(fault.Invalid, "seed_out_of_range", "the seed is not a secp256k1 secret: it must be 1 to the group order less 1")
	}
	point, err := secp256k1.RecoverPubkey(digest[:], sig)
	if err != nil {
		return public, fault.Wrap(fault.Internal, err, "recover a secp256k1 public key")
	}
	public[0] = 2 + point[64]&1
	copy(public[1:], point[1:33])
	return public, nil
}

func newMLDSA65Signer(seed [SeedBytes]byte, hedged bool) (Signer, error) {
	public, key := mldsa65.NewKeyFromSeed(&seed)
	return newMemorySigner(MLDSA65, public.Bytes(), seed, func(msg []byte) ([]byte, error) {
		sig := make([]byte, mldsa65.SignatureSize)
		err := mldsa65.SignTo(key, msg, nil, hedged, sig)
		return sig, fault.Wrap(fault.Internal, err, "sign with ml-dsa-65")
	})
}

func newMemorySigner(s Scheme, key []byte, seed [SeedBytes]byte, sign func([]byte) ([]byte, error)) (Signer, error) {
	public, err := ParsePublic(append([]byte{byte(s)}, key...))
	if err != nil {
		return nil, err
	}
	return &memorySigner{public: public, seed: func() [SeedBytes]byte { return seed }, sign: sign}, nil
}

func (m *memorySigner) Public() Public { return m.public }

func (m *memorySigner) Sign(msg []byte) ([]byte, error) { return m.sign(msg) }

// Format prints the public key under every verb, so that no log line or test failure can print the seed.
func (m *memorySigner) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "signer of %.80s", m.public)
}
