// SPDX-License-Identifier: Apache-2.0

package checkpoint

import (
	"cmp"
	"errors"
	"slices"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/pages"
)

// Candidate is a finished checkpoint whose header and tables are intact.
type Candidate struct {
	Name string // in the folder, for Load
	Meta Meta
}

// Candidates returns the checkpoints of the store's chain, the highest first, and an error for every file that is
// damaged or of another chain. Files that were not finished are neither.
func (s *Store) Candidates() (found []Candidate, skipped []error) {
	names := bufferNames[:]
	anchors, err := s.Anchors()
	if err != nil {
		skipped = append(skipped, err)
	}
	for _, h := range anchors {
		names = append(names[:len(names):len(names)], anchorName(h))
	}
	for _, name := range names {
		meta, err := s.readMeta(name)
		switch {
		case err == nil:
			found = append(found, Candidate{name, meta})
		case !fault.Is(err, fault.NotFound):
			skipped = append(skipped, err)
		}
	}
	slices.SortStableFunc(found, func(a, b Candidate) int { return cmp.Compare(b.Meta.Height, a.Meta.Height) })
	return found, skipped
}

// Newest returns the highest checkpoint that accept takes, without reading its pages, and why files were skipped.
func (s *Store) Newest(accept func(Meta) bool) (newest Candidate, ok bool, skipped []error) {
	found, skipped := s.Candidates()
	for _, c := range found {
		if accept(c.Meta) {
			return c, true, skipped
		}
	}
	return Candidate{}, false, skipped
}

// Load reads a checkpoint into a space that nothing was created in (NewColumn adopts what was loaded), and checks every byte of the file against its
// checksums, but not the root. After an error the space is of no use. Later Writes spare the file that was loaded.
func (s *Store) Load(name string, space *pages.Space) (Meta, error) {
	meta, err := s.read(name, space)
	if err == nil {
		s.spare(name)
	}
	return meta, err
}

func (s *Store) read(name string, space *pages.Space) (Meta, error) {
	f, err := s.open(name)
	if err != nil {
		return Meta{}, err
	}
	err = f.load(space)
	if err := errors.Join(err, f.file.Close()); err != nil {
		return Meta{}, fault.Wrap(fault.KindOf(err), err, "checkpoint %s", name)
	}
	return f.meta, nil
}

// spare makes later Writes leave a file alone that the caller goes on from.
func (s *Store) spare(name string) {
	if i := slices.Index(bufferNames[:], name); i >= 0 {
		s.keep = i
	}
}

// Loaded is a state that was read and whose root was recomputed.
type Loaded struct {
	Name  string
	Meta  Meta
	Space *pages.Space
	Tree  *pages.Tree // up to date with Space
}

// LoadVerified loads the highest checkpoint that accept takes and whose pages have the root its header names; a damaged
// one is skipped for the next. skipped says which were, and why. If none is left the error is Corrupt when a file was
// damaged, else NotFound.
func (s *Store) LoadVerified(accept func(Meta) bool) (l *Loaded, skipped []error, err error) {
	found, skipped := s.Candidates()
	for _, c := range found {
		if !accept(c.Meta) {
			continue
		}
		l, err := s.loadVerified(c.Name)
		if err == nil {
			return l, skipped, nil
		}
		skipped = append(skipped, err)
	}
	if len(skipped) > 0 {
		return nil, skipped, fault.Wrap(fault.Corrupt, errors.Join(skipped...), "no checkpoint can be used")
	}
	return nil, nil, fault.New(fault.NotFound, "there is no checkpoint")
}

func (s *Store) loadVerified(name string) (*Loaded, error) {
	l := &Loaded{Name: name, Space: s.cfg.NewSpace(), Tree: pages.NewTree()}
	meta, err := s.read(name, l.Space)
	if err != nil {
		return nil, err
	}
	l.Meta = meta
	sn := l.Space.Snapshot()
	defer sn.Release()
	if root := l.Tree.Update(sn); root != meta.Root {
		return nil, fault.New(fault.Corrupt, "checkpoint %s: its pages have root %v, its header says %v", name, root, meta.Root)
	}
	s.spare(name)
	return l, nil
}

// Report describes a file that was checked.
type Report struct {
	Meta     Meta
	Sections int
	Pages    int
	Used     int64 // bytes: all of the file
}

