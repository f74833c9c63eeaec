// SPDX-License-Identifier: Apache-2.0

package seglog

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/aurigraph/aurigraph/internal/seglog/disk"
	"github.com/aurigraph/aurigraph/internal/seglog/faultfs"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const testSegmentBytes = 16 * PageBytes

// byWriting makes the logs of a test prepare their segments by writing zeros.
var byWriting atomic.Bool

// reserving makes the logs of a test reserve the place of what they take over.
var reserving atomic.Bool

func testOptions(fs disk.FS) Options {
	return Options{
		PrepareByWriting: byWriting.Load(), Reserve: reserving.Load(),

		Name: "test", Identity: Identity{1, 2, 3}, SegmentBytes: testSegmentBytes, QueueBytesMax: 1 << 20,
		Pool: NewPool(8<<20, 1<<20), FS: fs, Rand: rand.NewChaCha8([32]byte{7}), PrepareRetryDelay: time.Millisecond,
	}
}

func mustOpen(t testing.TB, fs disk.FS) *Log {
	t.Helper()
	l, err := Open("/log", testOptions(fs))
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func mustClose(t testing.TB, l *Log) {
	t.Helper()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

// payload is the n-th record's payload: of varied size, its bytes told by n alone.
func payload(n int) []byte {
	size := []int{0, 1, 100, 4095, 4096, 4097, 9000, 20000}[n%8]
	p := make([]byte, size)
	rng := rand.New(rand.NewPCG(uint64(n), 1))
	for i := range p {
		p[i] = byte(rng.Uint32())
	}
	return p
}

func meta(n int) []byte { return fmt.Appendf(nil, "meta of %d", n) }

func fill(t testing.TB, l *Log, n int) *Buffer {
	t.Helper()
	b, err := l.Buffer(context.Background(), len(payload(n)))
	if err != nil {
		t.Fatal(err)
	}
	copy(b.Payload(), payload(n))
	if err := b.SetMeta(uint8(n), meta(n)); err != nil {
		t.Fatal(err)
	}
	return b
}

func checkRecord(t testing.TB, n int, rec Record) {
	t.Helper()
	if rec.Kind != uint8(n) || !bytes.Equal(rec.Meta, meta(n)) || !bytes.Equal(rec.Payload, payload(n)) {
		t.Fatalf("record %d came back different: kind %d, meta %q, %d bytes", n, rec.Kind, rec.Meta, len(rec.Payload))
	}
}

// acks collects what done was told.
type acks struct {
	mu   sync.Mutex
	pos  map[int]Pos
	errs map[int]error
	wg   sync.WaitGroup
}

func newAcks() *acks { return &acks{pos: map[int]Pos{}, errs: map[int]error{}} }

// append appends record n. Its payload and meta are those of n.
func (a *acks) append(t testing.TB, l *Log, n int) error {
	t.Helper()
	b := fill(t, l, n)
	a.wg.Add(1)
	err := l.Append(context.Background(), b, func(p Pos, err error) {
		a.mu.Lock()
		defer a.mu.Unlock()
		if err != nil {
			a.errs[n] = err
		} else {
			a.pos[n] = p
		}
		a.wg.Done()
	})
	if err != nil {
		a.wg.Done()
		b.Release()
	}
	return err
}

// appendAll appends records from..to-1 in bursts and waits for each burst.
func (a *acks) appendAll(t testing.TB, l *Log, from, to, burst int) error {
	t.Helper()
	var first error
	for n := from; n < to; n++ {
		if err := a.append(t, l, n); err != nil && first == nil {
			first = err
		}
		if (n-from)%burst == burst-1 {
			a.wg.Wait()
		}
	}
	a.wg.Wait()
	return first
}

func mustAppend(t testing.TB, l *Log, from, to int) *acks {
	t.Helper()
	a := newAcks()
	if err := a.appendAll(t, l, from, to, 3); err != nil {
		t.Fatal(err)
	}
	for n, err := range a.errs {
		t.Fatalf("record %d: %v", n, err)
	}
	return a
}

// written is a closed log with records 0..n-1 and their positions.
func written(t testing.TB, n int) (*faultfs.FS, map[int]Pos) {
	t.Helper()
	fs := faultfs.New()
	l := mustOpen(t, fs)
	a := mustAppend(t, l, 0, n)
	mustClose(t, l)
	return fs, a.pos
}

func mustVerify(t testing.TB, fs disk.FS) Report {
	t.Helper()
	r, err := Verify(context.Background(), fs, "/log", nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}
