// SPDX-License-Identifier: Apache-2.0

package checkpoint

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/pages"
)

// copyPages is the fill of an anchor that takes all pages of r.
func copyPages(t *testing.T, r *Reader) func(func(PageOf, []byte) error) ([]Section, error) {
	return func(put func(PageOf, []byte) error) ([]Section, error) {
		page := make([]byte, pages.PageBytes)
		for _, s := range r.Sections() {
			for p := range s.Pages {
				present, err := r.Page(s.Number, p, page)
				if err != nil || !present {
					if err != nil {
						t.Error(err)
					}
					continue
				}
				if err := put(PageOf{s.Number, p}, page); err != nil {
					return nil, err
				}
			}
		}
		return r.Sections(), nil
	}
}

// written is a disk with a checkpoint of height 5 in one buffer, and what was written.
func written(t *testing.T) (*memFS, *Store, *state) {
	t.Helper()
	fs, st := newMemFS(), newState()
	s := open(t, fs)
	if _, err := write(s, st, 1, 5); err != nil {
		t.Fatal(err)
	}
	return fs, s, st
}

func newest(t *testing.T, fs FS) *Reader {
	t.Helper()
	found, skipped := Find("", fs, testChain)
	if len(found) == 0 || len(skipped) > 0 {
		t.Fatalf("found %v, skipped %v", found, skipped)
	}
	r, err := OpenReader("", fs, found[0].Name)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestReader reads a buffer page by page beside its writer, until it is overwritten.
func TestReader(t *testing.T) {
	fs, s, st := written(t)
	r := newest(t, fs)
	sn := st.space.Snapshot()
	page := make([]byte, pages.PageBytes)
	seen := 0
	for _, x := range r.Sections() {
		v, _ := sn.Section(x.Number)
		if v.RecordBytes != x.RecordBytes || uint64(x.Pages) != v.Pages() {
			t.Errorf("section %d: %+v, written was one of %d pages", x.Number, x, v.Pages())
		}
		for p := range x.Pages + 2 {
			present, err := r.Page(x.Number, p, page)
			want, born := v.Page(uint64(p))
			if err != nil || present != (born != 0) || present && !bytes.Equal(page, want.Bytes()) {
				t.Fatalf("section %d, page %d: there %t, %v", x.Number, p, present, err)
			}
			if present {
				seen++
			}
		}
	}
	sn.Release()
	if same, err := r.Unchanged(); seen < 6 || !same || err != nil || r.Meta().Height != 5 {
		t.Fatalf("%d pages of height %d; unchanged %t, %v", seen, r.Meta().Height, same, err)
	}
	if _, err := write(s, st, 6, 7); err != nil { // the other buffer, then this one
		t.Fatal(err)
	}
	if same, err := r.Unchanged(); same || err != nil {
		t.Errorf("it was overwritten and counts as unchanged: %v", err)
	}
	if _, err := r.Page(3, 0, page); !fault.Is(err, fault.Corrupt) {
		t.Errorf("a page of another state: %v", err)
	}
}

// TestAdoptAnchor copies a state page by page, and finds it as if it had been written whole.
func TestAdoptAnchor(t *testing.T) {
	fs, s, _ := written(t)
	r := newest(t, fs)
	meta := r.Meta()
	meta.Blob = []byte("own")
	ctx := context.Background()
	wrong := errors.New("not what it should be")
	if err := s.AdoptAnchor(ctx, meta, func(put func(PageOf, []byte) error) ([]Section, error) {
		list, err := copyPages(t, r)(put)
		return list, errors.Join(err, wrong)
	}); !errors.Is(err, wrong) {
		t.Fatal(err)
	}
	if len(fs.names) != 2 {
		t.Errorf("a state that was refused left %d files", len(fs.names)-2)
	}
	if err := s.AdoptAnchor(ctx, meta, copyPages(t, r)); err != nil {
		t.Fatal(err)
	}
	if err := s.AdoptAnchor(ctx, meta, copyPages(t, r)); !fault.Is(err, fault.Conflict) {
		t.Errorf("again: %v", err)
	}
	after := open(t, fs)
	l, skipped, err := after.LoadVerified(func(m Meta) bool { return string(m.Blob) == "own" })
	if err != nil || len(skipped) > 0 || l.Meta.Height != 5 || l.Meta.Root != meta.Root || l.Tree.Root() != meta.Root {
		t.Fatalf("%+v, skipped %v, %v", l, skipped, err)
	}
	if found, _ := Find("", fs, testChain); !found[0].IsAnchor() && !found[1].IsAnchor() || found[0].IsAnchor() && found[1].IsAnchor() {
		t.Errorf("one of %v is the anchor", found)
	}
}

// TestAdoptAnchorCrash ends it at each operation: the anchor is there whole, or not at all, and the buffers stay.
func TestAdoptAnchorCrash(t *testing.T) {
	for at := 1; ; at++ {
		fs, s, _ := written(t)
		r := newest(t, fs)
		fs.failAt = fs.ops + at
		err := s.AdoptAnchor(context.Background(), r.Meta(), copyPages(t, r))
		if err == nil {
			return
		}
		for seed := range uint64(4) {
			disk := fs.crash(seed)
			after := open(t, disk)
			if anchors, err := after.AnchorMetas(); err != nil || len(anchors) > 1 {
				t.Fatalf("operation %d: anchors %v, %v", at, anchors, err)
			}
			if l, skipped, err := after.LoadVerified(all); err != nil || len(skipped) > 0 || l.Meta.Height != 5 {
				t.Fatalf("operation %d: skipped %v, %v", at, skipped, err)
			}
		}
	}
}
