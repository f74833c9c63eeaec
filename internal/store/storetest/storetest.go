// SPDX-License-Identifier: Apache-2.0

// Package storetest is the conformance suite of store.Store: each implementation runs the same cases.
package storetest

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/store"
)

// Run runs the suite; open gives a new empty store for each case, which the suite closes.
func Run(t *testing.T, open func(t *testing.T) store.Store) {
	t.Helper()
	for _, c := range []struct {
		name string
		run  func(t *testing.T, s store.Store)
	}{
		{"get", testGet},
		{"order of changes", testOrderOfChanges},
		{"bounds", testBounds},
		{"range deletes", testRangeDeletes},
		{"large values", testLargeValues},
		{"iterator is a snapshot", testSnapshot},
		{"reuse of changes", testReuse},
		{"readers beside the writer", testReaders},
		{"against a model", testModel},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := open(t)
			c.run(t, s)
			if err := s.Close(); err != nil {
				t.Fatal("close:", err)
			}
		})
	}
}

// Apply applies durably what fill puts into a new Changes, or fails the test.
func Apply(t *testing.T, s store.Store, fill func(c *store.Changes)) {
	t.Helper()
	var c store.Changes
	fill(&c)
	if err := s.Apply(&c, true); err != nil {
		t.Fatal("apply:", err)
	}
}

// Dump renders a range as "key=value" words in the iterator's order.
func Dump(t testing.TB, s store.Reader, r store.Range) string {
	t.Helper()
	it, err := s.Iter(r)
	if err != nil {
		t.Fatal("iter:", err)
	}
	var words []string
	for it.Next() {
		words = append(words, fmt.Sprintf("%s=%s", it.Key(), it.Value()))
	}
	if it.Next() {
		t.Error("an iterator went on after its end")
	}
	if err := errors.Join(it.Err(), it.Close()); err != nil {
		t.Fatal("iterate:", err)
	}
	return strings.Join(words, " ")
}

func want(t *testing.T, got, want string) {
	t.Helper()
	if got != want {
		t.Fatalf("got  %q\nwant %q", got, want)
	}
}

func putAll(pairs ...string) func(c *store.Changes) {
	return func(c *store.Changes) {
		for _, p := range pairs {
			k, v, _ := strings.Cut(p, "=")
			c.Put([]byte(k), []byte(v))
		}
	}
}

func testGet(t *testing.T, s store.Store) {
	if _, err := s.Get([]byte("a")); !fault.Is(err, fault.NotFound) {
		t.Fatalf("get of nothing: %v", err)
	}
	Apply(t, s, putAll("a=1", "b="))
	v, err := s.Get([]byte("a"))
	if err != nil || string(v) != "1" {
		t.Fatal(v, err)
	}
	v[0] = 'x'
	if again, _ := s.Get([]byte("a")); string(again) != "1" {
		t.Fatal("Get gave away its own bytes")
	}
	if v, err := s.Get([]byte("b")); err != nil || len(v) != 0 {
		t.Fatal("an empty value is a value", v, err)
	}
}

func testOrderOfChanges(t *testing.T, s store.Store) {
	Apply(t, s, func(c *store.Changes) {
		putAll("a=1", "a=2", "b=1", "c=1")(c)
		c.Delete([]byte("b"))
		c.Delete([]byte("none"))
		c.Delete([]byte("c"))
		putAll("c=3")(c)
	})
	want(t, Dump(t, s, store.Range{}), "a=2 c=3")
	Apply(t, s, func(*store.Changes) {})
	want(t, Dump(t, s, store.Range{}), "a=2 c=3")
}

func testBounds(t *testing.T, s store.Store) {
	Apply(t, s, putAll("a=1", "ab=2", "b=3", "b\x00=4", "\xff=5", "\xff\xff=6"))
	all := "a=1 ab=2 b=3 b\x00=4 \xff=5 \xff\xff=6"
	for _, c := range []struct{ low, high, forward string }{
		{"", "", all},
		{"b", "", "b=3 b\x00=4 \xff=5 \xff\xff=6"},
		{"", "b", "a=1 ab=2"},
		{"aa", "b\x00", "ab=2 b=3"},
		{"b", "b", ""},
		{"c", "b", ""},
		{"zz", "\xff", ""},
	} {
		r := store.Range{}
		if c.low != "" {
			r.Low = []byte(c.low)
		}
		if c.high != "" {
			r.High = []byte(c.high)
		}
		want(t, Dump(t, s, r), c.forward)
		want(t, Dump(t, s, r.Backward()), backwards(c.forward))
	}
	want(t, Dump(t, s, store.Prefix([]byte("a"))), "a=1 ab=2")
	want(t, Dump(t, s, store.Prefix([]byte("\xff"))), "\xff=5 \xff\xff=6")
	want(t, Dump(t, s, store.Prefix(nil)), all)
}

