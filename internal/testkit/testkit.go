// SPDX-License-Identifier: Apache-2.0

package testkit

import (
	"bytes"
	"flag"
	"net"
	"os"
	"path/filepath"
	"testing"
)

// update is the flag of all golden tests: go test ./internal/... -update writes the files anew.
var update = flag.Bool("update", false, "write golden files under testdata anew")

// Updating reports whether the test run was asked to write golden files.
func Updating() bool { return *update }

// Golden compares got with testdata/name of the test's package, or writes that file under -update. It shows the first
// line that differs.
func Golden(t testing.TB, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", filepath.FromSlash(name))
	if *update {
		if err := writeGolden(path, got); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v\nwrite it with: go test -update", err)
	}
	if line, g, w, same := firstDifference(got, want); !same {
		t.Errorf("%s differs in line %d:\n got: %s\nwant: %s\nif the change is meant: go test -update", path, line, g, w)
	}
}

func writeGolden(path string, got []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return err
	}
	return os.WriteFile(path, got, 0o644)
}

func firstDifference(got, want []byte) (line int, g, w string, same bool) {
	if bytes.Equal(got, want) {
		return 0, "", "", true
	}
	a, b := bytes.Split(got, []byte("\n")), bytes.Split(want, []byte("\n"))
	for i := 0; ; i++ {
		switch {
		case i >= len(a):
			return i + 1, "(end)", string(b[i]), false
		case i >= len(b):
			return i + 1, string(a[i]), "(end)", false
		case !bytes.Equal(a[i], b[i]):
			return i + 1, string(a[i]), string(b[i]), false
		}
	}
}

// DiskDir returns an empty folder on a real disk, removed at the test's end. t.TempDir may lie in memory, where a sync
// costs nothing and O_DIRECT fails; this one lies beside the test's package.
func DiskDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp(".", ".disk-*")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	abs, err := filepath.Abs(dir)
	if err != nil {
		t.Fatal(err)
	}
	return abs
}

// FreeAddress returns a loopback address with a TCP port that was free a moment ago. Prefer listening on port 0; this is
// for addresses that must be written into a file before anyone listens.
func FreeAddress(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return l.Addr().String()
}

// Flip inverts one bit of the byte at offset of a file.
func Flip(t testing.TB, path string, offset int64, bit uint) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	data[offset] ^= 1 << (bit % 8)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}
