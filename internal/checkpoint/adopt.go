// SPDX-License-Identifier: Apache-2.0

package checkpoint

import (
	"context"
	"errors"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/pages"
)

// PageOf is the place of a page in a state.
type PageOf struct{ Section, Page uint32 }

// AdoptAnchor writes a state that comes page by page as an anchor, so that it need not be in memory. It goes at the rate of
// WriteIdle, for who adopts a state waits for it. fill calls put for each page that is not zero, once each, and returns the
// sections, ascending; their Pages do not matter. If it returns an error, because the state is not what it should be, nothing
// is left. Errors are that one, and those of WriteAnchor.
func (s *Store) AdoptAnchor(ctx context.Context, meta Meta, fill func(put func(PageOf, []byte) error) ([]Section, error)) error {
	if err := s.check(meta); err != nil {
		return err
	}
	if err := s.missesAnchor(meta.Height); err != nil {
		return err
	}
	name := anchorName(meta.Height) + tmpSuffix
	w := &writer{ctx: ctx, pace: pace{bytesPerSecond: idleFactor * s.cfg.BytesPerSecond}}
	if err := s.writeFile(w, name, func() error { return w.adopt(meta, fill) }); err != nil {
		if removed := s.fs.Remove(s.path(name)); !missing(removed) {
			err = errors.Join(err, removed)
		}
		return err
	}
	return s.finishAnchor(meta.Height)
}

// adopt fills an empty file. Its header comes last.
func (w *writer) adopt(meta Meta, fill func(put func(PageOf, []byte) error) ([]Section, error)) error {
	if err := w.file.Truncate(0); err != nil {
		return fault.Halt(err, "truncate anchor %d", meta.Height)
	}
	t := tail{blob: meta.Blob}
	sections, err := fill(func(at PageOf, page []byte) error {
		t.slots = append(t.slots, slot{at.Section, at.Page, castagnoli(page)})
		return w.write(page, int64(len(t.slots))*pages.PageBytes)
	})
	if err != nil {
		return err
	}
	for _, x := range sections {
		t.sections = append(t.sections, section{x.Number, x.RecordBytes})
	}
	return w.finish(&t, meta)
}
