// SPDX-License-Identifier: Apache-2.0

package archive

import (
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"os"
	"path/filepath"

	"github.com/aurigraph/aurigraph/internal/fault"
)

// RestoreConfig is an archive to be brought back.
type RestoreConfig struct {
	Store    Store
	Signer   string // who must have signed it, as text of his public key; empty: anybody
	Dir      string // is empty, or not there
	Progress func(Progress)
}

// Restore writes the files of an archive into a folder: V10's into LedgerFolder below it, what was named besides into FilesFolder. Each is
// compared with its digests on the way. After an error the folder is worth nothing.
func Restore(ctx context.Context, cfg RestoreConfig) (*Manifest, error) {
	m, err := ReadManifest(ctx, cfg.Store, cfg.Signer)
	if err != nil {
		return nil, err
	}
	there, err := os.ReadDir(cfg.Dir)
	switch {
	case err == nil && len(there) > 0:
		return nil, fault.New(fault.Conflict, "%s is not empty: name a new folder", cfg.Dir)
	case err != nil && !errors.Is(err, os.ErrNotExist):
		return nil, fault.Wrap(fault.Unavailable, err, "look at the folder")
	}
	report := reporter("restore", cfg.Progress)
	for i := range m.Files {
		err := restoreFile(ctx, &cfg, m, &m.Files[i], func(n int64) { report(n, m.Bytes) })
		if err != nil {
			return nil, fault.Wrap(fault.KindOf(err), err, "restore %s", m.Files[i].Name)
		}
	}
	if err := syncFolders(cfg.Dir); err != nil {
		return nil, err
	}
	return m, nil
}

// syncFolders makes the names below a folder durable.
func syncFolders(dir string) error {
	err := filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err != nil || !e.IsDir() {
			return err
		}
		return SyncFolder(path)
	})
	return fault.Wrap(fault.Unavailable, err, "make the restored files durable")
}

// restoreFile writes one file.
func restoreFile(ctx context.Context, cfg *RestoreConfig, m *Manifest, f *File, report func(int64)) (err error) {
	path := filepath.Join(cfg.Dir, filepath.FromSlash(f.Name)) // goodName: below Dir
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return fault.Wrap(fault.Unavailable, err, "make the folder")
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o640)
	if err != nil {
		return fault.Wrap(fault.Unavailable, err, "make the file")
	}
	defer func() {
		if e := file.Close(); err == nil {
			err = fault.Wrap(fault.Unavailable, e, "write the file")
		}
	}()
	whole := sha256.New()
	for _, p := range f.Parts {
		if err := readPart(ctx, cfg.Store, &m.Objects[p], io.MultiWriter(file, whole)); err != nil {
			return err
		}
		report(m.Objects[p].Bytes)
	}
	if sumOf(whole) != f.Digest {
		return fault.Reasoned(fault.Corrupt, FlawDamaged, "its parts are right, and it is not: the manifest contradicts itself")
	}
	return fault.Wrap(fault.Unavailable, file.Sync(), "write the file")
}
