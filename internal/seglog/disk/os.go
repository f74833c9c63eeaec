// SPDX-License-Identifier: Apache-2.0

package disk

import (
	"os"

	"golang.org/x/sys/unix"
)

const (
	filePerm = 0o640
	dirPerm  = 0o750
)

type osFS struct{}

// OS is the operating system's file system.
func OS() FS { return osFS{} }

func (osFS) Rename(from, to string) error { return os.Rename(from, to) }
func (osFS) Remove(path string) error     { return os.Remove(path) }
func (osFS) MkdirAll(dir string) error    { return os.MkdirAll(dir, dirPerm) }
func (osFS) SyncDir(dir string) (err error) {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	err = d.Sync()
	if closeErr := d.Close(); err == nil {
		err = closeErr
	}
	return err
}

func (osFS) ReadDir(dir string) ([]Entry, error) {
	list, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	entries := make([]Entry, 0, len(list))
	for _, e := range list {
		if !e.Type().IsRegular() {
			continue
		}
		info, err := e.Info()
		if err != nil {
			return nil, err
		}
		entries = append(entries, Entry{Name: e.Name(), Bytes: info.Size()})
	}
	return entries, nil
}

func openFlags(mode Mode) int {
	switch mode {
	case ReadOnly:
		return os.O_RDONLY
	case Create:
		return os.O_RDWR | os.O_CREATE
	default:
		return os.O_RDWR
	}
}

func (f *osFile) Truncate(size int64) error               { return f.file.Truncate(size) }
func (f *osFile) ReadAt(p []byte, off int64) (int, error) { return f.file.ReadAt(p, off) }
func (f *osFile) Direct() bool                            { return f.direct }
func (f *osFile) Close() error                            { return f.file.Close() }

func (f *osFile) Size() (int64, error) {
	info, err := f.file.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

type osFile struct {
	file   *os.File
	direct bool
}

// Alloc maps n bytes of zeroed, page-aligned memory outside Go's heap. Pages cost nothing until touched.
func Alloc(n int) ([]byte, error) {
	return unix.Mmap(-1, 0, n, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
}

// Free gives memory from Alloc back. Whoever touches it afterwards crashes.
func Free(mem []byte) error { return unix.Munmap(mem) }
