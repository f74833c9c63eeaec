// SPDX-License-Identifier: Apache-2.0

package seglog

import (
	"context"
	"errors"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/seglog/disk"
	"github.com/aurigraph/aurigraph/internal/seglog/faultfs"
)

func TestAppendReadScan(t *testing.T) {
	for _, direct := range []bool{true, false} {
		fs := faultfs.New()
		fs.SetDirect(direct)
		l := mustOpen(t, fs)
		a := mustAppend(t, l, 0, 60)
		if l.Health().Direct != direct || l.NextSeq() != 61 || l.Health().Dead != nil {
			t.Fatalf("%+v, next %d", l.Health(), l.NextSeq())
		}
		checkReads(t, l.Reader, a.pos)
		mustClose(t, l)
		if _, err := l.Read(a.pos[0]); err == nil {
			t.Fatal("a closed log was read")
		}
		l = mustOpen(t, fs)
		checkReads(t, l.Reader, a.pos)
		for n, p := range mustAppend(t, l, 60, 70).pos {
			a.pos[n] = p
		}
		checkReads(t, l.Reader, a.pos)
		mustClose(t, l)

		r, err := OpenReader(fs, "/log")
		if err != nil {
			t.Fatal(err)
		}
		checkReads(t, r, a.pos)
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
		if rep := mustVerify(t, fs); !rep.OK() || rep.Records != 70 || rep.FirstSeq != 1 || rep.NextSeq != 71 {
			t.Fatalf("%+v", rep)
		}
	}
}

// checkReads reads each record by Read, ReadRange and Scan from the beginning, a middle and a segment.
func checkReads(t *testing.T, r *Reader, pos map[int]Pos) {
	t.Helper()
	for n, p := range pos {
		rec, err := r.Read(p)
		if err != nil {
			t.Fatal(n, err)
		}
		checkRecord(t, n, rec)
		want := payload(n)
		off, size := len(want)/3, len(want)/2
		part, err := r.ReadRange(p, off, size)
		if err != nil || string(part) != string(want[off:off+size]) {
			t.Fatal(n, err)
		}
	}
	middle := pos[len(pos)/2]
	for _, c := range []struct {
		from  Pos
		first int
	}{
		{Pos{}, 0}, {middle, len(pos) / 2},
		{Pos{Segment: middle.Segment, Offset: middle.Offset + middle.Bytes}, -1},
		{Pos{Segment: middle.Segment}, -1},
	} {
		next := c.first
		err := r.Scan(context.Background(), c.from, func(p Pos, rec Record) error {
			if next < 0 {
				next = int(p.Seq) - 1
			}
			if pos[next] != p || rec.Buffer.Kind() != rec.Kind || string(rec.Buffer.Meta()) != string(rec.Meta) {
				t.Fatalf("record %d is at %+v, not %+v", next, p, pos[next])
			}
			checkRecord(t, next, rec)
			next++
			return nil
		})
		if err != nil || next != len(pos) {
			t.Fatalf("scan from %+v ended at %d of %d: %v", c.from, next, len(pos), err)
		}
	}
}

