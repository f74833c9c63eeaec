// SPDX-License-Identifier: Apache-2.0

package checkpoint

import (
	"errors"
	"io"
	"io/fs"
	"os"
)

// FS is the part of a file system that a Store needs. Paths are as the caller of Open gave them, joined with names.
type FS interface {
	// Open opens a file for reading and, if write is set, for writing, creating it if it is missing. Without write, a
	// missing file is an error that wraps fs.ErrNotExist.
	Open(path string, write bool) (File, error)
	Rename(from, to string) error
	Remove(path string) error
	// SyncDir makes creations, renames and removals in a folder durable.
	SyncDir(path string) error
	// ReadDir returns the names in a folder, sorted.
	ReadDir(path string) ([]string, error)
}

// File is an open file.
type File interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	Truncate(size int64) error
	Size() (int64, error)
	// Sync makes content and size durable.
	Sync() error
}

// OS is the operating system's file system.
type OS struct{}

type osFile struct{ *os.File }

func (f osFile) Size() (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// Open implements FS.
func (OS) Open(path string, write bool) (File, error) {
	flags := os.O_RDONLY
	if write {
		flags = os.O_RDWR | os.O_CREATE
	}
	f, err := os.OpenFile(path, flags, 0o600)
	if err != nil {
		return nil, err
	}
	return osFile{f}, nil
}

// Rename implements FS.
func (OS) Rename(from, to string) error { return os.Rename(from, to) }

// Remove implements FS.
func (OS) Remove(path string) error { return os.Remove(path) }

// SyncDir implements FS.
func (OS) SyncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// ReadDir implements FS.
func (OS) ReadDir(path string) ([]string, error) {
	entries, err := os.ReadDir(path)
	names := make([]string, 0, len(entries))
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names, err
}

func missing(err error) bool { return errors.Is(err, fs.ErrNotExist) }
