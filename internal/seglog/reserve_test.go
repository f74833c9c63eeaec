// SPDX-License-Identifier: Apache-2.0

package seglog

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/seglog/disk"
	"github.com/aurigraph/aurigraph/internal/seglog/faultfs"
)

// reservingOptions are those of a log that reserves.
func reservingOptions(fs disk.FS) Options {
	opts := testOptions(fs)
	opts.Reserve = true
	return opts
}

func mustOpenReserving(t *testing.T, opts Options) *Log {
	t.Helper()
	l, err := Open("/log", opts)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// A disk that runs full again and again under many writers: whoever was taken over is written, all others are told at once
// that nothing was.
func TestTakenOverIsWritten(t *testing.T) {
	for round := range 10 {
		fs := faultfs.New()
		l := mustOpenReserving(t, reservingOptions(fs))
		rng := rand.New(rand.NewPCG(uint64(round), 5))
		var refused, taken, written atomic.Int64
		stop := make(chan struct{})
		var writers sync.WaitGroup
		for w := range 4 {
			sizes := rand.New(rand.NewPCG(uint64(round), uint64(w)))
			writers.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
					}
					if err := appendOne(t, l, sizes.IntN(30_000), &written); err == nil {
						taken.Add(1)
					} else if fault.Is(err, fault.TryLater) && fault.ReasonOf(err) == "no_segment" {
						refused.Add(1)
					} else {
						t.Error(err)
						return
					}
				}
			})
		}
		for range 20 {
			fs.SetSpace(int64(rng.IntN(3)) * testSegmentBytes)
			before := refused.Load()
			for refused.Load() == before && len(l.Segments()) < 200 {
				<-time.After(100 * time.Microsecond)
			}
			fs.SetSpace(-1)
			if s := l.Segments(); len(s) > 4 {
				if _, err := l.Recycle(s[len(s)-2].Number); err != nil {
					t.Fatal(err)
				}
			}
		}
		close(stop)
		writers.Wait()
		for l.queued.Load() > 0 { // Close writes what has an open segment, and no more
			<-time.After(100 * time.Microsecond)
		}
		mustClose(t, l)
		if written.Load() != taken.Load() || refused.Load() == 0 {
			t.Fatalf("%d records were taken over, %d written, %d refused", taken.Load(), written.Load(), refused.Load())
		}
		if rep := mustVerify(t, fs); !rep.OK() {
			t.Fatalf("%+v", rep.Problems)
		}
	}
}

// appendOne appends a record and counts it when it is written.
func appendOne(t *testing.T, l *Log, bytes int, written *atomic.Int64) error {
	b, err := l.Buffer(context.Background(), bytes)
	if err != nil {
		return err
	}
	err = l.Append(context.Background(), b, func(_ Pos, err error) {
		if err != nil {
			t.Errorf("a record that was taken over: %v", err)
			return
		}
		written.Add(1)
	})
	if err != nil {
		b.Release()
	}
	return err
}

// The plan comes to the places at which the writer writes.
func TestPlanIsWhatIsWritten(t *testing.T) {
	fs := faultfs.New()
	l := mustOpenReserving(t, reservingOptions(fs))
	for n := range 200 {
		mustAppend(t, l, n, n+1)
		l.mu.Lock()
		p := l.plan
		l.mu.Unlock()
		s := l.newest()
		if p.ahead != 0 || p.size != s.size() || p.off != s.end.Load() {
			t.Fatalf("after record %d: planned %+v, written up to %d of %d", n, p, s.end.Load(), s.size())
		}
		if n == 100 { // the plan goes on where the log was left
			mustClose(t, l)
			l = mustOpenReserving(t, reservingOptions(fs))
		}
	}
	mustClose(t, l)
}

// While a segment is being made ready Append waits, and no longer than it is told.
func TestAppendWaitsForASegment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := faultfs.New()
		opts := reservingOptions(fs)
		gate := make(chan struct{})
		var asked atomic.Int64
		opts.Room = func(n int64) error {
			if asked.Add(1) > 2 {
				<-gate
			}
			return nil
		}
		l := mustOpenReserving(t, opts)
		var written atomic.Int64
		appended := make(chan error, 100)
		go func() {
			for range 100 {
				appended <- appendOne(t, l, 9*PageBytes, &written) // one fits a segment
			}
		}()
		synctest.Wait()
		taken := len(appended)
		if taken == 0 || taken == 100 || int(written.Load()) != taken {
			t.Errorf("%d records were taken over, %d written", taken, written.Load())
		}
		b, err := l.Buffer(t.Context(), 9*PageBytes)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		begin := time.Now()
		if err := l.Append(ctx, b, nil); !fault.Is(err, fault.TryLater) || time.Since(begin) != time.Second {
			t.Errorf("after %s: %v", time.Since(begin), err)
		}
		b.Release()
		close(gate)
		for range 100 {
			if err := <-appended; err != nil {
				t.Error(err)
			}
		}
		synctest.Wait()
		mustClose(t, l)
		if written.Load() != 100 {
			t.Errorf("%d records were written", written.Load())
		}
	})
}