func TestReadRefusals(t *testing.T) {
	fs, pos := written(t, 40)
	l := mustOpen(t, fs)
	defer mustClose(t, l)
	change := func(f func(*Pos)) Pos { p := pos[6]; f(&p); return p }
	for name, c := range map[string]struct {
		pos  Pos
		kind fault.Kind
	}{
		"unaligned":     {change(func(p *Pos) { p.Offset++ }), fault.Invalid},
		"huge":          {change(func(p *Pos) { p.Bytes = 1 << 30 }), fault.Invalid},
		"other length":  {change(func(p *Pos) { p.Bytes += PageBytes }), fault.NotFound},
		"other seq":     {change(func(p *Pos) { p.Seq++ }), fault.NotFound},
		"later segment": {change(func(p *Pos) { p.Segment = 99 }), fault.NotFound},
		"behind":        {change(func(p *Pos) { p.Offset = testSegmentBytes }), fault.NotFound},
		"inside":        {change(func(p *Pos) { p.Offset += PageBytes; p.Bytes -= PageBytes }), fault.Corrupt},
	} {
		if _, err := l.Read(c.pos); !fault.Is(err, c.kind) {
			t.Errorf("%s: Read: %v", name, err)
		}
		if _, err := l.ReadRange(c.pos, 0, 1); !fault.Is(err, c.kind) {
			t.Errorf("%s: ReadRange: %v", name, err)
		}
	}
	for _, c := range [][2]int{{-1, 1}, {0, -1}, {0, 9001}, {9001, 0}} {
		if _, err := l.ReadRange(pos[6], c[0], c[1]); !fault.Is(err, fault.Invalid) {
			t.Error(c, err)
		}
	}
	none := func(Pos, Record) error { return nil }
	if err := l.Scan(context.Background(), Pos{Segment: 1, Offset: 1}, none); !fault.Is(err, fault.Invalid) {
		t.Error(err)
	}
	if err := l.Scan(context.Background(), Pos{Segment: 1, Offset: pos[1].Offset, Seq: 9}, none); !fault.Is(err, fault.Corrupt) {
		t.Error(err)
	}
	stop := errors.New("enough")
	if err := l.Scan(context.Background(), Pos{}, func(Pos, Record) error { return stop }); err != stop {
		t.Error(err)
	}
}

func TestRecycle(t *testing.T) {
	fs := faultfs.New()
	l := mustOpen(t, fs)
	a := mustAppend(t, l, 0, 80)
	before := l.Segments()
	if len(before) < 6 || l.RetainedBytes() != int64(len(before))*testSegmentBytes {
		t.Fatalf("%d segments", len(before))
	}
	if n, err := l.Recycle(3); err != nil || n != 2 {
		t.Fatal(n, err)
	}
	if _, err := l.Read(a.pos[0]); !fault.Is(err, fault.Pruned) {
		t.Fatal(err)
	}
	if err := l.Scan(context.Background(), a.pos[0], nil); !fault.Is(err, fault.Pruned) {
		t.Fatal(err)
	}
	if n, err := l.Recycle(1 << 40); err != nil || n != len(before)-3 {
		t.Fatal(n, err)
	}
	after := l.Segments()
	if len(after) != 1 || after[0] != before[len(before)-1] {
		t.Fatalf("%+v", after)
	}
	b := mustAppend(t, l, 80, 140)
	mustClose(t, l)
	if _, err := l.Recycle(1 << 40); err != nil {
		t.Fatal("nothing is left to recycle", err)
	}
	rep := mustVerify(t, fs)
	if !rep.OK() || rep.FirstSeq != after[0].FirstSeq || rep.NextSeq != 141 {
		t.Fatalf("%+v", rep)
	}
	l = mustOpen(t, fs)
	for n := 80; n < 140; n++ {
		rec, err := l.Read(b.pos[n])
		if err != nil {
			t.Fatal(err)
		}
		checkRecord(t, n, rec)
	}
	mustClose(t, l)
}

func TestFilesStayBounded(t *testing.T) {
	fs := faultfs.New()
	l := mustOpen(t, fs)
	for n := range 40 {
		mustAppend(t, l, n*10, n*10+10)
		if _, err := l.Recycle(1 << 40); err != nil {
			t.Fatal(err)
		}
	}
	mustClose(t, l)
	if names := fs.Names(); len(names) > 1+2+2+1 {
		t.Fatalf("%d files: %v", len(names), names)
	}
	if rep := mustVerify(t, fs); !rep.OK() {
		t.Fatalf("%+v", rep.Problems)
	}
}

