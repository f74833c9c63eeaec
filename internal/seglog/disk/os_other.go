// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package disk

import (
	"errors"
	"os"
)

// OpenFile never gives direct I/O here: this port is for development, not for production.
func (osFS) OpenFile(path string, mode Mode, _ bool) (File, error) {
	f, err := os.OpenFile(path, openFlags(mode), filePerm)
	if err != nil {
		return nil, err
	}
	return &osFile{file: f}, nil
}

func (f *osFile) WriteVec(parts [][]byte, off int64) error {
	for _, p := range parts {
		if _, err := f.file.WriteAt(p, off); err != nil {
			return err
		}
		off += int64(len(p))
	}
	return nil
}

func (f *osFile) Datasync() error { return f.file.Sync() }

// Zero is left to the caller's writes.
func (f *osFile) Zero(int64) error { return errors.ErrUnsupported }
