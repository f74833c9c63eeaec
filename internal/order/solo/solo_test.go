// SPDX-License-Identifier: Apache-2.0

package solo

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/order"
	"github.com/aurigraph/aurigraph/internal/order/ordertest"
	"github.com/aurigraph/aurigraph/internal/seglog"
	"github.com/aurigraph/aurigraph/internal/seglog/disk"
	"github.com/aurigraph/aurigraph/internal/seglog/faultfs"
	"github.com/aurigraph/aurigraph/internal/testkit"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var errBroken = errors.New("the disk is gone")

const testSegmentBytes = 64 << 10 // 15 proposals

func openLog(t *testing.T, fs disk.FS, dir string) *seglog.Log {
	t.Helper()
	l, err := seglog.Open(dir, seglog.Options{Name: "order", FS: fs, SegmentBytes: testSegmentBytes, ReadyMin: 1})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func harness(t *testing.T, fs disk.FS, dir string) ordertest.Harness {
	var log *seglog.Log
	var engine *Engine
	return ordertest.Harness{
		Open: func(t *testing.T, s ordertest.Settings) order.Engine {
			t.Helper()
			log = openLog(t, fs, dir)
			var err error
			engine, err = Open(context.Background(), log, s.From, 0, Config{WindowMax: s.WindowMax, PendingMax: s.PendingMax, Now: s.Now})
			if err != nil {
				t.Fatal(err)
			}
			return engine
		},
		Close: func(t *testing.T) {
			t.Helper()
			if err := log.Close(); err != nil && !errors.Is(err, errBroken) {
				t.Error(err)
			}
			if n := engine.pool.LentBytes(); n != 0 {
				t.Errorf("%d bytes of buffers are still lent", n)
			}
		},
		Writes: func() int { return int(log.NextSeq()) },
	}
}

func TestConformanceInMemory(t *testing.T) {
	ordertest.Run(t, func(t *testing.T) ordertest.Harness {
		fs := faultfs.New()
		h := harness(t, fs, "/order")
		h.Writes = fs.Ops
		h.Fail = func() { fs.Inject(failWrites) }
		return h
	})
}

// failWrites fails slowly, so that the engine has long wanted to go on when it learns of it.
func failWrites(op faultfs.Op) error {
	if op.Kind == faultfs.OpWrite {
		<-time.After(time.Second)
		return errBroken
	}
	return nil
}

func TestConformanceOnDisk(t *testing.T) {
	ordertest.Run(t, func(t *testing.T) ordertest.Harness {
		return harness(t, disk.OS(), filepath.Join(testkit.DiskDir(t), "order"))
	})
}

// workload offers digests one by one on a file system whose power may go, and returns what was decided.
func workload(t *testing.T, fs *faultfs.FS) (decided []*chain.Proposal, finished bool) {
	log, err := seglog.Open("/order", seglog.Options{FS: fs, SegmentBytes: testSegmentBytes, ReadyMin: 1})
	if err != nil {
		return nil, false
	}
	defer log.Close()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	e, err := Open(ctx, log, 0, 0, Config{IntervalMin: time.Nanosecond})
	if err != nil {
		t.Fatal(err)
	}
	end := make(chan error, 1)
	go func() { end <- e.Run(ctx) }()
	for i := range 40 {
		if e.Offer(chain.Hash{byte(i), 1}) != nil {
			break
		}
	}
	for entries := 0; entries < 40; {
		select {
		case p := <-e.Decided():
			decided = append(decided, p)
			entries += len(p.Entries)
			if entries == 20 {
				e.Nudge()
			}
		case err := <-end:
			if !fault.Is(err, fault.Halted) {
				t.Fatalf("Run ended with %v", err)
			}
			return decided, false
		}
	}
	cancel()
	<-end
	return decided, true
}

func TestCrashAtEveryWrite(t *testing.T) {
	for n := 0; ; n++ {
		fs := faultfs.New()
		fs.StopAfter(n)
		decided, finished := workload(t, fs)
		for seed := range uint64(3) {
			log := openLog(t, fs.Crash(seed), "/order")
			e, err := Open(context.Background(), log, 0, 0, Config{})
			if err != nil {
				t.Fatalf("n=%d: %v", n, err)
			}
			if len(e.replay) < len(decided) {
				t.Fatalf("n=%d: %d proposals were decided, %d are there", n, len(decided), len(e.replay))
			}
			for i, p := range decided {
				if codec.ProposalHash(p) != codec.ProposalHash(e.replay[i]) {
					t.Fatalf("n=%d: height %d changed", n, p.Height)
				}
				if len(p.Entries) > 0 && !e.Replayed()[p.Entries[0]] {
					t.Fatalf("n=%d: height %d is not among what is replayed", n, p.Height)
				}
			}
			if e.ReplayedTo() != chain.Height(len(e.replay)) {
				t.Fatalf("n=%d: replayed to %d of %d", n, e.ReplayedTo(), len(e.replay))
			}
			if err := log.Close(); err != nil {
				t.Fatal(err)
			}
		}
		if finished {
			return
		}
	}
}

// TestFullDisk lets the disk run full: the engine halts, and after it the log has no gap, also when there is room again
// before the engine has ended.
func TestFullDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := faultfs.New()
		log := openLog(t, fs, "/order")
		e, err := Open(context.Background(), log, 0, 0, Config{})
		if err != nil {
			t.Fatal(err)
		}
		end := make(chan error, 1)
		go func() { end <- e.Run(t.Context()) }()
		<-time.After(time.Minute)
		fs.SetSpace(0)
		decided := chain.Height(0)
		for err == nil {
			_ = e.Offer(chain.Hash{1, byte(decided)}) // Halted at the end
			select {
			case p := <-e.Decided():
				decided = p.Height
			case err = <-end:
			}
		}
		if !fault.Is(err, fault.Halted) {
			t.Errorf("Run ended with %v", err)
		}
		fs.SetSpace(-1)
		<-time.After(time.Minute)
		if n := e.pool.LentBytes(); n != 0 {
			t.Errorf("%d bytes of buffers are still lent", n)
		}
		if err := log.Close(); err != nil {
			t.Error(err)
		}
		log = openLog(t, fs, "/order")
		defer log.Close()
		if e, err = Open(context.Background(), log, 0, 0, Config{}); err != nil || e.ReplayedTo() < decided || decided < 10 {
			t.Errorf("height %d was decided; then the log is %+v, %v", decided, e, err)
		}
	})
}

