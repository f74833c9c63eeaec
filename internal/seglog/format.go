// SPDX-License-Identifier: Apache-2.0

package seglog

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/seglog/disk"
)

// The bounds of the format. FORMAT.md draws the bytes.
const (
	// FormatVersion is the version in each segment header.
	FormatVersion = 1
	// PageBytes is the unit of everything on disk.
	PageBytes = disk.PageBytes
	// MetaBytesMax is the room for the caller's meta in a record's head page.
	MetaBytesMax = PageBytes - headFieldBytes
	// PayloadBytesMax bounds one record's payload.
	PayloadBytesMax = 16 << 20
	// SegmentBytesMax bounds a segment file, because a Pos has 32 bits for an offset.
	SegmentBytesMax = 1 << 31
)

const (
	headFieldBytes = 64
	headCRCAt      = 8
	segmentMagic   = "AGSEGM\r\n"
	recordMagic    = "AGRECD\r\n"
)

var (
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
	zeroPage   [PageBytes]byte
)

// Identity names a log: no log reads another's segments. The caller makes it, say from chain id and lane.
type Identity [16]byte

// Pos is where a record lies. The zero Pos is before the first record.
type Pos struct {
	Segment uint64 // number of the segment, from 1
	Offset  uint32 // of the head page in the segment file, bytes
	Bytes   uint32 // length of the record on disk: head page, payload, padding
	Seq     uint64 // number of the record in the log, from 1
}

// segmentHeader is page 0 of a segment.
type segmentHeader struct {
	identity   Identity
	number     uint64
	firstSeq   uint64
	firstGroup uint64
	bytes      uint32
	salt       uint32
}

func (h segmentHeader) encode(page []byte) {
	clear(page)
	copy(page, segmentMagic)
	le := binary.LittleEndian
	le.PutUint32(page[12:], FormatVersion)
	copy(page[16:32], h.identity[:])
	le.PutUint64(page[32:], h.number)
	le.PutUint64(page[40:], h.firstSeq)
	le.PutUint64(page[48:], h.firstGroup)
	le.PutUint32(page[56:], h.bytes)
	le.PutUint32(page[60:], h.salt)
	le.PutUint32(page[headCRCAt:], crc32.Checksum(page, castagnoli))
}

// decodeSegmentHeader reads page 0. It is Corrupt if any byte of it is wrong, Invalid if the version is not ours.
func decodeSegmentHeader(page []byte) (segmentHeader, error) {
	if len(page) != PageBytes || string(page[:8]) != segmentMagic {
		return segmentHeader{}, fault.New(fault.Corrupt, "no segment header")
	}
	le := binary.LittleEndian
	if le.Uint32(page[headCRCAt:]) != pageCRC(page, 0) {
		return segmentHeader{}, fault.New(fault.Corrupt, "the segment header fails its checksum")
	}
	if v := le.Uint32(page[12:]); v != FormatVersion {
		return segmentHeader{}, fault.Reasoned(fault.Invalid, "log_version", "the segment has format version %d, this program reads %d: use the program that wrote it", v, FormatVersion)
	}
	h := segmentHeader{
		identity: Identity(page[16:32]), number: le.Uint64(page[32:]), firstSeq: le.Uint64(page[40:]),
		firstGroup: le.Uint64(page[48:]), bytes: le.Uint32(page[56:]), salt: le.Uint32(page[60:]),
	}
	if !isZero(page[headFieldBytes:]) || !goodSegmentBytes(int64(h.bytes)) || h.number == 0 || h.firstSeq == 0 || h.firstGroup == 0 {
		return segmentHeader{}, fault.New(fault.Corrupt, "the segment header has impossible values")
	}
	return h, nil
}

func goodSegmentBytes(n int64) bool {
	return n >= 2*PageBytes && n <= SegmentBytesMax && n%PageBytes == 0
}

// recordHead is the fixed part of a record's head page.
type recordHead struct {
	bodyCRC      uint32
	segment      uint64
	seq          uint64
	group        uint64
	groupFirst   uint64
	payloadBytes uint32
	metaBytes    uint16
	kind         uint8
}

// recordBytes is the record's length on disk.
func (h recordHead) recordBytes() int { return recordBytes(int(h.payloadBytes)) }