func backwards(words string) string {
	w := strings.Split(words, " ")
	for i, j := 0, len(w)-1; i < j; i, j = i+1, j-1 {
		w[i], w[j] = w[j], w[i]
	}
	return strings.Join(w, " ")
}

func testRangeDeletes(t *testing.T, s store.Store) {
	Apply(t, s, putAll("a=1", "b=1", "c=1", "d=1"))
	Apply(t, s, func(c *store.Changes) {
		putAll("bb=2")(c)
		c.DeleteRange([]byte("b"), []byte("d"))
		putAll("c=3")(c)
	})
	want(t, Dump(t, s, store.Range{}), "a=1 c=3 d=1")
	if _, err := s.Get([]byte("bb")); !fault.Is(err, fault.NotFound) {
		t.Fatal("a put before the range delete survived", err)
	}
	Apply(t, s, func(c *store.Changes) { c.DeleteRange([]byte("d"), []byte("a")) })
	want(t, Dump(t, s, store.Range{}), "a=1 c=3 d=1")
}

func testLargeValues(t *testing.T, s store.Store) {
	large := func(seed byte) []byte {
		v := make([]byte, 6<<20)
		for i := range v {
			v[i] = seed + byte(i*7)
		}
		return v
	}
	Apply(t, s, func(c *store.Changes) {
		for i := range byte(4) {
			c.Put([]byte{'k', i}, large(i))
		}
	})
	for i := range byte(4) {
		if v, err := s.Get([]byte{'k', i}); err != nil || !bytes.Equal(v, large(i)) {
			t.Fatalf("value %d of 6 MiB: %d bytes, %v", i, len(v), err)
		}
	}
}

func testSnapshot(t *testing.T, s store.Store) {
	Apply(t, s, putAll("a=1", "b=1"))
	it, err := s.Iter(store.Range{})
	if err != nil {
		t.Fatal(err)
	}
	Apply(t, s, func(c *store.Changes) {
		putAll("a=2", "c=2")(c)
		c.Delete([]byte("b"))
	})
	got := ""
	for it.Next() {
		got += string(it.Key()) + string(it.Value())
	}
	if err := errors.Join(it.Err(), it.Close()); err != nil {
		t.Fatal(err)
	}
	want(t, got, "a1b1")
	want(t, Dump(t, s, store.Range{}), "a=2 c=2")
}

func testReuse(t *testing.T, s store.Store) {
	var c store.Changes
	for i := range 20 {
		c.Reset()
		key := fmt.Appendf(nil, "k%02d", i)
		c.Put(key, key)
		if err := s.Apply(&c, i%5 == 0); err != nil {
			t.Fatal(err)
		}
		key[0] = 'x'
	}
	want(t, Dump(t, s, store.Range{Low: []byte("k18")}), "k18=k18 k19=k19")
}

// testReaders writes pairs of equal values in one Apply: a reader that sees two different ones saw half an Apply.
func testReaders(t *testing.T, s store.Store) {
	const writes, readers = 200, 3
	Apply(t, s, putAll("left=000", "right=000"))
	done := make(chan struct{})
	var wg sync.WaitGroup
	for range readers {
		wg.Go(func() { readPairs(t, s, done) })
	}
	for i := range writes {
		v := fmt.Sprintf("%03d", i)
		var c store.Changes
		putAll("left="+v, "right="+v)(&c)
		if err := s.Apply(&c, false); err != nil {
			t.Error(err)
			break
		}
	}
	close(done)
	wg.Wait()
}

func readPairs(t *testing.T, s store.Store, done <-chan struct{}) {
	for last := ""; ; {
		got := Dump(t, s, store.Range{})
		if len(got) != len("left=000 right=000") || got[5:8] != got[15:18] {
			t.Errorf("saw half an Apply: %q", got)
			return
		}
		if got < last {
			t.Errorf("went back from %q to %q", last, got)
			return
		}
		last = got
		select {
		case <-done:
			return
		default:
		}
	}
}
