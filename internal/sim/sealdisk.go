// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"errors"
	"io"
	"io/fs"

	files "github.com/aurigraph/aurigraph/internal/seglog/disk"
)

// sealDisk is where a replica's sealer keeps its record: files whose content is lost in a crash until it is synced, and their
// names until the folder is. Each step of writing may lose the power.
type sealDisk struct {
	n       *replica
	now     map[string]*sealFile
	durable map[string]*sealFile
}

// sealFile is a file's content.
type sealFile struct{ data, synced []byte }

var errNoPower = errors.New("the power went")

func newSealDisk(n *replica) *sealDisk {
	return &sealDisk{n, map[string]*sealFile{}, map[string]*sealFile{}}
}

// crash leaves what was synced, and perhaps names that were not.
func (d *sealDisk) crash() {
	if len(d.now) == 0 {
		return
	}
	if d.n.w.diskRand.IntN(2) == 0 {
		d.now = d.durable
	}
	left := map[string]*sealFile{}
	for name, f := range d.now { // each on its own
		left[name] = &sealFile{f.synced, f.synced}
	}
	d.now, d.durable = left, left
}

// step is one operation that changes the disk. It reports whether it happened and the node is up.
func (d *sealDisk) step(do func()) error {
	if !d.n.up || d.n.losesPower() {
		return errNoPower
	}
	do()
	return nil
}

// OpenFile implements disk.FS.
func (d *sealDisk) OpenFile(path string, mode files.Mode, _ bool) (files.File, error) {
	if d.now[path] == nil {
		if mode != files.Create {
			return nil, fs.ErrNotExist
		}
		names := cloneNames(d.now)
		names[path] = &sealFile{}
		d.now = names
	}
	return &openSealFile{d, d.now[path]}, nil
}

// Rename implements disk.FS.
func (d *sealDisk) Rename(from, to string) error {
	return d.step(func() {
		names := cloneNames(d.now)
		names[to] = names[from]
		delete(names, from)
		d.now = names
	})
}

// SyncDir implements disk.FS.
func (d *sealDisk) SyncDir(string) error {
	if d.n.bug() == bugSealUnsynced {
		return nil
	}
	return d.step(func() { d.durable = d.now })
}

// Remove implements disk.FS.
func (d *sealDisk) Remove(string) error { return errors.ErrUnsupported }

// ReadDir implements disk.FS.
func (d *sealDisk) ReadDir(string) ([]files.Entry, error) { return nil, errors.ErrUnsupported }

// MkdirAll implements disk.FS.
func (d *sealDisk) MkdirAll(string) error { return nil }

func cloneNames(names map[string]*sealFile) map[string]*sealFile {
	c := make(map[string]*sealFile, len(names)+1)
	for name, f := range names {
		c[name] = f
	}
	return c
}

type openSealFile struct {
	d *sealDisk
	f *sealFile
}

// ReadAt implements disk.File.
func (o *openSealFile) ReadAt(p []byte, off int64) (int, error) {
	if off >= int64(len(o.f.data)) {
		return 0, io.EOF
	}
	n := copy(p, o.f.data[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// WriteVec implements disk.File.
func (o *openSealFile) WriteVec(parts [][]byte, _ int64) error {
	return o.d.step(func() {
		for _, p := range parts {
			o.f.data = append(o.f.data, p...)
		}
	})
}

// Datasync implements disk.File.
func (o *openSealFile) Datasync() error { return o.d.step(func() { o.f.synced = o.f.data }) }

// Truncate implements disk.File: to nothing, before a file is written anew.
func (o *openSealFile) Truncate(int64) error { return o.d.step(func() { o.f.data = nil }) }

// Zero implements disk.File.
func (o *openSealFile) Zero(int64) error { return errors.ErrUnsupported }

// Size implements disk.File.
func (o *openSealFile) Size() (int64, error) { return int64(len(o.f.data)), nil }

// Direct implements disk.File.
func (o *openSealFile) Direct() bool { return false }

// Close implements disk.File.
func (o *openSealFile) Close() error { return nil }
