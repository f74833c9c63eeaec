// SPDX-License-Identifier: Apache-2.0

package faultfs

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"

	"github.com/aurigraph/aurigraph/internal/seglog/disk"
)

// ErrCrashed is what every operation answers after the power went.
var ErrCrashed = errors.New("faultfs: the power is gone")

// Kind names an operation.
type Kind uint8

// The kinds. Read and Open of an existing file are not counted as operations, but can be injected.
const (
	OpWrite Kind = iota
	OpSync
	OpSyncDir
	OpRename
	OpRemove
	OpCreate
	OpTruncate
	OpRead
	OpOpen
)

var kindNames = [...]string{"write", "sync", "syncdir", "rename", "remove", "create", "truncate", "read", "open"}

// String is the kind's name.
func (k Kind) String() string { return kindNames[k] }

func (k Kind) counted() bool { return k < OpRead }

// Op is an operation about to be done.
type Op struct {
	Kind  Kind
	Path  string
	N     int // number of the operation, from 1; for one that is not counted, of the last that was
	Bytes int // of a read or write
}

// FS is a disk.FS in memory, safe for concurrent use. New makes one.
type FS struct {
	mu      sync.Mutex
	live    map[string]*inode // names as the program sees them
	durable map[string]*inode // names as of the last flush of their folder
	pending []nameChange      // unflushed, oldest first
	dirs    map[string]bool
	ops     int
	stopAt  int // operations above fail; 0: none does
	crashed bool
	inject  func(Op) error
	space   int64 // bytes of all files together; negative: no bound
	direct  bool
}

// nameChange is an unflushed change of a folder: it gives name to node, or takes the name away if node is nil.
type nameChange struct {
	group int // changes of one operation survive together
	name  string
	node  *inode
}

// New makes an empty file system that offers direct I/O and checks its alignment.
func New() *FS {
	return &FS{live: map[string]*inode{}, durable: map[string]*inode{}, dirs: map[string]bool{}, space: -1, direct: true}
}

// SetDirect says whether files opened for direct I/O get it.
func (f *FS) SetDirect(on bool) { f.locked(func() { f.direct = on }) }

// StopAfter lets n more operations pass; the power goes in the middle of the next one.
func (f *FS) StopAfter(n int) { f.locked(func() { f.stopAt = f.ops + n + 1 }) }

// Inject asks hook before every operation; its error is given to the program instead of doing the operation. A nil hook
// ends it. The hook runs under the file system's lock.
func (f *FS) Inject(hook func(Op) error) { f.locked(func() { f.inject = hook }) }

// SetSpace bounds the bytes of all files together; what would grow beyond fails with ENOSPC. Negative: no bound.
func (f *FS) SetSpace(bytes int64) { f.locked(func() { f.space = bytes }) }

// Ops is the number of operations so far.
func (f *FS) Ops() (n int) { f.locked(func() { n = f.ops }); return n }

// Names lists all files by name.
func (f *FS) Names() (names []string) {
	f.locked(func() {
		for name := range f.live {
			names = append(names, name)
		}
	})
	slices.Sort(names)
	return names
}

// Bytes is a copy of a file as the program sees it; nil if there is none.
func (f *FS) Bytes(path string) (data []byte) {
	f.locked(func() {
		if n := f.live[filepath.Clean(path)]; n != nil {
			data = slices.Clone(n.data)
		}
	})
	return data
}

// Put makes a durable file, or replaces one.
func (f *FS) Put(path string, data []byte) {
	path = filepath.Clean(path)
	n := &inode{path: path, data: slices.Clone(data), base: slices.Clone(data)}
	f.locked(func() { f.live[path], f.durable[path], f.dirs[filepath.Dir(path)] = n, n, true })
}

// Flip changes one byte of a file, durably, as a failing disk does.
func (f *FS) Flip(path string, off int64, mask byte) {
	f.locked(func() {
		n := f.live[filepath.Clean(path)]
		n.data[off] ^= mask
		if off < int64(len(n.base)) {
			n.base[off] ^= mask
		}
	})
}

func (f *FS) locked(do func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	do()
}

// begin counts an operation and says whether it may be done. With stop, the operation is the one during which the power
// goes: its effect is recorded as unflushed, and then it fails.
func (f *FS) begin(kind Kind, path string, bytes int) (stop bool, err error) {
	if f.crashed {
		return false, fmt.Errorf("%s %s: %w", kind, path, ErrCrashed)
	}
	if kind.counted() {
		f.ops++
		if f.stopAt > 0 && f.ops >= f.stopAt {
			f.crashed = true
			return true, nil
		}
	}
	if f.inject != nil {
		err = f.inject(Op{Kind: kind, Path: path, N: f.ops, Bytes: bytes})
	}
	return false, err
}

