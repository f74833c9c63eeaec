// SPDX-License-Identifier: Apache-2.0

package spread

import (
	"encoding/binary"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// The kinds of frames, which the transport carries beside them.
const (
	KindEntry       uint8 = 1 // an EntryHead and its payload
	KindAck         uint8 = 2 // positions
	KindAsk         uint8 = 3 // an Ask
	KindAskExecuted uint8 = 4 // an AskExecuted
)

// EntryHead stands before the payload in an entry's frame. The signature is the client's, and empty if the payload
// carries its own.
type EntryHead struct {
	Entry     chain.LaneEntry
	Key       chain.KeyNo
	Signature []byte // at most chain.SignatureBytesMax
}

// EntryHeadBytesMax is the length of the longest head.
const EntryHeadBytesMax = 2 + entryHeadBytes + chain.SignatureBytesMax

const (
	entryHeadBytes = codec.LaneEntryBytes + 4
	positionBytes  = 2 + 8 + 8 + 32
	askBytes       = 2 + 8 + 32

	askExecutedBytes = 8 + 4 + 32
)

// AppendEntryHead appends h's form. A signature that is too long breaks an invariant.
func AppendEntryHead(dst []byte, h *EntryHead) []byte {
	fault.Invariant(len(h.Signature) <= chain.SignatureBytesMax, "a signature has %d bytes", len(h.Signature))
	dst = binary.LittleEndian.AppendUint16(dst, uint16(len(h.Signature)))
	dst = codec.AppendLaneEntry(dst, h.Entry)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(h.Key))
	return append(dst, h.Signature...)
}

// EntryHeadBytes tells how long the head is that begins with the two bytes given. Errors: Invalid.
func EntryHeadBytes(b [2]byte) (int, error) {
	n := int(binary.LittleEndian.Uint16(b[:]))
	if n > chain.SignatureBytesMax {
		return 0, malformed("an entry's signature of %d bytes", n)
	}
	return 2 + entryHeadBytes + n, nil
}

// DecodeEntryHead reads a head, all of b. Errors: Invalid.
func DecodeEntryHead(b []byte) (EntryHead, error) {
	if len(b) < 2 {
		return EntryHead{}, malformed("an entry's head of %d bytes", len(b))
	}
	n, err := EntryHeadBytes([2]byte(b))
	if err != nil {
		return EntryHead{}, err
	}
	if len(b) != n {
		return EntryHead{}, malformed("an entry's head of %d bytes, not %d", len(b), n)
	}
	b = b[2:]
	h := EntryHead{Key: chain.KeyNo(binary.LittleEndian.Uint32(b[codec.LaneEntryBytes:]))}
	if signature := b[entryHeadBytes:]; len(signature) > 0 {
		h.Signature = append([]byte(nil), signature...)
	}
	h.Entry, err = codec.DecodeLaneEntry(b[:codec.LaneEntryBytes])
	return h, err
}

// AppendPositions appends the form of an acknowledgement. More positions than chain.ValidatorsMax break an invariant.
func AppendPositions(dst []byte, positions []Position) []byte {
	fault.Invariant(len(positions) <= chain.ValidatorsMax, "an acknowledgement of %d lanes", len(positions))
	for i := range positions {
		at := &positions[i]
		dst = binary.LittleEndian.AppendUint16(dst, uint16(at.Lane))
		dst = binary.LittleEndian.AppendUint64(dst, uint64(at.Epoch))
		dst = binary.LittleEndian.AppendUint64(dst, at.Sequence)
		dst = append(dst, at.Digest[:]...)
	}
	return dst
}

// DecodePositions reads an acknowledgement. Errors: Invalid.
func DecodePositions(b []byte) ([]Position, error) {
	n := len(b) / positionBytes
	if n == 0 || n > chain.ValidatorsMax || len(b)%positionBytes != 0 {
		return nil, malformed("an acknowledgement of %d bytes", len(b))
	}
	positions := make([]Position, n)
	for i := range positions {
		f := b[i*positionBytes : (i+1)*positionBytes]
		positions[i] = Position{
			Lane:     chain.ValidatorNo(binary.LittleEndian.Uint16(f)),
			Epoch:    chain.Epoch(binary.LittleEndian.Uint64(f[2:])),
			Sequence: binary.LittleEndian.Uint64(f[10:]),
			Digest:   chain.Hash(f[18:]),
		}
	}
	return positions, nil
}

// AppendAsk appends a's form.
func AppendAsk(dst []byte, a Ask) []byte {
	dst = binary.LittleEndian.AppendUint16(dst, uint16(a.Lane))
	dst = binary.LittleEndian.AppendUint64(dst, a.Sequence)
	return append(dst, a.Digest[:]...)
}

// DecodeAsk reads an ask. Errors: Invalid.
func DecodeAsk(b []byte) (Ask, error) {
	if len(b) != askBytes {
		return Ask{}, malformed("an ask of %d bytes", len(b))
	}
	return Ask{
		Lane:     chain.ValidatorNo(binary.LittleEndian.Uint16(b)),
		Sequence: binary.LittleEndian.Uint64(b[2:]),
		Digest:   chain.Hash(b[10:]),
	}, nil
}

// AppendAskExecuted appends a's form.
func AppendAskExecuted(dst []byte, a AskExecuted) []byte {
	dst = binary.LittleEndian.AppendUint64(dst, uint64(a.Height))
	dst = binary.LittleEndian.AppendUint32(dst, a.Index)
	return append(dst, a.Digest[:]...)
}

// DecodeAskExecuted reads an ask for an executed entry. Errors: Invalid.
func DecodeAskExecuted(b []byte) (AskExecuted, error) {
	if len(b) != askExecutedBytes {
		return AskExecuted{}, malformed("an ask for an executed entry of %d bytes", len(b))
	}
	a := AskExecuted{
		Height: chain.Height(binary.LittleEndian.Uint64(b)),
		Index:  binary.LittleEndian.Uint32(b[8:]),
		Digest: chain.Hash(b[12:]),
	}
	if a.Height == 0 {
		return AskExecuted{}, malformed("an ask for an entry executed at height 0")
	}
	return a, nil
}

func malformed(format string, args ...any) error {
	return fault.Reasoned(fault.Invalid, "malformed", "lane frame: "+format, args...)
}
