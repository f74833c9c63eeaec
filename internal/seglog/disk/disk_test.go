// SPDX-License-Identifier: Apache-2.0

package disk

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"path/filepath"
	"testing"
)

func TestOS(t *testing.T) {
	for _, direct := range []bool{true, false} {
		dir := filepath.Join(t.TempDir(), "a", "b")
		sys := OS()
		if err := sys.MkdirAll(dir); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, "one")
		if _, err := sys.OpenFile(path, ReadWrite, direct); !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
		f, err := sys.OpenFile(path, Create, direct)
		if err != nil {
			t.Fatal(err)
		}
		writeMany(t, f)
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		if err := sys.Rename(path, path+"2"); err != nil {
			t.Fatal(err)
		}
		if err := sys.SyncDir(dir); err != nil {
			t.Fatal(err)
		}
		list, err := sys.ReadDir(dir)
		if err != nil || len(list) != 1 || list[0] != (Entry{"one2", manyParts*PageBytes + PageBytes}) {
			t.Fatal(list, err)
		}
		readOnly, err := sys.OpenFile(path+"2", ReadOnly, direct)
		if err != nil {
			t.Fatal(err)
		}
		if readOnly.WriteVec([][]byte{Aligned(PageBytes)}, 0) == nil {
			t.Fatal("wrote to a file opened for reading")
		}
		if err := readOnly.Close(); err != nil {
			t.Fatal(err)
		}
		if err := sys.Remove(path + "2"); err != nil {
			t.Fatal(err)
		}
		if sys.SyncDir(path) == nil {
			t.Fatal("flushed a folder that is not there")
		}
		if _, err := sys.ReadDir(path); err == nil {
			t.Fatal("listed a folder that is not there")
		}
	}
}

// manyParts is more than one system call takes.
const manyParts = 1500

func writeMany(t *testing.T, f File) {
	t.Helper()
	mem, err := Alloc(manyParts * PageBytes)
	if err != nil {
		t.Fatal(err)
	}
	parts := make([][]byte, manyParts)
	for i := range parts {
		parts[i] = mem[i*PageBytes : (i+1)*PageBytes]
		parts[i][0], parts[i][1] = byte(i), byte(i>>8)
	}
	if err := f.Truncate(manyParts*PageBytes + PageBytes); err != nil {
		t.Fatal(err)
	}
	if err := f.WriteVec(parts, PageBytes); err != nil {
		t.Fatal(err)
	}
	if err := f.Datasync(); err != nil {
		t.Fatal(err)
	}
	back := Aligned(manyParts * PageBytes)
	if n, err := f.ReadAt(back, PageBytes); n != len(back) || (err != nil && err != io.EOF) || !bytes.Equal(back, mem) {
		t.Fatal(n, err)
	}
	if size, err := f.Size(); err != nil || size != manyParts*PageBytes+PageBytes {
		t.Fatal(size, err)
	}
	t.Log("direct:", f.Direct())
	if err := Free(mem); err != nil {
		t.Fatal(err)
	}
}

func TestRoundUp(t *testing.T) {
	for n, want := range map[int]int{0: 0, 1: PageBytes, PageBytes: PageBytes, PageBytes + 1: 2 * PageBytes} {
		if RoundUp(n) != want {
			t.Error(n)
		}
	}
}
