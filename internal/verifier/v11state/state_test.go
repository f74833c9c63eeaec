// SPDX-License-Identifier: Apache-2.0

package v11state_test

import (
	"context"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/verifier"
	"github.com/aurigraph/aurigraph/internal/verifier/v11state"
)

func open(t testing.TB, dir string, atLeast chain.Height) *v11state.State {
	t.Helper()
	s, err := v11state.Open(context.Background(), v11state.Config{Dir: dir, Work: t.TempDir(), Chain: testChain, AtLeast: atLeast})
	must(t, err)
	return s
}

// TestStateIsTheLedgers compares with random ledgers: native and portable accounts, sparse and dense assets, holds, amounts of 128 bits.
func TestStateIsTheLedgers(t *testing.T) {
	for seed := range uint64(6) {
		w := newWorld(t, seed, []int{2, 40, 700, 2000, 1100, 3}[seed])
		for i := range 5 {
			w.block()
			root := w.checkpoint(w.write)
			if i == 2 {
				w.checkpoint(w.writeAnchor)
			}
			s := open(t, w.dir, w.l.Height())
			if s.Height() != w.l.Height() || s.Root() != root {
				t.Fatalf("height %d, root %s; want %d, %s", s.Height(), s.Root(), w.l.Height(), root)
			}
			if got, want := seen(t, s), w.truth(); !reflect.DeepEqual(got, want) {
				t.Fatalf("seed %d, height %d: the reader and the ledger differ: %d and %d accounts, %d and %d holdings, %+v and %+v", seed, w.l.Height(),
					len(got.accounts), len(want.accounts), len(got.balances), len(want.balances), got.inbox, want.inbox)
			}
			must(t, s.Close())
			w.next()
		}
	}
}

// TestAnchor reads an anchor where the buffers are gone.
func TestAnchor(t *testing.T) {
	w := newWorld(t, 9, 50)
	w.block()
	w.checkpoint(w.writeAnchor)
	want := w.truth()
	s := open(t, w.dir, 0)
	defer s.Close()
	must(t, w.store.RemoveAnchor(w.l.Height())) // retention does so while it is read
	if got := seen(t, s); !reflect.DeepEqual(got, want) {
		t.Error("the anchor's state is another")
	}
}

// TestBesideAWriter reads while checkpoints are written one after the other: each state is one that was written, whole.
func TestBesideAWriter(t *testing.T) {
	w := newWorld(t, 4, 3000)
	var mu sync.Mutex
	written := map[chain.Height]picture{}
	keep := func() {
		p := w.truth()
		mu.Lock()
		defer mu.Unlock()
		written[w.l.Height()] = p
	}
	w.block()
	keep()
	w.checkpoint(w.write)
	done, stop := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-stop:
				return
			default:
				w.next()
				w.block()
				keep()
				w.checkpoint(w.write)
			}
		}
	}()
	read, overtaken := 0, 0
	for deadline := time.Now().Add(30 * time.Second); read < 12 && time.Now().Before(deadline); {
		s, err := v11state.Open(context.Background(), v11state.Config{Dir: w.dir, Work: t.TempDir(), Chain: testChain})
		if fault.ReasonOf(err) == v11state.ReasonOvertaken {
			overtaken++
			continue
		}
		must(t, err)
		got := seen(t, s)
		mu.Lock()
		want := written[s.Height()]
		mu.Unlock()
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("the state of height %d is torn", s.Height())
		}
		must(t, s.Close())
		read++
	}
	close(stop)
	<-done
	if read == 0 {
		t.Errorf("nothing was read, overtaken %d times", overtaken)
	}
}

// TestDamage inverts bytes everywhere: nothing is handed out.
func TestDamage(t *testing.T) {
	w := newWorld(t, 5, 30)
	w.block()
	w.checkpoint(w.write)
	path := filepath.Join(w.dir, "a.ckpt")
	whole, err := os.ReadFile(path)
	must(t, err)
	for i := 0; i < len(whole); i += 1 + len(whole)/100 + w.rng.IntN(3) {
		broken := append([]byte(nil), whole...)
		broken[i] ^= 1 << w.rng.IntN(8)
		must(t, os.WriteFile(path, broken, 0o600))
		refused(t, w.dir, fault.Corrupt)
	}
	for _, n := range []int{0, 1, 16383, 16384, len(whole) / 2, len(whole) - 1} {
		must(t, os.WriteFile(path, whole[:n], 0o600))
		kind := fault.Corrupt
		if n < 16384 {
			kind = fault.TryLater // one that was never finished
		}
		refused(t, w.dir, kind)
	}
	must(t, os.WriteFile(path, append(append([]byte(nil), whole...), 0), 0o600))
	refused(t, w.dir, fault.Corrupt)
}

