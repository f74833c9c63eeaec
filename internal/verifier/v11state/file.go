// SPDX-License-Identifier: Apache-2.0

package v11state

import (
	"bufio"
	"encoding/binary"
	"hash/crc32"
	"io"
	"os"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// Of the files' format, version 1.
const (
	pageBytes     = 16384
	magic         = "AURICKPT"
	formatVersion = 1
	headerUsed    = 84
	slotsMax      = 1 << 28
	blobBytesMax  = 64 << 10
	sectionsMax   = 1024
	pagesMax      = 1 << 22 // of a section
	sectionRow    = 8
	slotRow       = 12
	entryBytes    = 8 // of the index: place in the file + 1, checksum
	bufferBytes   = 256 << 10
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// header is the first page of a file.
type header struct {
	chain     chain.ChainID
	height    chain.Height
	root      chain.Hash
	slots     uint32
	tailBytes uint64
	tailSum   uint32
}

func (h *header) tailAt() int64 { return (1 + int64(h.slots)) * pageBytes }

func (h *header) fileBytes() int64 { return h.tailAt() + int64(h.tailBytes) }

// parseHeader reads a header page. One of zeros is NotFound: the file is not finished.
func parseHeader(b []byte) (h header, err error) {
	if zero(b) {
		return h, fault.New(fault.NotFound, "the file is not finished")
	}
	le := binary.LittleEndian
	switch {
	case string(b[:8]) != magic, !zero(b[headerUsed:]), crc32.Checksum(b[:headerUsed-4], castagnoli) != le.Uint32(b[headerUsed-4:]):
		return h, fault.New(fault.Corrupt, "the header is damaged")
	case le.Uint32(b[8:]) != formatVersion, le.Uint32(b[12:]) != pageBytes:
		return h, fault.New(fault.Corrupt, "format %d with pages of %d bytes is not known here: use the release that wrote it", le.Uint32(b[8:]), le.Uint32(b[12:]))
	}
	h = header{
		chain: chain.ChainID(le.Uint64(b[16:])), height: chain.Height(le.Uint64(b[24:])), root: chain.Hash(b[32:64]),
		slots: le.Uint32(b[64:]), tailBytes: le.Uint64(b[68:]), tailSum: le.Uint32(b[76:]),
	}
	if h.slots > slotsMax || h.tailBytes > 12+sectionsMax*sectionRow+uint64(h.slots)*slotRow+blobBytesMax {
		return h, fault.New(fault.Corrupt, "the header has impossible sizes")
	}
	return h, nil
}

func zero(b []byte) bool {
	for _, x := range b {
		if x != 0 {
			return false
		}
	}
	return true
}

// section is where a section's pages are told of in the index.
type section struct {
	number      uint32
	recordBytes uint32
	pages       uint32 // up to the last that has a place in the file
	first       int64  // entry of its page 0
}

// file is a checkpoint that nobody writes to, and which page lies where in it.
type file struct {
	pages    *os.File
	index    *os.File
	header   header
	sections []section
}

// readTables checks the tables of a file and writes the index.
func (f *file) readTables() error {
	var table []section
	err := f.tail(func(s section) { table = append(table, s) }, func(at, page, _ uint32) error {
		table[at].pages = max(table[at].pages, page+1)
		return nil
	})
	if err != nil {
		return err
	}
	entries := int64(0)
	for i := range table {
		table[i].first = entries
		entries += int64(table[i].pages)
	}
	f.sections = table
	if err := f.index.Truncate(entries * entryBytes); err != nil {
		return fault.Wrap(fault.Unavailable, err, "make the index of a checkpoint")
	}
	w := indexWriter{to: f.index}
	slot := uint32(0)
	err = f.tail(func(section) {}, func(at, page, sum uint32) error {
		slot++ // 0 says that a page has no place
		return w.add(table[at].first+int64(page), slot, sum)
	})
	if err != nil {
		return err
	}
	return w.flush()
}

// tail reads the tables once. each is told of the pages by the row that their section has in its table.
func (f *file) tail(row func(section), each func(at, page, sum uint32) error) error {
	sum := crc32.New(castagnoli)
	in := bufio.NewReaderSize(io.TeeReader(io.NewSectionReader(f.pages, f.header.tailAt(), int64(f.header.tailBytes)), sum), bufferBytes)
	t := tables{in: in}
	n := t.u32()
	at := make(map[uint32]uint32, min(n, sectionsMax))
	last := int64(-1)
	for i := range n {
		s := section{number: t.u32(), recordBytes: t.u32()}
		if t.err != nil || i >= sectionsMax || int64(s.number) <= last || s.recordBytes == 0 || s.recordBytes > pageBytes {
			return malformed(t.err)
		}
		last, at[s.number] = int64(s.number), i
		row(s)
	}
	if t.u32() != f.header.slots {
		return malformed(t.err)
	}
	for range f.header.slots {
		number, page, pageSum := t.u32(), t.u32(), t.u32()
		of, known := at[number]
		if t.err != nil || !known || page >= pagesMax {
			return malformed(t.err)
		}
		if err := each(of, page, pageSum); err != nil {
			return err
		}
	}
	blob := t.u32()
	rest, err := io.Copy(io.Discard, in)
	if t.err != nil || err != nil || rest != int64(blob) || blob > blobBytesMax {
		return malformed(t.err)
	}
	if sum.Sum32() != f.header.tailSum {
		return fault.New(fault.Corrupt, "the tables fail their checksum")
	}
	return nil
}

// malformed is what tables are that cannot be read, or say what cannot be.
func malformed(err error) error {
	if err != nil {
		return fault.Wrap(fault.Corrupt, err, "read the tables")
	}
	return fault.New(fault.Corrupt, "the tables are malformed")
}

// tables reads little-endian numbers; the first error sticks.
type tables struct {
	in  io.Reader
	b   [4]byte
	err error
}

func (t *tables) u32() uint32 {
	if t.err == nil {
		_, t.err = io.ReadFull(t.in, t.b[:])
	}
	if t.err != nil {
		return 0
	}
	return binary.LittleEndian.Uint32(t.b[:])
}

// indexWriter writes entries that follow each other in one call: a file that was written whole has long runs of them.
type indexWriter struct {
	to   io.WriterAt
	at   int64 // entry where run begins
	run  []byte
	next int64
}

func (w *indexWriter) add(entry int64, slot, sum uint32) error {
	if entry != w.next || len(w.run) >= bufferBytes {
		if err := w.flush(); err != nil {
			return err
		}
		w.at = entry
	}
	w.run = binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(w.run, slot), sum)
	w.next = entry + 1
	return nil
}

func (w *indexWriter) flush() error {
	_, err := w.to.WriteAt(w.run, w.at*entryBytes)
	w.run = w.run[:0]
	return fault.Wrap(fault.Unavailable, err, "write the index of a checkpoint")
}

// cursor reads pages of one section. It holds one page, and a run of the index.
type cursor struct {
	f       *file
	s       section
	page    [pageBytes]byte
	at      int64 // number of page; -1: none
	present bool
	run     [64 * entryBytes]byte
	runAt   int64 // first page in run; -1: none
}

// cursor returns one of a section; of one that the file lacks it reads zeros.
func (f *file) cursor(number uint32) *cursor {
	c := &cursor{f: f, at: -1, runAt: -1, s: section{number: number}}
	for _, s := range f.sections {
		if s.number == number {
			c.s = s
		}
	}
	return c
}

// load makes a page the present one.
func (c *cursor) load(page int64) error {
	if page == c.at {
		return nil
	}
	c.at, c.present = -1, false
	slot, sum, err := c.entry(page)
	if err != nil {
		return err
	}
	if slot == 0 {
		clear(c.page[:])
	} else {
		if _, err := c.f.pages.ReadAt(c.page[:], int64(slot)*pageBytes); err != nil {
			return fault.Wrap(fault.Corrupt, err, "read page %d of section %d", page, c.s.number)
		}
		if crc32.Checksum(c.page[:], castagnoli) != sum {
			return fault.New(fault.Corrupt, "page %d of section %d fails its checksum", page, c.s.number)
		}
	}
	c.at, c.present = page, slot != 0
	return nil
}

// entry reads where a page lies: its slot + 1, 0 for a page without one.
func (c *cursor) entry(page int64) (slot, sum uint32, err error) {
	if page >= int64(c.s.pages) {
		return 0, 0, nil
	}
	const perRun = int64(len(c.run) / entryBytes)
	if c.runAt < 0 || page < c.runAt || page >= c.runAt+perRun {
		c.runAt = -1
		n := min(perRun, int64(c.s.pages)-page)
		if _, err := c.f.index.ReadAt(c.run[:n*entryBytes], (c.s.first+page)*entryBytes); err != nil {
			return 0, 0, fault.Wrap(fault.Unavailable, err, "read the index of a checkpoint")
		}
		c.runAt = page
	}
	e := c.run[(page-c.runAt)*entryBytes:]
	return binary.LittleEndian.Uint32(e), binary.LittleEndian.Uint32(e[4:]), nil
}

// record returns record i, of the bytes that the ledger's format gives it, valid until the next call.
func (c *cursor) record(i uint64, bytes uint32) ([]byte, error) {
	if c.s.pages > 0 && c.s.recordBytes != bytes {
		return nil, fault.New(fault.Corrupt, "records of section %d have %d bytes, not %d: use the release that wrote them", c.s.number, c.s.recordBytes, bytes)
	}
	perPage := uint64(pageBytes / bytes)
	if err := c.load(int64(i / perPage)); err != nil {
		return nil, err
	}
	at := i % perPage * uint64(bytes)
	return c.page[at : at+uint64(bytes)], nil
}

// records is a bound of the numbers of a section's records.
func (c *cursor) records(bytes uint32) uint64 { return uint64(c.s.pages) * uint64(pageBytes/bytes) }
