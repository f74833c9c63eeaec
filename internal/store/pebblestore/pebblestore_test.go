// SPDX-License-Identifier: Apache-2.0

package pebblestore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/store"
	"github.com/aurigraph/aurigraph/internal/store/seal"
	"github.com/aurigraph/aurigraph/internal/store/storetest"
	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"go.uber.org/goleak"
)

func mustOpen(t *testing.T, dir string, o Options) *Store {
	t.Helper()
	s, err := Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// fill writes rounds of keys, some deleted again, by several Applies.
func fill(t *testing.T, s *Store, rounds int) {
	t.Helper()
	for i := range rounds {
		storetest.Apply(t, s, func(c *store.Changes) {
			for j := range 50 {
				c.Put(fmt.Appendf(nil, "k%03d-%02d", i, j), bytes.Repeat([]byte{byte(i), byte(j)}, 20))
			}
			c.DeleteRange(fmt.Appendf(nil, "k%03d-10", i), fmt.Appendf(nil, "k%03d-12", i))
		})
	}
}

func TestConformance(t *testing.T) {
	defer goleak.VerifyNone(t)
	storetest.Run(t, func(t *testing.T) store.Store {
		return mustOpen(t, "db", Options{FS: vfs.NewMem()})
	})
}

func TestFormatIsPinned(t *testing.T) {
	if PebbleFormat != pebble.FormatNewest {
		t.Errorf("the library's newest format is %d, ours %d: decide, and write it into FORMAT.md", pebble.FormatNewest, PebbleFormat)
	}
	doc, err := os.ReadFile("../FORMAT.md")
	must(t, err)
	if want := fmt.Sprintf("format major version %d ", PebbleFormat); !strings.Contains(string(doc), want) {
		t.Errorf("FORMAT.md does not say %q", want)
	}
	s := mustOpen(t, "db", Options{FS: vfs.NewMem()})
	if s.db.FormatMajorVersion() != PebbleFormat {
		t.Error(s.db.FormatMajorVersion())
	}
	must(t, s.Close())
}

func TestReopen(t *testing.T) {
	dir := t.TempDir()
	for i := range 3 {
		s := mustOpen(t, dir, Options{})
		if _, err := os.Stat(filepath.Join(dir, seal.Name)); !os.IsNotExist(err) {
			t.Fatal("an open store is sealed", err)
		}
		for j := range i {
			if _, err := s.Get(fmt.Appendf(nil, "run%d", j)); err != nil {
				t.Fatal(err)
			}
		}
		storetest.Apply(t, s, func(c *store.Changes) { c.Put(fmt.Appendf(nil, "run%d", i), nil) })
		if _, err := Open(dir, Options{}); !fault.Is(err, fault.Unavailable) {
			t.Fatal("a store in use was opened again:", err)
		}
		if _, err := Verify(context.Background(), dir, nil); !fault.Is(err, fault.Unavailable) {
			t.Fatal("a store in use was verified:", err)
		}
		must(t, s.Close())
		report, err := Verify(context.Background(), dir, nil)
		if err != nil || !report.Sealed || report.Keys != int64(i+1) || report.Tables == 0 || report.Note != "" {
			t.Fatalf("%+v %v", report, err)
		}
	}
}

// TestCrash cuts the power after durable and other writes: what was durable is there, and the rest is there in order.
func TestCrash(t *testing.T) {
	for seed := range uint64(5) {
		fs := vfs.NewCrashableMem()
		s := mustOpen(t, "db", Options{FS: fs})
		var c store.Changes
		for i := range 40 {
			c.Reset()
			c.Put(fmt.Appendf(nil, "k%02d", i), nil)
			must(t, s.Apply(&c, i <= 20))
		}
		crashed := fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: int(seed) * 25, RNG: rand.New(rand.NewPCG(seed, 0))})
		must(t, s.Close())
		s = mustOpen(t, "db", Options{FS: crashed})
		keys := strings.Fields(storetest.Dump(t, s, store.Range{}))
		if len(keys) < 21 {
			t.Errorf("%d keys left of 21 durable ones", len(keys))
		}
		for i, k := range keys {
			if k != fmt.Sprintf("k%02d=", i) {
				t.Errorf("key %d is %s: a later write outlived an earlier one", i, k)
			}
		}
		must(t, s.Close())
	}
}

// TestFailedWrites fails the n-th write or sync of the log, for each n: the store halts, nothing is acknowledged after
// that, and all that was acknowledged is there after a restart. (Where the engine cannot end one log and begin the next it
// ends the process itself, which no test in the same process can watch.)
func TestFailedWrites(t *testing.T) {
	for n := int32(1); ; n++ {
		mem := vfs.NewCrashableMem()
		var seen, failed atomic.Int32
		var armed atomic.Bool
		injector := errorfs.InjectorFunc(func(op errorfs.Op) error {
			if !armed.Load() || !logWrite(op) || seen.Add(1) != n {
				return nil
			}
			failed.Add(1)
			return errorfs.ErrInjected
		})
		acknowledged := runFaulty(t, errorfs.Wrap(mem, injector), &failed, &armed)
		s := mustOpen(t, "db", Options{FS: mem.CrashClone(vfs.CrashCloneCfg{})})
		for i := range acknowledged {
			if _, err := s.Get(fmt.Appendf(nil, "k%02d", i)); err != nil {
				t.Fatalf("write %d failed: acknowledged key %d is lost: %v", n, i, err)
			}
		}
		must(t, s.Close())
		if failed.Load() == 0 {
			t.Logf("%d log writes failed in turn", n-1)
			return
		}
	}
}

