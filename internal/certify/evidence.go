// SPDX-License-Identifier: Apache-2.0

package certify

import (
	"encoding/binary"

	"github.com/aurigraph/aurigraph/internal/fault"
)

// evidenceVersion is the first byte of a record of evidence. FORMAT.md draws it.
const evidenceVersion = 1

// AppendEvidence appends e's record, by which a host keeps it.
func AppendEvidence(dst []byte, e *Evidence) []byte {
	dst = append(dst, evidenceVersion)
	for _, v := range []*Vote{&e.First, &e.Second} {
		vote := appendVote(nil, v)
		dst = append(binary.LittleEndian.AppendUint16(dst, uint16(len(vote))), vote...)
	}
	return dst
}

// DecodeEvidence reads a record, all of b, and keeps no reference to it. It looks at the form, and that the votes contradict
// each other; Membership.VerifyEvidence looks at the signatures. Every error is Invalid.
func DecodeEvidence(b []byte) (*Evidence, error) {
	if len(b) == 0 || b[0] != evidenceVersion {
		return nil, malformed("evidence of another version, or none")
	}
	b = b[1:]
	var votes [2]*Vote
	for i := range votes {
		if len(b) < 2 || len(b)-2 < int(binary.LittleEndian.Uint16(b)) {
			return nil, malformed("evidence that ends before its vote %d does", i)
		}
		n := int(binary.LittleEndian.Uint16(b))
		var err error
		if votes[i], err = decodeVote(b[2 : 2+n]); err != nil {
			return nil, err
		}
		b = b[2+n:]
	}
	if len(b) > 0 {
		return nil, malformed("evidence with %d bytes behind it", len(b))
	}
	e := &Evidence{First: *votes[0], Second: *votes[1]}
	if !e.contradicts() {
		return nil, malformed("evidence whose votes do not contradict each other")
	}
	return e, nil
}

// contradicts reports whether the votes are one validator's, of one height, over two headers.
func (e *Evidence) contradicts() bool {
	a, b := &e.First, &e.Second
	return a.Validator == b.Validator && a.Epoch == b.Epoch && a.Height == b.Height && a.Hash != b.Hash
}

// VerifyEvidence says why a record does not prove anything to this node: Invalid, or nil. m is the membership of its epoch.
func (m *Membership) VerifyEvidence(e *Evidence) error {
	switch {
	case e.First.Epoch != m.epoch:
		return fault.Reasoned(fault.Invalid, "unknown_epoch", "evidence of epoch %d, the membership is that of epoch %d", e.First.Epoch, m.epoch)
	case !e.contradicts():
		return malformed("evidence whose votes do not contradict each other")
	case !m.Verify(&e.First) || !m.Verify(&e.Second):
		return fault.Reasoned(fault.Invalid, "wrong_signature", "a signature in the evidence on validator %d, height %d, is wrong", e.First.Validator, e.First.Height)
	}
	return nil
}
