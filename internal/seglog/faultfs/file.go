// SPDX-License-Identifier: Apache-2.0

package faultfs

import (
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"slices"
	"unsafe"

	"github.com/aurigraph/aurigraph/internal/seglog/disk"
)

// sectorBytes is what a disk writes whole or not at all.
const sectorBytes = 512

// inode is a file's content, guarded by the FS's lock.
type inode struct {
	path    string // its newest name, by which operations on open files are told
	data    []byte // as the program sees it
	base    []byte // as of the last flush
	changes []change
}

// change is an unflushed write, or a change of size if size is not negative.
type change struct {
	off  int64
	data []byte
	size int64
}

type file struct {
	fs     *FS
	node   *inode
	mode   disk.Mode
	direct bool
	closed bool // guarded by fs.mu
}

// ReadAt implements disk.File.
func (f *file) ReadAt(p []byte, off int64) (int, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.usable(OpRead); err != nil {
		return 0, err
	}
	if err := f.aligned([][]byte{p}, off); err != nil {
		return 0, err
	}
	if _, err := f.fs.begin(OpRead, f.node.path, len(p)); err != nil {
		return 0, err
	}
	if off >= int64(len(f.node.data)) {
		return 0, io.EOF
	}
	n := copy(p, f.node.data[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// WriteVec implements disk.File.
func (f *file) WriteVec(parts [][]byte, off int64) error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.usable(OpWrite); err != nil {
		return err
	}
	if err := f.aligned(parts, off); err != nil {
		return err
	}
	data := slices.Concat(parts...)
	stop, err := f.fs.begin(OpWrite, f.node.path, len(data))
	if err != nil {
		return err
	}
	if err := f.fs.grow(off + int64(len(data)) - int64(len(f.node.data))); err != nil {
		return &fs.PathError{Op: "write", Path: f.node.path, Err: err}
	}
	f.node.data = overwrite(f.node.data, data, off)
	f.node.changes = append(f.node.changes, change{off: off, data: data, size: -1})
	return end(stop, OpWrite, f.node.path)
}

// Datasync implements disk.File.
func (f *file) Datasync() error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.usable(OpSync); err != nil {
		return err
	}
	stop, err := f.fs.begin(OpSync, f.node.path, 0)
	if err != nil {
		return err
	}
	if stop {
		return end(stop, OpSync, f.node.path)
	}
	for _, c := range f.node.changes {
		if c.size >= 0 {
			f.node.base = resize(f.node.base, c.size)
		} else {
			f.node.base = overwrite(f.node.base, c.data, c.off)
		}
	}
	f.node.changes = nil
	return nil
}

// Truncate implements disk.File.
func (f *file) Truncate(size int64) error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.usable(OpTruncate); err != nil {
		return err
	}
	stop, err := f.fs.begin(OpTruncate, f.node.path, 0)
	if err != nil {
		return err
	}
	if err := f.fs.grow(size - int64(len(f.node.data))); err != nil {
		return &fs.PathError{Op: "truncate", Path: f.node.path, Err: err}
	}
	f.node.data = resize(f.node.data, size)
	f.node.changes = append(f.node.changes, change{size: size})
	return end(stop, OpTruncate, f.node.path)
}

// Zero implements disk.File.
func (f *file) Zero(size int64) error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.usable(OpTruncate); err != nil {
		return err
	}
	stop, err := f.fs.begin(OpTruncate, f.node.path, 0)
	if err != nil {
		return err
	}
	if err := f.fs.grow(size - int64(len(f.node.data))); err != nil {
		return &fs.PathError{Op: "fallocate", Path: f.node.path, Err: err}
	}
	f.node.data = make([]byte, size)
	f.node.changes = append(f.node.changes, change{size: 0}, change{size: size})
	return end(stop, OpTruncate, f.node.path)
}

// Size implements disk.File.
func (f *file) Size() (int64, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	return int64(len(f.node.data)), nil
}

// Direct implements disk.File.
func (f *file) Direct() bool { return f.direct }

// Close implements disk.File.
func (f *file) Close() error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if f.closed {
		return fs.ErrClosed
	}
	f.closed = true
	return nil
}

func (f *file) usable(kind Kind) error {
	if f.closed {
		return fs.ErrClosed
	}
	if f.mode == disk.ReadOnly && kind != OpRead {
		return fmt.Errorf("%s %s: %w", kind, f.node.path, fs.ErrPermission)
	}
	return nil
}

// aligned refuses what direct I/O refuses.
func (f *file) aligned(parts [][]byte, off int64) error {
	if !f.direct {
		return nil
	}
	for _, p := range parts {
		if off%disk.PageBytes != 0 || len(p)%disk.PageBytes != 0 || uintptr(unsafe.Pointer(unsafe.SliceData(p)))%disk.PageBytes != 0 {
			return &fs.PathError{Op: "direct", Path: f.node.path, Err: fs.ErrInvalid}
		}
	}
	return nil
}

func resize(data []byte, size int64) []byte {
	if size <= int64(len(data)) {
		return data[:size:size]
	}
	return append(data, make([]byte, size-int64(len(data)))...)
}

func overwrite(data, p []byte, off int64) []byte {
	if grown := off + int64(len(p)); grown > int64(len(data)) {
		data = resize(data, grown)
	}
	copy(data[off:], p)
	return data
}

// Crash is the file system after a loss of power now: what was flushed, and a choice of the rest by seed. Each seed
// also chooses how much is lost: seed%4 = 0 all that may be, 1 nothing, else about half. The old FS is dead; Crash may be
// called again with another seed.
func (f *FS) Crash(seed uint64) *FS {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.crashed = true
	rng := rand.New(rand.NewPCG(seed, seed^0x9e3779b97f4a7c15))
	keep := func() bool { return rng.IntN(2) == 0 }
	switch seed % 4 {
	case 0:
		keep = func() bool { return false }
	case 1:
		keep = func() bool { return true }
	}
	after := New()
	maps.Copy(after.dirs, f.dirs)
	after.direct = f.direct
	nodes := map[*inode]*inode{}
	names := f.surviving(keep)
	for _, name := range slices.Sorted(maps.Keys(names)) {
		old := names[name]
		if nodes[old] == nil {
			data := old.crash(keep)
			nodes[old] = &inode{path: name, data: data, base: slices.Clone(data)}
		}
		after.live[name], after.durable[name] = nodes[old], nodes[old]
	}
	return after
}

// surviving is durable with a prefix of the unflushed changes of names.
func (f *FS) surviving(keep func() bool) map[string]*inode {
	names := maps.Clone(f.durable)
	group := 0
	for _, c := range f.pending {
		if c.group != group {
			if !keep() {
				break
			}
			group = c.group
		}
		apply(names, c)
	}
	return names
}

// crash is the content after a loss of power.
func (n *inode) crash(keep func() bool) []byte {
	data := slices.Clone(n.base)
	for _, c := range n.changes {
		if c.size >= 0 {
			if keep() {
				data = resize(data, c.size)
			}
			continue
		}
		for i := 0; i < len(c.data); i += sectorBytes {
			if keep() {
				data = overwrite(data, c.data[i:min(i+sectorBytes, len(c.data))], c.off+int64(i))
			}
		}
	}
	return data
}