// TestRecycledSegments lets many segments go at once: some are kept as they are and used before any new file is made, the
// others are removed.
func TestRecycledSegments(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := faultfs.New()
		opts := testOptions(fs)
		opts.RecycledMax = 3
		l, err := Open("/log", opts)
		if err != nil {
			t.Fatal(err)
		}
		mustAppend(t, l, 0, 150)
		if n, err := l.Recycle(1 << 40); err != nil || n < 8 {
			t.Fatal(n, err)
		}
		synctest.Wait()
		count := func(prefix string) (n int) {
			for _, name := range fs.Names() {
				if strings.HasPrefix(filepath.Base(name), prefix) {
					n++
				}
			}
			return n
		}
		if n := count(dirtyPrefix); n != 3 {
			t.Fatalf("%d recycled segments are kept: %v", n, fs.Names())
		}
		l.mu.Lock()
		made := l.fileNo
		l.mu.Unlock()
		mustAppend(t, l, 150, 164)
		synctest.Wait()
		l.mu.Lock()
		more := l.fileNo - made
		l.mu.Unlock()
		if n := count(dirtyPrefix); n >= 3 || more != 0 {
			t.Errorf("%d recycled segments are left, %d files are new", n, more)
		}
		mustClose(t, l)
		if rep := mustVerify(t, fs); !rep.OK() {
			t.Errorf("%+v", rep.Problems)
		}
	})
}

func TestBufferReferences(t *testing.T) {
	l := mustOpen(t, faultfs.New())
	defer mustClose(t, l)
	b := fill(t, l, 7)
	b.Retain()
	done := make(chan error, 1)
	if err := l.Append(context.Background(), b, func(_ Pos, err error) { done <- err }); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if string(b.Payload()) != string(payload(7)) {
		t.Fatal("a retained buffer changed")
	}
	if err := l.Append(context.Background(), b, nil); !fault.Is(err, fault.Invalid) {
		t.Fatal("appended twice", err)
	}
	if b.SetMeta(1, nil) == nil || b.Shrink(1) == nil {
		t.Fatal("an appended buffer was changed")
	}
	b.Release()
	big, err := l.Buffer(context.Background(), testSegmentBytes)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Append(context.Background(), big, nil); !fault.Is(err, fault.Invalid) {
		t.Fatal(err)
	}
	big.Release()
}

func TestShrunkBuffer(t *testing.T) {
	l := mustOpen(t, faultfs.New())
	defer mustClose(t, l)
	b, err := l.Buffer(context.Background(), 9000)
	if err != nil {
		t.Fatal(err)
	}
	for i := range b.Payload() {
		b.Payload()[i] = 0xff
	}
	b.Seal()
	if err := b.Shrink(10); err != nil {
		t.Fatal(err)
	}
	got := make(chan Pos, 1)
	if err := l.Append(context.Background(), b, func(p Pos, _ error) { got <- p }); err != nil {
		t.Fatal(err)
	}
	rec, err := l.Read(<-got)
	if err != nil || len(rec.Payload) != 10 || rec.Payload[9] != 0xff {
		t.Fatal(rec, err)
	}
}

