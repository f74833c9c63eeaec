// SPDX-License-Identifier: Apache-2.0

package verifier

import (
	"encoding/binary"
	"errors"
	"io"
	"os"

	"github.com/aurigraph/aurigraph/internal/fault"
)

// How a table of numbers is held in memory: as it is up to a size, beyond it in pages.
const (
	numbersInMemory = 1 << 18 // entries
	numbersPage     = 512     // entries
	numbersPages    = 768     // in the cache
)

// numbers is a table from numbers of V11 (accounts, assets) to hashes of V10's names. It lies in a file. One goroutine writes it, and
// several read it afterwards, each by a reader of its own.
type numbers struct {
	file *os.File
	all  []uint64 // if there are few
	size uint64   // entries
}

// newNumbers makes an empty table for numbers up to size.
func newNumbers(path string, size uint64) (*numbers, error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "make a table of the run")
	}
	n := &numbers{file: file, size: size + 1}
	if n.size <= numbersInMemory {
		n.all = make([]uint64, n.size)
	}
	return n, fault.Wrap(fault.Unavailable, file.Truncate(8*int64(n.size)), "make a table of the run")
}

// openNumbers opens a table that an earlier process wrote.
func openNumbers(path string) (*numbers, error) {
	file, err := os.OpenFile(path, os.O_RDWR, 0o600)
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "open a table of the run")
	}
	info, err := file.Stat()
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, errors.Join(err, file.Close()), "open a table of the run")
	}
	n := &numbers{file: file, size: uint64(info.Size()) / 8}
	if n.size > numbersInMemory {
		return n, nil
	}
	raw := make([]byte, info.Size())
	if _, err := file.ReadAt(raw, 0); err != nil && !errors.Is(err, io.EOF) {
		return nil, fault.Wrap(fault.Unavailable, errors.Join(err, file.Close()), "read a table of the run")
	}
	n.all = make([]uint64, n.size)
	for i := range n.all {
		n.all[i] = binary.LittleEndian.Uint64(raw[8*i:])
	}
	return n, nil
}

// set writes an entry. A number beyond the table is left out: what has it differs from everything.
func (n *numbers) set(no, hash uint64) error {
	if no >= n.size {
		return nil
	}
	if n.all != nil {
		n.all[no] = hash
		return nil
	}
	var raw [8]byte
	binary.LittleEndian.PutUint64(raw[:], hash)
	_, err := n.file.WriteAt(raw[:], 8*int64(no))
	return fault.Wrap(fault.Unavailable, err, "write a table of the run")
}

// flush brings all entries into the file.
func (n *numbers) flush() error {
	if n.all == nil {
		return nil
	}
	raw := make([]byte, 0, 8*len(n.all))
	for _, h := range n.all {
		raw = binary.LittleEndian.AppendUint64(raw, h)
	}
	_, err := n.file.WriteAt(raw, 0)
	return fault.Wrap(fault.Unavailable, err, "write a table of the run")
}

func (n *numbers) close() error { return n.file.Close() }

// lookup reads a table. One goroutine uses it.
type lookup struct {
	*numbers
	pages []numbersCached
	err   error // of the file; entries are 0 then
}

type numbersCached struct {
	page    uint64 // and 1, so that 0 is none
	entries [numbersPage]uint64
}

func (n *numbers) reader() *lookup { return &lookup{numbers: n} }

// of is the entry of a number, 0 if there is none.
func (l *lookup) of(no uint64) uint64 {
	if no >= l.size {
		return 0
	}
	if l.all != nil {
		return l.all[no]
	}
	if l.pages == nil {
		l.pages = make([]numbersCached, numbersPages)
	}
	page := no / numbersPage
	c := &l.pages[page%numbersPages]
	if c.page != page+1 {
		l.load(c, page)
	}
	return c.entries[no%numbersPage]
}

func (l *lookup) load(c *numbersCached, page uint64) {
	var raw [8 * numbersPage]byte
	if _, err := l.file.ReadAt(raw[:], int64(page)*int64(len(raw))); err != nil && !errors.Is(err, io.EOF) {
		l.err = fault.Wrap(fault.Unavailable, err, "read a table of the run")
	}
	for i := range c.entries {
		c.entries[i] = binary.LittleEndian.Uint64(raw[8*i:])
	}
	c.page = page + 1
}
