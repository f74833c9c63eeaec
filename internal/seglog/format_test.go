// SPDX-License-Identifier: Apache-2.0

package seglog

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"flag"
	"hash/crc32"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/seglog/faultfs"
)

var update = flag.Bool("update", false, "write the golden files anew")

func putCRC(page []byte) {
	binary.LittleEndian.PutUint32(page[headCRCAt:], pageCRC(page, 0))
}

// TestGoldenBytes pins the format. A change of these bytes needs a new FormatVersion.
func TestGoldenBytes(t *testing.T) {
	page := make([]byte, PageBytes)
	segmentHeader{
		identity: Identity{0: 0x11, 15: 0x22}, number: 3, firstSeq: 1000, firstGroup: 77, bytes: 64 << 20, salt: 0xcafebabe,
	}.encode(page)
	got := "segment header, first 64 bytes\n" + hex.Dump(page[:64])

	b, err := NewPool(1<<20, 0).TryGet(5)
	if err != nil {
		t.Fatal(err)
	}
	copy(b.Payload(), "hello")
	if err := b.SetMeta(9, []byte("meta")); err != nil {
		t.Fatal(err)
	}
	rec := b.frame(recordHead{segment: 3, seq: 1001, group: 78, groupFirst: 1001}, 0xcafebabe)
	got += "record head, first 80 bytes\n" + hex.Dump(rec[:80]) + "record body, first 16 bytes\n" + hex.Dump(rec[PageBytes:PageBytes+16])
	if len(rec) != 2*PageBytes || !isZero(rec[80:PageBytes]) || !isZero(rec[PageBytes+16:]) {
		t.Error("the rest must be zero")
	}
	name := filepath.Join("testdata", "golden.txt")
	if *update {
		if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil || string(want) != got {
		t.Errorf("%v: got\n%s", err, got)
	}
	b.Release()
}

func TestHeadRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := recordHead{
			bodyCRC: rapid.Uint32().Draw(t, "crc"), segment: rapid.Uint64().Draw(t, "segment"), seq: rapid.Uint64().Draw(t, "seq"),
			group: rapid.Uint64().Draw(t, "group"), groupFirst: rapid.Uint64().Draw(t, "first"),
			payloadBytes: rapid.Uint32Range(0, PayloadBytesMax).Draw(t, "payload"), kind: rapid.Uint8().Draw(t, "kind"),
		}
		m := rapid.SliceOfN(rapid.Byte(), 0, MetaBytesMax).Draw(t, "meta")
		h.metaBytes = uint16(len(m))
		salt := rapid.Uint32().Draw(t, "salt")
		page := make([]byte, PageBytes)
		copy(page[headFieldBytes:], m)
		h.encode(page, salt)
		if got, ok := decodeRecordHead(page, salt); !ok || got != h {
			t.Fatalf("%+v came back as %+v", h, got)
		}
		if _, ok := decodeRecordHead(page, salt+1); ok {
			t.Fatal("another segment's salt passed")
		}
		i := rapid.IntRange(0, PageBytes-1).Draw(t, "i")
		page[i] ^= byte(rapid.IntRange(1, 255).Draw(t, "mask"))
		if _, ok := decodeRecordHead(page, salt); ok {
			t.Fatalf("a flip of byte %d passed", i)
		}
	})
}

func TestImpossibleHeaders(t *testing.T) {
	for name, change := range map[string]func(page []byte){
		"zero number":   func(p []byte) { clear(p[32:40]) },
		"zero sequence": func(p []byte) { clear(p[40:48]) },
		"zero group":    func(p []byte) { clear(p[48:56]) },
		"odd size":      func(p []byte) { p[56] = 1 },
		"not zero":      func(p []byte) { p[PageBytes-1] = 1 },
	} {
		page := make([]byte, PageBytes)
		segmentHeader{number: 1, firstSeq: 1, firstGroup: 1, bytes: testSegmentBytes}.encode(page)
		if _, err := decodeSegmentHeader(page); err != nil {
			t.Fatal(err)
		}
		change(page)
		putCRC(page)
		if _, err := decodeSegmentHeader(page); !fault.Is(err, fault.Corrupt) {
			t.Error(name, err)
		}
	}
}

