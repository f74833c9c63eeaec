// SPDX-License-Identifier: Apache-2.0

package store

import (
	"encoding/binary"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// A table is the one-byte prefix of a kind of key. The fields behind it have fixed widths and are big-endian, so that
// keys sort as their numbers do. FORMAT.md lists them; append only, and never give a letter a second meaning.
type table byte

const (
	tableHeader      table = 'h' // height u64 -> executed header
	tableCertificate table = 'c' // height u64 -> finality certificate
	tableProposal    table = 'p' // height u64 -> proposal
	tableBatch       table = 'b' // batch id 32 B -> location
	tableOutcome     table = 'o' // height u64, index u32 -> outcome array of the index-th batch
	tablePlace       table = 'l' // height u64, index u32 -> location of the index-th batch
	tableTx          table = 'x' // first 16 B of a transaction's hash -> TxPlace
	tableHolding     table = 'v' // asset u32, account u32, height u64 -> holding as of that height
	tableMeta        table = 'm' // name -> value
	tableGap         table = 'g' // height u64 -> executed header that came below a peer's state
	tableHandover    table = 'n' // membership epoch u64 -> proved handover by which it began
	tableEvidence    table = 'e' // kind u8, validator u16, from u16, epoch u64, place u64 -> record of evidence
)

// The widths of keys, prefix included.
const (
	heightKeyBytes  = 1 + 8
	placeKeyBytes   = 1 + 8 + 4
	txKeyBytes      = 1 + TxPrefixBytes
	holdingKeyBytes = 1 + 4 + 4 + 8
	txPlaceBytes    = 8 + 4 + 4
)

// TxPrefixBytes is how much of a transaction's hash is its key. Whoever follows a TxPlace compares the whole hash of
// what is there: 16 bytes make an accident unlikely, not an attack impossible.
const TxPrefixBytes = 16

// FormatVersion is the version of the keys and of the values that this package itself encodes.
const FormatVersion = 1

// metaFormat names the record that holds FormatVersion as one byte.
const metaFormat = "format"

func (t table) height(h chain.Height) []byte {
	return binary.BigEndian.AppendUint64(append(make([]byte, 0, heightKeyBytes), byte(t)), uint64(h))
}

func (t table) fixed(field []byte) []byte {
	return append(append(make([]byte, 0, 1+len(field)), byte(t)), field...)
}

func (t table) all() Range { return Prefix([]byte{byte(t)}) }

// place is the key of something of the index-th batch of h.
func (t table) place(h chain.Height, index uint32) []byte {
	k := append(make([]byte, 0, placeKeyBytes), byte(t))
	return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint64(k, uint64(h)), index)
}

func holdingKey(asset chain.AssetNo, account chain.AccountNo, h chain.Height) []byte {
	k := append(make([]byte, 0, holdingKeyBytes), byte(tableHolding))
	k = binary.BigEndian.AppendUint32(k, uint32(asset))
	k = binary.BigEndian.AppendUint32(k, uint32(account))
	return binary.BigEndian.AppendUint64(k, uint64(h))
}

// heightOf reads the height at the end of a key of want bytes; another length means damage.
func heightOf(key []byte, want int) (chain.Height, error) {
	if len(key) != want {
		return 0, fault.New(fault.Corrupt, "store key %q has %d bytes, must have %d", key, len(key), want)
	}
	return chain.Height(binary.BigEndian.Uint64(key[want-8:])), nil
}

// EnsureFormat reads the format version of s and, in an empty store, writes it durably. A store of another version is
// fault.Invalid: this program cannot read it.
func EnsureFormat(s Store) error {
	v, err := ReadMeta(s, metaFormat)
	if fault.Is(err, fault.NotFound) {
		return writeFirstFormat(s)
	}
	if err != nil {
		return err
	}
	if len(v) != 1 || v[0] != FormatVersion {
		return fault.New(fault.Invalid, "the store has format %x, this program reads %d: use the release that wrote it", v, FormatVersion)
	}
	return nil
}

func writeFirstFormat(s Store) error {
	it, err := s.Iter(Range{})
	if err != nil {
		return err
	}
	used := it.Next()
	if err := firstError(it.Err(), it.Close()); err != nil {
		return err
	}
	if used {
		return fault.New(fault.Corrupt, "the store holds keys but no format version")
	}
	var c Changes
	WriteMeta(&c, metaFormat, []byte{FormatVersion})
	return s.Apply(&c, true)
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
