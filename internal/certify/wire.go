// SPDX-License-Identifier: Apache-2.0

package certify

import (
	"encoding/binary"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/keys"
)

// Kinds of frames. FORMAT.md draws them.
const (
	frameVote        uint8 = 1
	frameWanted      uint8 = 2
	frameCertificate uint8 = 3
)

// FrameBytesMax bounds a frame: a certificate of chain.ValidatorsMax signatures with a state root fits.
const FrameBytesMax = 256 << 10

// voteBytes is an encoded vote without what a state root adds.
const voteBytes = 8 + 8 + 2 + 32 + 64 + 8

// Message is what a frame says: exactly one of the three.
type Message struct {
	Vote        *Vote
	Wanted      chain.Height // a certificate that the sender lacks
	Certificate *chain.Certificate
}

// appendVote appends v's encoding.
func appendVote(dst []byte, v *Vote) []byte {
	fault.Invariant(len(v.Signature) == keys.Ed25519.SignatureBytes(), "a header signature has %d bytes", len(v.Signature))
	dst = binary.LittleEndian.AppendUint64(dst, uint64(v.Epoch))
	dst = binary.LittleEndian.AppendUint64(dst, uint64(v.Height))
	dst = binary.LittleEndian.AppendUint16(dst, uint16(v.Validator))
	dst = append(dst, v.Hash[:]...)
	dst = append(dst, v.Signature...)
	dst = binary.LittleEndian.AppendUint64(dst, uint64(v.RootAt))
	if v.RootAt == 0 {
		fault.Invariant(len(v.RootSig) == 0 && v.StateRoot.IsZero(), "a vote without a state root has one")
		return dst
	}
	fault.Invariant(len(v.RootSig) == keys.MLDSA65.SignatureBytes(), "a root signature has %d bytes", len(v.RootSig))
	dst = append(dst, v.StateRoot[:]...)
	return append(dst, v.RootSig...)
}

// decodeVote reads a vote; it keeps no reference to b.
func decodeVote(b []byte) (*Vote, error) {
	if len(b) < voteBytes {
		return nil, malformed("a vote of %d bytes", len(b))
	}
	le := binary.LittleEndian
	v := &Vote{Epoch: chain.Epoch(le.Uint64(b)), Height: chain.Height(le.Uint64(b[8:])), Validator: chain.ValidatorNo(le.Uint16(b[16:]))}
	copy(v.Hash[:], b[18:50])
	v.Signature = append([]byte(nil), b[50:114]...)
	v.RootAt = chain.Height(le.Uint64(b[114:]))
	rest := b[voteBytes:]
	if v.RootAt == 0 {
		if len(rest) != 0 {
			return nil, malformed("a vote without a state root is %d bytes too long", len(rest))
		}
		return v, nil
	}
	if len(rest) != 32+keys.MLDSA65.SignatureBytes() {
		return nil, malformed("a state root and its signature of %d bytes", len(rest))
	}
	copy(v.StateRoot[:], rest)
	v.RootSig = append([]byte(nil), rest[32:]...)
	return v, nil
}

// appendRecord appends the meta of a record of the vote log.
func appendRecord(dst []byte, v *Vote) []byte { return append(appendVote(dst, v), v.Decided[:]...) }

// ParseRecord reads the kind and meta of a record of the vote log; it keeps no reference to meta. Every error is Invalid.
func ParseRecord(kind uint8, meta []byte) (*Vote, error) {
	switch {
	case kind == recordVote:
		return decodeVote(meta)
	case kind != recordDecided:
		return nil, malformed("a record of kind %d", kind)
	case len(meta) < len(chain.Hash{}):
		return nil, malformed("a record of %d bytes", len(meta))
	}
	at := len(meta) - len(chain.Hash{})
	v, err := decodeVote(meta[:at])
	if err != nil {
		return nil, err
	}
	v.Decided = chain.Hash(meta[at:])
	return v, nil
}

// AppendFrame appends the frame that says m.
func AppendFrame(dst []byte, m Message) []byte {
	switch {
	case m.Vote != nil:
		return appendVote(append(dst, frameVote), m.Vote)
	case m.Certificate != nil:
		return codec.AppendCertificate(append(dst, frameCertificate), m.Certificate)
	}
	return binary.LittleEndian.AppendUint64(append(dst, frameWanted), uint64(m.Wanted))
}

// ParseFrame reads a frame and keeps no reference to it. It looks at the form only. Every error is Invalid.
func ParseFrame(frame []byte) (Message, error) {
	if len(frame) == 0 || len(frame) > FrameBytesMax {
		return Message{}, malformed("a frame of %d bytes", len(frame))
	}
	body := frame[1:]
	switch frame[0] {
	case frameVote:
		v, err := decodeVote(body)
		return Message{Vote: v}, err
	case frameCertificate:
		c, err := codec.DecodeCertificate(body)
		return Message{Certificate: c}, err
	case frameWanted:
		if len(body) != 8 || binary.LittleEndian.Uint64(body) == 0 {
			return Message{}, malformed("a request of %d bytes", len(body))
		}
		return Message{Wanted: chain.Height(binary.LittleEndian.Uint64(body))}, nil
	}
	return Message{}, malformed("a frame of kind %d", frame[0])
}

func malformed(format string, args ...any) error {
	return fault.Reasoned(fault.Invalid, "malformed", "certify: "+format, args...)
}
