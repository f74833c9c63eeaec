// SPDX-License-Identifier: Apache-2.0

package sqlite

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/imported"
	"github.com/aurigraph/aurigraph/internal/imported/importedtest"
)

// smallBits make many chunks of few rows.
const smallBits = 6

var engines = importedtest.Engines{
	Place: func(t testing.TB) string { return filepath.Join(t.TempDir(), "imported") },
	Open: func(ctx context.Context, dir string, id imported.Identity) (imported.Writer, error) {
		return Open(ctx, Config{Dir: dir, ChunkBits: smallBits}, id)
	},
	Loader: loader,
	Read: func(ctx context.Context, dir string, id imported.Identity) (imported.Reader, error) {
		return OpenReader(ctx, dir, id)
	},
}

// loads names the place that a process of this test binary is to load, instead of running tests.
const loads = "IMPORTED_TEST_LOADS"

func TestMain(m *testing.M) {
	place := os.Getenv(loads)
	if place == "" {
		m.Run()
		return
	}
	if err := importedtest.Loads(context.Background(), place, engines); err != nil {
		fmt.Println("failed:", err)
	}
}

func loader(ctx context.Context, place string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, os.Args[0])
	cmd.Env = append(os.Environ(), loads+"="+place)
	return cmd
}

func TestSuite(t *testing.T) { importedtest.Run(t, engines) }

// TestSuiteOneChunk has all in one chunk, of many blocks.
func TestSuiteOneChunk(t *testing.T) {
	one := engines
	one.Open = func(ctx context.Context, dir string, id imported.Identity) (imported.Writer, error) {
		return Open(ctx, Config{Dir: dir}, id)
	}
	importedtest.Run(t, one)
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

var testIdentity = imported.Identity{Chain: 3, Sequence: 9}

func loaded(t *testing.T, dir string, rows int, c Config) {
	t.Helper()
	c.Dir = dir
	db, err := Open(t.Context(), c, testIdentity)
	must(t, err)
	list := make([]imported.Row, rows)
	for i := range list {
		list[i] = imported.Row{Seq: uint64(i + 1), Round: uint64(i + 1), Payer: chain.AccountNo(i%5 + 1), Payee: 9, Asset: 1}
	}
	must(t, db.Rows(t.Context(), list))
	must(t, db.Finish(t.Context()))
	must(t, db.Close())
}

// TestFiles wants one file of a finished history, and nothing beside it.
func TestFiles(t *testing.T) {
	dir := t.TempDir()
	var told []imported.Progress
	loaded(t, dir, 100, Config{ChunkBits: 4, OnProgress: func(p imported.Progress) { told = append(told, p) }})
	files, err := os.ReadDir(dir)
	must(t, err)
	if len(files) != 1 || files[0].Name() != FileName {
		t.Errorf("the folder has %v", files)
	}
	if !slices.IsSortedFunc(told, func(a, b imported.Progress) int { return int(a.Done) - int(b.Done) }) || len(told) != 8 || told[7] != (imported.Progress{Done: 100, Total: 100}) {
		t.Errorf("it told of %v", told)
	}
}

// TestNameWasToCome opens a file that was finished and not named when its process ended.
func TestNameWasToCome(t *testing.T) {
	dir := t.TempDir()
	loaded(t, dir, 10, Config{})
	must(t, os.Rename(filepath.Join(dir, FileName), filepath.Join(dir, loadingName)))
	db, err := Open(t.Context(), Config{Dir: dir}, testIdentity)
	must(t, err)
	must(t, db.Finish(t.Context()))
	must(t, db.Close())
	r, err := OpenReader(t.Context(), dir, testIdentity)
	must(t, err)
	must(t, r.Close())
}

// TestTwoLoad lets one load at a time.
func TestTwoLoad(t *testing.T) {
	dir := t.TempDir()
	db, err := Open(t.Context(), Config{Dir: dir}, testIdentity)
	must(t, err)
	if _, err := Open(t.Context(), Config{Dir: dir}, testIdentity); !fault.Is(err, fault.TryLater) {
		t.Errorf("a second one: %v", err)
	}
	must(t, db.Rows(t.Context(), []imported.Row{{Seq: 1}}))
	must(t, db.Close())
}

// TestDamaged wants a damaged file to be told from a good one, by whoever meets the damage.
func TestDamaged(t *testing.T) {
	dir := t.TempDir()
	loaded(t, dir, 5_000, Config{})
	path := filepath.Join(dir, FileName)
	good, err := os.ReadFile(path)
	must(t, err)
	for name, damage := range map[string]func([]byte) []byte{
		"no database": func([]byte) []byte { return []byte("this is no database, but a text of some length") },
		"cut":         func(b []byte) []byte { return b[:len(b)/2] },
		"zeros":       func(b []byte) []byte { return append(b[:4096:4096], make([]byte, len(b)-4096)...) },
	} {
		must(t, os.WriteFile(path, damage(slices.Clone(good)), 0o600))
		r, err := OpenReader(t.Context(), dir, testIdentity)
		if err == nil {
			_, _, err = r.List(t.Context(), 9, 0, 0, 1000)
			must(t, r.Close())
		}
		if !fault.Is(err, fault.Corrupt) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// FuzzBlock reads any bytes as a block, and wants those that it takes to be written the same way.
func FuzzBlock(f *testing.F) {
	f.Add(uint64(1)<<32|5, appendBlock(nil, []entry{1<<32 | 5, 1<<32 | 6, 7 << 32}))
	f.Add(uint64(0), []byte{0x80})
	f.Fuzz(func(t *testing.T, first uint64, b []byte) {
		list, err := readBlock(nil, entry(first), b)
		if err != nil {
			return
		}
		if !slices.IsSorted(list) || len(list) > entriesPerBlock+1 {
			t.Fatalf("%d entries, out of order or too many", len(list))
		}
		again, err := readBlock(nil, entry(first), appendBlock(nil, list))
		if err != nil || !slices.Equal(again, list) {
			t.Fatalf("what was read does not come back: %v", err)
		}
	})
}

// BenchmarkRows says how many rows a second go in, bare, and how fast they are indexed.
func BenchmarkRows(b *testing.B) {
	db, err := Open(b.Context(), Config{Dir: b.TempDir()}, testIdentity)
	must(b, err)
	const chunk = 1 << 16
	list := make([]imported.Row, chunk)
	for i := range list {
		list[i] = imported.Row{Ms: 1_756_894_830_456, Payer: chain.AccountNo(uint32(i) * 2654435761 % 1_000_000), Payee: chain.AccountNo(uint32(i) * 40503 % 1_000_000), Asset: 1, Amount: chain.Units(uint64(i))}
	}
	n := 0
	for b.Loop() {
		for i := range list {
			list[i].Seq, list[i].Round, list[i].Place = uint64(n*chunk+i+1), uint64(n*chunk+i)>>10, uint32(i&1023)
		}
		must(b, db.Rows(b.Context(), list))
		n++
	}
	b.ReportMetric(float64(n*chunk)/b.Elapsed().Seconds(), "rows/s")
	begin := time.Now()
	must(b, db.Finish(b.Context()))
	b.ReportMetric(float64(n*chunk)/time.Since(begin).Seconds(), "indexed/s")
	must(b, db.Close())
}
