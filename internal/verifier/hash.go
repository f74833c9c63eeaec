// SPDX-License-Identifier: Apache-2.0

package verifier

import (
	"encoding/binary"
	"math/bits"

	"github.com/zeebo/blake3"
)

// Secret keys all hashes of a run. It is drawn anew for each, so that nobody can make up rows that cancel out or collide.
type Secret [16]byte

// What is hashed is told apart by a domain.
const (
	ofName     = 1 // of an account of V10's
	ofCode     = 2 // of an asset
	ofNative   = 3 // an account of V11's without a V10 name
	ofCell     = 4 // account and asset
	ofSupply   = 5 // asset
	ofParty    = 6 // account, round and place
	ofHolder   = 7 // account and asset, as a row of V10's
	ofBlock    = 8 // hash and number
	ofListed   = 9
	ofUnlisted = 10 // asset without a code that V10 knows
	ofNumber   = 11 // account or asset, and its number
)

const domains = ofNumber + 1

// hasher hashes by folded multiplications under keys of a run's secret: the halves of a 128-bit product, added without carry. It is no
// cipher, and need not be: what it makes is seen by nobody before the run is over, and the next one has other keys. A row costs several
// hashes, so they cost more than anything else if they are slow.
type hasher struct{ keys *hashKeys }

type hashKeys struct {
	domain              [domains]uint64
	first, second, last uint64
}

func newHasher(s Secret) hasher {
	var raw [8 * (domains + 3)]byte
	blake3.DeriveKey("aurigraph/verify-sync/hash", s[:], raw[:])
	word := func(i int) uint64 { return binary.LittleEndian.Uint64(raw[8*i:]) }
	k := &hashKeys{first: word(domains), second: word(domains + 1), last: word(domains+2) | 1}
	for i := range k.domain {
		k.domain[i] = word(i)
	}
	return hasher{k}
}

// fold multiplies, and keeps something of each half.
func fold(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	return hi ^ lo
}

// bytes hashes text of a domain. It is never 0, which stands for none.
func (h hasher) bytes(domain uint64, b []byte) uint64 {
	k, x, n := h.keys, h.keys.domain[domain], uint64(len(b))
	for ; len(b) > 16; b = b[16:] {
		x = fold(binary.LittleEndian.Uint64(b)^k.first, binary.LittleEndian.Uint64(b[8:])^x)
	}
	lo, hi := ends(b)
	return fold(fold(lo^k.first, hi^x)^k.second, n^k.last) | 1
}

// ends has all of up to 16 bytes in it, for who knows how many they are.
func ends(b []byte) (lo, hi uint64) {
	switch n := len(b); {
	case n >= 8:
		return binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[n-8:])
	case n >= 4:
		return uint64(binary.LittleEndian.Uint32(b)), uint64(binary.LittleEndian.Uint32(b[n-4:]))
	case n > 0:
		return uint64(b[0]), uint64(b[n/2])<<8 | uint64(b[n-1])
	}
	return 0, 0
}

// words hashes two numbers of a domain.
func (h hasher) words(domain, a, b uint64) uint64 {
	k := h.keys
	return fold(fold(a^k.domain[domain], b^k.first)^k.second, k.last)
}

// spread makes other bits of a hash, for what must not hang on the same ones.
func spread(x uint64) uint64 {
	x ^= x >> 32
	x *= 0xd6e8feb86659fd93
	x ^= x >> 29
	x *= 0xd6e8feb86659fd93
	return x ^ x>>32
}
