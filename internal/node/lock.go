// SPDX-License-Identifier: Apache-2.0

package node

import (
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/aurigraph/aurigraph/internal/fault"
)

// lockFolder makes sure that one process uses a data folder: two writers on one lane would fork it.
func lockFolder(dir string) (*os.File, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "make the data folder")
	}
	path := filepath.Join(dir, "LOCK")
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "open the lock of the data folder: is the disk writable?")
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		return nil, fault.New(fault.Conflict, "another process uses %s: stop it first", dir)
	}
	return f, nil
}
