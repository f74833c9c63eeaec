// SPDX-License-Identifier: Apache-2.0

package checkpoint

import (
	"bytes"
	"cmp"
	"path/filepath"
	"slices"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/pages"
)

// Section is a section of a checkpoint: its pages from Pages on are zero.
type Section struct {
	Number      uint32
	RecordBytes uint32
	Pages       uint32
}

// Find is Candidates for whoever only reads a folder, beside the Store that writes to it. What it found may be overwritten
// at any time.
func Find(dir string, fs FS, id chain.ChainID) (found []Candidate, skipped []error) {
	return (&Store{dir: dir, fs: fs, cfg: Config{Chain: id}}).Candidates()
}

// IsAnchor reports whether a candidate is an anchor, which is never overwritten.
func (c Candidate) IsAnchor() bool {
	_, ok := anchorHeight(c.Name)
	return ok
}

// Reader reads single pages of a checkpoint while a Store may write to the folder. An anchor stays readable until Close, also
// when it is removed; a buffer may be overwritten, which Unchanged tells.
type Reader struct {
	f     *readFile
	first []byte // the header page
	order []slotAt
}

// slotAt is a place in the file by the page that lies there.
type slotAt struct{ section, page, at uint32 }

func (a slotAt) compare(b slotAt) int {
	if c := cmp.Compare(a.section, b.section); c != 0 {
		return c
	}
	return cmp.Compare(a.page, b.page)
}

// OpenReader opens a candidate. NotFound and Corrupt may mean that it is being overwritten.
func OpenReader(dir string, fs FS, name string) (*Reader, error) {
	f, err := openFile(fs, filepath.Join(dir, name))
	if err != nil {
		return nil, err
	}
	r := &Reader{f: f, first: f.header.encode(), order: make([]slotAt, len(f.tail.slots))}
	for i, s := range f.tail.slots {
		r.order[i] = slotAt{s.section, s.page, uint32(i)}
	}
	slices.SortFunc(r.order, slotAt.compare)
	return r, nil
}

// Close closes the file.
func (r *Reader) Close() error {
	return fault.Wrap(fault.Unavailable, r.f.file.Close(), "close a checkpoint")
}

// Meta is what the checkpoint is of.
func (r *Reader) Meta() Meta { return r.f.meta }

// Sections lists the sections, ascending. The last page of one may be zero all the same.
func (r *Reader) Sections() []Section {
	list := make([]Section, len(r.f.tail.sections))
	for i, s := range r.f.tail.sections {
		list[i] = Section{Number: s.number, RecordBytes: s.recordBytes}
		end, _ := slices.BinarySearchFunc(r.order, slotAt{section: s.number + 1}, slotAt.compare)
		if end > 0 && r.order[end-1].section == s.number {
			list[i].Pages = r.order[end-1].page + 1
		}
	}
	return list
}

// Page reads a page into b, of pages.PageBytes, and reports whether it has a place in the file; if not it is zero, and b is as
// it was. Bytes that fail their checksum are Corrupt: the file is damaged, or was overwritten.
func (r *Reader) Page(section, page uint32, b []byte) (present bool, err error) {
	i, ok := slices.BinarySearchFunc(r.order, slotAt{section: section, page: page}, slotAt.compare)
	if !ok {
		return false, nil
	}
	at := r.order[i].at
	if err := r.f.read(b[:pages.PageBytes], (1+int64(at))*pages.PageBytes); err != nil {
		return false, err
	}
	if castagnoli(b[:pages.PageBytes]) != r.f.tail.slots[at].sum {
		return false, fault.New(fault.Corrupt, "section %d, page %d of checkpoint %d is damaged", section, page, r.f.meta.Height)
	}
	return true, nil
}

// Unchanged reports whether all pages that were read before this call are those of the checkpoint: a buffer's header goes,
// durably, before anything else in it changes.
func (r *Reader) Unchanged() (bool, error) {
	now := make([]byte, pages.PageBytes)
	if err := r.f.read(now, 0); err != nil {
		return false, err
	}
	return bytes.Equal(now, r.first), nil
}
