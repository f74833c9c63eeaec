// SPDX-License-Identifier: Apache-2.0

package outcomes

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"

	"github.com/aurigraph/aurigraph/internal/router"
)

// tail is one file while it grows.
type tail struct {
	path  string
	file  *os.File
	info  fs.FileInfo
	inode uint64
	at    int64  // of the first byte that no line given was in
	held  []byte // what is behind at
	seen  int    // bytes of held that have no end of a line in them
	over  bool   // the line at at is too long, and what is held was of it
}

const chunkBytes = 64 << 10

// next is the file's next outcome.
func (t *tail) next(damaged *uint64) (o router.Outcome, ok bool, err error) {
	for {
		line, whole, err := t.line()
		if err != nil || !whole {
			return o, false, err
		}
		bad := t.over
		t.over = false
		if len(line) == 0 && !bad { // it ends one that was cut off
			continue
		}
		if !bad {
			o, err = router.ReadOutcome(line)
			bad = err != nil
		}
		if !bad {
			return o, true, nil
		}
		*damaged++
	}
}

// line takes the next line, without its end, which is good until the next call.
func (t *tail) line() (line []byte, whole bool, err error) {
	for {
		if n := bytes.IndexByte(t.held[t.seen:], '\n'); n >= 0 {
			line = t.held[:t.seen+n]
			t.take(len(line) + 1)
			return line, true, nil
		}
		if t.seen = len(t.held); t.seen > router.OutcomeBytesMax {
			t.take(t.seen)
			t.over = true
		}
		more, err := t.read()
		if err != nil || !more {
			return nil, false, err
		}
	}
}

func (t *tail) take(n int) {
	t.held, t.seen = t.held[n:], 0
	t.at += int64(n)
}

// read reads what came since.
func (t *tail) read() (more bool, err error) {
	end := t.at + int64(len(t.held))
	info, err := t.file.Stat()
	switch {
	case err != nil:
		return false, unreadable(t.path, err)
	case info.Size() == end:
		return false, nil
	case info.Size() < end: // it was cut short
		t.at, t.held, t.seen, t.over = 0, nil, 0, false
		return true, nil
	}
	held := make([]byte, len(t.held), len(t.held)+int(min(chunkBytes, info.Size()-end)))
	copy(held, t.held)
	n, err := t.file.ReadAt(held[len(held):cap(held)], end)
	if err != nil && !errors.Is(err, io.EOF) {
		return false, unreadable(t.path, err)
	}
	t.held = held[:len(held)+n]
	return n > 0, nil
}
