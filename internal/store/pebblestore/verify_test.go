// SPDX-License-Identifier: Apache-2.0

package pebblestore

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/store/seal"
	"github.com/aurigraph/aurigraph/internal/testkit"
)

// TestSealedBytes flips bytes all over a cleanly closed store: each must be found.
func TestSealedBytes(t *testing.T) {
	dir := t.TempDir()
	s := mustOpen(t, dir, Options{})
	fill(t, s, 10)
	must(t, s.Close())
	infos, err := Files(dir)
	must(t, err)
	flipped := map[string]int{}
	for _, f := range infos {
		for at := int64(0); at < f.Used; at += 1 + f.Used/40 {
			testkit.Flip(t, f.Path, at, uint(at))
			if _, err := Verify(context.Background(), dir, nil); !fault.Is(err, fault.Corrupt) {
				t.Fatalf("%s: byte %d of %d flipped, Verify says %v", f.Path, at, f.Used, err)
			}
			testkit.Flip(t, f.Path, at, uint(at))
			flipped[kindOfFile(f.Path)]++
		}
	}
	for _, kind := range []string{".sst", "MANIFEST", "OPTIONS", "SEAL"} {
		if flipped[kind] == 0 {
			t.Errorf("no %s was tried: %v", kind, flipped)
		}
	}
	report, err := Verify(context.Background(), dir, nil)
	if err != nil || report.Keys != 480 {
		t.Fatalf("%+v %v", report, err)
	}
	t.Log(flipped)
}

func kindOfFile(path string) string {
	if ext := filepath.Ext(path); ext != "" {
		return ext
	}
	name, _, _ := strings.Cut(filepath.Base(path), "-")
	return name
}

// TestUnsealedBytes does the same to a store as a crash leaves it. Every flipped byte of a table is found, and of the
// log all but those of its last write, behind which nothing proves that it was whole.
func TestUnsealedBytes(t *testing.T) {
	dir := t.TempDir()
	s := mustOpen(t, dir, Options{})
	fill(t, s, 8)
	must(t, s.db.Flush())
	fill(t, s, 6)
	crashed := copyFolder(t, dir)
	must(t, s.Close())

	report, err := Verify(context.Background(), crashed, nil)
	if err != nil || report.Sealed || report.Note == "" || report.Tables == 0 {
		t.Fatalf("%+v %v", report, err)
	}
	infos, err := Files(crashed)
	must(t, err)
	for _, f := range infos {
		end := f.Used
		switch kindOfFile(f.Path) {
		case ".log":
			end = f.Used * 4 / 5 // 6 writes: the last one is a sixth
		case ".sst":
		default:
			continue
		}
		missed := 0
		for at := int64(0); at < end; at += 1 + end/60 {
			testkit.Flip(t, f.Path, at, uint(at))
			if _, err := Verify(context.Background(), crashed, nil); !fault.Is(err, fault.Corrupt) {
				t.Logf("%s: byte %d of %d flipped, Verify says %v", filepath.Base(f.Path), at, f.Used, err)
				missed++
			}
			testkit.Flip(t, f.Path, at, uint(at))
		}
		if missed > 0 {
			t.Errorf("%s: %d flips missed", f.Path, missed)
		}
	}
}

// TestDamagedLogIsRefused opens a store whose log lost an acknowledged write: the engine alone would forget it.
func TestDamagedLogIsRefused(t *testing.T) {
	dir := t.TempDir()
	s := mustOpen(t, dir, Options{})
	fill(t, s, 3)
	crashed := copyFolder(t, dir)
	must(t, s.Close())
	logs, err := filepath.Glob(filepath.Join(crashed, "*.log"))
	must(t, err)
	newest := logs[len(logs)-1]
	testkit.Flip(t, newest, 100, 0)
	if _, err := Open(crashed, Options{}); !fault.Is(err, fault.Corrupt) || fault.ReasonOf(err) != "log_damaged" {
		t.Fatal(err)
	}
	testkit.Flip(t, newest, 100, 0)
	s = mustOpen(t, crashed, Options{})
	if _, err := s.Get([]byte("k002-49")); err != nil {
		t.Fatal(err)
	}
	must(t, s.Close())
}

// TestMissedTable removes a table from an unsealed store.
func TestMissedTable(t *testing.T) {
	dir := t.TempDir()
	s := mustOpen(t, dir, Options{})
	fill(t, s, 2)
	must(t, s.Close())
	must(t, seal.Remove(dir))
	tables, err := filepath.Glob(filepath.Join(dir, "*.sst"))
	must(t, err)
	must(t, os.Remove(tables[0]))
	if _, err := Verify(context.Background(), dir, nil); !fault.Is(err, fault.Corrupt) {
		t.Fatal(err)
	}
}

func TestVerifyStops(t *testing.T) {
	dir := t.TempDir()
	s := mustOpen(t, dir, Options{})
	fill(t, s, 2)
	must(t, s.Close())
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Verify(ctx, dir, nil); !fault.Is(err, fault.Timeout) {
		t.Fatal(err)
	}
}

func copyFolder(t *testing.T, dir string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "copy")
	must(t, os.CopyFS(to, os.DirFS(dir)))
	return to
}
