// SPDX-License-Identifier: Apache-2.0

package disk

import (
	"bytes"
	"errors"
	"path/filepath"
	"testing"
)

func TestRest(t *testing.T) {
	parts := [][]byte{[]byte("ab"), []byte("cde"), []byte("f")}
	for n := range 7 {
		if got := bytes.Join(rest(parts, n), nil); string(got) != "abcdef"[n:] {
			t.Errorf("%d: %s", n, got)
		}
	}
	if string(bytes.Join(parts, nil)) != "abcdef" {
		t.Error("the caller's parts changed")
	}
}

func TestZero(t *testing.T) {
	f, err := OS().OpenFile(filepath.Join(t.TempDir(), "z"), Create, false)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.WriteVec([][]byte{bytes.Repeat([]byte{7}, 3*PageBytes)}, 0); err != nil {
		t.Fatal(err)
	}
	if err := f.Zero(2 * PageBytes); errors.Is(err, errors.ErrUnsupported) {
		t.Skip("this file system cannot zero a range: SKIPPED")
	} else if err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 2*PageBytes)
	if _, err := f.ReadAt(got, 0); err != nil || !bytes.Equal(got, make([]byte, 2*PageBytes)) {
		t.Error("the file is not zero", err)
	}
	if n, err := f.Size(); err != nil || n != 2*PageBytes {
		t.Error(n, err)
	}
}

func TestWideWrite(t *testing.T) {
	f, err := OS().OpenFile(filepath.Join(t.TempDir(), "w"), Create, true)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, pages := range []int{1, wideBytesMin/PageBytes - 1, wideBytesMin / PageBytes, wideBytesMin/PageBytes + 3, 257} {
		want := Aligned(pages * PageBytes)
		for i := range want {
			want[i] = byte(i>>12) ^ byte(i)
		}
		var parts [][]byte
		for rest, n := want, PageBytes; len(rest) > 0; rest, n = rest[n:], n+PageBytes {
			n = min(n, len(rest))
			parts = append(parts, rest[:n:n])
		}
		if err := f.WriteVec(parts, PageBytes); err != nil {
			t.Fatal(err)
		}
		got := Aligned(pages * PageBytes)
		if _, err := f.ReadAt(got, PageBytes); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%d pages came back differently: %v", pages, err)
		}
	}
}
