// SPDX-License-Identifier: Apache-2.0

// Package storetest is what every engine of the reference ledger's store must do. An engine's test calls Run.
package storetest

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/legacy/store"
)

// Open opens an engine in dir, with a change log of at most logBytes (0: the default).
type Open func(dir string, logBytes int64) (store.Store, error)

// patience is how long a test waits for what must happen.
const patience = 20 * time.Second

// Run plays every test against an engine.
func Run(t *testing.T, open Open) {
	for _, test := range []struct {
		name string
		run  func(*testing.T, Open)
	}{
		{"rows", testRows},
		{"model", testModel},
		{"refusals", testRefusals},
		{"snapshot", testSnapshot},
		{"log", testLog},
		{"tail waits", testTailWaits},
		{"tail follows", testTailFollows},
		{"since", testSince},
		{"trim", testTrim},
		{"reopen", testReopen},
		{"checkpoint", testCheckpoint},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, open) })
	}
}

func must[T any](t *testing.T) func(T, error) T {
	t.Helper()
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func opened(t *testing.T, open Open) store.Store {
	t.Helper()
	s := must[store.Store](t)(open(t.TempDir(), 0))
	t.Cleanup(func() { closed(t, s) })
	return s
}

func closed(t *testing.T, s store.Store) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// Put applies one row and returns its position.
func Put(t *testing.T, s store.Store, f store.Family, key, value string) store.Position {
	t.Helper()
	var b store.Batch
	b.Put(f, []byte(key), []byte(value))
	return must[store.Position](t)(s.Apply(&b))
}

// Dump writes a range of a family as "key=value key=value".
func Dump(t *testing.T, r store.Reader, f store.Family, over store.Range) string {
	t.Helper()
	it := must[store.Iterator](t)(r.Iter(f, over))
	var words []string
	for it.Next() {
		words = append(words, string(it.Key())+"="+string(it.Value()))
	}
	if err := errors.Join(it.Err(), it.Close()); err != nil {
		t.Fatal(err)
	}
	return strings.Join(words, " ")
}

func expect(t *testing.T, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func expectReason(t *testing.T, err error, kind fault.Kind, reason string) {
	t.Helper()
	if !fault.Is(err, kind) || fault.ReasonOf(err) != reason {
		t.Errorf("got %v (%s, %s), want %s, %s", err, fault.KindOf(err), fault.ReasonOf(err), kind, reason)
	}
}
