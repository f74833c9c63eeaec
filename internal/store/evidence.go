// SPDX-License-Identifier: Apache-2.0

package store

import (
	"encoding/binary"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// EvidenceKey says what a record of evidence is about. There is one record of a key.
type EvidenceKey struct {
	Kind      uint8             // EvidenceHeaders, or a kind of package spread
	Validator chain.ValidatorNo // who signed two headers, or whose lane it is
	From      chain.ValidatorNo // who said so
	Epoch     chain.Epoch       // of the height, or of the lane
	Place     uint64            // the height, or the sequence in the lane
}

// EvidenceHeaders is the kind of two signed headers of one height. The others are about lanes, and numbered from 1.
const EvidenceHeaders uint8 = 0

const evidenceKeyBytes = 1 + 1 + 2 + 2 + 8 + 8

// WriteEvidence puts a record of evidence, which packages certify and spread encode.
func WriteEvidence(c *Changes, k EvidenceKey, record []byte) { c.Put(k.key(), record) }

func (k EvidenceKey) key() []byte {
	b := append(make([]byte, 0, evidenceKeyBytes), byte(tableEvidence), k.Kind)
	b = binary.BigEndian.AppendUint16(b, uint16(k.Validator))
	b = binary.BigEndian.AppendUint16(b, uint16(k.From))
	b = binary.BigEndian.AppendUint64(b, uint64(k.Epoch))
	return binary.BigEndian.AppendUint64(b, k.Place)
}

// EachEvidence calls visit for each record of evidence, by key, until one returns an error, which it returns. visit may keep
// the record. A key that no WriteEvidence made is Corrupt.
func EachEvidence(r Reader, visit func(k EvidenceKey, record []byte) error) error {
	it, err := r.Iter(tableEvidence.all())
	if err != nil {
		return err
	}
	for err == nil && it.Next() {
		key := it.Key()
		if len(key) != evidenceKeyBytes {
			err = fault.New(fault.Corrupt, "store key %q has %d bytes, must have %d", key, len(key), evidenceKeyBytes)
			break
		}
		be := binary.BigEndian
		err = visit(EvidenceKey{
			Kind: key[1], Validator: chain.ValidatorNo(be.Uint16(key[2:])), From: chain.ValidatorNo(be.Uint16(key[4:])),
			Epoch: chain.Epoch(be.Uint64(key[6:])), Place: be.Uint64(key[14:]),
		}, append([]byte(nil), it.Value()...))
	}
	return firstError(err, it.Err(), it.Close())
}