func appendProposal(t *testing.T, log *seglog.Log, kind uint8, meta []byte) {
	t.Helper()
	b, err := log.Buffer(context.Background(), 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.SetMeta(kind, meta); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	if err := log.Append(context.Background(), b, func(_ seglog.Pos, err error) { done <- err }); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

func TestOpenRefuses(t *testing.T) {
	at := func(h chain.Height, us uint64) []byte {
		return codec.AppendProposal(nil, &chain.Proposal{Height: h, Term: 1, TimeUs: us})
	}
	type record struct {
		kind uint8
		meta []byte
	}
	for _, c := range []struct {
		name    string
		records []record
		from    chain.Height
	}{
		{"another kind", []record{{9, at(1, 1)}}, 0},
		{"no proposal", []record{{recordProposal, []byte("nonsense")}}, 0},
		{"a gap", []record{{recordProposal, at(1, 1)}, {recordProposal, at(3, 2)}}, 0},
		{"time that stands still", []record{{recordProposal, at(1, 1)}, {recordProposal, at(2, 1)}}, 0},
		{"a log that begins after the state", []record{{recordProposal, at(5, 1)}}, 3},
		{"a log that ends before the state", []record{{recordProposal, at(1, 1)}}, 2},
		{"an empty log under a state", nil, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			log := openLog(t, faultfs.New(), "/order")
			defer log.Close()
			for _, r := range c.records {
				appendProposal(t, log, r.kind, r.meta)
			}
			if _, err := Open(context.Background(), log, c.from, 0, Config{}); !fault.Is(err, fault.Corrupt) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestTrim(t *testing.T) {
	fs := faultfs.New()
	log := openLog(t, fs, "/order")
	for h := range chain.Height(100) {
		appendProposal(t, log, recordProposal, codec.AppendProposal(nil, &chain.Proposal{Height: h + 1, Term: 1, TimeUs: uint64(h) + 1}))
	}
	e, err := Open(context.Background(), log, 100, 0, Config{})
	if err != nil {
		t.Fatal(err)
	}
	all := len(log.Segments())
	for _, below := range []chain.Height{0, 1, 15} {
		if err := e.Trim(below); err != nil || len(log.Segments()) != all {
			t.Fatalf("below %d: %d of %d segments, %v", below, len(log.Segments()), all, err)
		}
	}
	for _, below := range []chain.Height{16, 50, 95, 100, 1000} {
		if err := e.Trim(below); err != nil {
			t.Fatal(err)
		}
		first := chain.Height(log.Segments()[0].FirstSeq)
		if first > below {
			t.Errorf("below %d: the log begins at height %d", below, first)
		}
		if next := log.Segments(); len(next) > 1 && chain.Height(next[1].FirstSeq) <= below {
			t.Errorf("below %d: a whole segment too many is kept", below)
		}
	}
	log.Close()

	// A log that was trimmed still tells heights from sequences, and goes on.
	log = openLog(t, fs, "/order")
	defer log.Close()
	first := chain.Height(log.Segments()[0].FirstSeq)
	if e, err = Open(context.Background(), log, first+2, 0, Config{}); err != nil {
		t.Fatal(err)
	}
	if got := e.replay[0].Height; got != first+3 || e.ReplayedTo() != 100 || e.PendingLen() != 0 {
		t.Errorf("replay begins at %d of a log from %d to %d", got, first, e.ReplayedTo())
	}
	if _, err := Open(context.Background(), log, 0, 0, Config{}); !fault.Is(err, fault.Corrupt) {
		t.Errorf("a log without the heights after the state opens: %v", err)
	}
}

func TestGenesisTimeIsBelowTheFirstBlock(t *testing.T) {
	c := core{timeUs: 1000}
	for i := range uint64(3) {
		if p := c.cut(0); p.TimeUs != 1001+i || p.Height != chain.Height(i+1) {
			t.Errorf("cut %d is %+v", i, p)
		}
	}
}

func TestCoreKeepsOrder(t *testing.T) {
	var c core
	var want, got []chain.Hash
	for i := range 3*chain.EntriesPerBlockMax + 5 {
		want = append(want, chain.Hash{byte(i), byte(i >> 8), 1})
	}
	c.pending = append(c.pending, want...)
	for c.ready() {
		got = append(got, c.cut(1).Entries...)
	}
	if !slices.Equal(got, want) {
		t.Error("entries are lost or turned around")
	}
}
