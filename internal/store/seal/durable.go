// SPDX-License-Identifier: Apache-2.0

package seal

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/aurigraph/aurigraph/internal/fault"
)

// install writes the seal beside its place, syncs it, renames it and syncs the folder: after a crash there is a whole
// seal or none.
func install(dir string, data []byte) error {
	temp := filepath.Join(dir, tempName)
	f, err := os.OpenFile(temp, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o640)
	if err != nil {
		return fault.Wrap(fault.Unavailable, err, "seal %s", dir)
	}
	_, err = f.Write(data)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(temp, filepath.Join(dir, Name))
	}
	if err != nil {
		return fault.Wrap(fault.Unavailable, err, "seal %s", dir)
	}
	return syncPath(dir)
}

func syncFolders(dir string) error {
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		return syncPath(path)
	})
}

func syncPath(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return fault.Wrap(fault.Unavailable, err, "sync %s", path)
	}
	return fault.Wrap(fault.Unavailable, errors.Join(f.Sync(), f.Close()), "sync %s", path)
}
