// SPDX-License-Identifier: Apache-2.0

package checkpoint

import (
	"bytes"
	"encoding/hex"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/pages"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%s differs (%v), it is now:\n%s", name, err, got)
	}
}

// TestGoldenFile pins the bytes of header and tail.
func TestGoldenFile(t *testing.T) {
	fs := newMemFS()
	if _, err := write(open(t, fs), newState(), 1, 1); err != nil {
		t.Fatal(err)
	}
	data := fs.names["a.ckpt"].data
	golden(t, "file.txt", []byte(hex.Dump(data[:headerBytes])+hex.Dump(data[3*pages.PageBytes:])))
}

// TestImpossible builds files whose checksums are right and whose content is not.
func TestImpossible(t *testing.T) {
	page := make([]byte, pages.PageBytes)
	good := tail{sections: []section{{1, 8}, {2, 8}}, slots: []slot{{1, 0, castagnoli(page)}, {2, 5, castagnoli(page)}}}
	build := func(tl tail, spoil func(*header), cut int) *memFS {
		encoded := tl.encode()
		encoded = encoded[:len(encoded)-cut]
		h := header{slots: uint32(len(tl.slots)), tailBytes: uint64(len(encoded)), tailSum: castagnoli(encoded), meta: Meta{Root: pages.NewTree().Root()}}
		spoil(&h)
		fs := newMemFS()
		data := append(h.encode(), bytes.Repeat(page, len(tl.slots))...)
		fs.names["x"] = &memFile{fs: fs, data: append(data, encoded...)}
		return fs
	}
	keep := func(*header) {}
	if _, err := Verify(build(good, keep, 0), "x"); err != nil {
		t.Fatal(err)
	}
	for name, fs := range map[string]*memFS{
		"sections disorder": build(tail{sections: []section{{2, 8}, {1, 8}}}, keep, 0),
		"section twice":     build(tail{sections: []section{{2, 8}, {2, 8}}}, keep, 0),
		"record size":       build(tail{sections: []section{{2, 0}}}, keep, 0),
		"page twice":        build(tail{good.sections, []slot{good.slots[0], good.slots[0]}, nil}, keep, 0),
		"no such section":   build(tail{good.sections, []slot{{7, 0, castagnoli(page)}}, nil}, keep, 0),
		"far page":          build(tail{good.sections, []slot{{1, pages.PagesMax, castagnoli(page)}}, nil}, keep, 0),
		"long blob":         build(tail{blob: make([]byte, BlobBytesMax+1)}, keep, 0),
		"slots":             build(good, func(h *header) { h.slots-- }, 0),
		"slots and size":    build(good, func(h *header) { h.slots--; h.tailBytes += pages.PageBytes }, 0),
		"cut tail":          build(good, keep, 1),
		"cut slots":         build(good, keep, 5),
		"cut sections":      build(tail{sections: good.sections}, keep, 10),
		"many slots":        build(good, func(h *header) { h.slots = slotsMax + 1 }, 0),
		"large tail":        build(good, func(h *header) { h.tailBytes = 1 << 40 }, 0),
	} {
		if _, err := Verify(fs, "x"); !fault.Is(err, fault.Corrupt) {
			t.Errorf("%s: %v", name, err)
		}
	}
	h := header{meta: Meta{Height: 1}}
	b := h.encode()
	b[8] = 2
	sum := castagnoli(b[:headerBytes-4])
	b[headerBytes-4], b[headerBytes-3], b[headerBytes-2], b[headerBytes-1] = byte(sum), byte(sum>>8), byte(sum>>16), byte(sum>>24)
	if _, err := decodeHeader(b); !fault.Is(err, fault.Corrupt) {
		t.Errorf("a future version: %v", err)
	}
}

// FuzzDecodeTail checks that no input panics, and that what decodes has that one encoding.
func FuzzDecodeTail(f *testing.F) {
	f.Add([]byte{})
	t := tail{[]section{{1, 2}, {3, 4}}, []slot{{1, 2, 3}}, []byte("blob")}
	f.Add(t.encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		if tl, err := decodeTail(b); err == nil && !bytes.Equal(tl.encode(), b) {
			t.Errorf("%x has another encoding", b)
		}
	})
}

func FuzzDecodeHeader(f *testing.F) {
	h := header{meta: Meta{Chain: 1, Height: 2}, slots: 3, tailBytes: 44}
	f.Add(h.encode()[:headerBytes])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		page := make([]byte, pages.PageBytes)
		copy(page, b)
		if h, err := decodeHeader(page); err == nil && !bytes.Equal(h.encode(), page) {
			t.Errorf("%x has another encoding", b)
		}
	})
}
