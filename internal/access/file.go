// SPDX-License-Identifier: Apache-2.0

package access

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/aurigraph/aurigraph/internal/fault"
)

// fileBytesMax bounds the files of keys and of users.
const fileBytesMax = 16 << 20

// signature tells versions of a file apart without reading it. Each is a new file under the old name.
type signature struct {
	inode        uint64
	size, mtime  int64
	mode         fs.FileMode
	there, known bool
}

// A watched file is read again when it changed. Its last good content counts; without a file that is the empty one.
type watched[T any] struct {
	path  string
	parse func(text []byte) (*T, error) // of nil: the content without a file
	value atomic.Pointer[T]

	mu   sync.Mutex // guards seen; one reload at a time
	seen signature
}

func watch[T any](path string, parse func([]byte) (*T, error)) (*watched[T], error) {
	w := &watched[T]{path: path, parse: parse}
	_, err := w.reload()
	return w, err
}

// reload reads the file if it changed, and says whether it did.
func (w *watched[T]) reload() (changed bool, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	sig, err := signatureOf(w.path)
	if err != nil || sig == w.seen {
		return false, err
	}
	// A bad file is looked at once, and again when it changed.
	w.seen = sig
	var text []byte
	if sig.there {
		if text, err = readPrivate(w.path); err != nil {
			return true, err
		}
		defer clear(text)
	}
	v, err := w.parse(text)
	if err != nil {
		return true, fmt.Errorf("%s: %w", w.path, err)
	}
	w.value.Store(v)
	return true, nil
}

func signatureOf(path string) (signature, error) {
	if path == "" {
		return signature{known: true}, nil
	}
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return signature{known: true}, nil
	}
	if err != nil {
		return signature{}, fault.Wrap(fault.Unavailable, err, "look at %s", path)
	}
	s := signature{size: info.Size(), mtime: info.ModTime().UnixNano(), mode: info.Mode(), there: true, known: true}
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		s.inode = st.Ino
	}
	return s, nil
}

// readPrivate reads a regular file that nobody but its owner may access.
func readPrivate(path string) ([]byte, error) {
	// Without O_NONBLOCK, opening a pipe would wait for its writer.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "open %s", path)
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, fault.Wrap(fault.Unavailable, err, "look at %s", path)
	case !info.Mode().IsRegular():
		return nil, fault.New(fault.Invalid, "%s is not a regular file", path)
	case info.Mode().Perm()&0o077 != 0:
		return nil, fault.Reasoned(fault.Denied, "file_open", "%s has mode %04o, so others may access it: run chmod 600 %s", path, info.Mode().Perm(), path)
	}
	text, err := io.ReadAll(io.LimitReader(f, fileBytesMax+1))
	switch {
	case err != nil:
		return nil, fault.Wrap(fault.Unavailable, err, "read %s", path)
	case len(text) > fileBytesMax:
		return nil, fault.New(fault.Invalid, "%s is larger than %d bytes", path, fileBytesMax)
	}
	return text, nil
}

// replacePrivate puts a file in the place of another, whole or not at all, with mode 0600.
func replacePrivate(path string, text []byte) error {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, "."+filepath.Base(path)+".*") // mode 0600
	if err != nil {
		return fault.Wrap(fault.Unavailable, err, "write %s", path)
	}
	_, errWrite := f.Write(text)
	err = errors.Join(errWrite, f.Chmod(0o600), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		err = errors.Join(err, os.Remove(f.Name()))
		return fault.Wrap(fault.Unavailable, err, "write %s", path)
	}
	return fault.Wrap(fault.Unavailable, syncDir(dir), "write %s", path)
}

func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// exclusive runs do while no other process that asks changes the file. The lock is a file of its own, because the file is replaced.
func exclusive(path string, do func() error) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fault.Wrap(fault.Unavailable, err, "make the folder of %s", path)
	}
	f, err := os.OpenFile(path+".lock", os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return fault.Wrap(fault.Unavailable, err, "lock %s", path)
	}
	defer f.Close() // which unlocks
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil {
		return fault.Wrap(fault.Unavailable, err, "lock %s", path)
	}
	return do()
}

// decodeStrict reads one JSON value that has no member unknown to v.
func decodeStrict(text []byte, v any) error {
	d := json.NewDecoder(strings.NewReader(string(text)))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return fault.Wrap(fault.Invalid, err, "is not as it must be")
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return fault.New(fault.Invalid, "holds more than one JSON value")
	}
	return nil
}

// encodeIndented writes a value as people read it.
func encodeIndented(v any) ([]byte, error) {
	text, err := json.MarshalIndent(v, "", "  ")
	return append(text, '\n'), fault.Wrap(fault.Internal, err, "encode")
}

// load reads a file that is about to be changed; nothing is what there is without one.
func load(path string) ([]byte, error) {
	text, err := readPrivate(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return text, err
}
