// SPDX-License-Identifier: Apache-2.0

package lane

import (
	"encoding/binary"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/seglog"
)

// A record's meta is the encoded lane entry, the signing key's number (u32) and the signature (u16 length, bytes). The
// signature is not part of the entry: it stays outside all identities.

func appendMeta(dst []byte, s *Stored) []byte {
	dst = codec.AppendLaneEntry(dst, s.Entry)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(s.Key))
	dst = binary.LittleEndian.AppendUint16(dst, uint16(len(s.Signature)))
	return append(dst, s.Signature...)
}

func parseRecord(kind uint8, meta []byte, pos seglog.Pos) (*Stored, error) {
	bad := func(why string) error {
		return fault.New(fault.Corrupt, "lane: record at segment %d offset %d: %s", pos.Segment, pos.Offset, why)
	}
	const fixed = codec.LaneEntryBytes + 6
	if len(meta) < fixed {
		return nil, bad("its meta is too short")
	}
	entry, err := codec.DecodeLaneEntry(meta[:codec.LaneEntryBytes])
	if err != nil {
		return nil, bad(err.Error())
	}
	if uint8(entry.Kind) != kind {
		return nil, bad("its kind is not its entry's")
	}
	n := int(binary.LittleEndian.Uint16(meta[codec.LaneEntryBytes+4:]))
	if n > chain.SignatureBytesMax || len(meta) != fixed+n {
		return nil, bad("its signature does not fit")
	}
	return &Stored{
		Entry:     entry,
		Digest:    codec.EntryDigest(entry),
		Key:       chain.KeyNo(binary.LittleEndian.Uint32(meta[codec.LaneEntryBytes:])),
		Signature: append([]byte(nil), meta[fixed:]...),
		Pos:       pos,
	}, nil
}

// ParseRecord reads a lane record for offline verification.
func ParseRecord(pos seglog.Pos, rec seglog.Record) (*Stored, error) {
	s, err := parseRecord(rec.Kind, rec.Meta, pos)
	if err != nil {
		return nil, err
	}
	s.bytes = rec.Payload
	return s, nil
}
