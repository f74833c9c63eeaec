// SPDX-License-Identifier: Apache-2.0

package tablefile

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"os"

	"github.com/aurigraph/aurigraph/internal/fault"
)

// ErrNotPlain says that the engine must be asked.
var ErrNotPlain = errors.New("not a plain table of rows")

// Places in a file's header, and what must stand there.
const (
	headerBytes  = 100
	magic        = "SQLite format 3\x00"
	atPageBytes  = 16
	atWriteMode  = 18 // 1: what was committed is in the file itself
	atReadMode   = 19
	atReserved   = 20
	pageBytesMin = 512
)

// Kinds of pages, and the sizes of their headers.
const (
	interior            = 0x05
	leaf                = 0x0d
	interiorHeaderBytes = 12
	leafHeaderBytes     = 8
	depthMax            = 16 // of a tree; of one with 2 children a page it would be 65,536 pages
)

// File is an SQLite file. One goroutine uses it.
type File struct {
	file interface {
		io.ReaderAt
		io.Closer
	}
	bytes  int // of a page
	usable int // of them
	levels [depthMax]page
	record Record
}

// Open opens a file to read.
func Open(path string) (*File, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "open %s", path)
	}
	return &File{file: file}, nil
}

// Close closes it.
func (f *File) Close() error { return f.file.Close() }

// page is a page of a tree, and where in it a reader stands.
type page struct {
	raw   []byte
	from  int // of its header: behind the file's on the first page
	cells int
	leaf  bool
	at    int // cell
}

// header reads the file's header.
func (f *File) header() error {
	var h [headerBytes]byte
	if _, err := f.file.ReadAt(h[:], 0); err != nil || !bytes.HasPrefix(h[:], []byte(magic)) || h[atWriteMode] != 1 || h[atReadMode] != 1 {
		return ErrNotPlain
	}
	size := int(binary.BigEndian.Uint16(h[atPageBytes:]))
	if size == 1 {
		size = 1 << 16
	}
	if size < pageBytesMin || size&(size-1) != 0 {
		return ErrNotPlain
	}
	f.usable = size - int(h[atReserved])
	if size != f.bytes {
		f.bytes, f.levels = size, [depthMax]page{}
	}
	return nil
}

// Rows calls each for the rows of the table whose tree begins at a page, above a number and ascending, until it returns false. What it is
// handed is valid until it returns.
func (f *File) Rows(root uint32, after int64, each func(rowID int64, r *Record) bool) error {
	if err := f.header(); err != nil {
		return err
	}
	depth, err := f.descend(0, root, after, true)
	for last := after; err == nil; {
		p := &f.levels[depth]
		for ; p.at < p.cells; p.at++ {
			rowID, payload, ok := f.row(p)
			if !ok || rowID <= last || !f.record.parse(payload) {
				return ErrNotPlain
			}
			last = rowID
			if !each(rowID, &f.record) {
				return nil
			}
		}
		if depth, err = f.next(depth); depth < 0 {
			return err
		}
	}
	return err
}

// descend goes from a page down to the leaf that has the first row above a number, or the first row of all; it returns the leaf's level.
func (f *File) descend(level int, number uint32, after int64, above bool) (int, error) {
	for ; level < depthMax; level++ {
		p := &f.levels[level]
		if err := f.load(p, number); err != nil {
			return 0, err
		}
		p.at = 0
		if above {
			at, ok := f.search(p, after)
			if !ok {
				return 0, ErrNotPlain
			}
			p.at = at
		}
		if p.leaf && p.cells == 0 && level > 0 { // whoever could have many of them would be read for ever
			return 0, ErrNotPlain
		}
		if p.leaf {
			return level, nil
		}
		child, ok := p.child()
		if !ok {
			return 0, ErrNotPlain
		}
		number = child
	}
	return 0, ErrNotPlain
}

// next goes to the leaf behind the one at a level; a level below 0: there is none.
func (f *File) next(level int) (int, error) {
	for level--; level >= 0; level-- {
		p := &f.levels[level]
		if p.at++; p.at > p.cells {
			continue
		}
		child, ok := p.child()
		if !ok {
			return 0, ErrNotPlain
		}
		return f.descend(level+1, child, 0, false)
	}
	return -1, nil
}

// load reads a page.
func (f *File) load(p *page, number uint32) error {
	if p.raw == nil {
		p.raw = make([]byte, f.bytes)
	}
	if number == 0 {
		return ErrNotPlain
	}
	if _, err := f.file.ReadAt(p.raw, int64(number-1)*int64(f.bytes)); err != nil {
		return ErrNotPlain // beyond the file, or it cannot be read: the engine says so
	}
	p.from = 0
	if number == 1 {
		p.from = headerBytes
	}
	p.leaf = p.raw[p.from] == leaf
	if !p.leaf && p.raw[p.from] != interior {
		return ErrNotPlain
	}
	p.cells = int(binary.BigEndian.Uint16(p.raw[p.from+3:]))
	if p.pointers()+2*p.cells > f.usable {
		return ErrNotPlain
	}
	return nil
}

// pointers is where the places of the cells begin.
func (p *page) pointers() int {
	if p.leaf {
		return p.from + leafHeaderBytes
	}
	return p.from + interiorHeaderBytes
}

// cell is what lies from a cell's place on; nil: that is outside.
func (p *page) cell(i int) []byte {
	at := p.pointers() + 2*i
	place := int(binary.BigEndian.Uint16(p.raw[at:]))
	if place < p.pointers()+2*p.cells || place >= len(p.raw) {
		return nil
	}
	return p.raw[place:]
}

// child is the page below the cell that it stands at, behind the last one the rightmost.
func (p *page) child() (uint32, bool) {
	if p.at == p.cells {
		return binary.BigEndian.Uint32(p.raw[p.from+leafHeaderBytes:]), true
	}
	c := p.cell(p.at)
	if len(c) < 4 {
		return 0, false
	}
	return binary.BigEndian.Uint32(c), true
}

// search is the first cell whose number is above one.
func (f *File) search(p *page, after int64) (int, bool) {
	low, high := 0, p.cells
	for low < high {
		mid := (low + high) / 2
		rowID, ok := p.number(mid)
		if !ok {
			return 0, false
		}
		if rowID > after {
			high = mid
		} else {
			low = mid + 1
		}
	}
	return low, true
}

// number is the row number of a cell.
func (p *page) number(i int) (int64, bool) {
	c := p.cell(i)
	skip := 4 // the page below
	if p.leaf {
		_, skip = varint(c)
	}
	if skip == 0 || len(c) < skip {
		return 0, false
	}
	n, size := varint(c[skip:])
	return int64(n), size > 0
}

// row reads the cell that a leaf stands at.
func (f *File) row(p *page) (rowID int64, payload []byte, ok bool) {
	c := p.cell(p.at)
	size, n := varint(c)
	if n == 0 {
		return 0, nil, false
	}
	number, m := varint(c[n:])
	c = c[n+m:]
	// A larger one goes on in other pages.
	if m == 0 || size > uint64(f.usable-35) || size > uint64(len(c)) {
		return 0, nil, false
	}
	return int64(number), c[:size], true
}

// varint reads a number of up to 9 bytes, of which the last has 8 bits; a size of 0: it is cut off.
func varint(b []byte) (v uint64, size int) {
	for i, c := range b {
		if i == 8 {
			return v<<8 | uint64(c), 9
		}
		v = v<<7 | uint64(c&0x7f)
		if c < 0x80 {
			return v, i + 1
		}
	}
	return 0, 0
}
