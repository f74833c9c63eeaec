// SPDX-License-Identifier: Apache-2.0

package folder_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/aurigraph/aurigraph/internal/archive"
	"github.com/aurigraph/aurigraph/internal/archive/archivetest"
	"github.com/aurigraph/aurigraph/internal/archive/folder"
	"github.com/aurigraph/aurigraph/internal/fault"
)

func open(t *testing.T, dir string) archive.Store {
	t.Helper()
	s, err := folder.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestStore(t *testing.T) {
	archivetest.Run(t, func(t *testing.T) archive.Store { return open(t, filepath.Join(t.TempDir(), "new")) })
}

func TestFiles(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	if _, err := archivetest.Put(t.Context(), s, "objects/a", "text", archivetest.Until()); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a", "a.kept"} {
		info, err := os.Stat(filepath.Join(dir, "objects", name))
		if err != nil || info.Mode().Perm() != 0o440 {
			t.Errorf("%s: %v, %v", name, info, err)
		}
	}
	for _, key := range []string{"../a", "/a", "objects/a.kept", ""} {
		if _, err := archivetest.Put(t.Context(), s, key, "text", archivetest.Until()); !fault.Is(err, fault.Invalid) {
			t.Errorf("key %q: %v", key, err)
		}
	}
}

// TestInterrupted has an object whose note was not written: it is not there, and is written again.
func TestInterrupted(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	path := filepath.Join(dir, "objects", "a")
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("te"), 0o440); err != nil {
		t.Fatal(err)
	}
	err := s.List(t.Context(), "", func(o archive.Object) error { t.Errorf("%+v is listed", o); return nil })
	if err != nil {
		t.Fatal(err)
	}
	if _, err := archivetest.Put(t.Context(), s, "objects/a", "text", archivetest.Until()); err != nil {
		t.Fatal(err)
	}
	if got := archivetest.Read(t, s, "objects/a", ""); got != "text" {
		t.Errorf("it reads %q", got)
	}
}
