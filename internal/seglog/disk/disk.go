// SPDX-License-Identifier: Apache-2.0

package disk

import (
	"io"
	"unsafe"
)

// PageBytes is the unit of direct I/O: offsets, lengths and memory addresses are multiples of it.
const PageBytes = 4096

// Mode says what a file is opened for.
type Mode uint8

// The modes.
const (
	ReadOnly  Mode = iota // the file exists and is only read
	ReadWrite             // the file exists
	Create                // the file is made if it is missing
)

// Entry is one regular file of a folder.
type Entry struct {
	Name  string
	Bytes int64
}

// FS opens and moves files. Errors are the operating system's: errors.Is with fs.ErrNotExist, syscall.ENOSPC works.
type FS interface {
	// OpenFile opens a file. With direct, I/O passes the page cache by if the file system can do that; File.Direct
	// tells.
	OpenFile(path string, mode Mode, direct bool) (File, error)
	// Rename gives a file a new name, replacing what had it.
	Rename(from, to string) error
	// Remove deletes a file.
	Remove(path string) error
	// ReadDir lists the regular files of a folder by name.
	ReadDir(dir string) ([]Entry, error)
	// MkdirAll makes a folder and its parents.
	MkdirAll(dir string) error
	// SyncDir makes the folder's names durable.
	SyncDir(dir string) error
}

// File is an open file.
type File interface {
	io.ReaderAt
	// WriteVec writes all the parts one after the other, beginning at off. After an error any part of them may be
	// there.
	WriteVec(parts [][]byte, off int64) error
	// Datasync makes data and size durable.
	Datasync() error
	// Truncate sets the size; new bytes read as zero.
	Truncate(size int64) error
	// Zero makes the file size bytes long, all of them zero, with space set aside for them, and writes none of them. It is
	// errors.ErrUnsupported where the file system cannot do that.
	Zero(size int64) error
	// Size is the size in bytes.
	Size() (int64, error)
	// Direct reports whether I/O passes the page cache by and so must be aligned.
	Direct() bool
	// Close gives the file up.
	Close() error
}

// RoundUp is n rounded up to whole pages.
func RoundUp(n int) int { return (n + PageBytes - 1) &^ (PageBytes - 1) }

// Aligned makes a page-aligned slice of n bytes on Go's heap, for reads that the garbage collector may clean up.
func Aligned(n int) []byte {
	raw := make([]byte, n+PageBytes-1)
	skip := int(-uintptr(unsafe.Pointer(unsafe.SliceData(raw))) & (PageBytes - 1))
	return raw[skip : skip+n : skip+n]
}
