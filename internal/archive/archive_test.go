// SPDX-License-Identifier: Apache-2.0

package archive_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/aurigraph/aurigraph/internal/archive"
	"github.com/aurigraph/aurigraph/internal/archive/archivetest"
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	v10 "github.com/aurigraph/aurigraph/internal/v10"
	"github.com/aurigraph/aurigraph/legacy"
	"github.com/aurigraph/aurigraph/legacy/ledger"
)

// TestArchive writes, verifies and restores a V10 of each engine in each store, and compares what is restored with the V10 that runs.
func TestArchive(t *testing.T) {
	for name, open := range stores {
		for _, engine := range engines() {
			t.Run(name+" "+engine, func(t *testing.T) {
				store, _ := open(t)
				w := newWorld(t, engine, store)
				m, err := archive.Write(t.Context(), w.cfg)
				must(t, err)
				report, err := archive.Verify(t.Context(), archive.VerifyConfig{Store: store, Signer: m.Signer, SamplePercent: 100})
				if err != nil || !report.OK || report.Read != len(m.Objects) || report.Files != len(m.Files) {
					t.Fatalf("%+v, %v", report, err)
				}
				dir := filepath.Join(t.TempDir(), "restored")
				_, err = archive.Restore(t.Context(), archive.RestoreConfig{Store: store, Dir: dir})
				must(t, err)
				w.checkRestored(t, engine, dir)
			})
		}
	}
}

func (w *world) checkRestored(t *testing.T, engine, dir string) {
	t.Helper()
	if text, err := os.ReadFile(filepath.Join(dir, "files", "migration", "journal.db")); err != nil || string(text) != "what was decided" {
		t.Errorf("the journal: %q, %v", text, err)
	}
	if info, err := os.Stat(filepath.Join(dir, "files", "empty")); err != nil || info.Size() != 0 {
		t.Errorf("the empty file: %v", err)
	}
	rows, err := legacy.OpenRows(engine, filepath.Join(dir, archive.LedgerFolder), nil)
	must(t, err)
	defer rows.Close()
	books, err := archive.Accounts(t.Context(), rows, archive.AccountsConfig{Balances: w.balances, SamplePercent: 100})
	must(t, err)
	if !books.OK || books.Accounts < accounts || uint64(books.Compared) != books.Accounts || books.Assets != 2 {
		t.Errorf("%+v", books)
	}
	sample, err := archive.Accounts(t.Context(), rows, archive.AccountsConfig{Balances: w.balances, SamplePercent: 1, Seed: 7})
	if err != nil || sample.Compared != 3 {
		t.Errorf("a sample of 1 %%: %+v, %v", sample, err)
	}
	_, err = w.ledger.Submit(t.Context(), []ledger.Order{{Kind: ledger.Transfer, From: "alice", To: "Kunde ü/7", Asset: v10.DefaultAsset, Units: chain.Units(1)}})
	must(t, err)
	books, err = archive.Accounts(t.Context(), rows, archive.AccountsConfig{Balances: w.balances, SamplePercent: 100})
	if err != nil || books.OK || len(books.Differ) != 2 {
		t.Errorf("after a payment: %+v, %v", books, err)
	}
}

// counted counts what is put, and fails when it is enough.
type counted struct {
	archive.Store
	mu   sync.Mutex
	puts map[string]int
	left int // puts that succeed; negative: all
}

var errKilled = errors.New("killed")

func (c *counted) Put(ctx context.Context, key string, body io.ReaderAt, size int64, digest archive.Digest, until time.Time) (archive.Object, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.left == 0 {
		return archive.Object{}, errKilled
	}
	c.left--
	c.puts[key]++
	return c.Store.Put(ctx, key, body, size, digest, until)
}

// TestGoesOn interrupts a run behind each of its first objects: there is no archive before the end, and nothing is sent twice.
func TestGoesOn(t *testing.T) {
	for name, open := range stores {
		t.Run(name, func(t *testing.T) {
			store, _ := open(t)
			w := newWorld(t, legacy.EnginePebble, store)
			c := &counted{Store: store, puts: map[string]int{}}
			w.cfg.Store = c
			for try := 0; ; try++ {
				c.left = 1
				w.cfg.RetainUntil = w.cfg.RetainUntil.Add(time.Second) // the first run's stays
				m, err := archive.Write(t.Context(), w.cfg)
				if err == nil {
					if len(c.puts) != len(m.Objects)+1 || try < 3 {
						t.Errorf("%d puts for %d objects, after %d tries", len(c.puts), len(m.Objects), try)
					}
					break
				}
				if !errors.Is(err, errKilled) {
					t.Fatal(err)
				}
				if _, err := archive.Verify(t.Context(), archive.VerifyConfig{Store: store, SamplePercent: 1}); !fault.Is(err, fault.NotFound) {
					t.Fatalf("an archive before its end: %v", err)
				}
				_, err = w.ledger.Submit(t.Context(), []ledger.Order{{Kind: ledger.OpenAccount, To: "late"}})
				must(t, err)
			}
			for key, n := range c.puts {
				if n != 1 {
					t.Errorf("%s was written %d times", key, n)
				}
			}
			c.left = 0
			if _, err := archive.Write(t.Context(), w.cfg); err != nil {
				t.Errorf("again: %v", err)
			}
			w.cfg.Dir = t.TempDir()
			if _, err := archive.Write(t.Context(), w.cfg); !fault.Is(err, fault.Conflict) {
				t.Errorf("another run into the same place: %v", err)
			}
		})
	}
}

