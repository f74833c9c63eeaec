// SPDX-License-Identifier: Apache-2.0

package chain

import (
	"encoding/hex"
	"strings"

	"github.com/aurigraph/aurigraph/internal/fault"
)

// Hash is a BLAKE3 digest.
type Hash [32]byte

// Address is an account's public name: 20 bytes, written 0x and 40 hex digits.
type Address [20]byte

// Height numbers executed blocks from 1; genesis is 0.
type Height uint64

// Epoch is the membership_epoch: it numbers validator sets from 1.
type Epoch uint64

// ChainID names a network. Signatures made for one chain are invalid on all others.
type ChainID uint64

// AccountNo, AssetNo, InstitutionNo and KeyNo are dense numbers, valid from 1: 0 means none.
type (
	AccountNo     uint32
	AssetNo       uint32
	InstitutionNo uint32
	KeyNo         uint32
)

// ValidatorNo is a validator's place in its membership, from 0.
type ValidatorNo uint16

// String returns 64 lower-case hex digits.
func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// IsZero reports whether h is all zero, which stands for "none".
func (h Hash) IsZero() bool { return h == Hash{} }

// String returns 0x and 40 lower-case hex digits.
func (a Address) String() string { return "0x" + hex.EncodeToString(a[:]) }

// IsZero reports whether a is all zero, which stands for "none".
func (a Address) IsZero() bool { return a == Address{} }

// ParseHash reads 64 hex digits, with or without 0x.
func ParseHash(s string) (Hash, error) {
	var h Hash
	if err := parseHex(h[:], s, "hash"); err != nil {
		return Hash{}, err
	}
	return h, nil
}

// ParseAddress reads 0x and 40 hex digits, in either case.
func ParseAddress(s string) (Address, error) {
	var a Address
	if !strings.HasPrefix(s, "0x") && !strings.HasPrefix(s, "0X") {
		return a, fault.New(fault.Invalid, "address %q must begin with 0x", s)
	}
	if err := parseHex(a[:], s, "address"); err != nil {
		return Address{}, err
	}
	return a, nil
}

func parseHex(dst []byte, s, what string) error {
	digits := s
	if strings.HasPrefix(s, "0x") || strings.HasPrefix(s, "0X") {
		digits = s[2:]
	}
	if len(digits) != 2*len(dst) {
		return fault.New(fault.Invalid, "%s %q must have %d hex digits, has %d", what, s, 2*len(dst), len(digits))
	}
	if _, err := hex.Decode(dst, []byte(digits)); err != nil {
		return fault.New(fault.Invalid, "%s %q: %v", what, s, err)
	}
	return nil
}
