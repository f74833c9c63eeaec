// SPDX-License-Identifier: Apache-2.0

package trail

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/aurigraph/aurigraph/internal/fault"
)

// Files lists the files of a trail in their order. NotFound: there are none.
func Files(dir string) ([]string, error) {
	all, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fault.Wrap(fault.Unavailable, err, "list the audit trail")
	}
	var files []string
	for _, e := range all {
		if fileName.MatchString(e.Name()) {
			files = append(files, filepath.Join(dir, e.Name()))
		}
	}
	if len(files) == 0 {
		return nil, fault.New(fault.NotFound, "%s holds no audit trail", dir)
	}
	slices.Sort(files)
	return files, nil
}

// fileName is the number of a file's first line.
var fileName = regexp.MustCompile(`^audit-([0-9]{12})\.jsonl$`)

func pathOf(dir string, first uint64) string {
	return filepath.Join(dir, fmt.Sprintf("audit-%012d.jsonl", first))
}

// lock keeps other processes off a folder: two writers would make two chains. It ends with the process.
func lock(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "lock the audit trail")
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		_ = f.Close()
		return nil, fault.New(fault.Conflict, "another process writes the audit trail in %s: give each server a folder of its own", dir)
	}
	return f, nil
}

// tail is where a trail goes on.
type tail struct {
	file *os.File
	size int64
	n    uint64 // of the last line
	head Hash
	cut  int64 // bytes of a torn line that were cut off
}

// openTail opens the newest file at its end, or the first file of all.
func openTail(dir string) (*tail, error) {
	files, err := Files(dir)
	if fault.Is(err, fault.NotFound) {
		return create(dir, &tail{})
	}
	if err != nil {
		return nil, err
	}
	path := files[len(files)-1]
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "open the audit trail")
	}
	t, err := readTail(f, path)
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	return t, nil
}

// readTail finds the last whole line. A file that has none was made and not begun: its name says what came before, and so the file
// before says the rest.
func readTail(f *os.File, path string) (*tail, error) {
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "read the audit trail")
	}
	from := max(0, size-2*lineBytesMax)
	text := make([]byte, size-from)
	if _, err := f.ReadAt(text, from); err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "read the audit trail")
	}
	end := bytes.LastIndexByte(text, '\n')
	if end < 0 && from > 0 {
		return nil, broken(path, 0, "its last %d bytes hold no whole line", len(text))
	}
	t := &tail{file: f, size: from + int64(end+1), cut: int64(len(text) - end - 1)}
	if end < 0 {
		return t, t.before(path)
	}
	last := text[bytes.LastIndexByte(text[:end], '\n')+1 : end]
	l, err := parseLine(last)
	if err != nil {
		return nil, fault.Wrap(fault.Corrupt, err, "%s: its last line", path)
	}
	t.n, t.head = l.N, hashOf(last)
	return t, nil
}

// before reads where the file before an empty one ends.
func (t *tail) before(path string) error {
	first, err := strconv.ParseUint(fileName.FindStringSubmatch(filepath.Base(path))[1], 10, 64)
	if err != nil || first == 1 {
		return fault.Wrap(fault.Corrupt, err, "%s", path)
	}
	files, err := Files(filepath.Dir(path))
	if err != nil {
		return err
	}
	at := slices.Index(files, path)
	if at < 1 {
		return broken(path, 0, "it is empty, and the file before it, which says how to go on, is not there")
	}
	f, err := os.Open(files[at-1])
	if err != nil {
		return fault.Wrap(fault.Unavailable, err, "open the audit trail")
	}
	defer f.Close()
	old, err := readTail(f, files[at-1])
	if err != nil {
		return err
	}
	if old.cut > 0 || old.n+1 != first {
		return broken(path, 0, "it does not follow %s, whose last line is %d", files[at-1], old.n)
	}
	t.n, t.head = old.n, old.head
	return nil
}

// create makes the file after t's.
func create(dir string, t *tail) (*tail, error) {
	f, err := os.OpenFile(pathOf(dir, t.n+1), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "make a file of the audit trail")
	}
	folder, err := os.Open(dir)
	if err == nil {
		err = errors.Join(folder.Sync(), folder.Close())
	}
	if err != nil {
		_ = f.Close()
		return nil, fault.Wrap(fault.Unavailable, err, "make a file of the audit trail")
	}
	return &tail{file: f, n: t.n, head: t.head}, nil
}
