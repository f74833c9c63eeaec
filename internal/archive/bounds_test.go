// SPDX-License-Identifier: Apache-2.0

package archive

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aurigraph/aurigraph/internal/fault"
)

// TestGrown archives a file that got longer after it was looked at: its beginning alone is not the file.
func TestGrown(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	if err := os.WriteFile(path, []byte("two lines\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for bytes, want := range map[int64]fault.Kind{5: fault.Conflict, 10: 0, 11: fault.Corrupt} {
		p := &plan{manifest: &Manifest{}, seen: map[Digest]int{}}
		err := p.file(t.Context(), &source{name: "files/log", path: path, bytes: bytes}, func(int64) {})
		if want == 0 && err != nil || want != 0 && !fault.Is(err, want) {
			t.Errorf("10 bytes that were %d: %v", bytes, err)
		}
	}
}

// crowded is a store in which others wrote many versions of each object, and many more objects.
type crowded struct {
	Store
	mu    sync.Mutex
	looks int
}

// List implements Store.
func (*crowded) List(_ context.Context, prefix string, each func(Object) error) error {
	ours := Part{Digest: sha256.Sum256([]byte("ours"))}
	for i := range 1000 {
		for _, key := range []string{ours.Key(), fmt.Sprintf("%sother-%d", prefix, i)} {
			if err := each(Object{Key: key, Version: fmt.Sprint(i), Bytes: 4}); err != nil {
				return err
			}
		}
	}
	return nil
}

// Stat implements Store.
func (s *crowded) Stat(_ context.Context, key, version string) (Object, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.looks++
	return Object{Key: key, Version: version, Bytes: 4}, nil
}

// Put implements Store.
func (*crowded) Put(_ context.Context, key string, _ io.ReaderAt, size int64, digest Digest, until time.Time) (Object, error) {
	return Object{Key: key, Version: "mine", Bytes: size, Digest: digest, Mode: ModeCompliance, RetainUntil: until}, nil
}

// TestCrowded writes an object of which others wrote a thousand: a few are looked at, and it is written once more.
func TestCrowded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte("ours"), 0o600); err != nil {
		t.Fatal(err)
	}
	store := &crowded{}
	p := &plan{manifest: &Manifest{Mode: ModeCompliance, RetainUntil: time.Unix(1_900_000_000, 0)}, seen: map[Digest]int{}}
	if err := p.file(t.Context(), &source{name: "files/file", path: path, bytes: 4}, func(int64) {}); err != nil {
		t.Fatal(err)
	}
	c := &Config{Store: store}
	if err := c.upload(t.Context(), p); err != nil || p.manifest.Objects[0].Version != "mine" || store.looks != versionsMax {
		t.Errorf("%v, version %q after %d looks", err, p.manifest.Objects[0].Version, store.looks)
	}
}

// silent is a store that begins to answer, and stops.
type silent struct{ Store }

// Get implements Store.
func (silent) Get(ctx context.Context, _, _ string) (io.ReadCloser, error) { return waiting{ctx}, nil }

type waiting struct{ context.Context }

// Read implements io.Reader.
func (w waiting) Read([]byte) (int, error) { <-w.Done(); return 0, w.Err() }

// Close implements io.Closer.
func (waiting) Close() error { return nil }

func TestSilentStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		err := readPart(t.Context(), silent{}, &Part{Bytes: 1}, io.Discard)
		if took := time.Since(begun); !fault.Is(err, fault.Unavailable) || took != objectTimeMax {
			t.Errorf("after %s: %v", took, err)
		}
	})
}

// table is a checkpoint's rows, by family and key.
type table map[string]string

// Get implements Rows.
func (r table) Get(family string, key []byte) ([]byte, error) {
	text, ok := r[family+" "+string(key)]
	if !ok {
		return nil, fault.New(fault.NotFound, "no %s", key)
	}
	return []byte(text), nil
}

// Scan implements Rows.
func (r table) Scan(family string, low, high []byte, each func(key, value []byte) error) error {
	for _, place := range slices.Sorted(maps.Keys(r)) {
		of, key, _ := strings.Cut(place, " ")
		if of != family || key < string(low) || key >= string(high) {
			continue
		}
		if err := each([]byte(key), []byte(r[place])); err != nil {
			return err
		}
	}
	return nil
}

// books are those of two accounts and one asset.
func books() table {
	return table{
		"meta totals":       `{"accounts":2,"transactions":3}`,
		"assets aGOLD":      `{"scale":2,"supply":"300"}`,
		"accounts aalice":   `{"number":1}`,
		"accounts abob":     `{"number":2}`,
		heldBy("alice"):     "200",
		heldBy("bob"):       "100",
		holdsGold("alice"):  "",
		holdsGold("bob"):    "",
		"transactions none": "",
	}
}

func heldBy(name string) string    { return "assets " + withLength('h', "GOLD") + name }
func holdsGold(name string) string { return "accounts " + withLength('h', name) + "GOLD" }

// TestAccountsOfDamaged has checkpoints that lack rows, or have too many: none of them is told to be right.
func TestAccountsOfDamaged(t *testing.T) {
	says := func(_ context.Context, name string) (map[string]string, error) {
		return map[string]string{"GOLD": map[string]string{"alice": "2", "bob": "1"}[name]}, nil
	}
	for name, x := range map[string]struct {
		change func(table)
		kind   fault.Kind // of the error; 0: there is none
		ok     bool
		wrong  []string
	}{
		"nothing":             {change: func(table) {}, ok: true},
		"a balance":           {change: func(r table) { r[heldBy("bob")] = "99" }, wrong: []string{"GOLD"}},
		"an unknown asset":    {change: func(r table) { r["assets "+withLength('h', "IRON")+"bob"] = "1"; delete(r, "assets aGOLD") }, wrong: []string{"GOLD", "IRON"}},
		"an account is lost":  {change: func(r table) { delete(r, "accounts abob") }, kind: fault.Corrupt},
		"all are lost":        {change: func(r table) { delete(r, "accounts abob"); delete(r, "accounts aalice") }, kind: fault.Corrupt},
		"an account too many": {change: func(r table) { r["accounts acarol"] = `{"number":3}` }, kind: fault.Corrupt},
	} {
		rows := books()
		x.change(rows)
		cfg := AccountsConfig{Balances: says, SamplePercent: 100}
		if x.wrong != nil {
			cfg.Balances = nil
		}
		r, err := Accounts(t.Context(), rows, cfg)
		if x.kind != 0 {
			if !fault.Is(err, x.kind) {
				t.Errorf("%s: %+v, %v", name, r, err)
			}
			continue
		}
		if err != nil || r.OK != x.ok || !slices.Equal(r.WrongSums, x.wrong) {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
	}
}
