// SPDX-License-Identifier: Apache-2.0

package payfile

import (
	"errors"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/aurigraph/aurigraph/internal/fault"
)

// Disk is what an import needs of a file system. OSDisk is the real one; tests crash another at every call.
type Disk interface {
	// OpenJournal opens or makes a file for one process alone, and makes its name durable. While another has it: Conflict.
	OpenJournal(name string) (JournalFile, error)
	// WriteFile replaces a file as a whole: after a crash there is the old one or the new one.
	WriteFile(name string, content []byte) error
}

// JournalFile is an append-only file.
type JournalFile interface {
	ReadAll() ([]byte, error)
	Append(b []byte) error
	Truncate(size int64) error
	Sync() error
	Close() error
}

// OSDisk is the operating system's file system.
type OSDisk struct{}

// OpenJournal opens name with a lock that ends with the process.
func (OSDisk) OpenJournal(name string) (JournalFile, error) {
	f, err := os.OpenFile(filepath.Clean(name), os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "open the journal")
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return nil, errors.Join(fault.Reasoned(fault.Conflict, "journal_locked", "another process imports this file now: %s is locked (%v)", name, err), f.Close())
	}
	if err := syncFolder(name); err != nil {
		return nil, errors.Join(fault.Wrap(fault.Unavailable, err, "open the journal"), f.Close())
	}
	return osJournal{f}, nil
}

// WriteFile writes a temporary file beside name, syncs it and renames it.
func (OSDisk) WriteFile(name string, content []byte) error {
	return fault.Wrap(fault.Unavailable, replaceFile(name, content), "write %s", name)
}

func replaceFile(name string, content []byte) error {
	f, err := os.CreateTemp(filepath.Dir(name), filepath.Base(name)+".*.tmp")
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return syncFolder(name)
}

// syncFolder makes the names in name's folder durable.
func syncFolder(name string) error {
	d, err := os.Open(filepath.Dir(name))
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

type osJournal struct{ f *os.File }

func (o osJournal) ReadAll() ([]byte, error) {
	return io.ReadAll(io.NewSectionReader(o.f, 0, 1<<62))
}

func (o osJournal) Append(b []byte) error {
	_, err := o.f.Write(b)
	return err
}

func (o osJournal) Truncate(size int64) error { return o.f.Truncate(size) }
func (o osJournal) Sync() error               { return o.f.Sync() }
func (o osJournal) Close() error              { return o.f.Close() }
