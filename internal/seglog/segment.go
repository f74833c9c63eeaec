// SPDX-License-Identifier: Apache-2.0

package seglog

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/seglog/disk"
)

// endUnknown marks a segment whose records were not counted: its end is where zeros begin.
const endUnknown = -1

// segment is one open segment file.
type segment struct {
	header segmentHeader
	path   string
	file   disk.File
	// end is the offset behind the last durable record, or endUnknown. Stored by the writer after the flush, so what is
	// below may be read at any time.
	end atomic.Int64

	// use is read-locked around each read, and locked to take the file away.
	use  sync.RWMutex
	gone bool // guarded by use
}

func (s *segment) size() int64 { return int64(s.header.bytes) }

// readAt fills p from the file, or says Pruned, Corrupt (the file is too short) or Unavailable (the disk will not).
func (s *segment) readAt(p []byte, off int64) error {
	s.use.RLock()
	defer s.use.RUnlock()
	if s.gone {
		return pruned(s.header.number)
	}
	return readFull(s.file, s.path, p, off)
}

func readFull(f disk.File, path string, p []byte, off int64) error {
	n, err := f.ReadAt(p, off)
	if n == len(p) {
		return nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		return corrupt(path, off+int64(n), "the file ends here, too early")
	}
	err = fault.Wrap(fault.Unavailable, err, "%s cannot be read at offset %d", path, off)
	if errors.Is(err, syscall.EIO) { // the disk knows that it lost them
		return &damageError{path, err}
	}
	return err
}

// retire closes the file; readers from now on get Pruned. It waits for reads under way.
func (s *segment) retire() error {
	s.use.Lock()
	defer s.use.Unlock()
	if s.gone {
		return nil
	}
	s.gone = true
	return s.file.Close()
}

func pruned(number uint64) error {
	return fault.Reasoned(fault.Pruned, "segment_recycled", "segment %d was recycled under retention: ask an archive node", number)
}

func corrupt(path string, off int64, format string, args ...any) error {
	return &damageError{path, fault.Reasoned(fault.Corrupt, "log_corrupt", "%s at offset %d: %s: restore this file from a copy, or the node from its peers", path, off, fmt.Sprintf(format, args...))}
}

// damageError tells in which file bytes are not as they were written, or cannot be read any more.
type damageError struct {
	path string
	err  error
}

// Error is the error's text.
func (e *damageError) Error() string { return e.err.Error() }

// Unwrap gives the error with its kind.
func (e *damageError) Unwrap() error { return e.err }

// DamagedFile tells which file of a log err says to be damaged; empty if err is about something else.
func DamagedFile(err error) string {
	var d *damageError
	if errors.As(err, &d) {
		return d.path
	}
	return ""
}

// The three lives of a file. Only a segment holds records; a spare is all zero; a dirty file is neither yet.
const (
	segPrefix   = "seg-"
	sparePrefix = "spare-"
	dirtyPrefix = "dirty-"
)

func fileName(prefix string, number uint64) string { return fmt.Sprintf("%s%012d.log", prefix, number) }

func parseName(prefix, name string) (uint64, bool) {
	digits, ok := strings.CutPrefix(name, prefix)
	if !ok {
		return 0, false
	}
	n, err := strconv.ParseUint(strings.TrimSuffix(digits, ".log"), 10, 64)
	return n, err == nil && n > 0 && fileName(prefix, n) == name
}

// cursor reads a segment forward through a window, so that small records do not cost a system call each.
type cursor struct {
	seg    *segment
	limit  int64 // reads stay below
	window []byte
	at, n  int64 // the window holds n bytes from offset at
}

func newCursor(s *segment, limit int64, windowBytes int) *cursor {
	return &cursor{seg: s, limit: limit, window: disk.Aligned(windowBytes)}
}

// page gives the page at off, valid until the next call.
func (c *cursor) page(off int64) ([]byte, error) {
	if off < c.at || off+PageBytes > c.at+c.n {
		n := min(int64(len(c.window)), c.limit-off)
		c.n = 0
		if err := c.seg.readAt(c.window[:n], off); err != nil {
			return nil, err
		}
		c.at, c.n = off, n
	}
	i := off - c.at
	return c.window[i : i+PageBytes], nil
}

// bytes fills dst, page-aligned memory, from the window or the file.
func (c *cursor) bytes(dst []byte, off int64) error {
	if off >= c.at && off+int64(len(dst)) <= c.at+c.n {
		copy(dst, c.window[off-c.at:])
		return nil
	}
	return c.seg.readAt(dst, off)
}
