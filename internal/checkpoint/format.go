// SPDX-License-Identifier: Apache-2.0

package checkpoint

import (
	"encoding/binary"
	"hash/crc32"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/pages"
)

// The layout is defined in FORMAT.md.
const (
	magic         = "AURICKPT"
	formatVersion = 1

	// BlobBytesMax bounds Meta.Blob. A longer one is refused as Invalid.
	BlobBytesMax = 64 << 10

	headerBytes  = 84 // with its checksum; zeros follow up to pages.PageBytes
	sectionBytes = 8
	slotBytes    = 12
	slotsMax     = 1 << 28 // 4 TiB of pages
)

func castagnoli(b []byte) uint32 { return crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)) }

// Meta says what a checkpoint is of.
type Meta struct {
	Chain  chain.ChainID
	Height chain.Height
	Root   chain.Hash // state root of the pages
	Blob   []byte     // the caller's, up to BlobBytesMax
}

// header is the first page of a file.
type header struct {
	meta      Meta // without the blob
	slots     uint32
	tailBytes uint64
	tailSum   uint32
}

func (h *header) tailOffset() int64 { return (1 + int64(h.slots)) * pages.PageBytes }

func (h *header) fileBytes() int64 { return h.tailOffset() + int64(h.tailBytes) }

func (h *header) encode() []byte {
	b := make([]byte, 0, pages.PageBytes)
	b = append(b, magic...)
	b = binary.LittleEndian.AppendUint32(b, formatVersion)
	b = binary.LittleEndian.AppendUint32(b, pages.PageBytes)
	b = binary.LittleEndian.AppendUint64(b, uint64(h.meta.Chain))
	b = binary.LittleEndian.AppendUint64(b, uint64(h.meta.Height))
	b = append(b, h.meta.Root[:]...)
	b = binary.LittleEndian.AppendUint32(b, h.slots)
	b = binary.LittleEndian.AppendUint64(b, h.tailBytes)
	b = binary.LittleEndian.AppendUint32(b, h.tailSum)
	b = binary.LittleEndian.AppendUint32(b, castagnoli(b))
	return b[:pages.PageBytes]
}

// decodeHeader reads the first page of a file. A page of zeros is NotFound: no checkpoint was finished there.
func decodeHeader(b []byte) (header, error) {
	if allZero(b) {
		return header{}, fault.New(fault.NotFound, "no finished checkpoint")
	}
	sum := binary.LittleEndian.Uint32(b[headerBytes-4:])
	if castagnoli(b[:headerBytes-4]) != sum || !allZero(b[headerBytes:]) || string(b[:8]) != magic {
		return header{}, fault.New(fault.Corrupt, "the header is damaged")
	}
	version, pageBytes := binary.LittleEndian.Uint32(b[8:]), binary.LittleEndian.Uint32(b[12:])
	if version != formatVersion || pageBytes != pages.PageBytes {
		return header{}, fault.New(fault.Corrupt, "format %d with pages of %d bytes is not known here: use the release that wrote it", version, pageBytes)
	}
	h := header{slots: binary.LittleEndian.Uint32(b[64:]), tailBytes: binary.LittleEndian.Uint64(b[68:]), tailSum: binary.LittleEndian.Uint32(b[76:])}
	h.meta.Chain = chain.ChainID(binary.LittleEndian.Uint64(b[16:]))
	h.meta.Height = chain.Height(binary.LittleEndian.Uint64(b[24:]))
	h.meta.Root = chain.Hash(b[32:64])
	if h.slots > slotsMax || h.tailBytes > tailBytesMax(h.slots) {
		return header{}, fault.New(fault.Corrupt, "the header has impossible sizes")
	}
	return h, nil
}

func tailBytesMax(slots uint32) uint64 {
	return 12 + pages.SectionsMax*sectionBytes + uint64(slots)*slotBytes + BlobBytesMax
}

// section is a row of the section table.
type section struct{ number, recordBytes uint32 }

// slot is a row of the slot table: which page lies in the file's slot of the row's number, and its checksum.
type slot struct{ section, page, sum uint32 }

// tail is what follows the page slots.
type tail struct {
	sections []section
	slots    []slot
	blob     []byte
}

func (t *tail) encode() []byte {
	b := binary.LittleEndian.AppendUint32(nil, uint32(len(t.sections)))
	for _, s := range t.sections {
		b = binary.LittleEndian.AppendUint32(b, s.number)
		b = binary.LittleEndian.AppendUint32(b, s.recordBytes)
	}
	b = binary.LittleEndian.AppendUint32(b, uint32(len(t.slots)))
	for _, s := range t.slots {
		b = binary.LittleEndian.AppendUint32(b, s.section)
		b = binary.LittleEndian.AppendUint32(b, s.page)
		b = binary.LittleEndian.AppendUint32(b, s.sum)
	}
	b = binary.LittleEndian.AppendUint32(b, uint32(len(t.blob)))
	return append(b, t.blob...)
}

// decodeTail reads a tail. Whether its rows make sense is found out by loading them.
func decodeTail(b []byte) (t tail, err error) {
	n, b, ok := counted(b, sectionBytes)
	for ; ok && n > 0; n-- {
		s := section{binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint32(b[4:])}
		ok = len(t.sections) == 0 || t.sections[len(t.sections)-1].number < s.number
		t.sections, b = append(t.sections, s), b[sectionBytes:]
	}
	if ok {
		n, b, ok = counted(b, slotBytes)
	}
	for ; ok && n > 0; n-- {
		t.slots = append(t.slots, slot{binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint32(b[4:]), binary.LittleEndian.Uint32(b[8:])})
		b = b[slotBytes:]
	}
	if ok {
		n, b, ok = counted(b, 1)
	}
	if !ok || uint64(len(b)) != n || n > BlobBytesMax {
		return tail{}, fault.New(fault.Corrupt, "the tables are malformed")
	}
	t.blob = b
	return t, nil
}

// counted reads a row count, and reports whether so many rows of that size follow.
func counted(b []byte, rowBytes int) (n uint64, rest []byte, ok bool) {
	if len(b) < 4 {
		return 0, nil, false
	}
	n, rest = uint64(binary.LittleEndian.Uint32(b)), b[4:]
	return n, rest, n*uint64(rowBytes) <= uint64(len(rest))
}

func allZero(b []byte) bool {
	for _, x := range b {
		if x != 0 {
			return false
		}
	}
	return true
}