func TestQueueBound(t *testing.T) {
	fs := faultfs.New()
	opts := testOptions(fs)
	opts.QueueBytesMax = 4 * PageBytes
	l, err := Open("/log", opts)
	if err != nil {
		t.Fatal(err)
	}
	defer mustClose(t, l)
	hold := make(chan struct{})
	held := make(chan struct{})
	small := func() *Buffer { return fill(t, l, 0) }
	if err := l.Append(context.Background(), small(), func(Pos, error) { close(held); <-hold }); err != nil {
		t.Fatal(err)
	}
	<-held
	var wg sync.WaitGroup
	for range 3 {
		wg.Add(1)
		if err := l.Append(context.Background(), small(), func(Pos, error) { wg.Done() }); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	b := small()
	if err := l.Append(ctx, b, nil); !fault.Is(err, fault.TryLater) {
		t.Fatal("a full queue must say try later", err)
	}
	close(hold)
	wg.Wait()
	if err := l.Append(context.Background(), b, nil); err != nil {
		t.Fatal(err)
	}
}

func TestConcurrent(t *testing.T) {
	fs := faultfs.New()
	opts := testOptions(fs)
	opts.GroupDelayMax = 50 * time.Microsecond
	l, err := Open("/log", opts)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	const appenders, each = 4, 100
	var mu sync.Mutex
	var last Pos
	for w := range appenders {
		wg.Go(func() {
			a := newAcks()
			if err := a.appendAll(t, l, w*each, (w+1)*each, 7); err != nil {
				t.Error(err)
			}
			for n, p := range a.pos {
				rec, err := l.Read(p)
				if fault.Is(err, fault.Pruned) {
					continue
				}
				if err != nil {
					t.Error(err)
					return
				}
				checkRecord(t, n, rec)
				mu.Lock()
				if p.Seq > last.Seq {
					last = p
				}
				mu.Unlock()
			}
		})
	}
	for range 2 {
		wg.Go(func() {
			for range 30 {
				err := l.Scan(context.Background(), Pos{}, func(Pos, Record) error { return nil })
				if err != nil && !fault.Is(err, fault.Pruned) {
					t.Error(err)
				}
			}
		})
	}
	wg.Go(func() {
		for l.NextSeq() < appenders*each {
			if s := l.Segments(); len(s) > 8 {
				if _, err := l.Recycle(s[4].Number); err != nil {
					t.Error(err)
				}
			}
			_ = l.Health()
		}
	})
	wg.Wait()
	if last.Seq != appenders*each {
		t.Fatalf("the last record has sequence %d", last.Seq)
	}
	mustClose(t, l)
	if rep := mustVerify(t, fs); !rep.OK() {
		t.Fatalf("%+v", rep.Problems)
	}
}

func TestClosed(t *testing.T) {
	l := mustOpen(t, faultfs.New())
	b := fill(t, l, 1)
	mustClose(t, l)
	mustClose(t, l)
	if err := l.Append(context.Background(), b, nil); !fault.Is(err, fault.Unavailable) {
		t.Fatal(err)
	}
	b.Release()
}

func TestOptionsRefused(t *testing.T) {
	for name, change := range map[string]func(*Options){
		"segment size": func(o *Options) { o.SegmentBytes = 5000 },
		"negative":     func(o *Options) { o.ReadyMin = -1 },
	} {
		opts := testOptions(faultfs.New())
		change(&opts)
		if _, err := Open("/log", opts); !fault.Is(err, fault.Invalid) {
			t.Error(name, err)
		}
	}
}

func TestMetrics(t *testing.T) {
	reg := prometheus.NewPedanticRegistry()
	opts := testOptions(faultfs.New())
	opts.Metrics = reg
	l, err := Open("/log", opts)
	if err != nil {
		t.Fatal(err)
	}
	mustAppend(t, l, 0, 1)
	values := map[string]float64{}
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		m := f.GetMetric()[0]
		if label := m.GetLabel()[0]; label.GetName() != "log" || label.GetValue() != "test" {
			t.Error(label)
		}
		values[f.GetName()] = m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
	}
	if len(values) != 9 || values["aurigraph_seglog_append_records_total"] != 1 || values["aurigraph_seglog_append_bytes_total"] != PageBytes ||
		values["aurigraph_seglog_queue_bytes"] != 0 || values["aurigraph_seglog_fsync_seconds"] != 1 {
		t.Error(values)
	}
	other := testOptions(faultfs.New())
	other.Metrics = reg
	if _, err := Open("/log", other); !fault.Is(err, fault.Invalid) {
		t.Error("two logs of one name", err)
	}
	mustClose(t, l)
	if families, err := reg.Gather(); err != nil || len(families) != 0 {
		t.Error("metrics outlive their log", families, err)
	}
}

func TestOnRealDisk(t *testing.T) {
	dir := t.TempDir() + "/a/b"
	opts := Options{Identity: Identity{9}, SegmentBytes: 1 << 20, CheckSegments: 1}
	l, err := Open(dir, opts)
	if err != nil {
		t.Fatal(err)
	}
	a := mustAppend(t, l, 0, 300)
	if _, err := l.Recycle(2); err != nil {
		t.Fatal(err)
	}
	mustClose(t, l)
	if l, err = Open(dir, opts); err != nil {
		t.Fatal(err)
	}
	rec, err := l.Read(a.pos[299])
	if err != nil {
		t.Fatal(err)
	}
	checkRecord(t, 299, rec)
	seen := 0
	if err := l.Scan(context.Background(), Pos{}, func(_ Pos, rec Record) error {
		checkRecord(t, int(rec.Seq-1), rec)
		seen++
		return nil
	}); err != nil || seen == 0 {
		t.Fatal(seen, err)
	}
	mustClose(t, l)
	var done int64
	rep, err := Verify(context.Background(), nil, dir, func(d, total int64) {
		if done = d; d > total {
			t.Fatalf("%d of %d", d, total)
		}
	})
	if err != nil || !rep.OK() || done == 0 {
		t.Fatal(rep, err)
	}
	if r, err := OpenReader(nil, dir); err != nil || r.Close() != nil {
		t.Fatal(err)
	}
}

