// SPDX-License-Identifier: Apache-2.0

// Package archivetest is what every archive.Store must pass.
//
//	archivetest.Run(t, func(t *testing.T) archive.Store { … })   // a new, empty one each time
package archivetest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"io"
	"slices"
	"testing"
	"time"

	"github.com/aurigraph/aurigraph/internal/archive"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// Until is a date in whole seconds, an hour ahead.
func Until() time.Time { return time.Now().Add(time.Hour).UTC().Truncate(time.Second) }

// Put writes text, whose digest is right.
func Put(ctx context.Context, s archive.Store, key, text string, until time.Time) (archive.Object, error) {
	return s.Put(ctx, key, bytes.NewReader([]byte(text)), int64(len(text)), sha256.Sum256([]byte(text)), until)
}

// Read reads an object.
func Read(t testing.TB, s archive.Store, key, version string) string {
	t.Helper()
	body, err := s.Get(t.Context(), key, version)
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	text, err := io.ReadAll(body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// Run runs the suite.
func Run(t *testing.T, open func(t *testing.T) archive.Store) {
	for name, test := range map[string]func(*testing.T, archive.Store){
		"put and read": testPut, "nothing is replaced": testReplace, "not found": testNotFound, "a wrong digest": testDigest,
		"list": testList, "the end of a context": testContext,
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t)
			if err := s.Ready(t.Context()); err != nil {
				t.Fatal(err)
			}
			test(t, s)
		})
	}
}

func testPut(t *testing.T, s archive.Store) {
	until, text := Until(), string(bytes.Repeat([]byte("v10 "), 1<<20))
	put, err := Put(t.Context(), s, "objects/a", text, until)
	if err != nil {
		t.Fatal(err)
	}
	for _, version := range []string{put.Version, ""} {
		o, err := s.Stat(t.Context(), "objects/a", version)
		if err != nil || o != put {
			t.Fatalf("Stat %+v, %v; Put said %+v", o, err, put)
		}
		if Read(t, s, "objects/a", version) != text {
			t.Error("it reads otherwise than it was written")
		}
	}
	if put.Key != "objects/a" || put.Bytes != int64(len(text)) || put.Mode != s.Mode() || !put.RetainUntil.Equal(until) || put.Digest != sha256.Sum256([]byte(text)) {
		t.Errorf("%+v, wanted until %s", put, until)
	}
}

// testReplace holds what an archive rests on: who comes later does not change what is there.
func testReplace(t *testing.T, s archive.Store) {
	until := Until()
	first, err := Put(t.Context(), s, "manifest.json", "first", until)
	if err != nil {
		t.Fatal(err)
	}
	for _, later := range []struct {
		text  string
		until time.Time
	}{{"other", until}, {"first", until.Add(time.Hour)}, {"first", until.Add(-time.Minute)}} {
		_, err := Put(t.Context(), s, "manifest.json", later.text, later.until)
		if err != nil && !fault.Is(err, fault.Conflict) {
			t.Errorf("%+v: %v", later, err)
		}
		if now, err := s.Stat(t.Context(), "manifest.json", ""); err != nil || now != first {
			t.Errorf("after %+v: %+v, %v; it was %+v", later, now, err, first)
		}
		if text := Read(t, s, "manifest.json", ""); text != "first" {
			t.Errorf("after %+v it reads %q", later, text)
		}
	}
}

func testNotFound(t *testing.T, s archive.Store) {
	if _, err := Put(t.Context(), s, "objects/aa", "text", Until()); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"objects/a", "objects", "objects/aa/b", "none"} {
		if _, err := s.Stat(t.Context(), key, ""); !fault.Is(err, fault.NotFound) {
			t.Errorf("Stat %s: %v", key, err)
		}
		if _, err := s.Get(t.Context(), key, ""); !fault.Is(err, fault.NotFound) {
			t.Errorf("Get %s: %v", key, err)
		}
	}
	const noVersion = "01ARZ3NDEKTSV4RRFFQ69G5FAV"
	if _, err := s.Stat(t.Context(), "objects/aa", noVersion); !fault.Is(err, fault.NotFound) {
		t.Errorf("Stat of a version that there is not: %v", err)
	}
	if _, err := s.Get(t.Context(), "objects/aa", noVersion); !fault.Is(err, fault.NotFound) {
		t.Errorf("Get of a version that there is not: %v", err)
	}
}

func testDigest(t *testing.T, s archive.Store) {
	_, err := s.Put(t.Context(), "objects/a", bytes.NewReader([]byte("other")), 5, sha256.Sum256([]byte("right")), Until())
	if !fault.Is(err, fault.Conflict) {
		t.Errorf("other bytes than their digest: %v", err)
	}
	if _, err := s.Stat(t.Context(), "objects/a", ""); !fault.Is(err, fault.NotFound) {
		t.Errorf("and they are there: %v", err)
	}
}

func testList(t *testing.T, s archive.Store) {
	for _, key := range []string{"objects/b", "objects/a", "objectsize", "manifest.json"} {
		if _, err := Put(t.Context(), s, key, key, Until()); err != nil {
			t.Fatal(err)
		}
	}
	for prefix, want := range map[string][]string{"objects/": {"objects/a", "objects/b"}, "none": nil, "": {"manifest.json", "objects/a", "objects/b", "objectsize"}} {
		var got []string
		err := s.List(t.Context(), prefix, func(o archive.Object) error {
			got = append(got, o.Key)
			if o.Bytes != int64(len(o.Key)) {
				t.Errorf("%+v", o)
			}
			return nil
		})
		if slices.Sort(got); err != nil || !slices.Equal(got, want) {
			t.Errorf("list of %q: %q, %v; wanted %q", prefix, got, err, want)
		}
	}
	stop := fault.New(fault.Refused, "enough")
	if err := s.List(t.Context(), "", func(archive.Object) error { return stop }); !fault.Is(err, fault.Refused) {
		t.Errorf("a list that was stopped: %v", err)
	}
}

func testContext(t *testing.T, s archive.Store) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Put(ctx, s, "objects/a", "text", Until()); err == nil {
		t.Error("written although nobody waits")
	}
	if err := s.List(ctx, "", func(archive.Object) error { return nil }); err == nil {
		t.Error("listed although nobody waits")
	}
}