// lax says that it keeps objects otherwise than it was asked to.
type lax struct {
	archive.Store
	change func(*archive.Object)
}

func (l *lax) Put(ctx context.Context, key string, body io.ReaderAt, size int64, digest archive.Digest, until time.Time) (archive.Object, error) {
	o, err := l.Store.Put(ctx, key, body, size, digest, until)
	l.change(&o)
	return o, err
}

// TestNotKept has stores that are no place for an archive: there is none then.
func TestNotKept(t *testing.T) {
	for name, change := range map[string]func(*archive.Object){
		"a date too early": func(o *archive.Object) { o.RetainUntil = o.RetainUntil.Add(-time.Second) },
		"another mode":     func(o *archive.Object) { o.Mode = "GOVERNANCE" },
		"no digest":        func(o *archive.Object) { o.Digest = archive.Digest{} },
		"another size":     func(o *archive.Object) { o.Bytes-- },
		"the manifest's too early": func(o *archive.Object) {
			if o.Key == "manifest.json" {
				o.RetainUntil = time.Time{}
			}
		},
	} {
		store, _ := newFolder(t)
		w := newWorld(t, legacy.EnginePebble, &lax{store, change})
		if _, err := archive.Write(t.Context(), w.cfg); !fault.Is(err, fault.Refused) || fault.ReasonOf(err) != "not_kept" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestDamage changes files below the stores, as a disk or an attacker does.
func TestDamage(t *testing.T) {
	for name, open := range stores {
		t.Run(name, func(t *testing.T) {
			store, files := open(t)
			w := newWorld(t, legacy.EnginePebble, store)
			m, err := archive.Write(t.Context(), w.cfg)
			must(t, err)
			if len(m.Objects) < 4 {
				t.Fatalf("only %d objects", len(m.Objects))
			}
			flip(t, filepath.Join(files, m.Objects[0].Key()))
			must(t, os.Remove(filepath.Join(files, m.Objects[1].Key())))
			must(t, os.Truncate(filepath.Join(files, m.Objects[2].Key()), m.Objects[2].Bytes-1))
			want := map[string]string{m.Objects[0].Key(): archive.FlawDamaged, m.Objects[1].Key(): archive.FlawMissing, m.Objects[2].Key(): archive.FlawSize}
			report, err := archive.Verify(t.Context(), archive.VerifyConfig{Store: store, SamplePercent: 100})
			must(t, err)
			for _, f := range report.Findings {
				if f.Flaw == want[f.Object] {
					delete(want, f.Object)
				}
				if len(f.Files) == 0 {
					t.Errorf("%+v is nobody's", f)
				}
			}
			if report.OK || len(want) > 0 {
				t.Errorf("not found: %v in %+v", want, report.Findings)
			}
			few, err := archive.Verify(t.Context(), archive.VerifyConfig{Store: store, SamplePercent: 1, Seed: 3})
			if err != nil || few.OK || few.Read > 1 {
				t.Errorf("a sample sees what is missing all the same: %+v, %v", few, err)
			}
			if _, err := archive.Restore(t.Context(), archive.RestoreConfig{Store: store, Dir: filepath.Join(t.TempDir(), "r")}); err == nil {
				t.Error("a damaged archive was restored")
			}
		})
	}
}

func flip(t *testing.T, path string) {
	t.Helper()
	text, err := os.ReadFile(path)
	must(t, err)
	text[len(text)/2] ^= 1
	must(t, os.Chmod(path, 0o600))
	f, err := os.OpenFile(path, os.O_WRONLY, 0) // the same file, with what the store noted of it
	must(t, err)
	_, err = f.Write(text)
	must(t, errors.Join(err, f.Close()))
}

// TestManifest changes the manifest, or takes another's.
func TestManifest(t *testing.T) {
	store, files := newFolder(t)
	w := newWorld(t, legacy.EnginePebble, store)
	m, err := archive.Write(t.Context(), w.cfg)
	must(t, err)
	if _, err := archive.ReadManifest(t.Context(), store, "ed25519:00"); !fault.Is(err, fault.Corrupt) {
		t.Errorf("signed by another: %v", err)
	}
	path := filepath.Join(files, "manifest.json")
	text, err := os.ReadFile(path)
	must(t, err)
	must(t, os.Chmod(path, 0o600))
	for old, changed := range map[string]string{
		`"sequence":`: `"sequence":1`, m.Objects[0].Digest.String(): m.Objects[1].Digest.String(), `"signature"`: `"signed"`, `"signer"`: `"sign"`,
		`"document":{"version":1`: `"document":{"version":2`,
	} {
		if !bytes.Contains(text, []byte(old)) {
			t.Fatalf("the manifest has no %s", old)
		}
		must(t, os.WriteFile(path, bytes.Replace(text, []byte(old), []byte(changed), 1), 0o600))
		if _, err := archive.ReadManifest(t.Context(), store, ""); !fault.Is(err, fault.Corrupt) {
			t.Errorf("%s for %s: %v", changed, old, err)
		}
	}
}

func TestBadConfig(t *testing.T) {
	store, _ := newFolder(t)
	w := newWorld(t, legacy.EnginePebble, store)
	for name, change := range map[string]func(*archive.Config){
		"no signer":          func(c *archive.Config) { c.Signer = nil },
		"a relative folder":  func(c *archive.Config) { c.Dir = "work" },
		"no date":            func(c *archive.Config) { c.RetainUntil = time.Time{} },
		"a date with millis": func(c *archive.Config) { c.RetainUntil = c.RetainUntil.Add(time.Millisecond) },
		"a name outside":     func(c *archive.Config) { c.Files[0].Name = "../v10/CURRENT" },
		"a name twice":       func(c *archive.Config) { c.Files[0].Name = c.Files[1].Name },
		"a file as folder":   func(c *archive.Config) { c.Files[0].Name = c.Files[1].Name + "/below" },
		"a folder":           func(c *archive.Config) { c.Files[0].Path = t.TempDir() },
	} {
		cfg := w.cfg
		cfg.Files = slices.Clone(cfg.Files)
		change(&cfg)
		if _, err := archive.Write(t.Context(), cfg); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	w.cfg.Files[0].Path += ".none"
	if _, err := archive.Write(t.Context(), w.cfg); !fault.Is(err, fault.NotFound) {
		t.Errorf("a file that there is not: %v", err)
	}
	if _, err := archive.Restore(t.Context(), archive.RestoreConfig{Store: store, Dir: t.TempDir()}); !fault.Is(err, fault.NotFound) {
		t.Errorf("nothing to restore: %v", err)
	}
}

// TestLarge archives more than fits in one object, in bounded memory; the same bytes are one object.
func TestLarge(t *testing.T) {
	for name, open := range stores {
		t.Run(name, func(t *testing.T) {
			store, _ := open(t)
			w := newWorld(t, legacy.EnginePebble, store)
			path := filepath.Join(t.TempDir(), "large")
			f, err := os.Create(path)
			must(t, err)
			_, err = io.CopyN(f, rand.NewChaCha8([32]byte{1}), archive.ObjectBytesMax+100)
			must(t, errors.Join(err, f.Truncate(4*archive.ObjectBytesMax+10), f.Close())) // zeros behind
			w.cfg.Files = append(w.cfg.Files, archive.Named{Name: "large", Path: path})

			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			m, err := archive.Write(t.Context(), w.cfg)
			must(t, err)
			_, err = archive.Verify(t.Context(), archive.VerifyConfig{Store: store, SamplePercent: 100})
			must(t, err)
			runtime.ReadMemStats(&after)
			if used := after.TotalAlloc - before.TotalAlloc; used > 32<<20 {
				t.Errorf("%d bytes of memory were taken for %d", used, m.Bytes)
			}
			at := slices.IndexFunc(m.Files, func(f archive.File) bool { return f.Name == "files/large" })
			if parts := m.Files[at].Parts; len(parts) != 5 || parts[2] != parts[3] || parts[0] == parts[1] {
				t.Errorf("parts %v", parts)
			}
		})
	}
}

// TestCovered has the bucket's owner write over the archive's names: what is verified is what was archived.
func TestCovered(t *testing.T) {
	store, _ := newBucket(t)
	w := newWorld(t, legacy.EnginePebble, store)
	m, err := archive.Write(t.Context(), w.cfg)
	must(t, err)
	for _, key := range []string{m.Objects[0].Key(), "manifest.json"} {
		_, err := archivetest.Put(t.Context(), store, key, "{}", archivetest.Until())
		must(t, err)
	}
	report, err := archive.Verify(t.Context(), archive.VerifyConfig{Store: store, Signer: m.Signer, SamplePercent: 100})
	if err != nil || !report.OK {
		t.Errorf("%+v, %v", report, err)
	}
}
