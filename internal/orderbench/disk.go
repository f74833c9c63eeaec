// SPDX-License-Identifier: Apache-2.0

package orderbench

import (
	"sync/atomic"

	"github.com/aurigraph/aurigraph/internal/seglog/disk"
)

// countingFS is the system's disk, which counts what it flushes, or flushes nothing.
type countingFS struct {
	disk.FS
	flush bool
	syncs atomic.Uint64
}

func (c *countingFS) sync(do func() error) error {
	if !c.flush {
		return nil
	}
	c.syncs.Add(1)
	return do()
}

// SyncDir implements disk.FS.
func (c *countingFS) SyncDir(dir string) error {
	return c.sync(func() error { return c.FS.SyncDir(dir) })
}

// OpenFile implements disk.FS.
func (c *countingFS) OpenFile(path string, mode disk.Mode, direct bool) (disk.File, error) {
	f, err := c.FS.OpenFile(path, mode, direct)
	if err != nil {
		return nil, err
	}
	return &countingFile{File: f, fs: c}, nil
}

type countingFile struct {
	disk.File
	fs *countingFS
}

// Datasync implements disk.File.
func (f *countingFile) Datasync() error { return f.fs.sync(f.File.Datasync) }
