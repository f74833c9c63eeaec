// SPDX-License-Identifier: Apache-2.0

package keys

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"io"
	"strings"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// Domains of V10 names.
const (
	aliasAddressDomain = "aurigraph/v10"
	aliasTagDomain     = "aurigraph/alias"
	aliasNamedDomain   = "aurigraph/named"
)

// AliasKeyBytes is the size of an alias key.
const AliasKeyBytes = 32

// aliasFileBytesMax bounds the file of one, which has names too.
const aliasFileBytesMax = keyFileBytesMax + NamedMax*(2*chain.AliasBytesMax+1)

// namedSum begins the line behind the names.
const namedSum = "sum "

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

// AliasSlot is the hash slot of a V10 account: CRC-32/IEEE of its name modulo chain.SlotsMax. Named.Slot is that of any account.
func AliasSlot(alias string) uint16 {
	return uint16(crc32.ChecksumIEEE([]byte(alias)) % chain.SlotsMax)
}

// AliasKey is a network's secret under which its ledger knows V10 names, so that who has only the ledger cannot try names
// out on it, with the names that have a slot of their own. All who open or look up accounts by name share it: so nobody who
// opens accounts is without the names. It must never change.
type AliasKey struct {
	Secret [AliasKeyBytes]byte
	Named  Named
}

// Slot is the slot of a V10 account.
func (k *AliasKey) Slot(alias string) uint16 { return k.Named.Slot(alias) }

// Tag is the name under which the ledger knows a V10 account: HMAC-SHA256 of ("aurigraph/alias" ‖ alias).
func (k *AliasKey) Tag(alias string) (tag chain.Hash) {
	h := hmac.New(sha256.New, k.Secret[:])
	h.Write([]byte(aliasTagDomain))
	h.Write([]byte(alias))
	h.Sum(tag[:0])
	return tag
}

// WriteAliasKey makes a key and its file, durable when it returns: 64 hex digits, then a line for each name that has a slot of its
// own, in hex and in the order of the slots, and behind them one by which who changes them is found; mode 0600. Conflict: the file
// exists, and is left alone. Invalid: as of NameAll.
func WriteAliasKey(path string, random io.Reader, named ...string) error {
	if _, err := NameAll(named); err != nil {
		return err
	}
	var secret [AliasKeyBytes]byte
	if _, err := io.ReadFull(random, secret[:]); err != nil {
		return fault.Wrap(fault.Internal, err, "draw an alias key")
	}
	text := append(hex.AppendEncode(nil, secret[:]), '\n')
	for _, name := range named {
		text = append(hex.AppendEncode(text, []byte(name)), '\n')
	}
	if len(named) > 0 {
		text = fmt.Appendf(text, "%s%x\n", namedSum, sumOfNamed(secret[:], named))
	}
	defer clear(text)
	return create(path, text)
}

// ReadAliasKey reads a key's file. NotFound: no such file. Denied: others than the owner may access it. Corrupt: it does
// not hold 64 hex digits, and then names.
func ReadAliasKey(path string) (*AliasKey, error) {
	text, err := readText(path, aliasFileBytesMax)
	defer clear(text)
	if err != nil {
		return nil, err
	}
	line, rest, _ := bytes.Cut(text, []byte{'\n'})
	k := &AliasKey{}
	if len(line) != 2*AliasKeyBytes {
		return nil, at(path, corrupt("is no alias key: it must hold %d hex digits", 2*AliasKeyBytes))
	}
	if _, err := hex.Decode(k.Secret[:], line); err != nil {
		return nil, at(path, corrupt("is no alias key: it must hold %d hex digits", 2*AliasKeyBytes))
	}
	if k.Named, err = readNamed(k.Secret[:], rest); err != nil {
		return nil, at(path, err)
	}
	return k, nil
}

// readNamed reads what stands behind the secret.
func readNamed(secret, text []byte) (Named, error) {
	if len(text) == 0 {
		return nil, nil
	}
	lines := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	last := len(lines) - 1
	names := make([]string, last)
	for i, line := range lines[:last] {
		name, err := hex.DecodeString(line)
		if err != nil {
			return nil, corrupt("is no alias key: line %d is no name in hex", i+2)
		}
		names[i] = string(name)
	}
	if want := fmt.Sprintf("%s%x", namedSum, sumOfNamed(secret, names)); lines[last] != want {
		return nil, corrupt("has other names than it was made with: use the file that was made with the network, unchanged")
	}
	n, err := NameAll(names)
	if err != nil {
		return nil, corrupt("is no alias key: %v", err)
	}
	return n, nil
}

func sumOfNamed(secret []byte, names []string) []byte {
	parts := make([][]byte, len(names))
	for i, name := range names {
		parts[i] = []byte(name)
	}
	h := hmac.New(sha256.New, secret)
	h.Write(Message(aliasNamedDomain, parts...))
	return h.Sum(nil)
}
