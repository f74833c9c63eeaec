// SPDX-License-Identifier: Apache-2.0

package seglog

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/seglog/disk"
	"github.com/aurigraph/aurigraph/internal/seglog/faultfs"
)

// knownOf is what others know of a log whose records lie at these places.
func knownOf(pos map[int]Pos) Known {
	last := map[uint64]uint64{}
	k := Known{Identity: Identity{1, 2, 3}, SegmentBytes: testSegmentBytes, Oldest: 1, LastSeq: func(s uint64) uint64 { return last[s] }}
	for _, p := range pos {
		last[p.Segment] = max(last[p.Segment], p.Seq)
		k.Newest = max(k.Newest, p.Segment)
	}
	return k
}

func mustSurvey(t testing.TB, fs disk.FS, k Known) []*Damage {
	t.Helper()
	found, err := Survey(context.Background(), fs, "/log", k, nil)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// mend mends a damaged segment with the records that lay there. told are the places that others know.
func mend(fs disk.FS, d *Damage, told map[int]Pos) error {
	for _, p := range told {
		if p.Segment == d.Segment {
			d.Tell(p)
		}
	}
	m, err := Mend(fs, "/log", d)
	if err != nil {
		return err
	}
	for i := range d.Lost {
		d.Settle()
		l := &d.Lost[i]
		n := int(l.Pos.Seq) - 1
		if l.Pos.Bytes == 0 {
			l.Pos.Bytes = uint32(recordBytes(len(payload(n))))
		}
		if err := m.Put(l, uint8(n), meta(n), payload(n)); err != nil {
			return errors.Join(err, m.Abort())
		}
	}
	return m.Finish()
}

func segmentPath(number uint64) string { return filepath.Join("/log", fileName(segPrefix, number)) }

// TestMendEveryPage flips a byte of each page of a log, and mends it: every byte is again as it was.
func TestMendEveryPage(t *testing.T) {
	fs, pos := written(t, 40)
	k := knownOf(pos)
	before := map[uint64][]byte{}
	for number := uint64(1); number <= k.Newest; number++ {
		before[number] = bytes.Clone(fs.Bytes(segmentPath(number)))
	}
	ends := map[uint64]int64{}
	for _, p := range pos {
		ends[p.Segment] = max(ends[p.Segment], int64(p.Offset+p.Bytes))
	}
	for number, want := range before {
		path := segmentPath(number)
		for page := int64(0); page < int64(len(want)); page += PageBytes {
			for _, at := range []int64{0, 9, 17, 25, 33, 41, 49, 53, 54, 70, 2000, PageBytes - 1} {
				if page == 0 && at == 60 {
					continue
				}
				fs.Flip(path, page+at, 0x55)
				found := mustSurvey(t, fs, k)
				if number == k.Newest && page >= ends[number] && len(found) == 0 {
					fs.Flip(path, page+at, 0x55) // behind the log's end: as a crash leaves it
					continue
				}
				if len(found) != 1 || found[0].Segment != number || found[0].Offset > page+at {
					t.Fatalf("segment %d, page %d, byte %d: %+v", number, page, at, found)
				}
				if err := mend(fs, found[0], nil); err != nil {
					t.Fatalf("segment %d, page %d, byte %d: %v", number, page, at, err)
				}
				if !bytes.Equal(fs.Bytes(path), want) {
					t.Fatalf("segment %d, page %d, byte %d: mended, but not as it was", number, page, at)
				}
			}
		}
	}
	if found := mustSurvey(t, fs, k); len(found) != 0 {
		t.Fatalf("%+v", found[0])
	}
	if r := mustVerify(t, fs); !r.OK() {
		t.Fatalf("%+v", r.Problems)
	}
}

// TestMendMore damages more than one byte. The log opens again and holds every record at its place.
func TestMendMore(t *testing.T) {
	zero := func(fs *faultfs.FS, p Pos, n uint32) {
		data := bytes.Clone(fs.Bytes(segmentPath(p.Segment)))
		clear(data[p.Offset : p.Offset+n])
		fs.Put(segmentPath(p.Segment), data)
	}
	for name, harm := range map[string]func(fs *faultfs.FS, pos map[int]Pos){
		"the salt": func(fs *faultfs.FS, _ map[int]Pos) { fs.Flip(segmentPath(2), 61, 1) },
		"header and first record": func(fs *faultfs.FS, _ map[int]Pos) {
			fs.Flip(segmentPath(2), 5, 1)
			fs.Flip(segmentPath(2), PageBytes, 1)
		},
		"a record overwritten": func(fs *faultfs.FS, pos map[int]Pos) { zero(fs, pos[12], pos[12].Bytes) },
		"records apart": func(fs *faultfs.FS, pos map[int]Pos) {
			zero(fs, pos[3], PageBytes)
			fs.Flip(segmentPath(pos[7].Segment), int64(pos[7].Offset)+5000, 1)
		},
		"three records in a row": func(fs *faultfs.FS, pos map[int]Pos) {
			zero(fs, pos[12], PageBytes)
			zero(fs, pos[13], PageBytes)
			zero(fs, pos[14], PageBytes)
		},
		"a file is missing":         func(fs *faultfs.FS, _ map[int]Pos) { _ = fs.Remove(segmentPath(2)) },
		"two files are missing":     func(fs *faultfs.FS, _ map[int]Pos) { _ = fs.Remove(segmentPath(2)); _ = fs.Remove(segmentPath(3)) },
		"the first file is missing": func(fs *faultfs.FS, _ map[int]Pos) { _ = fs.Remove(segmentPath(1)) },
		"a file was cut":            func(fs *faultfs.FS, _ map[int]Pos) { fs.Put(segmentPath(2), fs.Bytes(segmentPath(2))[:3*PageBytes+7]) },
		"a file is empty":           func(fs *faultfs.FS, _ map[int]Pos) { fs.Put(segmentPath(2), nil) },
		"the newest record": func(fs *faultfs.FS, pos map[int]Pos) {
			fs.Flip(segmentPath(pos[39].Segment), int64(pos[39].Offset)+100, 1)
		},
		"the newest file is missing": func(fs *faultfs.FS, pos map[int]Pos) { _ = fs.Remove(segmentPath(pos[39].Segment)) },
		"every file is missing": func(fs *faultfs.FS, pos map[int]Pos) {
			for n := uint64(1); n <= pos[39].Segment; n++ {
				_ = fs.Remove(segmentPath(n))
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			fs, pos := written(t, 40)
			harm(fs, pos)
			found := mustSurvey(t, fs, knownOf(pos))
			if len(found) == 0 {
				t.Fatal("nothing was found")
			}
			for _, d := range found {
				if err := mend(fs, d, pos); err != nil {
					t.Fatal(err)
				}
			}
			if found := mustSurvey(t, fs, knownOf(pos)); len(found) != 0 {
				t.Fatalf("%+v", found[0])
			}
			l := mustOpen(t, fs)
			for n, p := range pos {
				rec, err := l.Read(p)
				if err != nil {
					t.Fatal(err)
				}
				checkRecord(t, n, rec)
			}
			mustAppend(t, l, 40, 45)
			mustClose(t, l)
			if r := mustVerify(t, fs); !r.OK() || r.NextSeq != 46 {
				t.Fatalf("%+v", r)
			}
		})
	}
}

// TestMendAnything damages pages at random. With the places and records that others know the log is whole again, unless the
// survey says that it cannot be.
func TestMendAnything(t *testing.T) {
	hopeless := 0
	for seed := range uint64(60) {
		rng := rand.New(rand.NewPCG(seed, 1))
		fs, pos := written(t, 40)
		k := knownOf(pos)
		for range 1 + rng.IntN(6) {
			path := segmentPath(1 + rng.Uint64N(k.Newest))
			data := bytes.Clone(fs.Bytes(path))
			page := data[rng.IntN(len(data)/PageBytes)*PageBytes:][:PageBytes]
			switch rng.IntN(4) {
			case 0:
				clear(page)
			case 1:
				copy(page, data[rng.IntN(len(data)/PageBytes)*PageBytes:][:PageBytes])
			default:
				page[rng.IntN(PageBytes)] ^= byte(1 + rng.IntN(255))
			}
			fs.Put(path, data)
		}
		whole := true
		for _, d := range mustSurvey(t, fs, k) {
			if err := mend(fs, d, pos); err != nil {
				if DamagedFile(err) == "" {
					t.Fatalf("seed %d: %v", seed, err)
				}
				whole = false
			}
		}
		if !whole {
			hopeless++
			continue
		}
		l := mustOpen(t, fs)
		for n, p := range pos {
			rec, err := l.Read(p)
			if err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
			checkRecord(t, n, rec)
		}
		mustClose(t, l)
	}
	if hopeless > 6 {
		t.Errorf("%d of 60 are hopeless", hopeless)
	}
}

// TestMendCrash loses the power at each operation of mending: the segment is the damaged one or the healed one, and mending
// once more makes it whole.
func TestMendCrash(t *testing.T) {
	base, pos := written(t, 40)
	at := pos[12]
	base.Flip(segmentPath(at.Segment), int64(at.Offset)+30, 1)
	ended := false
	for n := 0; !ended; n++ {
		fs := base.Crash(0)
		fs.StopAfter(n)
		found, err := Survey(context.Background(), fs, "/log", knownOf(pos), nil)
		if err == nil {
			err = mend(fs, found[0], pos)
		}
		if ended = err == nil; !ended && !errors.Is(err, faultfs.ErrCrashed) {
			t.Fatal(err)
		}
		for seed := range uint64(4) {
			after := fs.Crash(seed)
			for _, d := range mustSurvey(t, after, knownOf(pos)) {
				if err := mend(after, d, pos); err != nil {
					t.Fatalf("operation %d: %v", n, err)
				}
			}
			l := mustOpen(t, after)
			for n, p := range pos {
				rec, err := l.Read(p)
				if err != nil {
					t.Fatal(err)
				}
				checkRecord(t, n, rec)
			}
			mustClose(t, l)
			if r := mustVerify(t, after); !r.OK() {
				t.Fatalf("operation %d: %+v", n, r.Problems)
			}
		}
	}
}

// TestMendUnreadable mends segments that the disk cannot read any more, whole and from one page on.
func TestMendUnreadable(t *testing.T) {
	for name, reads := range map[string]int{"nothing": 0, "the header and a window": 2} {
		t.Run(name, func(t *testing.T) {
			fs, pos := written(t, 40)
			left := reads
			fs.Inject(func(op faultfs.Op) error {
				if op.Kind != faultfs.OpRead || op.Path != segmentPath(2) {
					return nil
				}
				if left--; left >= 0 {
					return nil
				}
				return syscall.EIO
			})
			if reads == 0 {
				if _, err := Open("/log", testOptions(fs)); DamagedFile(err) != segmentPath(2) {
					t.Errorf("it is opened: %v", err)
				}
			}
			found := mustSurvey(t, fs, knownOf(pos))
			if len(found) != 1 || len(found[0].Lost) == 0 {
				t.Fatalf("%+v", found)
			}
			left = 1000
			if err := mend(fs, found[0], pos); err != nil {
				t.Fatal(err)
			}
			fs.Inject(nil)
			l := mustOpen(t, fs)
			for n, p := range pos {
				rec, err := l.Read(p)
				if err != nil {
					t.Fatal(err)
				}
				checkRecord(t, n, rec)
			}
			mustClose(t, l)
		})
	}
}

// TestMendRefuses gives a mender what is not what lay there.
func TestMendRefuses(t *testing.T) {
	fs, pos := written(t, 40)
	at := pos[7] // 20,000 bytes
	fs.Flip(segmentPath(at.Segment), int64(at.Offset)+PageBytes+10, 1)
	for name, put := range map[string]func(m *Mender, l *Lost) error{
		"another payload": func(m *Mender, l *Lost) error { return m.Put(l, l.Kind, l.Meta, make([]byte, len(payload(7)))) },
		"another length":  func(m *Mender, l *Lost) error { return m.Put(l, l.Kind, l.Meta, payload(6)) },
		"another meta":    func(m *Mender, l *Lost) error { return m.Put(l, l.Kind, meta(6), payload(7)) },
		"another kind":    func(m *Mender, l *Lost) error { return m.Put(l, 99, l.Meta, payload(7)) },
	} {
		d := mustSurvey(t, fs, knownOf(pos))[0]
		m, err := Mend(fs, "/log", d)
		if err != nil {
			t.Fatal(err)
		}
		if err := put(m, &d.Lost[0]); !fault.Is(err, fault.Conflict) {
			t.Errorf("%s: %v", name, err)
		}
		if err := m.Finish(); DamagedFile(err) == "" {
			t.Errorf("%s: unfinished, and yet %v", name, err)
		}
	}
	for _, name := range fs.Names() {
		if strings.Contains(name, dirtyPrefix) {
			t.Errorf("%s is left", name)
		}
	}
}

// TestSurveyHopeless is about damage that no record can mend.
func TestSurveyHopeless(t *testing.T) {
	fs, pos := written(t, 40)
	k := knownOf(pos)
	k.Oldest = 0
	if err := fs.Remove(segmentPath(1)); err != nil {
		t.Fatal(err)
	}
	fs.Put(segmentPath(2), make([]byte, testSegmentBytes))
	found := mustSurvey(t, fs, k)
	if len(found) != 1 || found[0].Hopeless == "" {
		t.Fatalf("%+v", found)
	}
	if _, err := Mend(fs, "/log", found[0]); !fault.Is(err, fault.Corrupt) {
		t.Error(err)
	}
}

// TestSurveyIgnoresTornTail leaves to Open what a crash tore.
func TestSurveyIgnoresTornTail(t *testing.T) {
	fs, pos := written(t, 40)
	last := pos[39]
	fs.Flip(segmentPath(last.Segment), int64(last.Offset)+3, 1)
	k := knownOf(pos)
	k.LastSeq = func(uint64) uint64 { return 0 }
	if found := mustSurvey(t, fs, k); len(found) != 0 {
		t.Fatalf("%+v", found[0])
	}
}

// TestScrub finds each flipped byte of a log that is open, and none in a sound one.
func TestScrub(t *testing.T) {
	fs := faultfs.New()
	l := mustOpen(t, fs)
	pos := mustAppend(t, l, 0, 40).pos
	var read int64
	scrub := func() error {
		for _, s := range l.Segments() {
			if err := l.Scrub(s.Number, func(n int64) error { read += n; return nil }); err != nil {
				return err
			}
		}
		return nil
	}
	if err := scrub(); err != nil || read == 0 {
		t.Fatal(read, err)
	}
	for _, p := range []Pos{{Segment: 1}, pos[0], pos[7], pos[12], pos[39]} {
		for _, at := range []int64{0, 40, int64(p.Bytes) - 1} {
			at = max(at, 0)
			path := segmentPath(p.Segment)
			fs.Flip(path, int64(p.Offset)+at, 1)
			if err := scrub(); DamagedFile(err) != path {
				t.Errorf("%+v, byte %d: %v", p, at, err)
			}
			fs.Flip(path, int64(p.Offset)+at, 1)
		}
	}
	if _, err := l.Recycle(2); err != nil {
		t.Fatal(err)
	}
	if err := l.Scrub(1, func(int64) error { return nil }); !fault.Is(err, fault.Pruned) {
		t.Error(err)
	}
	stop := fmt.Errorf("stop")
	if err := l.Scrub(2, func(int64) error { return stop }); !errors.Is(err, stop) {
		t.Error(err)
	}
	mustClose(t, l)
}
