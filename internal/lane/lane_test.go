// SPDX-License-Identifier: Apache-2.0

package lane

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/seglog"
	"github.com/aurigraph/aurigraph/internal/seglog/faultfs"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var errBroken = errors.New("the disk is gone")

const testSegmentBytes = 64 << 10

// world is a lane with what it told.
type world struct {
	t    *testing.T
	pool *seglog.Pool
	log  *seglog.Log
	lane *Lane

	mu      sync.Mutex
	durable []*Stored
	failed  []error
	told    chan struct{}
}

func openLog(fs *faultfs.FS, pool *seglog.Pool) (*seglog.Log, error) {
	return seglog.Open("/lane", seglog.Options{Name: "lane", FS: fs, SegmentBytes: testSegmentBytes, ReadyMin: 1, Pool: pool})
}

func newWorld(t *testing.T) *world {
	return &world{t: t, pool: seglog.NewPool(4<<20, 1<<20), told: make(chan struct{}, 1000)}
}

func open(t *testing.T, fs *faultfs.FS, executed Position) *world {
	t.Helper()
	w := newWorld(t)
	var err error
	if w.log, err = openLog(fs, w.pool); err != nil {
		t.Fatal(err)
	}
	if w.lane, err = Open(context.Background(), w.log, w.config(), executed); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) config() Config {
	return Config{
		Validator: 3, JoinEpoch: 7,
		OnDurable: func(s *Stored) {
			w.mu.Lock()
			w.durable = append(w.durable, s)
			w.mu.Unlock()
			w.told <- struct{}{}
		},
		OnFailed: func(err error) {
			w.mu.Lock()
			w.failed = append(w.failed, err)
			w.mu.Unlock()
			w.told <- struct{}{}
		},
	}
}

// settle waits until the lane has told what became of n entries.
func (w *world) settle(n int) {
	for range n {
		<-w.told
	}
}

// close closes the log, which waits for all callbacks.
func (w *world) close() {
	w.t.Helper()
	if err := w.log.Close(); err != nil && !errors.Is(err, errBroken) && !errors.Is(err, faultfs.ErrCrashed) {
		w.t.Error(err)
	}
}

func (w *world) lent(want int64) {
	w.t.Helper()
	if n := w.pool.LentBytes(); n != want {
		w.t.Errorf("%d bytes are lent, not %d", n, want)
	}
}

// item makes the n-th payload.
func (w *world) item(n int) Item {
	w.t.Helper()
	payload := fmt.Appendf(nil, "payload %d %s", n, bytes.Repeat([]byte("x"), n%6000))
	b, err := w.pool.Get(context.Background(), len(payload))
	if err != nil {
		w.t.Fatal(err)
	}
	copy(b.Payload(), payload)
	return Item{Kind: chain.PayloadBatch, ID: codec.Sum(payload), Key: chain.KeyNo(n), Signature: fmt.Appendf(nil, "signature %d", n), Payload: b}
}

func (w *world) append(n int) {
	w.t.Helper()
	if err := w.lane.Append(context.Background(), w.item(n)); err != nil {
		w.t.Fatal(err)
	}
}

// checkChain asserts that stored is the lane's entries from first on.
func checkChain(t *testing.T, stored []*Stored, first uint64, parent chain.Hash) {
	t.Helper()
	for i, s := range stored {
		e := s.Entry
		if e.Validator != 3 || e.JoinEpoch != 7 || e.Sequence != first+uint64(i) || e.Parent != parent {
			t.Fatalf("entry %d is %+v, parent must be %s", i, e, parent)
		}
		if s.Digest != codec.EntryDigest(e) || s.Pos.Seq != e.Sequence {
			t.Fatalf("entry %d: digest %s, position %+v", i, s.Digest, s.Pos)
		}
		parent = s.Digest
	}
}

