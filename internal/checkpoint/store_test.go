// SPDX-License-Identifier: Apache-2.0

package checkpoint

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/pages"
)

const testChain = 77

var testConfig = Config{Chain: testChain, BytesPerSecond: 1 << 40}

func all(Meta) bool { return true }

// state is a ledger of two columns, then three, whose content is a function of the height.
type state struct {
	space *pages.Space
	tree  *pages.Tree
	a     *pages.Column[uint64]
	late  *pages.Column[chain.Amount]
}

func newState() *state {
	s := &state{space: pages.NewSpace(), tree: pages.NewTree()}
	s.a = pages.NewColumn[uint64](s.space, 3, 1<<20)
	pages.NewColumn[uint8](s.space, 9, 100)
	return s
}

// advance changes page 0, adds a page, and from height 3 on uses a new section below the others.
func (s *state) advance(h chain.Height) (*pages.Snapshot, Meta) {
	*s.a.Mut(1) = uint64(h)
	*s.a.Mut(uint64(h) * 2048) = uint64(h)
	if h >= 3 && s.late == nil {
		s.late = pages.NewColumn[chain.Amount](s.space, 2, 5000)
	}
	if h >= 3 {
		s.late.Mut(uint64(h)).Lo = 8
	}
	sn := s.space.Snapshot()
	blob := bytes.Repeat([]byte{byte(h)}, 50-10*int(h%4))
	return sn, Meta{Chain: testChain, Height: h, Root: s.tree.Update(sn), Blob: blob}
}