// Verify checks every byte of a checkpoint file of any chain, and its root. It needs memory for all its pages.
func Verify(fs FS, path string) (Report, error) {
	f, err := openFile(fs, path)
	if err != nil {
		return Report{}, err
	}
	space := pages.NewSpace()
	err = f.load(space)
	if err := errors.Join(err, f.file.Close()); err != nil {
		return Report{}, fault.Wrap(fault.KindOf(err), err, "checkpoint %s", path)
	}
	sn := space.Snapshot()
	defer sn.Release()
	if root := pages.NewTree().Update(sn); root != f.meta.Root {
		return Report{}, fault.New(fault.Corrupt, "checkpoint %s: its pages have root %v, its header says %v", path, root, f.meta.Root)
	}
	return Report{Meta: f.meta, Sections: len(f.tail.sections), Pages: len(f.tail.slots), Used: f.header.fileBytes()}, nil
}

// readFile is an open checkpoint whose header and tables are intact.
type readFile struct {
	file   File
	header header
	tail   tail
	meta   Meta
}

func (s *Store) open(name string) (*readFile, error) {
	f, err := openFile(s.fs, s.path(name))
	if err != nil {
		return nil, err
	}
	if f.meta.Chain != s.cfg.Chain {
		err := fault.Reasoned(fault.Conflict, "wrong_chain", "checkpoint %s is of chain %d, not %d", name, f.meta.Chain, s.cfg.Chain)
		return nil, errors.Join(err, f.file.Close())
	}
	return f, nil
}

func (s *Store) readMeta(name string) (Meta, error) {
	f, err := s.open(name)
	if err != nil {
		return Meta{}, err
	}
	return f.meta, fault.Wrap(fault.Unavailable, f.file.Close(), "close checkpoint %s", name)
}

// openFile opens a file and reads its header and tables. A missing or unfinished one is NotFound.
func openFile(fs FS, path string) (*readFile, error) {
	file, err := fs.Open(path, false)
	if missing(err) {
		return nil, fault.Wrap(fault.NotFound, err, "open checkpoint")
	}
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "open checkpoint")
	}
	f := &readFile{file: file}
	if err := f.readHead(); err != nil {
		return nil, fault.Wrap(fault.KindOf(err), errors.Join(err, file.Close()), "checkpoint %s", path)
	}
	return f, nil
}

func (f *readFile) readHead() error {
	size, err := f.file.Size()
	if err != nil {
		return fault.Wrap(fault.Unavailable, err, "size")
	}
	first := make([]byte, min(size, pages.PageBytes))
	if err := f.read(first, 0); err != nil {
		return err
	}
	if len(first) < pages.PageBytes {
		if allZero(first) {
			return fault.New(fault.NotFound, "no finished checkpoint")
		}
		return fault.New(fault.Corrupt, "%d bytes are no checkpoint", size)
	}
	if f.header, err = decodeHeader(first); err != nil {
		return err
	}
	if f.header.fileBytes() != size {
		return fault.New(fault.Corrupt, "the file has %d bytes, its header says %d", size, f.header.fileBytes())
	}
	return f.readTail()
}

func (f *readFile) readTail() error {
	b := make([]byte, f.header.tailBytes)
	if err := f.read(b, f.header.tailOffset()); err != nil {
		return err
	}
	if castagnoli(b) != f.header.tailSum {
		return fault.New(fault.Corrupt, "the tables are damaged")
	}
	t, err := decodeTail(b)
	if err != nil {
		return err
	}
	if len(t.slots) != int(f.header.slots) {
		return fault.New(fault.Corrupt, "there are %d slots, the header says %d", len(t.slots), f.header.slots)
	}
	f.tail, f.meta = t, f.header.meta
	f.meta.Blob = t.blob
	return nil
}

// load reads all pages into a fresh space.
func (f *readFile) load(space *pages.Space) error {
	for _, s := range f.tail.sections {
		if err := space.LoadSection(s.number, s.recordBytes); err != nil {
			return err
		}
	}
	page := make([]byte, pages.PageBytes)
	for i, s := range f.tail.slots {
		if err := f.read(page, (1+int64(i))*pages.PageBytes); err != nil {
			return err
		}
		if castagnoli(page) != s.sum {
			return fault.New(fault.Corrupt, "section %d, page %d is damaged", s.section, s.page)
		}
		if err := space.LoadPage(s.section, uint64(s.page), page); err != nil {
			return fault.Wrap(fault.Corrupt, err, "slot table")
		}
	}
	return nil
}

func (f *readFile) read(b []byte, offset int64) error {
	if len(b) == 0 {
		return nil
	}
	_, err := f.file.ReadAt(b, offset)
	return fault.Wrap(fault.Unavailable, err, "read")
}
