// SPDX-License-Identifier: Apache-2.0

package network

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/aurigraph/aurigraph/internal/fault"
)

// replaceFile writes a file whole or not at all, also when the power goes.
func replaceFile(path string, text []byte) error {
	f, err := os.Create(path + ".tmp")
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(path+".tmp", path)
	}
	if err != nil {
		return err
	}
	return syncPath(filepath.Dir(path))
}

// syncTree makes all files and folders below dir, and dir's own name, durable.
func syncTree(dir string) error {
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.IsDir() && !e.Type().IsRegular() {
			return err
		}
		return syncPath(path)
	})
	return fault.Wrap(fault.Unavailable, errors.Join(err, syncPath(filepath.Dir(dir))), "make the network's folder durable")
}

func syncPath(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