func TestChain(t *testing.T) {
	const writers, each = 8, 25
	w := open(t, faultfs.New(), Position{})
	var wg sync.WaitGroup
	for g := range writers {
		wg.Go(func() {
			for i := range each {
				if err := w.lane.Append(context.Background(), w.item(g*1000+i)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	w.settle(writers * each)
	w.close()
	if len(w.durable) != writers*each || len(w.failed) != 0 {
		t.Fatalf("%d entries are durable; failed: %v", len(w.durable), w.failed)
	}
	checkChain(t, w.durable, 1, chain.Hash{})
	pending := w.lane.Pending()
	for i, s := range w.durable {
		if pending[i] != s.Digest {
			t.Fatalf("pending entry %d is %s", i, pending[i])
		}
		got, err := w.lane.Fetch(t.Context(), s.Digest)
		if err != nil || codec.Sum(got.Payload()) != s.Entry.Payload || len(got.Payload()) != int(s.Entry.Bytes) {
			t.Fatalf("entry %d: %v", i, err)
		}
	}
	for _, s := range w.durable {
		w.lane.Forget(s.Digest)
		w.lane.Forget(s.Digest) // twice is once
		if _, err := w.lane.Fetch(t.Context(), s.Digest); !fault.Is(err, fault.NotFound) {
			t.Fatalf("a forgotten entry is fetched: %v", err)
		}
	}
	if p := w.lane.Pending(); len(p) != 0 {
		t.Errorf("%d entries are pending", len(p))
	}
	w.lent(0)
}

func TestPendingSkipsForgotten(t *testing.T) {
	w := open(t, faultfs.New(), Position{})
	for n := range 6 {
		w.append(n)
	}
	w.settle(6)
	w.close()
	for _, i := range []int{0, 2, 5} {
		w.lane.Forget(w.durable[i].Digest)
	}
	want := []chain.Hash{w.durable[1].Digest, w.durable[3].Digest, w.durable[4].Digest}
	if got := w.lane.Pending(); !slices.Equal(got, want) {
		t.Errorf("pending %v, not %v", got, want)
	}
}

func TestReopen(t *testing.T) {
	fs := faultfs.New()
	w := open(t, fs, Position{})
	for n := range 40 {
		w.append(n)
	}
	w.settle(40)
	w.close()
	all := w.durable
	for _, executed := range []int{0, 1, 17, 39, 40} {
		pos := Position{}
		if executed > 0 {
			s := all[executed-1]
			pos = Position{Sequence: s.Entry.Sequence, Tip: s.Digest, Pos: s.Pos}
		}
		w := open(t, fs, pos)
		pending := w.lane.Pending()
		if len(pending) != len(all)-executed {
			t.Fatalf("executed %d: %d are pending", executed, len(pending))
		}
		for i, d := range pending {
			want := all[executed+i]
			got, err := w.lane.Fetch(context.Background(), d)
			if err != nil || d != want.Digest || got.Pos != want.Pos || got.Key != want.Key || !bytes.Equal(got.Signature, want.Signature) ||
				codec.Sum(got.Payload()) != want.Entry.Payload {
				t.Fatalf("executed %d: entry %d is %+v, %v", executed, i, got, err)
			}
			raw, err := w.lane.ReadPayload(got.Pos)
			if err != nil || codec.Sum(raw) != want.Entry.Payload {
				t.Fatalf("executed %d: entry %d read back: %v", executed, i, err)
			}
			w.lane.Forget(d)
		}
		w.append(1000)
		w.settle(1)
		w.close()
		checkChain(t, w.durable, uint64(len(all))+1, all[len(all)-1].Digest)
		all = append(all, w.durable...)
		w.lane.Forget(w.durable[0].Digest)
		w.lent(0)
	}
}

func TestReopenRefuses(t *testing.T) {
	fs := faultfs.New()
	w := open(t, fs, Position{})
	for n := range 100 { // several segments
		w.append(n * 60)
	}
	w.settle(100)
	if _, err := w.log.Recycle(w.log.Segments()[1].Number); err != nil {
		t.Fatal(err)
	}
	w.close()
	last := w.durable[99]
	end := last.Pos
	end.Seq++
	end.Offset += end.Bytes
	for _, c := range []struct {
		name string
		pos  Position
		kind fault.Kind
	}{
		{"the entries after the state were recycled", Position{}, fault.Corrupt},
		{"the executed entry was recycled", Position{Sequence: 1, Tip: w.durable[0].Digest, Pos: w.durable[0].Pos}, fault.Pruned},
		{"another entry was executed", Position{Sequence: 100, Tip: chain.Hash{1}, Pos: last.Pos}, fault.Corrupt},
		{"the executed sequence is another's", Position{Sequence: 98, Tip: w.durable[97].Digest, Pos: last.Pos}, fault.Corrupt},
		{"the log ends before the state", Position{Sequence: 101, Tip: chain.Hash{1}, Pos: end}, fault.Corrupt},
	} {
		log, err := openLog(fs, w.pool)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Open(context.Background(), log, w.config(), c.pos); !fault.Is(err, c.kind) {
			t.Errorf("%s: %v", c.name, err)
		}
		if err := log.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestCrashAtEveryWrite loses power at each operation: every entry that was told durable is there, and the chain goes on.
func TestCrashAtEveryWrite(t *testing.T) {
	for n := 0; ; n++ {
		fs := faultfs.New()
		fs.StopAfter(n)
		w := newWorld(t)
		var err error
		if w.log, err = openLog(fs, w.pool); err == nil {
			if w.lane, err = Open(context.Background(), w.log, w.config(), Position{}); err != nil {
				t.Fatal(err)
			}
			for i := 0; i < 30 && err == nil; i++ {
				if err = w.lane.Append(context.Background(), w.item(i*100)); err == nil {
					w.settle(1)
				}
			}
			w.close()
			for _, d := range w.lane.Pending() {
				w.lane.Forget(d)
			}
		}
		w.lent(0)
		for seed := range uint64(2) {
			again := open(t, fs.Crash(seed), Position{})
			pending := again.lane.Pending()
			if len(pending) < len(w.durable) {
				t.Fatalf("n=%d: %d entries were durable, %d are there", n, len(w.durable), len(pending))
			}
			for i, s := range w.durable {
				if pending[i] != s.Digest {
					t.Fatalf("n=%d: entry %d is another", n, i+1)
				}
			}
			tip := chain.Hash{}
			if len(pending) > 0 {
				tip = pending[len(pending)-1]
			}
			again.append(7)
			again.settle(1)
			again.close()
			checkChain(t, again.durable, uint64(len(pending))+1, tip)
		}
		if err == nil && len(w.failed) == 0 {
			return
		}
	}
}

// TestFailedWrite fails the disk under entries whose place was fixed: the lane tells, takes nothing more, and gives all
// memory back.
func TestFailedWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := faultfs.New()
		w := open(t, fs, Position{})
		w.append(0)
		synctest.Wait()
		fs.Inject(func(op faultfs.Op) error {
			if op.Kind == faultfs.OpSync {
				return errBroken
			}
			return nil
		})
		w.append(1)
		synctest.Wait()
		if err := w.lane.Append(context.Background(), w.item(2)); !fault.Is(err, fault.Halted) {
			t.Errorf("a failed lane answers %v", err)
		}
		w.close()
		if len(w.durable) != 1 || len(w.failed) != 1 || !fault.Is(w.failed[0], fault.Halted) {
			t.Errorf("%d durable, failed %v", len(w.durable), w.failed)
		}
		w.lane.Forget(w.durable[0].Digest)
		w.lent(0)
	})
}

// TestFullDisk refuses an entry for want of room, and then makes room: nothing may follow the entry that is missing.
func TestFullDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := faultfs.New()
		w := open(t, fs, Position{})
		<-time.After(time.Minute)
		fs.SetSpace(0)
		var err error
		for n := 0; err == nil && n < 1000; n++ {
			err = w.lane.Append(context.Background(), w.item(n))
			synctest.Wait()
		}
		if err == nil {
			t.Fatal("the disk does not run full")
		}
		fs.SetSpace(-1)
		<-time.After(time.Minute)
		if len(w.failed) == 0 {
			t.Fatal("the lane did not tell")
		}
		if err := w.lane.Append(context.Background(), w.item(1)); !fault.Is(err, fault.Halted) {
			t.Errorf("a lane with a missing entry answers %v", err)
		}
		w.close()
		again := open(t, fs, Position{})
		if got := again.lane.Pending(); len(got) != len(w.durable) {
			t.Errorf("%d entries are there, %d were durable", len(got), len(w.durable))
		}
		again.close()
		for _, d := range w.lane.Pending() {
			w.lane.Forget(d)
		}
		w.lent(0)
	})
}

// TestUsedFromAllSides appends from several goroutines, executes what is durable on another, and looks on from a third. The
// race detector sees it.
func TestUsedFromAllSides(t *testing.T) {
	const doors, each = 4, 40
	w := newWorld(t)
	var err error
	if w.log, err = openLog(faultfs.New(), w.pool); err != nil {
		t.Fatal(err)
	}
	decided := make(chan *Stored, doors*each)
	cfg := w.config()
	cfg.OnDurable = func(s *Stored) { decided <- s }
	if w.lane, err = Open(context.Background(), w.log, cfg, Position{}); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for door := range doors {
		wg.Go(func() {
			for i := range each {
				if err := w.lane.Append(context.Background(), w.item(door*each+i)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	end := make(chan struct{})
	looked := make(chan struct{})
	go func() {
		defer close(looked)
		for {
			select {
			case <-end:
				return
			default:
				w.lane.Pending()
			}
		}
	}()
	for n := range doors * each {
		s := <-decided
		got, err := w.lane.Fetch(t.Context(), s.Digest)
		if err != nil || got != s || s.Entry.Sequence != uint64(n+1) || codec.Sum(got.Payload()) != s.Entry.Payload {
			t.Fatalf("entry %d: %+v, %v", n+1, got, err)
		}
		w.lane.Forget(s.Digest)
		if raw, err := w.lane.ReadPayload(s.Pos); err != nil || codec.Sum(raw) != s.Entry.Payload {
			t.Fatalf("entry %d, read back: %v", n+1, err)
		}
	}
	wg.Wait()
	close(end)
	<-looked
	if len(w.lane.Pending()) != 0 {
		t.Error("entries are pending after all were executed")
	}
	w.close()
	w.lent(0)
}

// TestFetchTogether reads entries that a restart left on disk, each from two goroutines at once.
func TestFetchTogether(t *testing.T) {
	fs := faultfs.New()
	w := open(t, fs, Position{})
	for n := range 20 {
		w.append(n)
	}
	w.settle(20)
	w.close()
	w = open(t, fs, Position{})
	for _, d := range w.lane.Pending() {
		var wg sync.WaitGroup
		for range 2 {
			wg.Go(func() {
				if s, err := w.lane.Fetch(context.Background(), d); err != nil || codec.Sum(s.Payload()) != s.Entry.Payload {
					t.Errorf("%+v, %v", s, err)
				}
			})
		}
		wg.Wait()
		w.lane.Forget(d)
	}
	w.close()
}

// TestNothingBehindAFailedEntry lets an entry slip into the log between the failure of the one before and the lane's
// learning of it.
func TestNothingBehindAFailedEntry(t *testing.T) {
	w := open(t, faultfs.New(), Position{})
	var entries []*Stored
	for range 2 {
		s := &Stored{Digest: chain.Hash{byte(len(entries) + 1)}, buffer: w.item(len(entries)).Payload}
		w.lane.held[s.Digest] = s
		entries = append(entries, s)
	}
	w.lane.durable(entries[0], seglog.Pos{}, fault.New(fault.TryLater, "no room"))
	w.lane.durable(entries[1], seglog.Pos{Segment: 1}, nil)
	if len(w.durable) != 0 || len(w.failed) != 1 {
		t.Errorf("%d entries are durable, %d failed", len(w.durable), len(w.failed))
	}
	if len(w.lane.held) != 0 {
		t.Errorf("%d entries are held", len(w.lane.held))
	}
	w.close()
	w.lent(0)
}

func TestRefusedItemIsReleased(t *testing.T) {
	w := open(t, faultfs.New(), Position{})
	it := w.item(1)
	it.Signature = make([]byte, seglog.MetaBytesMax)
	if err := w.lane.Append(context.Background(), it); err == nil {
		t.Error("a signature that does not fit is taken")
	}
	w.lent(0)
	w.close()
	if err := w.lane.Append(context.Background(), w.item(2)); !fault.Is(err, fault.Unavailable) {
		t.Errorf("a closed lane answers %v", err)
	}
	w.lent(0)
	if len(w.durable)+len(w.failed)+len(w.lane.Pending()) != 0 {
		t.Error("a refused item left something behind")
	}
}

func TestFetchOfARecycledEntry(t *testing.T) {
	fs := faultfs.New()
	w := open(t, fs, Position{})
	for n := range 40 {
		w.append(n * 100)
	}
	w.settle(40)
	w.close()
	w = open(t, fs, Position{})
	first := w.lane.Pending()[0]
	if _, err := w.log.Recycle(w.log.Segments()[1].Number); err != nil {
		t.Fatal(err)
	}
	if _, err := w.lane.Fetch(context.Background(), first); !fault.Is(err, fault.Pruned) {
		t.Errorf("fetch: %v", err)
	}
	if _, err := w.lane.ReadPayload(seglog.Pos{Segment: 1, Offset: seglog.PageBytes, Bytes: seglog.PageBytes, Seq: 1}); !fault.Is(err, fault.Pruned) {
		t.Errorf("read: %v", err)
	}
	w.close()
}

func TestParseRecord(t *testing.T) {
	s := &Stored{
		Entry: chain.LaneEntry{Validator: 1, JoinEpoch: 2, Sequence: 3, Parent: chain.Hash{4}, Kind: chain.PayloadTxs, Payload: chain.Hash{5}, Bytes: 6},
		Key:   7, Signature: []byte("eight"),
	}
	meta := appendMeta(nil, s)
	pos := seglog.Pos{Segment: 9, Offset: 10}
	got, err := ParseRecord(pos, seglog.Record{Kind: uint8(chain.PayloadTxs), Meta: meta, Payload: []byte("bytes!")})
	if err != nil || got.Entry != s.Entry || got.Key != 7 || string(got.Signature) != "eight" || string(got.Payload()) != "bytes!" || got.Pos != pos ||
		got.Digest != codec.EntryDigest(s.Entry) {
		t.Fatalf("%+v, %v", got, err)
	}
	long := slices.Clone(meta[:codec.LaneEntryBytes+6])
	binary.LittleEndian.PutUint16(long[codec.LaneEntryBytes+4:], chain.SignatureBytesMax+1)
	for name, c := range map[string]seglog.Record{
		"empty":               {Kind: 2},
		"short":               {Kind: 2, Meta: meta[:codec.LaneEntryBytes+5]},
		"another kind":        {Kind: 1, Meta: meta},
		"unknown kind":        {Kind: 9, Meta: meta},
		"signature cut":       {Kind: 2, Meta: meta[:len(meta)-1]},
		"signature with tail": {Kind: 2, Meta: append(slices.Clone(meta), 0)},
		"signature too long":  {Kind: 2, Meta: append(long, make([]byte, chain.SignatureBytesMax+1)...)},
	} {
		if _, err := ParseRecord(pos, c); !fault.Is(err, fault.Corrupt) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzParseRecord(f *testing.F) {
	f.Add(uint8(1), appendMeta(nil, &Stored{Entry: chain.LaneEntry{Kind: chain.PayloadBatch}, Signature: []byte("s")}))
	f.Fuzz(func(t *testing.T, kind uint8, meta []byte) {
		s, err := ParseRecord(seglog.Pos{}, seglog.Record{Kind: kind, Meta: meta})
		if err == nil && !bytes.Equal(appendMeta(nil, s), meta) {
			t.Error("another meta gives the same record")
		}
	})
}

// TestReach: an entry that is never ordered holds the place back, and costs no more memory however much is executed behind it.
func TestReach(t *testing.T) {
	r := newReach(Config{Lanes: make([]Place, 2)}, Position{})
	stored := func(lane chain.ValidatorNo, sequence, at uint64) *Stored {
		s := &Stored{Entry: chain.LaneEntry{Validator: lane, Sequence: sequence}, Digest: chain.Hash{byte(lane), byte(sequence)}, Pos: seglog.Pos{Segment: 1, Seq: at}}
		r.note(s)
		return s
	}
	first := stored(0, 1, 1)
	stuck := stored(1, 1, 2)
	r.pass([]*Stored{first})
	if p := r.position(); p.Pos.Seq != 1 || p.Sequence != 1 || p.Tip != first.Digest {
		t.Errorf("behind the first record: %+v", p)
	}
	for n := uint64(2); n <= 1000; n++ {
		r.pass([]*Stored{stored(0, n, n+1)})
	}
	if p := r.position(); p.Pos.Seq != 1 || p.Sequence != 1000 || len(r.pending) != 1 {
		t.Errorf("with an entry that is not executed: %+v, %d pending", p, len(r.pending))
	}
	r.pass([]*Stored{stuck})
	if p := r.position(); p.Pos.Seq != 1001 || len(r.pending) != 0 {
		t.Errorf("when it is executed: %+v", p)
	}
	stored(1, 1, 1002) // fetched again
	if p := r.position(); p.Pos.Seq != 1002 {
		t.Errorf("a copy of what is executed: %+v", p)
	}
}
