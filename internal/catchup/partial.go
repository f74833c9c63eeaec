// SPDX-License-Identifier: Apache-2.0

package catchup

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"

	"github.com/aurigraph/aurigraph/internal/checkpoint"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/pages"
)

// Names in the folder of a state that is being taken.
const (
	offerName   = "offer"
	headersName = "headers"
	tmpSuffix   = ".tmp"
	pagesPrefix = "section-"
	pagesSuffix = ".pages"
)

// syncBytesMax bounds what is written between two syncs: a log that syncs on the same disk waits for all that is dirty.
const syncBytesMax = 8 << 20

// partial is the pages of a state on disk, by section and number. Which of them are right is told by their leaves alone.
type partial struct {
	dir      string
	fs       checkpoint.FS
	files    map[uint32]checkpoint.File
	dirty    map[uint32]bool
	unsynced int64
	page     []byte
}

func newPartial(dir string, f checkpoint.FS) *partial {
	return &partial{dir: dir, fs: f, files: map[uint32]checkpoint.File{}, dirty: map[uint32]bool{}, page: make([]byte, pages.PageBytes)}
}

func (p *partial) path(name string) string { return filepath.Join(p.dir, name) }

func pagesName(section uint32) string {
	return fmt.Sprintf("%s%08x%s", pagesPrefix, section, pagesSuffix)
}

// file opens the file of a section. Without write a missing one is nil.
func (p *partial) file(section uint32, write bool) (checkpoint.File, error) {
	if f := p.files[section]; f != nil {
		return f, nil
	}
	f, err := p.fs.Open(p.path(pagesName(section)), write)
	if errors.Is(err, fs.ErrNotExist) && !write {
		return nil, nil
	}
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "open the pages of section %d", section)
	}
	if write {
		p.files[section] = f // for reading too
		return f, nil
	}
	// It is not kept: what is opened for reading only cannot be written to.
	if err := f.Close(); err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "close the pages of section %d", section)
	}
	return p.file(section, true)
}

// read reads a page, and false if the file ends before it.
func (p *partial) read(at checkpoint.PageOf) ([]byte, bool, error) {
	f, err := p.file(at.Section, false)
	if err != nil || f == nil {
		return nil, false, err
	}
	_, err = f.ReadAt(p.page, int64(at.Page)*pages.PageBytes)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, false, nil
	}
	return p.page, err == nil, fault.Wrap(fault.Unavailable, err, "read page %d of section %d", at.Page, at.Section)
}

func (p *partial) write(at checkpoint.PageOf, page []byte) error {
	f, err := p.file(at.Section, true)
	if err != nil {
		return err
	}
	if _, err := f.WriteAt(page, int64(at.Page)*pages.PageBytes); err != nil {
		return fault.Wrap(fault.Unavailable, err, "write page %d of section %d", at.Page, at.Section)
	}
	p.dirty[at.Section] = true
	if p.unsynced += int64(len(page)); p.unsynced >= syncBytesMax {
		return p.sync()
	}
	return nil
}

func (p *partial) sync() error {
	for section := range p.dirty {
		if err := p.files[section].Sync(); err != nil {
			return fault.Wrap(fault.Unavailable, err, "sync the pages of section %d", section)
		}
	}
	clear(p.dirty)
	p.unsynced = 0
	return nil
}

// look finds the pages that are here, and copies those that another checkpoint of this node has. It clears what must be zero.
// own may be nil.
func (p *partial) look(hash pages.Leaves, list []Wanted, own *checkpoint.Reader) (have []checkpoint.PageOf, copied int, err error) {
	other, zero := make([]byte, pages.PageBytes), hash.Zero()
	for i := range list {
		w := &list[i]
		page, ok, err := p.read(w.At)
		if err != nil {
			return nil, 0, err
		}
		switch {
		case w.Leaf == zero: // of an older offer, it may have been another
			if ok && hash.Of(page) != zero {
				clear(other)
				err = p.write(w.At, other)
			}
			if err != nil {
				return nil, 0, err
			}
			continue
		case ok && hash.Of(page) == w.Leaf:
			have = append(have, w.At)
			continue
		case own == nil:
			continue
		}
		// A page of the own checkpoint that cannot be read is fetched.
		if present, err := own.Page(w.At.Section, w.At.Page, other); err != nil || !present || hash.Of(other) != w.Leaf {
			continue
		}
		if err := p.write(w.At, other); err != nil {
			return nil, 0, err
		}
		have = append(have, w.At)
		copied++
	}
	return have, copied, nil
}

// complete makes the pages and the headers below them durable, and then the offer that they are of.
func (p *partial) complete(o *Offer, below [][]byte) error {
	if err := p.sync(); err != nil {
		return err
	}
	size := 0
	for _, raw := range below {
		size += partHeadBytes + len(raw)
	}
	list := make([]byte, 0, size)
	for _, raw := range below {
		list = appendPart(list, raw)
	}
	if err := p.put(headersName, list); err != nil {
		return err
	}
	return p.put(offerName, o.Append(nil))
}

// put writes a file whole and durable, or not at all.
func (p *partial) put(name string, body []byte) error {
	f, err := p.fs.Open(p.path(name+tmpSuffix), true)
	if err != nil {
		return fault.Wrap(fault.Unavailable, err, "write the %s", name)
	}
	_, err = f.WriteAt(body, 0)
	err = errors.Join(err, f.Truncate(int64(len(body))), f.Sync(), f.Close())
	if err == nil {
		err = errors.Join(p.fs.SyncDir(p.dir), p.fs.Rename(p.path(name+tmpSuffix), p.path(name)), p.fs.SyncDir(p.dir))
	}
	return fault.Wrap(fault.Unavailable, err, "write the %s", name)
}

func (p *partial) close() error {
	var errs []error
	for _, f := range p.files {
		errs = append(errs, f.Close())
	}
	clear(p.files)
	return fault.Wrap(fault.Unavailable, errors.Join(errs...), "close the pages of a state")
}
