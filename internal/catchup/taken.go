// SPDX-License-Identifier: Apache-2.0

package catchup

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/checkpoint"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/pages"
)

// Taken is a state whose pages are all in a folder, each of them proved when it came.
type Taken struct {
	*Proved
	// Below are executed headers of the heights below the state's, newest first and without a gap, each named by the one above.
	Below [][]byte
	dir   string
	fs    checkpoint.FS
}

// Open finds the state that a client took into a folder: NotFound if there is none, or not all of it; Corrupt if what is there
// is not what a quorum certified.
func Open(dir string, f checkpoint.FS, rules *Rules) (*Taken, error) {
	body, err := readFile(dir, f, offerName, FrameBytesMax)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fault.Wrap(fault.NotFound, err, "no state was taken")
	}
	if err != nil {
		return nil, err
	}
	m, err := Parse(KindOffer, body)
	if err != nil {
		return nil, fault.Wrap(fault.Corrupt, err, "the offer in %s", dir)
	}
	p, err := m.(*Offer).Prove(rules)
	if err != nil {
		return nil, fault.Wrap(fault.Corrupt, err, "the offer in %s", dir)
	}
	below, err := openHeaders(dir, f, p)
	if err != nil {
		return nil, err
	}
	return &Taken{p, below, dir, f}, nil
}

// openHeaders reads the headers below a state. They are durable before the offer is.
func openHeaders(dir string, f checkpoint.FS, p *Proved) ([][]byte, error) {
	body, err := readFile(dir, f, headersName, HeadersBytesMax+FrameBytesMax+partHeadBytes*HeadersMax)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fault.Wrap(fault.Corrupt, err, "the headers below the state in %s", dir)
	}
	if err != nil {
		return nil, err
	}
	d, err := newDescent(p.Headers[0])
	if err != nil {
		return nil, err
	}
	r := reader{b: body}
	for len(r.b) > 0 && err == nil {
		raw := r.part()
		if r.bad {
			err = malformed("%d bytes of headers", len(body))
		} else {
			err = d.take(raw)
		}
	}
	if err != nil {
		return nil, fault.Wrap(fault.Corrupt, err, "the headers below the state in %s", dir)
	}
	return d.list, nil
}

// readFile reads a file of at most so many bytes.
func readFile(dir string, f checkpoint.FS, name string, most int64) ([]byte, error) {
	file, err := f.Open(filepath.Join(dir, name), false)
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "open the %s", name)
	}
	body, err := readAll(file, most)
	if err := errors.Join(err, file.Close()); err != nil {
		return nil, fault.Wrap(fault.KindOf(err), err, "read the %s", name)
	}
	return body, nil
}

func readAll(f checkpoint.File, most int64) ([]byte, error) {
	n, err := f.Size()
	if err != nil {
		return nil, err
	}
	if n > most {
		return nil, fault.New(fault.Corrupt, "it has %d bytes", n)
	}
	body := make([]byte, n)
	_, err = f.ReadAt(body, 0)
	return body, err
}

// Discard removes what a client took, or some of it. The offer goes first, so that what is left is not taken for a whole.
func Discard(dir string, f checkpoint.FS) error {
	names, err := f.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fault.Wrap(fault.Unavailable, err, "list %s", dir)
	}
	for _, first := range []bool{true, false} {
		for _, name := range names {
			if offer := strings.HasPrefix(name, offerName); offer != first {
				continue
			}
			if err := f.Remove(filepath.Join(dir, name)); err != nil {
				return fault.Wrap(fault.Unavailable, err, "remove what was taken")
			}
		}
		if err := f.SyncDir(dir); err != nil {
			return fault.Wrap(fault.Unavailable, err, "remove what was taken")
		}
	}
	return nil
}

// WriteAnchor makes the state an anchor with a blob of the node's own, and proves it once more on the way: Corrupt if its pages
// do not have the root, and then no anchor is left. Sections without a page are left out, for nothing proves their record size.
func (t *Taken) WriteAnchor(ctx context.Context, to *checkpoint.Store, id chain.ChainID, blob []byte) error {
	from, hash := newPartial(t.dir, t.fs), pages.NewLeaves()
	meta := checkpoint.Meta{Chain: id, Height: t.Height, Root: t.Root, Blob: blob}
	err := to.AdoptAnchor(ctx, meta, func(put func(checkpoint.PageOf, []byte) error) (used []checkpoint.Section, err error) {
		var all []pages.SectionLeaves
		for _, s := range t.Sections {
			x, err := from.give(hash, s, put)
			if err != nil {
				return nil, err
			}
			if slices.ContainsFunc(x.Leaves, func(leaf chain.Hash) bool { return leaf != hash.Zero() }) {
				all, used = append(all, x), append(used, s)
			}
		}
		if root := hash.Root(all); root != t.Root {
			return nil, fault.New(fault.Corrupt, "the pages taken for height %d have root %s, not %s", t.Height, root, t.Root)
		}
		return used, nil
	})
	return errors.Join(err, from.close())
}

// give puts the pages of a section into a checkpoint, but for those that are zero, and returns their leaves.
func (p *partial) give(hash pages.Leaves, s checkpoint.Section, put func(checkpoint.PageOf, []byte) error) (pages.SectionLeaves, error) {
	x := pages.SectionLeaves{Section: s.Number, RecordBytes: s.RecordBytes}
	for n := range s.Pages {
		at, leaf := checkpoint.PageOf{Section: s.Number, Page: n}, hash.Zero()
		page, ok, err := p.read(at)
		if ok {
			leaf = hash.Of(page)
		}
		if err == nil && leaf != hash.Zero() {
			err = put(at, page)
		}
		if err != nil {
			return x, err
		}
		x.Leaves = append(x.Leaves, leaf)
	}
	return x, nil
}

// Load loads some sections of the state into a space that nothing was created in. Sections that the state does not have are
// passed over.
func (t *Taken) Load(space *pages.Space, sections []uint32) error {
	from := newPartial(t.dir, t.fs)
	hash := pages.NewLeaves()
	for _, s := range t.Sections {
		if !slices.Contains(sections, s.Number) || s.Pages == 0 {
			continue
		}
		if err := space.LoadSection(s.Number, s.RecordBytes); err != nil {
			return errors.Join(err, from.close())
		}
		_, err := from.give(hash, s, func(at checkpoint.PageOf, page []byte) error {
			return space.LoadPage(at.Section, uint64(at.Page), page)
		})
		if err != nil {
			return errors.Join(err, from.close())
		}
	}
	return from.close()
}