func TestOtherSegmentSize(t *testing.T) {
	fs, pos := written(t, 30)
	opts := testOptions(fs)
	opts.SegmentBytes = 2 * testSegmentBytes
	l, err := Open("/log", opts)
	if err != nil {
		t.Fatal(err)
	}
	for n, p := range mustAppend(t, l, 30, 90).pos {
		pos[n] = p
	}
	checkReads(t, l.Reader, pos)
	mustClose(t, l)
	if rep := mustVerify(t, fs); !rep.OK() {
		t.Fatalf("%+v", rep.Problems)
	}
}

func TestPrepareRate(t *testing.T) {
	l := &Log{opts: Options{SegmentBytes: 64 << 20, PrepareBytesPerSecond: 600 << 20}}
	for _, c := range []struct {
		fill time.Duration
		mib  float64
	}{{0, 600}, {time.Millisecond, 600}, {320 * time.Millisecond, 300}, {time.Hour, 32}} {
		l.fillTime.Store(int64(c.fill))
		if got := l.prepareRate() / (1 << 20); got < c.mib*0.999 || got > c.mib*1.001 {
			t.Errorf("%v: %.1f MiB/s, want %.1f", c.fill, got, c.mib)
		}
	}
}

func TestPool(t *testing.T) {
	p := NewPool(80<<10, 16<<10)
	a, err := p.TryGet(60 << 10) // class 64 KiB
	if err != nil {
		t.Fatal(err)
	}
	b, err := p.TryGet(10 << 10) // class 16 KiB
	if err != nil || p.LentBytes() != 80<<10 {
		t.Fatal(err, p.LentBytes())
	}
	if _, err := p.TryGet(0); !fault.Is(err, fault.TryLater) {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := p.Get(ctx, 0); !fault.Is(err, fault.TryLater) {
		t.Fatal(err)
	}
	for _, n := range []int{-1, PayloadBytesMax + 1, 200 << 10} {
		if _, err := p.Get(ctx, n); !fault.Is(err, fault.Invalid) {
			t.Fatal(n, err)
		}
	}
	if b.SetMeta(1, make([]byte, MetaBytesMax+1)) == nil || b.Shrink(11<<10) == nil {
		t.Fatal("too much was taken")
	}
	mem := &b.Payload()[0]
	a.Release()
	b.Release()
	if p.IdleBytes() != 16<<10 || p.LentBytes() != 0 {
		t.Fatal("only the second fits the idle bound", p.IdleBytes())
	}
	if b, err = p.TryGet(9 << 10); err != nil || &b.Payload()[0] != mem {
		t.Fatal("the memory must be reused")
	}
	b.Release()
	func() {
		defer func() {
			if recover() == nil {
				t.Error("a double release must panic")
			}
		}()
		b.Release()
	}()
	p.Trim()
	if p.IdleBytes() != 0 {
		t.Fatal("idle memory is left")
	}
}

func TestPoolWaits(t *testing.T) {
	p := NewPool(4096, 4096)
	a, err := p.Get(context.Background(), 0)
	if err != nil {
		t.Fatal(err)
	}
	got := make(chan *Buffer)
	go func() {
		b, err := p.Get(context.Background(), 0)
		if err != nil {
			t.Error(err)
		}
		got <- b
	}()
	a.Release()
	(<-got).Release()
}

func TestAligned(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for range 100 {
		n := rng.IntN(100000)
		if len(disk.Aligned(n)) != n {
			t.Fatal(n)
		}
	}
}