func FuzzRecordHead(f *testing.F) {
	page := make([]byte, PageBytes)
	recordHead{segment: 1, seq: 1, group: 1, groupFirst: 1, payloadBytes: 5000}.encode(page, 7)
	f.Add(page, uint32(7), true)
	f.Add([]byte(recordMagic), uint32(0), false)
	f.Fuzz(func(t *testing.T, data []byte, salt uint32, fix bool) {
		if fix && len(data) >= PageBytes { // let the fuzzer past the checksum
			data = bytes.Clone(data)
			binary.LittleEndian.PutUint32(data[headCRCAt:], salt)
			binary.LittleEndian.PutUint32(data[headCRCAt:], crc32.Checksum(data[:PageBytes], castagnoli))
		}
		h, ok := decodeRecordHead(data, salt)
		if !ok {
			return
		}
		again := make([]byte, PageBytes)
		copy(again[headFieldBytes:], data[headFieldBytes:headFieldBytes+int(h.metaBytes)])
		h.encode(again, salt)
		if !bytes.Equal(again, data[:PageBytes]) {
			t.Fatal("a head has two byte forms")
		}
		if h.recordBytes() > PayloadBytesMax+PageBytes {
			t.Fatal("a record of impossible size")
		}
	})
}

// TestEveryByteIsCovered flips one byte at a time, all over all files, and expects Verify to name its file.
func TestEveryByteIsCovered(t *testing.T) {
	fs, pos := written(t, 20)
	if rep := mustVerify(t, fs); !rep.OK() {
		t.Fatal(rep.Problems)
	}
	rng := rand.New(rand.NewPCG(3, 3))
	for _, name := range fs.Names() {
		size := len(fs.Bytes(name))
		offsets := []int{0, 8, 11, 12, 16, 31, 32, 40, 48, 56, 60, 64, PageBytes - 1, size - 1}
		for _, p := range pos {
			if filepath.Base(name) == fileName(segPrefix, p.Segment) {
				for _, at := range []int{0, 8, 12, 16, 24, 32, 40, 48, 52, 54, 55, 63, 64, 70, PageBytes - 1, PageBytes, int(p.Bytes) - 1} {
					offsets = append(offsets, min(int(p.Offset)+at, size-1))
				}
			}
		}
		for range 10 {
			offsets = append(offsets, rng.IntN(size))
		}
		for _, off := range offsets {
			mask := byte(1 << rng.IntN(8))
			fs.Flip(name, int64(off), mask)
			rep := mustVerify(t, fs)
			found := false
			for _, p := range rep.Problems {
				found = found || p.Path == name && p.Offset <= int64(off)
			}
			if !found {
				t.Errorf("%s: a flip at %d was not found: %+v", name, off, rep.Problems)
			}
			fs.Flip(name, int64(off), mask)
		}
	}
}

func TestVerifyReport(t *testing.T) {
	fs, pos := written(t, 40)
	fs.Put("/log/stranger", []byte("x"))
	fs.Put("/log/dirty-000000000099.log", make([]byte, 10))
	fs.Put("/log/spare-000000000098.log", make([]byte, 10))
	fs.Put("/log/seg-000000000099.log", make([]byte, 10))
	rep := mustVerify(t, fs)
	for _, name := range []string{"stranger", "spare-000000000098.log", "seg-000000000099.log"} {
		if !slices.ContainsFunc(rep.Problems, func(p Problem) bool { return p.Path == "/log/"+name }) {
			t.Errorf("%s: %+v", name, rep.Problems)
		}
	}
	used := map[string]int64{}
	for _, p := range pos {
		name := "/log/" + fileName(segPrefix, p.Segment)
		used[name] = max(used[name], int64(p.Offset+p.Bytes))
	}
	for _, f := range rep.Files {
		if f.Used != used[f.Path] {
			t.Errorf("%+v, want %d", f, used[f.Path])
		}
	}
	if empty, err := Verify(t.Context(), faultWithDir(), "/log", nil); err != nil || !empty.OK() || empty.NextSeq != 1 {
		t.Error(empty, err)
	}
}

func faultWithDir() *faultfs.FS {
	fs := faultfs.New()
	_ = fs.MkdirAll("/log")
	return fs
}