func open(t *testing.T, fs FS) *Store {
	t.Helper()
	s, err := Open("", fs, testConfig)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// write brings a disk through heights from to to; it returns the last height that was written.
func write(s *Store, st *state, from, to chain.Height) (done chain.Height, err error) {
	for h := from; h <= to; h++ {
		sn, meta := st.advance(h)
		_, err := s.Write(context.Background(), sn, meta)
		sn.Release()
		if err != nil {
			return h - 1, err
		}
	}
	return to, nil
}

func TestWriteAndLoad(t *testing.T) {
	fs := newMemFS()
	s, st := open(t, fs), newState()
	if _, skipped, err := s.LoadVerified(all); !fault.Is(err, fault.NotFound) || skipped != nil {
		t.Fatal(skipped, err)
	}
	var written []string
	for h := chain.Height(1); h <= 6; h++ {
		sn, meta := st.advance(h)
		w, err := s.Write(context.Background(), sn, meta)
		if err != nil {
			t.Fatal(err)
		}
		sn.Release()
		written = append(written, fmt.Sprintf("%d/%v", w.Pages, w.Full))
		l, skipped, err := open(t, fs).LoadVerified(all)
		if err != nil || skipped != nil {
			t.Fatal(skipped, err)
		}
		if l.Meta.Height != h || l.Tree.Root() != meta.Root || !bytes.Equal(l.Meta.Blob, meta.Blob) {
			t.Fatalf("%+v", l.Meta)
		}
		if a := pages.NewColumn[uint64](l.Space, 3, 1<<20); *a.Ref(1) != uint64(h) || *a.Ref(uint64(h) * 2048) != uint64(h) {
			t.Fatal("the pages are of another height")
		}
	}
	// Each height changes page 0 and adds one; from 3 on there is one more page. A buffer lags two heights behind.
	if got := strings.Join(written, " "); got != "2/true 3/true 4/false 4/false 4/false 4/false" {
		t.Error(got)
	}
	l, _, err := s.LoadVerified(func(m Meta) bool { return m.Height < 6 })
	if err != nil || l.Meta.Height != 5 {
		t.Fatal(l, err)
	}
	// Height 5 was loaded: 6 is given up, 5 stays.
	if done, err := write(s, st, 7, 7); err != nil || done != 7 {
		t.Fatal(err)
	}
	found, _ := s.Candidates()
	if len(found) != 2 || found[0].Meta.Height != 7 || found[1].Meta.Height != 5 {
		t.Fatal(found)
	}
}

// TestTrace is the order of what reaches the disk: a lost or moved sync is a difference here.
func TestTrace(t *testing.T) {
	fs := newMemFS()
	s, st := open(t, fs), newState()
	if _, err := write(s, st, 1, 3); err != nil {
		t.Fatal(err)
	}
	sn, meta := st.advance(4)
	if err := s.WriteAnchor(context.Background(), sn, meta); err != nil {
		t.Fatal(err)
	}
	if err := s.RemoveAnchor(4); err != nil {
		t.Fatal(err)
	}
	golden(t, "trace.txt", []byte(strings.Join(fs.trace, "\n")+"\n"))
}

// TestCrash cuts the disk off at every operation of a run, in several ways of losing what was not synced. What is then
// loaded is the last checkpoint that was written, or the one that was being written, and nothing looks damaged.
func TestCrash(t *testing.T) {
	roots := map[chain.Height]chain.Hash{0: pages.NewTree().Root()}
	reference := newState()
	for h := chain.Height(1); h <= 6; h++ {
		_, meta := reference.advance(h)
		roots[h] = meta.Root
	}
	for n := 1; ; n++ {
		fs := newMemFS()
		fs.failAt = n
		s, st := open(t, fs), newState()
		done, err := write(s, st, 1, 5)
		tried, anchor := min(done+1, 5), false
		if err == nil {
			tried = 5
			sn, meta := st.advance(6)
			err = s.WriteAnchor(context.Background(), sn, meta)
			anchor = true
		}
		if err == nil {
			if n < 40 {
				t.Fatal("too few operations", n)
			}
			return
		}
		if !fault.Is(err, fault.Halted) {
			t.Fatalf("operation %d: %v is not a halt", n, err)
		}
		for seed := range uint64(8) {
			disk := fs.crash(seed)
			again := open(t, disk)
			l, skipped, err := again.LoadVerified(all)
			got := chain.Height(0)
			if err == nil {
				got = l.Meta.Height
			} else if !fault.Is(err, fault.NotFound) {
				t.Fatalf("operation %d, seed %d: %v", n, seed, err)
			}
			if skipped != nil || (got != done && got != tried && !(anchor && got == 6)) {
				t.Fatalf("operation %d, seed %d: height %d, written %d: %v", n, seed, got, done, skipped)
			}
			if l != nil && l.Tree.Root() != roots[got] {
				t.Fatalf("operation %d, seed %d: height %d has another root", n, seed, got)
			}
			for _, name := range slices.Collect(keys(disk.names)) {
				if strings.HasSuffix(name, tmpSuffix) {
					t.Fatalf("operation %d: %s is left", n, name)
				}
			}
			if _, err := write(again, newState(), 10, 11); err != nil || again.keep < 0 {
				t.Fatalf("operation %d, seed %d: cannot go on: %v", n, seed, err)
			}
		}
	}
}

func keys(m map[string]*memFile) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

// TestFlip changes bytes of every kind: all of the header's and the tables', and many of the zeros and pages between.
func TestFlip(t *testing.T) {
	fs := newMemFS()
	if _, err := write(open(t, fs), newState(), 1, 1); err != nil {
		t.Fatal(err)
	}
	f := fs.names["a.ckpt"]
	report, err := Verify(fs, "a.ckpt")
	if err != nil || report.Used != int64(len(f.data)) || report.Pages != 2 || report.Sections != 2 || report.Meta.Height != 1 {
		t.Fatalf("%+v %v", report, err)
	}
	tail := 3 * pages.PageBytes
	for i := 0; i < len(f.data); i++ {
		if i > 2*headerBytes && i < tail-1 && i%pages.PageBytes != 0 {
			i += 96
		}
		i = min(i, len(f.data)-1)
		f.data[i] ^= 1 << (i % 8)
		if _, err := Verify(fs, "a.ckpt"); !fault.Is(err, fault.Corrupt) {
			t.Fatalf("byte %d may change: %v", i, err)
		}
		if l, skipped, err := open(t, fs).LoadVerified(all); l != nil || len(skipped) != 1 || !fault.Is(err, fault.Corrupt) {
			t.Fatalf("byte %d: %v %v", i, skipped, err)
		}
		f.data[i] ^= 1 << (i % 8)
	}
	whole := f.data
	for _, size := range []int{1, headerBytes, pages.PageBytes, tail, len(whole) - 1} {
		f.data = whole[:size]
		if _, err := Verify(fs, "a.ckpt"); !fault.Is(err, fault.Corrupt) {
			t.Errorf("%d bytes: %v", size, err)
		}
	}
	f.data = append(bytes.Clone(whole), 0)
	if _, err := Verify(fs, "a.ckpt"); !fault.Is(err, fault.Corrupt) {
		t.Errorf("a byte more: %v", err)
	}
}

// TestDamagedFallsBack damages the newest of three: the next one is loaded, and the error is told.
func TestDamagedFallsBack(t *testing.T) {
	fs := newMemFS()
	s, st := open(t, fs), newState()
	if _, err := write(s, st, 1, 2); err != nil {
		t.Fatal(err)
	}
	sn, meta := st.advance(3)
	meta.Root[0]++ // a whole file, but its root is wrong
	if err := s.WriteAnchor(context.Background(), sn, meta); err != nil {
		t.Fatal(err)
	}
	if _, err := Verify(fs, anchorName(3)); !fault.Is(err, fault.Corrupt) {
		t.Error(err)
	}
	fs.names["b.ckpt"].data[pages.PageBytes+100] ^= 1
	s = open(t, fs)
	if c, ok, _ := s.Newest(all); !ok || c.Meta.Height != 3 {
		t.Error(c, ok)
	}
	if _, ok, _ := s.Newest(func(m Meta) bool { return m.Height > 3 }); ok {
		t.Error("a height that is not there")
	}
	l, skipped, err := s.LoadVerified(all)
	if err != nil || l.Meta.Height != 1 || len(skipped) != 2 {
		t.Fatal(l, skipped, err)
	}
	if _, err := s.Load("b.ckpt", pages.NewSpace()); !fault.Is(err, fault.Corrupt) {
		t.Error(err)
	}
	if _, err := s.Load("a.ckpt", l.Space); !fault.Is(err, fault.Conflict) {
		t.Error(err)
	}
	if meta, err := s.Load("a.ckpt", pages.NewSpace()); err != nil || meta.Height != 1 {
		t.Error(err)
	}
	if _, err := s.Load("c.ckpt", pages.NewSpace()); !fault.Is(err, fault.NotFound) {
		t.Error(err)
	}
}

func TestAnchors(t *testing.T) {
	fs := newMemFS()
	s, st := open(t, fs), newState()
	for _, h := range []chain.Height{1, 2, 10} {
		sn, meta := st.advance(h)
		if err := s.WriteAnchor(context.Background(), sn, meta); err != nil {
			t.Fatal(err)
		}
		if err := s.WriteAnchor(context.Background(), sn, meta); !fault.Is(err, fault.Conflict) {
			t.Error(err)
		}
	}
	fs.names["anchor-3.ckpt"] = fs.names[anchorName(1)] // not our name
	if got, err := s.Anchors(); err != nil || !slices.Equal(got, []chain.Height{1, 2, 10}) {
		t.Error(got, err)
	}
	if err := s.RemoveAnchor(2); err != nil {
		t.Error(err)
	}
	if err := s.RemoveAnchor(2); !fault.Is(err, fault.NotFound) {
		t.Error(err)
	}
	if l, _, err := s.LoadVerified(func(m Meta) bool { return m.Height < 10 }); err != nil || l.Meta.Height != 1 || l.Name != anchorName(1) {
		t.Error(l, err)
	}
	fs.failAt = 1
	if err := s.RemoveAnchor(1); !fault.Is(err, fault.Halted) {
		t.Error(err)
	}
}

func TestRefusals(t *testing.T) {
	fs := newMemFS()
	s, st := open(t, fs), newState()
	sn, meta := st.advance(1)
	other, long := meta, meta
	other.Chain++
	long.Blob = make([]byte, BlobBytesMax+1)
	for _, m := range []Meta{other, long} {
		if _, err := s.Write(context.Background(), sn, m); !fault.Is(err, fault.Invalid) {
			t.Error(err)
		}
		if err := s.WriteAnchor(context.Background(), sn, m); !fault.Is(err, fault.Invalid) {
			t.Error(err)
		}
	}
	if fs.ops != 0 {
		t.Error("the disk was touched")
	}
	if _, err := Open("", fs, Config{BytesPerSecond: -1}); !fault.Is(err, fault.Invalid) {
		t.Error(err)
	}
	if _, err := s.Write(context.Background(), sn, meta); err != nil {
		t.Fatal(err)
	}
	if _, err := Open("", fs, Config{Chain: testChain + 1}); !fault.Is(err, fault.Conflict) || fault.ReasonOf(err) != "wrong_chain" {
		t.Error(err)
	}
}

// TestCancel gives a write up: the checkpoint before stays, and the next write takes the same file again.
func TestCancel(t *testing.T) {
	fs := newMemFS()
	s, st := open(t, fs), newState()
	if _, err := write(s, st, 1, 3); err != nil {
		t.Fatal(err)
	}
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	sn, meta := st.advance(4)
	if _, err := s.Write(ended, sn, meta); !fault.Is(err, fault.Timeout) {
		t.Fatal(err)
	}
	if err := s.WriteAnchor(ended, sn, meta); !fault.Is(err, fault.Timeout) {
		t.Fatal(err)
	}
	if err := s.WriteAnchor(context.Background(), sn, meta); err != nil {
		t.Fatal(err)
	}
	if l, _, err := open(t, fs).LoadVerified(func(m Meta) bool { return m.Height != 4 }); err != nil || l.Meta.Height != 3 {
		t.Fatal(err)
	}
	if w, err := s.Write(context.Background(), sn, meta); err != nil || !w.Full {
		t.Fatal(w, err)
	}
	if found, _ := s.Candidates(); len(found) != 3 || found[2].Meta.Height != 3 {
		t.Fatal(found)
	}
}

// TestOlderSnapshot writes a snapshot that is older than what the buffer holds: pages that came later must go.
func TestOlderSnapshot(t *testing.T) {
	fs := newMemFS()
	s, st := open(t, fs), newState()
	old, oldMeta := st.advance(1)
	if _, err := write(s, st, 2, 4); err != nil {
		t.Fatal(err)
	}
	oldMeta.Height = 5
	if w, err := s.Write(context.Background(), old, oldMeta); err != nil || !w.Full {
		t.Fatal(w, err)
	}
	if l, skipped, err := s.LoadVerified(all); err != nil || l.Meta.Height != 5 || skipped != nil {
		t.Fatal(skipped, err)
	}
}

// TestUnreadable takes reading away: nothing is taken for damaged, and no buffer for free.
func TestUnreadable(t *testing.T) {
	fs := newMemFS()
	s, st := open(t, fs), newState()
	if _, err := write(s, st, 1, 1); err != nil {
		t.Fatal(err)
	}
	sn, meta := st.advance(2)
	fs.noReads = true
	_, openErr := Open("", fs, testConfig)
	_, anchorsErr := s.Anchors()
	_, loadErr := s.Load("a.ckpt", pages.NewSpace())
	for _, err := range []error{openErr, anchorsErr, loadErr, s.WriteAnchor(context.Background(), sn, meta)} {
		if !fault.Is(err, fault.Unavailable) {
			t.Error(err)
		}
	}
	if _, skipped := s.Candidates(); len(skipped) != 2 {
		t.Error(skipped)
	}
	fs.noReads, fs.failAt = false, 1
	fs.names[anchorName(7)+tmpSuffix] = &memFile{fs: fs}
	if _, err := Open("", fs, testConfig); !fault.Is(err, fault.Unavailable) {
		t.Error(err)
	}
}

// TestSyncBound writes more than may stay unsynced.
func TestSyncBound(t *testing.T) {
	fs := newMemFS()
	s, st := open(t, fs), newState()
	for page := range uint64(512) {
		*st.a.Mut(page * 2048) = page
	}
	if _, err := write(s, st, 1, 1); err != nil {
		t.Fatal(err)
	}
	unsynced, most := 0, 0
	for _, line := range fs.trace {
		if strings.HasPrefix(line, "sync a") {
			unsynced = 0
		} else if strings.HasPrefix(line, "write") {
			unsynced += pages.PageBytes
		}
		most = max(most, unsynced)
	}
	if most > syncBytesMax {
		t.Error(most)
	}
	if l, _, err := s.LoadVerified(all); err != nil || l.Meta.Height != 1 {
		t.Error(err)
	}
}

func TestPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		p := pace{bytesPerSecond: 1 << 20}
		for range 64 {
			if err := p.wait(t.Context(), 16<<10); err != nil {
				t.Fatal(err)
			}
		}
		if took := time.Since(start); took < 990*time.Millisecond || took > time.Second {
			t.Error(took)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := p.wait(ctx, 10<<20); err != context.DeadlineExceeded {
			t.Error(err)
		}
	})
}

