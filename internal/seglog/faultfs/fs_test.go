// SPDX-License-Identifier: Apache-2.0

package faultfs

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"syscall"
	"testing"

	"github.com/aurigraph/aurigraph/internal/seglog/disk"
)

func create(t *testing.T, f *FS, path string) disk.File {
	t.Helper()
	if err := f.MkdirAll("/d"); err != nil {
		t.Fatal(err)
	}
	file, err := f.OpenFile(path, disk.Create, false)
	if err != nil {
		t.Fatal(err)
	}
	return file
}

func write(t *testing.T, file disk.File, off int64, b byte, n int) {
	t.Helper()
	if err := file.WriteVec([][]byte{bytes.Repeat([]byte{b}, n)}, off); err != nil {
		t.Fatal(err)
	}
}

func TestCrashKeepsWhatWasFlushed(t *testing.T) {
	f := New()
	file := create(t, f, "/d/a")
	write(t, file, 0, 1, 4096)
	if err := errors.Join(file.Datasync(), f.SyncDir("/d")); err != nil {
		t.Fatal(err)
	}
	write(t, file, 0, 2, 2048)
	create(t, f, "/d/b")
	old, kept := 0, 0
	for seed := range uint64(40) {
		after := f.Crash(seed)
		data := after.Bytes("/d/a")
		if len(data) != 4096 || bytes.Count(data[2048:], []byte{1}) != 2048 {
			t.Fatal("flushed bytes are lost")
		}
		for s := 0; s < 2048; s += sectorBytes {
			if n := bytes.Count(data[s:s+sectorBytes], []byte{2}); n == sectorBytes {
				kept++
			} else if n == 0 {
				old++
			} else {
				t.Fatal("a sector was torn")
			}
		}
		if seed%4 == 0 && after.Bytes("/d/b") != nil || seed%4 == 1 && len(after.Names()) != 2 {
			t.Fatal("names do not follow the seed", seed, after.Names())
		}
		if !bytes.Equal(data, f.Crash(seed).Bytes("/d/a")) {
			t.Fatal("a seed must give one outcome")
		}
	}
	if old == 0 || kept == 0 {
		t.Fatal(old, kept)
	}
	if _, err := f.OpenFile("/d/a", disk.ReadOnly, false); !errors.Is(err, ErrCrashed) {
		t.Fatal(err)
	}
	if !errors.Is(f.MkdirAll("/e"), ErrCrashed) {
		t.Fatal("a crashed file system goes on")
	}
}

func TestRenameIsDurableWhole(t *testing.T) {
	for seed := range uint64(20) {
		f := New()
		file := create(t, f, "/d/a")
		write(t, file, 0, 1, 512)
		if err := errors.Join(file.Datasync(), f.SyncDir("/d"), f.Rename("/d/a", "/d/b")); err != nil {
			t.Fatal(err)
		}
		if names := f.Crash(seed).Names(); len(names) != 1 {
			t.Fatal("the file has both names or none", names)
		}
	}
}

func TestStopAfter(t *testing.T) {
	run := func(f *FS) error {
		file, err := f.OpenFile("/d/a", disk.Create, false)
		if err != nil {
			return err
		}
		return errors.Join(file.Truncate(10), file.WriteVec([][]byte{{1}}, 0), file.Datasync(), f.SyncDir("/d"), f.Rename("/d/a", "/d/b"), f.Remove("/d/b"))
	}
	for n := range 8 {
		f := New()
		if err := f.MkdirAll("/d"); err != nil {
			t.Fatal(err)
		}
		f.StopAfter(n)
		err := run(f)
		if (n < 7) != errors.Is(err, ErrCrashed) || n == 7 && (err != nil || f.Ops() != 7) {
			t.Fatal(n, err, f.Ops())
		}
	}
}

func TestInjectSpaceFlip(t *testing.T) {
	f := New()
	file := create(t, f, "/d/a")
	f.Inject(func(op Op) error {
		if op.Kind == OpWrite && op.Bytes == 7 {
			return syscall.EIO
		}
		return nil
	})
	if err := file.WriteVec([][]byte{make([]byte, 7)}, 0); !errors.Is(err, syscall.EIO) {
		t.Fatal(err)
	}
	write(t, file, 0, 1, 8)
	f.SetSpace(10)
	if err := file.WriteVec([][]byte{make([]byte, 3)}, 8); !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
	if err := file.Truncate(11); !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
	if err := errors.Join(file.Datasync(), file.Truncate(4)); err != nil {
		t.Fatal(err)
	}
	f.Flip("/d/a", 0, 0x10)
	p := make([]byte, 8)
	if n, err := file.ReadAt(p, 0); n != 4 || err != io.EOF || p[0] != 0x11 {
		t.Fatal(n, err, p)
	}
	if _, err := file.ReadAt(p, 9); err != io.EOF {
		t.Fatal(err)
	}
	if size, err := file.Size(); size != 4 || err != nil || file.Direct() {
		t.Fatal(size, err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(file.Close(), file.Truncate(1)); !errors.Is(err, fs.ErrClosed) {
		t.Fatal(err)
	}
}

func TestRefusals(t *testing.T) {
	f := New()
	f.Put("/d/a", make([]byte, 4096))
	ro, err := f.OpenFile("/d/a", disk.ReadOnly, true)
	if err != nil || !ro.Direct() {
		t.Fatal(err)
	}
	if err := ro.Datasync(); !errors.Is(err, fs.ErrPermission) {
		t.Fatal(err)
	}
	if _, err := ro.ReadAt(make([]byte, 10), 0); !errors.Is(err, fs.ErrInvalid) {
		t.Fatal("direct I/O must be aligned", err)
	}
	_, readDir := f.ReadDir("/nowhere")
	_, open := f.OpenFile("/nowhere/a", disk.Create, false)
	for _, err := range []error{f.Rename("/x", "/y"), f.Remove("/x"), readDir, open} {
		if !errors.Is(err, fs.ErrNotExist) {
			t.Error(err)
		}
	}
	f.SetDirect(false)
	if list, err := f.ReadDir("/d"); err != nil || len(list) != 1 || list[0] != (disk.Entry{Name: "a", Bytes: 4096}) {
		t.Fatal(list, err)
	}
}