func refused(t *testing.T, dir string, kind fault.Kind) {
	t.Helper()
	s, err := v11state.Open(context.Background(), v11state.Config{Dir: dir, Work: t.TempDir(), Chain: testChain})
	if err == nil {
		s.Close()
		t.Fatal("a damaged file was read")
	}
	if !fault.Is(err, kind) {
		t.Fatalf("%v: %v, want %v", fault.KindOf(err), err, kind)
	}
}

// TestForgedChecksums changes an amount and makes all checksums right again: the root tells.
func TestForgedChecksums(t *testing.T) {
	w := newWorld(t, 6, 30)
	w.block()
	w.checkpoint(w.write)
	path := filepath.Join(w.dir, "a.ckpt")
	b, err := os.ReadFile(path)
	must(t, err)
	table, le := crc32.MakeTable(crc32.Castagnoli), binary.LittleEndian
	slots := int(le.Uint32(b[64:]))
	tail := b[16384*(1+slots):]
	rows := tail[4+8*le.Uint32(tail):][4:]
	at := w.rng.IntN(slots)
	page := b[16384*(1+at):][:16384]
	page[100] ^= 1
	le.PutUint32(rows[12*at+8:], crc32.Checksum(page, table))
	le.PutUint32(b[76:], crc32.Checksum(tail, table))
	le.PutUint32(b[80:], crc32.Checksum(b[:80], table))
	must(t, os.WriteFile(path, b, 0o600))
	refused(t, w.dir, fault.Corrupt)
	// An older checkpoint that is sound is read instead.
	must(t, os.Remove(path))
	w.checkpoint(w.writeAnchor)
	must(t, os.WriteFile(path, b, 0o600))
	open(t, w.dir, 0).Close()
}

// TestWaits waits for a height, and says what there is when it does not come.
func TestWaits(t *testing.T) {
	w := newWorld(t, 7, 5)
	cfg := v11state.Config{Dir: w.dir, Work: t.TempDir(), Chain: testChain}
	_, err := v11state.Open(context.Background(), cfg)
	if fault.ReasonOf(err) != v11state.ReasonTooOld {
		t.Fatal(err)
	}
	w.block()
	w.checkpoint(w.write)
	cfg.AtLeast = w.l.Height() + 1
	if _, err = v11state.Open(context.Background(), cfg); fault.ReasonOf(err) != v11state.ReasonTooOld {
		t.Fatal(err)
	}
	written := make(chan struct{})
	go func() {
		defer close(written)
		w.next()
		w.block()
		w.checkpoint(w.write)
	}()
	cfg.Wait = 20 * time.Second
	s, err := v11state.Open(context.Background(), cfg)
	<-written
	must(t, err)
	defer s.Close()
	if s.Height() != cfg.AtLeast {
		t.Error(s.Height())
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	cfg.AtLeast++
	if _, err := v11state.Open(ctx, cfg); !fault.Is(err, fault.Timeout) {
		t.Error(err)
	}
	cfg = v11state.Config{Dir: w.dir, Work: t.TempDir(), Chain: 78}
	if _, err := v11state.Open(context.Background(), cfg); !fault.Is(err, fault.Conflict) {
		t.Error(err)
	}
	no := errors.New("validators certified another root")
	cfg = v11state.Config{Dir: w.dir, Work: t.TempDir(), Certified: func(context.Context, chain.Height, chain.Hash) error { return no }}
	if _, err := v11state.Open(context.Background(), cfg); !errors.Is(err, no) {
		t.Error(err)
	}
}

// TestMemory reads states of two sizes: what it allocates does not follow the size.
func TestMemory(t *testing.T) {
	allocated := func(portable int) uint64 {
		w := newWorld(t, 8, portable)
		w.block()
		w.checkpoint(w.write)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		s := open(t, w.dir, 0)
		defer s.Close()
		n := 0
		must(t, s.Accounts(context.Background(), func(*verifier.StateAccount) error { n++; return nil }))
		must(t, s.Balances(context.Background(), func(verifier.StateBalance) error { n++; return nil }))
		runtime.ReadMemStats(&after)
		return after.TotalAlloc - before.TotalAlloc
	}
	small, large := allocated(100), allocated(50_000)
	t.Logf("%d and %d bytes", small, large)
	if large > small+1<<20 || large > 4<<20 {
		t.Errorf("a state of 500 times the accounts takes %d bytes instead of %d", large, small)
	}
}