// TestIdleWritesAreFaster writes the same full checkpoint at both rates.
func TestIdleWritesAreFaster(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		took := func(write func(*Store) func(context.Context, *pages.Snapshot, Meta) (Written, error)) time.Duration {
			s, err := Open("", newMemFS(), Config{Chain: testChain, BytesPerSecond: 64 << 10})
			if err != nil {
				t.Fatal(err)
			}
			sn, meta := newState().advance(1)
			defer sn.Release()
			start := time.Now()
			if _, err := write(s)(t.Context(), sn, meta); err != nil {
				t.Fatal(err)
			}
			return time.Since(start)
		}
		busy := took(func(s *Store) func(context.Context, *pages.Snapshot, Meta) (Written, error) { return s.Write })
		idle := took(func(s *Store) func(context.Context, *pages.Snapshot, Meta) (Written, error) { return s.WriteIdle })
		if busy < 4*paceBurst || idle > busy/idleFactor+paceBurst {
			t.Errorf("%v at the rate, %v idle", busy, idle)
		}
	})
}

// TestOS runs on a real disk once.
func TestOS(t *testing.T) {
	dir := t.TempDir()
	s, err := Open(dir, OS{}, Config{Chain: testChain})
	if err != nil {
		t.Fatal(err)
	}
	st := newState()
	if _, err := write(s, st, 1, 3); err != nil {
		t.Fatal(err)
	}
	sn, meta := st.advance(4)
	if err := s.WriteAnchor(context.Background(), sn, meta); err != nil {
		t.Fatal(err)
	}
	tmp := filepath.Join(dir, anchorName(9)+tmpSuffix)
	if err := os.WriteFile(tmp, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if s, err = Open(dir, OS{}, Config{Chain: testChain}); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(tmp); !missing(err) {
		t.Error("an unfinished anchor is left")
	}
	if l, skipped, err := s.LoadVerified(all); err != nil || l.Meta.Height != 4 || skipped != nil {
		t.Fatal(skipped, err)
	}
	if err := s.RemoveAnchor(4); err != nil {
		t.Error(err)
	}
	if report, err := Verify(OS{}, filepath.Join(dir, "a.ckpt")); err != nil || report.Meta.Height != 3 {
		t.Error(report, err)
	}
	if _, err := Verify(OS{}, filepath.Join(dir, "none")); !fault.Is(err, fault.NotFound) {
		t.Error(err)
	}
	gone := filepath.Join(dir, "gone")
	if _, err := Open(gone, OS{}, testConfig); !fault.Is(err, fault.Unavailable) {
		t.Error(err)
	}
	if (OS{}).SyncDir(gone) == nil {
		t.Error("a missing folder is durable")
	}
}