func logWrite(op errorfs.Op) bool {
	switch op.Kind {
	case errorfs.OpFileWrite, errorfs.OpFileSync, errorfs.OpFileSyncData, errorfs.OpFileSyncTo:
		return filepath.Ext(op.Path) == ".log"
	default:
		return false
	}
}

func runFaulty(t *testing.T, fs vfs.FS, failed *atomic.Int32, armed *atomic.Bool) (acknowledged int) {
	t.Helper()
	s := mustOpen(t, "db", Options{FS: fs})
	armed.Store(true)
	var c store.Changes
	for i := range 12 {
		c.Reset()
		c.Put(fmt.Appendf(nil, "k%02d", i), nil)
		if err := s.Apply(&c, true); err != nil {
			requireHalted(t, s, err)
			return acknowledged
		}
		if failed.Load() > 0 {
			t.Fatalf("key %d was acknowledged though its log failed", i)
		}
		acknowledged++
	}
	armed.Store(false)
	must(t, s.Close())
	return acknowledged
}

// TestFailedFlush fails what runs in the background, where nobody waits for an answer.
func TestFailedFlush(t *testing.T) {
	injector := errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind == errorfs.OpCreate && filepath.Ext(op.Path) == ".sst" {
			return errorfs.ErrInjected
		}
		return nil
	})
	s := mustOpen(t, "db", Options{FS: errorfs.Wrap(vfs.NewMem(), injector)})
	storetest.Apply(t, s, func(c *store.Changes) { c.Put([]byte("k"), nil) })
	if _, err := s.db.AsyncFlush(); err != nil {
		t.Fatal(err)
	}
	<-s.Halted()
	requireHalted(t, s, s.Err())
}

// TestFullDisk opens and closes a store whose tables cannot be written: the engine tries again without end, Open and Close
// do not wait for it.
func TestFullDisk(t *testing.T) {
	var full atomic.Bool
	injector := errorfs.InjectorFunc(func(op errorfs.Op) error {
		if full.Load() && op.Kind == errorfs.OpCreate && filepath.Ext(op.Path) == ".sst" {
			return syscall.ENOSPC
		}
		return nil
	})
	mem := vfs.NewCrashableMem()
	fs := errorfs.Wrap(mem, injector)
	s := mustOpen(t, "db", Options{FS: fs})
	storetest.Apply(t, s, func(c *store.Changes) { c.Put([]byte("k"), nil) })
	full.Store(true)
	if err := s.Close(); !fault.Is(err, fault.Halted) || !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("close on a full disk: %v", err)
	}
	later := mem.CrashClone(vfs.CrashCloneCfg{})
	if _, err := Open("db", Options{FS: errorfs.Wrap(later, injector)}); !fault.Is(err, fault.Unavailable) || !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("open on a full disk: %v", err)
	}
	full.Store(false)
	s = mustOpen(t, "db", Options{FS: mem.CrashClone(vfs.CrashCloneCfg{})})
	if _, err := s.Get([]byte("k")); err != nil {
		t.Fatal(err)
	}
	must(t, s.Close())
}

func requireHalted(t *testing.T, s *Store, err error) {
	t.Helper()
	var c store.Changes
	c.Put([]byte("late"), nil)
	<-s.Halted()
	for _, err := range []error{err, s.Err(), s.Apply(&c, true), s.Close()} {
		if !fault.Is(err, fault.Halted) {
			t.Fatalf("not halted: %v", err)
		}
	}
	if _, err := s.Get([]byte("none")); !fault.Is(err, fault.NotFound) {
		t.Fatal("readers must go on:", err)
	}
}

func TestGuard(t *testing.T) {
	var b bytes.Buffer
	g := newGuard(slog.New(slog.NewTextHandler(&b, nil)))
	g.Infof("chatter")
	g.Errorf("a %s", "warning")
	g.Fatalf("%d", 1)
	g.halt(errors.New("second"))
	if err := g.Err(); !fault.Is(err, fault.Halted) || fault.ReasonOf(err) != "store" || !strings.HasSuffix(err.Error(), ": 1") {
		t.Fatal(err)
	}
	if s := b.String(); strings.Contains(s, "chatter") || strings.Contains(s, "second") || !strings.Contains(s, "a warning") {
		t.Fatal(s)
	}
}

func TestOpenRefusals(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	must(t, os.WriteFile(path, nil, 0o600))
	if _, err := Open(path, Options{}); !fault.Is(err, fault.Unavailable) {
		t.Fatal(err)
	}
	if _, err := Verify(context.Background(), path+"-none", nil); !fault.Is(err, fault.NotFound) {
		t.Fatal(err)
	}
}
