// SPDX-License-Identifier: Apache-2.0

package checkpoint

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
)

var errBroken = errors.New("the disk is gone")

const sectorBytes = 512

// memFS is a file system in memory that knows what is durable. Operation number failAt, and all after it, fail; crash
// then keeps what was synced and a random part, by sectors, of what was not.
type memFS struct {
	names   map[string]*memFile // as seen now
	durable map[string]*memFile // as after a crash
	ops     int
	failAt  int // 0: never
	noReads bool
	trace   []string
}

type memFile struct {
	fs      *memFS
	name    string
	data    []byte
	durable []byte
	pending []func([]byte, *rand.Rand) []byte
}

func newMemFS() *memFS {
	return &memFS{names: map[string]*memFile{}, durable: map[string]*memFile{}}
}

// op counts an operation that changes the disk.
func (m *memFS) op(format string, args ...any) error {
	m.ops++
	m.trace = append(m.trace, fmt.Sprintf(format, args...))
	if m.failAt > 0 && m.ops >= m.failAt {
		return errBroken
	}
	return nil
}

// crash returns the disk as the next start finds it.
func (m *memFS) crash(seed uint64) *memFS {
	random := rand.New(rand.NewPCG(seed, 1))
	after := newMemFS()
	names := m.durable
	if random.IntN(2) == 0 {
		names = m.names
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		data := slices.Clone(names[name].durable)
		for _, change := range names[name].pending {
			data = change(data, random)
		}
		f := &memFile{fs: after, name: name, data: data, durable: slices.Clone(data)}
		after.names[name], after.durable[name] = f, f
	}
	return after
}

func (m *memFS) Open(path string, write bool) (File, error) {
	name := filepath.Base(path)
	f := m.names[name]
	if f != nil {
		return f, nil
	}
	if !write {
		return nil, fs.ErrNotExist
	}
	if err := m.op("create %s", name); err != nil {
		return nil, err
	}
	f = &memFile{fs: m, name: name}
	m.names[name] = f
	return f, nil
}

func (m *memFS) Rename(from, to string) error {
	if err := m.op("rename %s %s", filepath.Base(from), filepath.Base(to)); err != nil {
		return err
	}
	m.names[filepath.Base(to)] = m.names[filepath.Base(from)]
	delete(m.names, filepath.Base(from))
	return nil
}

func (m *memFS) Remove(path string) error {
	if err := m.op("remove %s", filepath.Base(path)); err != nil {
		return err
	}
	if m.names[filepath.Base(path)] == nil {
		return fs.ErrNotExist
	}
	delete(m.names, filepath.Base(path))
	return nil
}

func (m *memFS) SyncDir(string) error {
	if err := m.op("sync folder"); err != nil {
		return err
	}
	m.durable = maps.Clone(m.names)
	return nil
}

func (m *memFS) ReadDir(string) ([]string, error) {
	if m.noReads {
		return nil, errBroken
	}
	return slices.Sorted(maps.Keys(m.names)), nil
}

func (f *memFile) ReadAt(b []byte, offset int64) (int, error) {
	if f.fs.noReads {
		return 0, errBroken
	}
	if offset > int64(len(f.data)) {
		return 0, io.EOF
	}
	n := copy(b, f.data[offset:])
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

func writeAt(data, b []byte, offset int64) []byte {
	if end := offset + int64(len(b)); int64(len(data)) < end {
		data = append(data, make([]byte, end-int64(len(data)))...)
	}
	copy(data[offset:], b)
	return data
}

func (f *memFile) WriteAt(b []byte, offset int64) (int, error) {
	err := f.fs.op("write %s %d %d", f.name, offset, len(b))
	b = slices.Clone(b)
	// A write that failed may have reached the disk in part as well.
	f.pending = append(f.pending, func(data []byte, random *rand.Rand) []byte {
		for i := 0; i < len(b); i += sectorBytes {
			if random.IntN(2) == 0 {
				data = writeAt(data, b[i:min(i+sectorBytes, len(b))], offset+int64(i))
			}
		}
		return data
	})
	if err != nil {
		return 0, err
	}
	f.data = writeAt(f.data, b, offset)
	return len(b), nil
}

func truncate(data []byte, size int64) []byte {
	if size <= int64(len(data)) {
		return data[:size]
	}
	return append(data, make([]byte, size-int64(len(data)))...)
}

func (f *memFile) Truncate(size int64) error {
	if err := f.fs.op("truncate %s %d", f.name, size); err != nil {
		return err
	}
	f.pending = append(f.pending, func(data []byte, random *rand.Rand) []byte {
		if random.IntN(2) == 0 {
			return truncate(data, size)
		}
		return data
	})
	f.data = truncate(f.data, size)
	return nil
}

func (f *memFile) Size() (int64, error) { return int64(len(f.data)), nil }

func (f *memFile) Sync() error {
	if err := f.fs.op("sync %s", f.name); err != nil {
		return err
	}
	f.durable, f.pending = slices.Clone(f.data), nil
	return nil
}

func (f *memFile) Close() error { return f.fs.op("close %s", f.name) }