// RecordBytes is the length on disk of a record with a payload of so many bytes.
func RecordBytes(payload int) int { return recordBytes(payload) }

func recordBytes(payload int) int { return PageBytes + disk.RoundUp(payload) }

// encode fills the fixed fields of a head page whose meta is in place and whose other bytes are zero.
func (h recordHead) encode(page []byte, salt uint32) {
	copy(page, recordMagic)
	le := binary.LittleEndian
	le.PutUint32(page[headCRCAt:], salt)
	le.PutUint32(page[12:], h.bodyCRC)
	le.PutUint64(page[16:], h.segment)
	le.PutUint64(page[24:], h.seq)
	le.PutUint64(page[32:], h.group)
	le.PutUint64(page[40:], h.groupFirst)
	le.PutUint32(page[48:], h.payloadBytes)
	le.PutUint16(page[52:], h.metaBytes)
	page[54] = h.kind
	clear(page[55:headFieldBytes])
	le.PutUint32(page[headCRCAt:], crc32.Checksum(page[:PageBytes], castagnoli))
}

// decodeRecordHead reads a head page and says whether it is one: the checksum holds under this segment's salt and every
// unused byte is zero. It never panics.
func decodeRecordHead(page []byte, salt uint32) (recordHead, bool) {
	if len(page) < PageBytes || string(page[:8]) != recordMagic {
		return recordHead{}, false
	}
	page = page[:PageBytes]
	le := binary.LittleEndian
	h := recordHead{
		bodyCRC: le.Uint32(page[12:]), segment: le.Uint64(page[16:]), seq: le.Uint64(page[24:]), group: le.Uint64(page[32:]),
		groupFirst: le.Uint64(page[40:]), payloadBytes: le.Uint32(page[48:]), metaBytes: le.Uint16(page[52:]), kind: page[54],
	}
	if h.payloadBytes > PayloadBytesMax || int(h.metaBytes) > MetaBytesMax || le.Uint32(page[headCRCAt:]) != pageCRC(page, salt) {
		return recordHead{}, false
	}
	ok := isZero(page[55:headFieldBytes]) && isZero(page[headFieldBytes+int(h.metaBytes):])
	return h, ok
}

// bodyOK reports whether the bytes behind the head are what the head says, padding included.
func (h recordHead) bodyOK(body []byte) bool {
	return len(body) == h.recordBytes()-PageBytes && crc32.Checksum(body, castagnoli) == h.bodyCRC && isZero(body[h.payloadBytes:])
}

// pageCRC is the checksum of a page with its own field taken as salt.
func pageCRC(page []byte, salt uint32) uint32 {
	var field [4]byte
	binary.LittleEndian.PutUint32(field[:], salt)
	crc := crc32.Update(0, castagnoli, page[:headCRCAt])
	crc = crc32.Update(crc, castagnoli, field[:])
	return crc32.Update(crc, castagnoli, page[headCRCAt+4:])
}

func isZero(b []byte) bool {
	for len(b) > PageBytes {
		if !bytes.Equal(b[:PageBytes], zeroPage[:]) {
			return false
		}
		b = b[PageBytes:]
	}
	return bytes.Equal(b, zeroPage[:len(b)])
}

// firstNonZero is the index of the first byte that is not zero, or -1.
func firstNonZero(b []byte) int {
	for i, v := range b {
		if v != 0 {
			return i
		}
	}
	return -1
}

// chain is the rule that records follow each other. A group never straddles segments and is synced before the next one
// is written.
type chain struct{ nextSeq, group, groupFirst uint64 }

// chainAt is the state before the first record of a segment.
func chainAt(h segmentHeader) chain { return chain{nextSeq: h.firstSeq, group: h.firstGroup - 1} }

// follow steps to the next record, or says in words why it is not the next one.
func (c *chain) follow(h recordHead) string {
	switch {
	case h.seq != c.nextSeq:
		return "the record's sequence does not follow its predecessor's"
	case h.group == c.group && h.groupFirst == c.groupFirst:
	case h.group == c.group+1 && h.groupFirst == h.seq:
	default:
		return "the record's group does not follow its predecessor's"
	}
	*c = chain{nextSeq: h.seq + 1, group: h.group, groupFirst: h.groupFirst}
	return ""
}
