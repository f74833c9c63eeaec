// SPDX-License-Identifier: Apache-2.0

package outcomes

import (
	"errors"
	"io/fs"
	"os"
	"syscall"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/router"
)

// Position is how far a reader is. The zero Position is the beginning of the file that is there at first.
type Position struct {
	Inode  uint64 `json:"inode"`
	Offset int64  `json:"offset"` // of the first byte that was not read
}

// End is the end of the file that is there when Follow is called.
var End = Position{Offset: -1}

// Reader reads a file of outcomes while it grows. It is for one goroutine.
type Reader struct {
	path    string
	from    Position // where to begin; the zero Position after that
	now     *tail    // the file that path named when it was looked at last; nil: there was none yet
	older   *tail    // the one that was now before; nil: none
	damaged uint64
}

// Follow makes a reader of the file at path, which need not be there yet.
func Follow(path string, from Position) *Reader {
	r := &Reader{path: path, from: from}
	if from != End {
		return r
	}
	r.from = Position{}
	if info, err := os.Stat(path); err == nil {
		r.from = Position{inodeOf(info), info.Size()}
	}
	return r
}

// Next is the next outcome. Unavailable: the file is there and cannot be read; it may be called again.
func (r *Reader) Next() (o router.Outcome, ok bool, err error) {
	if r.now == nil {
		if err := r.begin(); err != nil || r.now == nil {
			return o, false, err
		}
	}
	for {
		for _, t := range []*tail{r.older, r.now} {
			if t == nil {
				continue
			}
			if o, ok, err = t.next(&r.damaged); ok || err != nil {
				return o, ok, err
			}
		}
		if moved, err := r.turn(); err != nil || !moved {
			return o, false, err
		}
	}
}

// Position is where a reader goes on that is to give what this one has not given.
func (r *Reader) Position() Position {
	if r.now == nil {
		return r.from
	}
	return Position{r.now.inode, r.now.at}
}

// Damaged counts the lines that were passed over.
func (r *Reader) Damaged() uint64 { return r.damaged }

// Close lets the files go.
func (r *Reader) Close() {
	for _, t := range []*tail{r.older, r.now} {
		if t != nil {
			_ = t.file.Close() // it was only read
		}
	}
	r.now, r.older = nil, nil
}

// begin opens the file that from is in: the present one, or the one before it. If it is neither, both are later.
func (r *Reader) begin() error {
	now, err := open(r.path)
	if err != nil {
		return err
	}
	if r.from == (Position{}) || now != nil && now.inode == r.from.Inode {
		if r.now = now; now != nil {
			now.at, r.from = max(0, r.from.Offset), Position{}
		}
		return nil
	}
	if now != nil {
		_ = now.file.Close() // the one before comes first; turn opens this one again
	}
	older, err := open(r.path + olderSuffix)
	if err != nil {
		return err
	}
	if older == nil { // nothing is left of what from is in
		r.from = Position{}
		return r.begin()
	}
	if older.inode == r.from.Inode {
		older.at = max(0, r.from.Offset)
	}
	r.now, r.from = older, Position{}
	return nil
}

// turn goes over to another file if path names one by now.
func (r *Reader) turn() (moved bool, err error) {
	named, err := os.Stat(r.path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, unreadable(r.path, err)
	}
	if os.SameFile(named, r.now.info) {
		return false, nil
	}
	next, err := open(r.path)
	if err != nil || next == nil {
		return false, err
	}
	if r.older != nil {
		_ = r.older.file.Close() // it was only read
	}
	r.older, r.now = r.now, next
	return true, nil
}

// open opens a file to read it from its beginning; nil: there is none.
func open(path string) (*tail, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) // opening a pipe would wait for its writer
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, unreadable(path, err)
	}
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		_ = f.Close() // nothing was read
		return nil, fault.New(fault.Unavailable, "the log of outcomes %s is no file that can be looked at", path)
	}
	return &tail{path: path, file: f, info: info, inode: inodeOf(info)}, nil
}

func unreadable(path string, err error) error {
	return fault.Wrap(fault.Unavailable, err, "read the log of outcomes %s", path)
}

func inodeOf(info fs.FileInfo) uint64 {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return st.Ino
	}
	return 0
}
