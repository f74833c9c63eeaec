// SPDX-License-Identifier: Apache-2.0

package seglog

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"testing"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/seglog/disk"
	"github.com/aurigraph/aurigraph/internal/seglog/faultfs"
)

// workload opens a log that holds the records before from, appends more in groups, recycling on the way, and reports
// what was acknowledged. finished is false if the power went.
func workload(t *testing.T, fs *faultfs.FS, from int) (a *acks, finished bool) {
	t.Helper()
	a = newAcks()
	l, err := Open("/log", testOptions(fs))
	if err != nil {
		if !errors.Is(err, faultfs.ErrCrashed) {
			t.Fatal(err)
		}
		return a, false
	}
	next := int(l.NextSeq()) - 1
	finished = true
	for n := next; n < next+30 && finished; n += 10 {
		finished = a.appendAll(t, l, n, n+10, 4) == nil
		if s := l.Segments(); finished && len(s) > 2 {
			_, err := l.Recycle(s[1].Number)
			finished = err == nil
		}
	}
	for n, err := range a.errs {
		if !fault.Is(err, fault.Halted) && !fault.Is(err, fault.TryLater) {
			t.Fatalf("record %d: %v", n, err)
		}
	}
	err = l.Close()
	return a, finished && err == nil
}

// checkSurvivors opens the log and checks that all that was acknowledged and not recycled is there, with no hole.
func checkSurvivors(t *testing.T, fs *faultfs.FS, acked map[int]Pos) {
	t.Helper()
	l, err := Open("/log", testOptions(fs))
	if err != nil {
		t.Fatal(err)
	}
	found := map[int]Pos{}
	next := uint64(0)
	err = l.Scan(context.Background(), Pos{}, func(p Pos, rec Record) error {
		if next != 0 && rec.Seq != next {
			t.Fatalf("record %d follows %d", rec.Seq, next-1)
		}
		next = rec.Seq + 1
		checkRecord(t, int(rec.Seq)-1, rec)
		found[int(rec.Seq)-1] = p
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	oldest := Pos{Segment: 1}
	if s := l.Segments(); len(s) > 0 {
		oldest.Segment = s[0].Number
	}
	for n, p := range acked {
		if p.Segment >= oldest.Segment && found[n] != p {
			t.Fatalf("record %d was acknowledged at %+v, found at %+v; cut %+v", n, p, found[n], l.Recovery())
		}
	}
	end := int(l.NextSeq()) - 1
	mustAppend(t, l, end, end+5)
	mustClose(t, l)
	if rep := mustVerify(t, fs); !rep.OK() || int(rep.NextSeq) != end+6 {
		t.Fatalf("%+v", rep)
	}
}

func TestCrashAtEveryOperation(t *testing.T) { crashAtEveryOperation(t) }

// The same with segments that were prepared by writing zeros.
func TestCrashAtEveryOperationByWriting(t *testing.T) {
	byWriting.Store(true)
	defer byWriting.Store(false)
	crashAtEveryOperation(t)
}

// The same with a log that reserves the place of what it takes over.
func TestCrashAtEveryOperationReserving(t *testing.T) {
	reserving.Store(true)
	defer reserving.Store(false)
	crashAtEveryOperation(t)
}

func crashAtEveryOperation(t *testing.T) {
	t.Helper()
	stride := 1
	if testing.Short() {
		stride = 7
	}
	for n := 0; ; n += stride {
		fs := faultfs.New()
		fs.StopAfter(n)
		a, finished := workload(t, fs, 0)
		for seed := range uint64(3) {
			// Ops of two goroutines interleave freely, so seeds vary with n as well.
			after := fs.Crash(seed + uint64(n)*3)
			// A torn tail that Verify sees is one that Open will cut.
			if rep, err := Verify(context.Background(), after, "/log", nil); err == nil {
				for _, p := range rep.Problems {
					if !p.Torn {
						t.Fatalf("n=%d seed=%d: %+v", n, seed, p)
					}
				}
			}
			checkSurvivors(t, after, a.pos)
		}
		if finished {
			return
		}
	}
}

func TestCrashDuringRecovery(t *testing.T) {
	for n := 60; n < 90; n += 4 {
		fs := faultfs.New()
		fs.StopAfter(n)
		a, _ := workload(t, fs, 0)
		for m := range 12 {
			second := fs.Crash(uint64(n*100 + m))
			second.StopAfter(m)
			b, _ := workload(t, second, 0)
			all := map[int]Pos{}
			for k, p := range a.pos {
				all[k] = p
			}
			for k, p := range b.pos {
				all[k] = p
			}
			checkSurvivors(t, second.Crash(uint64(m)), all)
		}
	}
}

func TestFailedFlushKillsTheLog(t *testing.T) {
	for _, kind := range []faultfs.Kind{faultfs.OpWrite, faultfs.OpSync} {
		fs := faultfs.New()
		l := mustOpen(t, fs)
		mustAppend(t, l, 0, 3)
		boom := errors.New("medium error")
		fs.Inject(func(op faultfs.Op) error {
			if op.Kind == kind && op.Path == "/log/seg-000000000001.log" {
				return boom
			}
			return nil
		})
		a := newAcks()
		_ = a.appendAll(t, l, 3, 5, 10)
		for n := 3; n < 5; n++ {
			if err := a.errs[n]; err != nil && (!fault.Is(err, fault.Halted) || !errors.Is(err, boom)) {
				t.Fatal(err)
			}
		}
		fs.Inject(nil)
		if err := a.append(t, l, 5); !fault.Is(err, fault.Halted) {
			t.Fatal("a dead log took a record", err)
		}
		if _, err := l.Recycle(9); !fault.Is(l.Health().Dead, fault.Halted) || err != nil && !fault.Is(err, fault.Halted) {
			t.Fatal(err)
		}
		if err := l.Scan(context.Background(), Pos{}, func(Pos, Record) error { return nil }); err != nil {
			t.Fatal("reading goes on", err)
		}
		if err := l.Close(); !fault.Is(err, fault.Internal) && !errors.Is(err, boom) {
			t.Fatal(err)
		}
		l = mustOpen(t, fs)
		mustAppend(t, l, int(l.NextSeq())-1, 20)
		mustClose(t, l)
	}
}

func TestFullDisk(t *testing.T) { fullDisk(t) }

func TestFullDiskReserving(t *testing.T) {
	reserving.Store(true)
	defer reserving.Store(false)
	fullDisk(t)
}

func fullDisk(t *testing.T) {
	t.Helper()
	fs := faultfs.New()
	fs.SetSpace(2 * testSegmentBytes)
	l := mustOpen(t, fs)
	a := newAcks()
	n := 0
	var err error
	for ; err == nil && len(a.errs) == 0; n++ {
		err = a.appendAll(t, l, n, n+1, 1)
	}
	last := n - 1 // refused, so it is appended again below
	if err == nil {
		err = a.errs[last]
	}
	if !fault.Is(err, fault.TryLater) || !errors.Is(err, syscall.ENOSPC) || fault.ReasonOf(err) != "no_segment" {
		t.Fatal(err)
	}
	if h := l.Health(); h.Dead != nil || h.PrepareErr == nil || h.Ready != 0 {
		t.Fatalf("%+v", h)
	}
	if err := a.append(t, l, last); !fault.Is(err, fault.TryLater) {
		t.Fatal("no record may pass one that was refused", err)
	}
	if len(l.Segments()) != 2 || int(l.NextSeq()) != last+1 {
		t.Fatal(l.Segments(), l.NextSeq(), last)
	}
	// The log opens on the full disk, and goes on when a segment is recycled.
	mustClose(t, l)
	l = mustOpen(t, fs)
	checkReads(t, l.Reader, a.pos)
	if _, err := l.Recycle(2); err != nil {
		t.Fatal(err)
	}
	for retry := newAcks(); len(retry.pos) == 0; {
		_ = retry.appendAll(t, l, last, last+1, 1)
	}
	// And when space returns.
	fs.SetSpace(-1)
	for retry := newAcks(); len(retry.pos) < 50; {
		k := int(l.NextSeq()) - 1
		_ = retry.appendAll(t, l, k, k+1, 1)
	}
	mustClose(t, l)
	if rep := mustVerify(t, fs); !rep.OK() {
		t.Fatalf("%+v", rep.Problems)
	}
}

func TestFullDiskAtFirstOpen(t *testing.T) {
	fs := faultfs.New()
	fs.SetSpace(100)
	if _, err := Open("/log", testOptions(fs)); !fault.Is(err, fault.Unavailable) || !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
}

func TestPreparationFaults(t *testing.T) {
	for _, kind := range []faultfs.Kind{faultfs.OpCreate, faultfs.OpOpen, faultfs.OpRename, faultfs.OpSync, faultfs.OpTruncate, faultfs.OpRemove} {
		t.Run(kind.String(), func(t *testing.T) {
			fs := faultfs.New()
			l := mustOpen(t, fs)
			failures := 0
			fs.Inject(func(op faultfs.Op) error {
				spare := len(op.Path) > 8 && (op.Path[5] == 's' && op.Path[6] == 'p' || op.Path[5] == 'd')
				if spare && op.Kind == kind && failures < 5 {
					failures++
					return syscall.EIO
				}
				return nil
			})
			a := newAcks()
			for k := 0; k < 100; k = int(l.NextSeq()) - 1 {
				_ = a.appendAll(t, l, k, k+1, 1)
				if s := l.Segments(); len(s) > 6 {
					if _, err := l.Recycle(s[5].Number); err != nil {
						t.Fatal(err)
					}
				}
			}
			mustClose(t, l)
			if rep := mustVerify(t, fs); !rep.OK() {
				t.Fatalf("%+v", rep.Problems)
			}
		})
	}
}

func TestFailedFolderFlushKillsTheLog(t *testing.T) {
	fs := faultfs.New()
	l := mustOpen(t, fs)
	mustAppend(t, l, 0, 40)
	fs.Inject(func(op faultfs.Op) error {
		if op.Kind == faultfs.OpSyncDir {
			return syscall.EIO
		}
		return nil
	})
	if _, err := l.Recycle(3); !fault.Is(err, fault.Halted) {
		t.Fatal(err)
	}
	if err := newAcks().append(t, l, 40); !fault.Is(err, fault.Halted) {
		t.Fatal(err)
	}
	if err := l.Close(); !errors.Is(err, syscall.EIO) {
		t.Fatal(err)
	}
}

// rawSegment writes records by hand, so that a test can lay out what a crash leaves.
type rawSegment struct {
	header segmentHeader
	data   []byte
	off    int
}

func newRaw(number, firstSeq, firstGroup uint64) *rawSegment {
	r := &rawSegment{data: make([]byte, testSegmentBytes), off: PageBytes}
	r.header = segmentHeader{identity: Identity{1, 2, 3}, number: number, firstSeq: firstSeq, firstGroup: firstGroup, bytes: testSegmentBytes, salt: 77}
	r.header.encode(r.data[:PageBytes])
	return r
}

// add lays a record out at the current offset; lost means that it never reached the disk.
func (r *rawSegment) add(seq, group, groupFirst uint64, lost bool) *rawSegment {
	p := NewPool(1<<20, 0)
	b, err := p.TryGet(5000)
	if err != nil {
		panic(err)
	}
	for i := range b.Payload() {
		b.Payload()[i] = byte(seq)
	}
	rec := b.frame(recordHead{segment: r.header.number, seq: seq, group: group, groupFirst: groupFirst}, r.header.salt)
	if !lost {
		copy(r.data[r.off:], rec)
	}
	r.off += len(rec)
	b.Release()
	return r
}

func TestTornOrCorrupt(t *testing.T) {
	const lost, kept = true, false
	for name, c := range map[string]struct {
		raw     *rawSegment
		next    uint64 // expected NextSeq; 0: corrupt
		records int    // intact ones that are cut
	}{
		"whole":                        {newRaw(1, 1, 1).add(1, 1, 1, kept).add(2, 1, 1, kept), 3, 0},
		"last record lost":             {newRaw(1, 1, 1).add(1, 1, 1, kept).add(2, 2, 2, lost), 2, 0},
		"hole in the last group":       {newRaw(1, 1, 1).add(1, 1, 1, kept).add(2, 2, 2, lost).add(3, 2, 2, kept), 2, 1},
		"hole behind part of a group":  {newRaw(1, 1, 1).add(1, 1, 1, kept).add(2, 1, 1, lost).add(3, 1, 1, kept), 2, 1},
		"first group lost in part":     {newRaw(1, 1, 1).add(1, 1, 1, lost).add(2, 1, 1, kept), 1, 1},
		"hole in a flushed group":      {newRaw(1, 1, 1).add(1, 1, 1, kept).add(2, 1, 1, lost).add(3, 2, 3, kept), 0, 0},
		"hole, whole group missing":    {newRaw(1, 1, 1).add(1, 1, 1, kept).add(2, 2, 2, lost).add(3, 3, 3, kept), 0, 0},
		"hole, then same, then later":  {newRaw(1, 1, 1).add(1, 1, 1, kept).add(2, 2, 2, lost).add(3, 2, 2, kept).add(4, 3, 4, kept), 0, 0},
		"sequence jumps":               {newRaw(1, 1, 1).add(1, 1, 1, kept).add(3, 1, 1, kept), 0, 0},
		"group jumps":                  {newRaw(1, 1, 1).add(1, 1, 1, kept).add(2, 3, 2, kept), 0, 0},
		"group begins at another seq":  {newRaw(1, 1, 1).add(1, 1, 1, kept).add(2, 2, 1, kept), 0, 0},
		"first sequence is not header": {newRaw(1, 1, 1).add(2, 1, 1, kept), 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			fs := faultfs.New()
			fs.Put("/log/seg-000000000001.log", c.raw.data)
			rep := mustVerify(t, fs)
			r, readerErr := OpenReader(fs, "/log")
			l, err := Open("/log", testOptions(fs))
			if c.next == 0 {
				if !fault.Is(err, fault.Corrupt) || !fault.Is(readerErr, fault.Corrupt) || rep.OK() {
					t.Fatal(err, readerErr, rep)
				}
				for _, p := range rep.Problems {
					if p.Torn {
						t.Fatalf("%+v", p)
					}
				}
				return
			}
			if err != nil || readerErr != nil {
				t.Fatal(err, readerErr)
			}
			if l.NextSeq() != c.next || r.NextSeq() != c.next || l.Recovery().CutRecords != c.records || (c.records > 0) != (l.Recovery().CutBytes > 0) {
				t.Fatalf("next %d, %+v", l.NextSeq(), l.Recovery())
			}
			for _, p := range rep.Problems {
				if !p.Torn {
					t.Fatalf("%+v", p)
				}
			}
			if err := r.Close(); err != nil {
				t.Fatal(err)
			}
			mustAppend(t, l, 0, 5)
			mustClose(t, l)
			if rep := mustVerify(t, fs); !rep.OK() {
				t.Fatalf("%+v", rep.Problems)
			}
		})
	}
}

func TestForgedRecordInPayload(t *testing.T) {
	// A client's payload holds a perfect record of a later group, but for the salt it cannot know. When the real record
	// around it is torn, the forged one must not make the log look corrupt.
	raw := newRaw(1, 1, 1).add(1, 1, 1, false)
	forged := newRaw(1, 1, 1)
	forged.header.salt = 0
	forged.off = raw.off + PageBytes
	forged.add(9, 9, 9, false)
	copy(raw.data[raw.off+PageBytes:], forged.data[raw.off+PageBytes:])
	fs := faultfs.New()
	fs.Put("/log/seg-000000000001.log", raw.data)
	l := mustOpen(t, fs)
	if l.NextSeq() != 2 || l.Recovery().CutRecords != 0 || l.Recovery().CutBytes == 0 {
		t.Fatal(l.NextSeq(), l.Recovery())
	}
	mustClose(t, l)
}

func TestDamagedFolder(t *testing.T) {
	seg := func(n int) string { return fmt.Sprintf("/log/seg-%012d.log", n) }
	newest := func(fs *faultfs.FS) (n int) {
		for n = 1; fs.Bytes(seg(n+1)) != nil && firstNonZero(fs.Bytes(seg(n + 1))[:PageBytes]) >= 0; n++ {
		}
		return n
	}
	for name, c := range map[string]struct {
		damage func(fs *faultfs.FS)
		kind   fault.Kind
	}{
		"segment missing":          {func(fs *faultfs.FS) { _ = fs.Remove(seg(3)) }, fault.Corrupt},
		"segments swapped":         {func(fs *faultfs.FS) { a, b := fs.Bytes(seg(2)), fs.Bytes(seg(3)); fs.Put(seg(2), b); fs.Put(seg(3), a) }, fault.Corrupt},
		"segment cut":              {func(fs *faultfs.FS) { fs.Put(seg(2), fs.Bytes(seg(2))[:PageBytes*3]) }, fault.Corrupt},
		"segment empty":            {func(fs *faultfs.FS) { fs.Put(seg(2), nil) }, fault.Corrupt},
		"newest cut":               {func(fs *faultfs.FS) { n := newest(fs); fs.Put(seg(n), fs.Bytes(seg(n))[:PageBytes*5/2]) }, fault.Corrupt},
		"header damaged":           {func(fs *faultfs.FS) { fs.Flip(seg(2), 33, 1) }, fault.Corrupt},
		"newest header damaged":    {func(fs *faultfs.FS) { fs.Flip(seg(newest(fs)), 33, 1) }, fault.Corrupt},
		"bare file cut":            {func(fs *faultfs.FS) { fs.Put(seg(newest(fs)+1), make([]byte, PageBytes*5/2)) }, fault.Corrupt},
		"end of the second newest": {func(fs *faultfs.FS) { fs.Flip(seg(newest(fs)-1), testSegmentBytes-1, 1) }, fault.Corrupt},
		"first record of newest":   {func(fs *faultfs.FS) { fs.Flip(seg(newest(fs)), PageBytes+20, 1) }, fault.Corrupt},
		"another log's segment": {func(fs *faultfs.FS) {
			data := fs.Bytes(seg(2))
			h, _ := decodeSegmentHeader(data[:PageBytes])
			h.identity = Identity{4}
			h.encode(data[:PageBytes])
			fs.Put(seg(2), data)
		}, fault.Conflict},
		"first sequence falls back": {func(fs *faultfs.FS) {
			data := fs.Bytes(seg(3))
			h, _ := decodeSegmentHeader(data[:PageBytes])
			h.firstSeq = 1
			h.encode(data[:PageBytes])
			fs.Put(seg(3), data)
		}, fault.Corrupt},
		"later version": {func(fs *faultfs.FS) {
			data := fs.Bytes(seg(2))
			data[12] = 2
			h := data[:PageBytes]
			putCRC(h)
			fs.Put(seg(2), data)
		}, fault.Invalid},
		"only a bare file left": {func(fs *faultfs.FS) {
			n := newest(fs)
			fs.Put(seg(n+1), make([]byte, testSegmentBytes))
			for ; n > 0; n-- {
				_ = fs.Remove(seg(n))
			}
		}, fault.Corrupt},
	} {
		t.Run(name, func(t *testing.T) {
			fs, _ := written(t, 63)
			c.damage(fs)
			if _, err := Open("/log", testOptions(fs)); !fault.Is(err, c.kind) {
				t.Error("Open:", err)
			}
			if rep := mustVerify(t, fs); rep.OK() {
				t.Error("Verify found nothing")
			}
		})
	}
}

func TestReadErrors(t *testing.T) {
	fs, pos := written(t, 63)
	l := mustOpen(t, fs)
	fs.Flip("/log/seg-000000000001.log", int64(pos[1].Offset)+PageBytes, 1)
	if _, err := l.Read(pos[1]); !fault.Is(err, fault.Corrupt) {
		t.Fatal(err)
	}
	if err := l.Scan(context.Background(), Pos{}, func(Pos, Record) error { return nil }); !fault.Is(err, fault.Corrupt) {
		t.Fatal(err)
	}
	fs.Inject(func(op faultfs.Op) error {
		if op.Kind == faultfs.OpRead || op.Kind == faultfs.OpOpen {
			return syscall.EIO
		}
		return nil
	})
	if _, err := l.Read(pos[2]); !fault.Is(err, fault.Unavailable) {
		t.Fatal(err)
	}
	if _, err := l.ReadRange(pos[2], 0, 1); !fault.Is(err, fault.Unavailable) {
		t.Fatal(err)
	}
	fs.Inject(nil)
	mustClose(t, l)
	// Every read and open that fails makes Open, OpenReader and Verify fail, never panic or pass.
	for n := 1; ; n++ {
		left := n
		fs.Inject(func(op faultfs.Op) error {
			if op.Kind == faultfs.OpRead || op.Kind == faultfs.OpOpen {
				if left--; left == 0 {
					return syscall.EIO
				}
			}
			return nil
		})
		_, verifyErr := Verify(context.Background(), fs, "/log", nil)
		verifyDone := left > 0
		left = n
		r, readerErr := OpenReader(fs, "/log")
		readerDone := left > 0
		if (verifyErr == nil) != verifyDone || (readerErr == nil) != readerDone {
			t.Fatal(n, verifyErr, readerErr)
		}
		if readerErr == nil {
			_ = r.Close()
		}
		if verifyDone && readerDone {
			break
		}
	}
	fs.Inject(nil)
	if _, err := Verify(context.Background(), fs, "/nowhere", nil); !fault.Is(err, fault.Unavailable) {
		t.Fatal(err)
	}
	if _, err := OpenReader(fs, "/nowhere"); !fault.Is(err, fault.Unavailable) {
		t.Fatal(err)
	}
}

var _ disk.FS = (*faultfs.FS)(nil)
