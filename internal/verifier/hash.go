// SPDX-License-Identifier: Apache-2.0

package verifier

import (
	"encoding/binary"
	"math/bits"
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
	ofAgeing   = 9 // key and time
	ofListed   = 10
	ofUnlisted = 11 // asset without a code that V10 knows
	ofNumber   = 12 // account or asset, and its number
)

// hasher is SipHash-2-4 under a run's secret.
type hasher struct{ k0, k1 uint64 }

func newHasher(s Secret) hasher {
	return hasher{binary.LittleEndian.Uint64(s[:]), binary.LittleEndian.Uint64(s[8:])}
}

type sip struct{ v0, v1, v2, v3 uint64 }

func (h hasher) begin() sip {
	return sip{h.k0 ^ 0x736f6d6570736575, h.k1 ^ 0x646f72616e646f6d, h.k0 ^ 0x6c7967656e657261, h.k1 ^ 0x7465646279746573}
}

func (s *sip) round() {
	s.v0 += s.v1
	s.v1 = bits.RotateLeft64(s.v1, 13) ^ s.v0
	s.v0 = bits.RotateLeft64(s.v0, 32)
	s.v2 += s.v3
	s.v3 = bits.RotateLeft64(s.v3, 16) ^ s.v2
	s.v0 += s.v3
	s.v3 = bits.RotateLeft64(s.v3, 21) ^ s.v0
	s.v2 += s.v1
	s.v1 = bits.RotateLeft64(s.v1, 17) ^ s.v2
	s.v2 = bits.RotateLeft64(s.v2, 32)
}

func (s *sip) word(m uint64) {
	s.v3 ^= m
	s.round()
	s.round()
	s.v0 ^= m
}

func (s *sip) end() uint64 {
	s.v2 ^= 0xff
	s.round()
	s.round()
	s.round()
	s.round()
	return s.v0 ^ s.v1 ^ s.v2 ^ s.v3
}

// bytes hashes text of a domain. It is never 0, which stands for none.
func (h hasher) bytes(domain uint64, b []byte) uint64 {
	s := h.begin()
	s.word(domain)
	total := uint64(len(b))
	for len(b) >= 8 {
		s.word(binary.LittleEndian.Uint64(b))
		b = b[8:]
	}
	var last [8]byte
	copy(last[:], b)
	s.word(binary.LittleEndian.Uint64(last[:]))
	s.word(total)
	return s.end() | 1
}

// words hashes up to three numbers of a domain.
func (h hasher) words(domain, a, b, c uint64) uint64 {
	s := h.begin()
	s.word(domain)
	s.word(a)
	s.word(b)
	s.word(c)
	return s.end()
}

// spread makes other bits of a hash, for what must not hang on the same ones.
func spread(x uint64) uint64 {
	x ^= x >> 32
	x *= 0xd6e8feb86659fd93
	x ^= x >> 29
	x *= 0xd6e8feb86659fd93
	return x ^ x>>32
}