// end is the error of an operation during which the power may have gone.
func end(stop bool, kind Kind, path string) error {
	if stop {
		return fmt.Errorf("%s %s: %w", kind, path, ErrCrashed)
	}
	return nil
}

// OpenFile implements disk.FS.
func (f *FS) OpenFile(path string, mode disk.Mode, direct bool) (disk.File, error) {
	path = filepath.Clean(path)
	f.mu.Lock()
	defer f.mu.Unlock()
	node := f.live[path]
	kind := OpOpen
	if node == nil && mode == disk.Create {
		kind = OpCreate
	}
	stop, err := f.begin(kind, path, 0)
	if err != nil {
		return nil, err
	}
	if node == nil {
		if mode != disk.Create || !f.dirs[filepath.Dir(path)] {
			return nil, &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
		}
		node = &inode{path: path}
		f.live[path] = node
		f.pending = append(f.pending, nameChange{group: f.ops, name: path, node: node})
	}
	return &file{fs: f, node: node, mode: mode, direct: direct && f.direct}, end(stop, kind, path)
}

// Rename implements disk.FS.
func (f *FS) Rename(from, to string) error {
	from, to = filepath.Clean(from), filepath.Clean(to)
	f.mu.Lock()
	defer f.mu.Unlock()
	stop, err := f.begin(OpRename, from, 0)
	if err != nil {
		return err
	}
	node := f.live[from]
	if node == nil {
		return &fs.PathError{Op: "rename", Path: from, Err: fs.ErrNotExist}
	}
	delete(f.live, from)
	f.live[to] = node
	node.path = to
	f.pending = append(f.pending, nameChange{group: f.ops, name: from}, nameChange{group: f.ops, name: to, node: node})
	return end(stop, OpRename, from)
}

// Remove implements disk.FS.
func (f *FS) Remove(path string) error {
	path = filepath.Clean(path)
	f.mu.Lock()
	defer f.mu.Unlock()
	stop, err := f.begin(OpRemove, path, 0)
	if err != nil {
		return err
	}
	if f.live[path] == nil {
		return &fs.PathError{Op: "remove", Path: path, Err: fs.ErrNotExist}
	}
	delete(f.live, path)
	f.pending = append(f.pending, nameChange{group: f.ops, name: path})
	return end(stop, OpRemove, path)
}

// ReadDir implements disk.FS.
func (f *FS) ReadDir(dir string) ([]disk.Entry, error) {
	dir = filepath.Clean(dir)
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, err := f.begin(OpRead, dir, 0); err != nil {
		return nil, err
	}
	if !f.dirs[dir] {
		return nil, &fs.PathError{Op: "readdir", Path: dir, Err: fs.ErrNotExist}
	}
	var list []disk.Entry
	for path, n := range f.live {
		if filepath.Dir(path) == dir {
			list = append(list, disk.Entry{Name: filepath.Base(path), Bytes: int64(len(n.data))})
		}
	}
	slices.SortFunc(list, func(a, b disk.Entry) int { return strings.Compare(a.Name, b.Name) })
	return list, nil
}

// MkdirAll implements disk.FS. Folders are durable at once.
func (f *FS) MkdirAll(dir string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.crashed {
		return ErrCrashed
	}
	for dir = filepath.Clean(dir); !f.dirs[dir]; dir = filepath.Dir(dir) {
		f.dirs[dir] = true
	}
	return nil
}

// SyncDir implements disk.FS.
func (f *FS) SyncDir(dir string) error {
	dir = filepath.Clean(dir)
	f.mu.Lock()
	defer f.mu.Unlock()
	stop, err := f.begin(OpSyncDir, dir, 0)
	if err != nil {
		return err
	}
	if stop {
		return end(stop, OpSyncDir, dir)
	}
	var left []nameChange
	for _, c := range f.pending {
		if filepath.Dir(c.name) != dir {
			left = append(left, c)
			continue
		}
		apply(f.durable, c)
	}
	f.pending = left
	return nil
}

func apply(names map[string]*inode, c nameChange) {
	if c.node == nil {
		delete(names, c.name)
	} else {
		names[c.name] = c.node
	}
}

// grow says whether the disk has room for a file to grow by n bytes.
func (f *FS) grow(n int64) error {
	if f.space < 0 || n <= 0 {
		return nil
	}
	// Each file counts once, also under no name while it is open: a removed file's space is free at once here.
	var used int64
	for _, node := range f.live {
		used += int64(len(node.data))
	}
	if used+n > f.space {
		return syscall.ENOSPC
	}
	return nil
}

var _ disk.FS = (*FS)(nil)
