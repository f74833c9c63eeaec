// SPDX-License-Identifier: Apache-2.0

package keys

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"hash/crc32"
	"io"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// Domains of V10 names.
const (
	aliasAddressDomain = "aurigraph/v10"
	aliasTagDomain     = "aurigraph/alias"
)

// AliasKeyBytes is the size of an alias key.
const AliasKeyBytes = 32

// CheckAlias refuses what is no V10 account name, as Invalid: a V10 name is 1 to chain.AliasBytesMax bytes of any kind,
// also one that looks like 0x….
func CheckAlias(alias string) error {
	if len(alias) == 0 || len(alias) > chain.AliasBytesMax {
		return fault.Reasoned(fault.Invalid, "alias_malformed", "a V10 name has 1 to %d bytes, this one has %d", chain.AliasBytesMax, len(alias))
	}
	return nil
}

// AliasAddress is the address of a V10 account: the last 20 bytes of keccak256("aurigraph/v10" ‖ alias).
func AliasAddress(alias string) chain.Address {
	return lastOfKeccak([]byte(aliasAddressDomain), []byte(alias))
}

// AliasSlot is the hash slot of a V10 account: CRC-32/IEEE of its name modulo chain.SlotsMax.
func AliasSlot(alias string) uint16 {
	return uint16(crc32.ChecksumIEEE([]byte(alias)) % chain.SlotsMax)
}

// AliasKey is a network's secret under which its ledger knows V10 names, so that who has only the ledger cannot try names
// out on it. All who open or look up accounts by name share it. It must never change.
type AliasKey [AliasKeyBytes]byte

// Tag is the name under which the ledger knows a V10 account: HMAC-SHA256 of ("aurigraph/alias" ‖ alias).
func (k *AliasKey) Tag(alias string) (tag chain.Hash) {
	h := hmac.New(sha256.New, k[:])
	h.Write([]byte(aliasTagDomain))
	h.Write([]byte(alias))
	h.Sum(tag[:0])
	return tag
}

// WriteAliasKey makes a key and its file: 64 hex digits, mode 0600, durable when it returns. Conflict: the file exists,
// and is left alone.
func WriteAliasKey(path string, random io.Reader) error {
	var k AliasKey
	if _, err := io.ReadFull(random, k[:]); err != nil {
		return fault.Wrap(fault.Internal, err, "draw an alias key")
	}
	return create(path, append(hex.AppendEncode(nil, k[:]), '\n'))
}

// ReadAliasKey reads a key's file. NotFound: no such file. Denied: others than the owner may access it. Corrupt: it does
// not hold 64 hex digits.
func ReadAliasKey(path string) (*AliasKey, error) {
	text, err := readText(path)
	defer clear(text)
	if err != nil {
		return nil, err
	}
	k := &AliasKey{}
	if len(text) > 0 && text[len(text)-1] == '\n' {
		text = text[:len(text)-1]
	}
	if len(text) != 2*AliasKeyBytes {
		return nil, at(path, corrupt("is no alias key: it must hold %d hex digits", 2*AliasKeyBytes))
	}
	if _, err := hex.Decode(k[:], text); err != nil {
		return nil, at(path, corrupt("is no alias key: it must hold %d hex digits", 2*AliasKeyBytes))
	}
	return k, nil
}