func TestCloseEndsTheWaitForASegment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opts := reservingOptions(faultfs.New())
		gate := make(chan struct{})
		var asked atomic.Int64
		opts.Room = func(int64) error {
			if asked.Add(1) > 2 {
				<-gate
			}
			return nil
		}
		l := mustOpenReserving(t, opts)
		end := make(chan error)
		go func() {
			var err error
			for err == nil {
				err = appendOne(t, l, 9*PageBytes, new(atomic.Int64))
			}
			end <- err
		}()
		synctest.Wait()
		go func() { <-time.After(time.Second); close(gate) }()
		mustClose(t, l)
		if err := <-end; !fault.Is(err, fault.Unavailable) {
			t.Error(err)
		}
	})
}

// Room decides whether a new segment may take space; a recycled one takes none.
func TestRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := faultfs.New()
		full := errors.New("only a little is left")
		var tight atomic.Bool
		opts := reservingOptions(fs)
		opts.Room = func(n int64) error {
			if n != testSegmentBytes {
				t.Errorf("%d bytes are asked for", n)
			}
			if tight.Load() {
				return full
			}
			return nil
		}
		l := mustOpenReserving(t, opts)
		synctest.Wait()
		tight.Store(true)
		room, _ := l.RoomBytes()
		var written atomic.Int64
		taken := int64(0)
		var err error
		for err == nil {
			if err = appendOne(t, l, 0, &written); err == nil {
				taken++
			}
			synctest.Wait()
		}
		if !errors.Is(err, full) || fault.ReasonOf(err) != "no_segment" || taken*PageBytes != room || written.Load() != taken {
			t.Errorf("%d pages were taken over and %d written with room for %d: %v", taken, written.Load(), room/PageBytes, err)
		}
		if room, err := l.RoomBytes(); room != 0 || !errors.Is(err, full) {
			t.Errorf("room for %d bytes, %v", room, err)
		}
		if _, err := l.Recycle(l.newest().header.number); err != nil {
			t.Fatal(err)
		}
		<-time.After(time.Second)
		if err := appendOne(t, l, 0, &written); err != nil {
			t.Error("a recycled segment is there", err)
		}
		tight.Store(false)
		<-time.After(time.Second)
		if room, err := l.RoomBytes(); room < 2*(testSegmentBytes-PageBytes) || err != nil {
			t.Errorf("room for %d bytes, %v", room, err)
		}
		mustClose(t, l)
	})
}

func TestNoRoomAtFirstOpen(t *testing.T) {
	opts := reservingOptions(faultfs.New())
	full := fault.New(fault.TryLater, "only a little is left")
	opts.Room = func(int64) error { return full }
	if _, err := Open("/log", opts); !errors.Is(err, full) {
		t.Error(err)
	}
}

// TestBrokenPromise refuses a record that was taken over: nothing that is appended while its user is told may be written.
func TestBrokenPromise(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := mustOpenReserving(t, reservingOptions(faultfs.New()))
		synctest.Wait() // the writer waits for work, and is not told of this
		b := fill(t, l, 1)
		n := int64(b.recordBytes())
		if err := l.queueRoom.Acquire(t.Context(), l.weight(n)); err != nil {
			t.Fatal(err)
		}
		l.queued.Add(n)
		var told, next error
		l.mu.Lock()
		l.queue = append(l.queue, item{b: b, done: func(_ Pos, err error) {
			told = err
			after := fill(t, l, 2)
			if next = l.Append(t.Context(), after, nil); next != nil {
				after.Release()
			}
		}})
		l.mu.Unlock()
		l.refuse(fault.New(fault.TryLater, "the ready segment cannot be opened"))
		if !fault.Is(told, fault.Halted) || !fault.Is(next, fault.Halted) {
			t.Errorf("told %v, and then the next one %v", told, next)
		}
		if err := l.Close(); !fault.Is(err, fault.Halted) {
			t.Error(err)
		}
	})
}
