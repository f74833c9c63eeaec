// SPDX-License-Identifier: Apache-2.0

package folder

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/aurigraph/aurigraph/internal/archive"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// noteSuffix is of the file beside an object that says what it is and until when it is kept.
const noteSuffix = ".kept"

// Store is a folder. It is safe for any number of goroutines and processes.
type Store struct{ dir string }

// note is what the file beside an object says.
type note struct {
	Digest      archive.Digest `json:"sha256"`
	Bytes       int64          `json:"bytes"`
	RetainUntil time.Time      `json:"retain_until"`
}

// Open keeps objects below a folder, which is made when the first is written.
func Open(dir string) (*Store, error) {
	dir, err := filepath.Abs(dir)
	return &Store{dir}, fault.Wrap(fault.Invalid, err, "the folder of an archive")
}

// String implements archive.Store.
func (s *Store) String() string { return "file://" + s.dir }

// Mode implements archive.Store.
func (s *Store) Mode() string { return archive.ModeFolder }

// Ready implements archive.Store. It makes nothing.
func (s *Store) Ready(context.Context) error {
	dir := s.dir
	info, err := os.Stat(dir)
	for errors.Is(err, fs.ErrNotExist) { // Put makes it, where it can
		dir = filepath.Dir(dir)
		info, err = os.Stat(dir)
	}
	switch {
	case err != nil:
		return fault.Wrap(fault.Unavailable, err, "look at the folder of the archive")
	case !info.IsDir():
		return fault.New(fault.Invalid, "%s is no folder", dir)
	}
	return fault.Wrap(fault.Denied, unix.Access(dir, unix.W_OK), "write into %s", dir)
}

func (s *Store) path(key string) (string, error) {
	if !filepath.IsLocal(key) || strings.HasSuffix(key, noteSuffix) {
		return "", fault.New(fault.Invalid, "%q is no key of an object", key)
	}
	return filepath.Join(s.dir, filepath.FromSlash(key)), nil
}

// Put implements archive.Store.
func (s *Store) Put(ctx context.Context, key string, body io.ReaderAt, size int64, digest archive.Digest, until time.Time) (archive.Object, error) {
	path, err := s.path(key)
	if err != nil {
		return archive.Object{}, err
	}
	switch o, err := s.Stat(ctx, key, ""); {
	case err == nil && o.Digest == digest && !o.RetainUntil.Before(until):
		return o, nil
	case err == nil:
		return archive.Object{}, fault.Reasoned(fault.Conflict, "kept", "%s has another %s, which is kept until %s", s, key, o.RetainUntil.Format(time.RFC3339))
	case !fault.Is(err, fault.NotFound):
		return archive.Object{}, err
	}
	if err := ctx.Err(); err != nil {
		return archive.Object{}, fault.Wrap(fault.Unavailable, err, "interrupted")
	}
	text, err := json.Marshal(note{digest, size, until.UTC()})
	if err != nil {
		return archive.Object{}, fault.Wrap(fault.Internal, err, "encode a note")
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return archive.Object{}, fault.Wrap(fault.Unavailable, err, "make a folder of the archive")
	}
	// The object first: without its note it is not there, and the next Put writes both anew.
	err = write(path, io.NewSectionReader(body, 0, size), size, digest)
	if err == nil {
		err = write(path+noteSuffix, strings.NewReader(string(text)), int64(len(text)), sha256.Sum256(text))
	}
	if err != nil {
		return archive.Object{}, err
	}
	return s.Stat(ctx, key, "")
}

// write makes a file that nobody may write, whole and durable.
func write(path string, from io.Reader, size int64, digest archive.Digest) error {
	f, err := os.CreateTemp(filepath.Dir(path), "new-*"+noteSuffix)
	if err != nil {
		return fault.Wrap(fault.Unavailable, err, "write into the archive")
	}
	sum := sha256.New()
	n, err := io.Copy(io.MultiWriter(f, sum), from)
	err = errors.Join(err, f.Chmod(0o440), f.Sync(), f.Close())
	switch {
	case err != nil:
		err = fault.Wrap(fault.Unavailable, err, "write into the archive")
	case n != size || [sha256.Size]byte(sum.Sum(nil)) != digest:
		err = fault.Reasoned(fault.Conflict, "changed", "what is archived changed while it was read: stop who writes it, and start again")
	default:
		if err = os.Rename(f.Name(), path); err == nil {
			err = archive.SyncFolder(filepath.Dir(path))
		}
		err = fault.Wrap(fault.Unavailable, err, "write into the archive")
	}
	if err != nil {
		_ = os.Remove(f.Name()) // the reason is told
	}
	return err
}

// Stat implements archive.Store.
func (s *Store) Stat(_ context.Context, key, version string) (o archive.Object, err error) {
	path, err := s.path(key)
	if err != nil {
		return o, err
	}
	text, noteErr := os.ReadFile(path + noteSuffix)
	info, err := os.Stat(path)
	switch err := errors.Join(noteErr, err); {
	case errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR) || version != "":
		return o, fault.New(fault.NotFound, "%s has no %s", s, key)
	case err != nil:
		return o, fault.Wrap(fault.Unavailable, err, "look at %s", key)
	}
	var n note
	if err := json.Unmarshal(text, &n); err != nil {
		return o, fault.Wrap(fault.Corrupt, err, "read what %s is", key)
	}
	return archive.Object{Key: key, Bytes: info.Size(), Digest: n.Digest, Mode: archive.ModeFolder, RetainUntil: n.RetainUntil}, nil
}

// Get implements archive.Store.
func (s *Store) Get(ctx context.Context, key, version string) (io.ReadCloser, error) {
	if _, err := s.Stat(ctx, key, version); err != nil {
		return nil, err
	}
	path, err := s.path(key)
	if err != nil {
		return nil, err
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "read %s", key)
	}
	return f, nil
}

// List implements archive.Store.
func (s *Store) List(ctx context.Context, prefix string, each func(archive.Object) error) error {
	err := filepath.WalkDir(s.dir, func(path string, e fs.DirEntry, err error) error {
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		if err != nil || e.IsDir() {
			return fault.Wrap(fault.Unavailable, err, "look through the folder")
		}
		key := filepath.ToSlash(strings.TrimPrefix(path, s.dir+string(filepath.Separator)))
		if !strings.HasPrefix(key, prefix) || strings.HasSuffix(key, noteSuffix) {
			return nil
		}
		o, err := s.Stat(ctx, key, "")
		if fault.Is(err, fault.NotFound) { // the rest of a Put that was interrupted
			return nil
		}
		if err == nil {
			err = each(archive.Object{Key: o.Key, Bytes: o.Bytes})
		}
		return err
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return fault.Wrap(fault.KindOf(err), err, "list %s", s)
}
