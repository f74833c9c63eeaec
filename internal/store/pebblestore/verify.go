// SPDX-License-Identifier: Apache-2.0

package pebblestore

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/store"
	"github.com/aurigraph/aurigraph/internal/store/seal"
	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/sstable"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// Report says what Verify looked at.
type Report struct {
	Sealed bool   // every byte of every file was compared with the seal of the last clean Close
	Files  int    // files in the store's folder
	Bytes  int64  // their used bytes
	Tables int    // tables whose every block was checked
	Keys   int64  // live keys read
	Note   string // what a person should know about the reach of the check
}

// Verify reads all of the closed store in dir and changes nothing. Damage is fault.Corrupt; a missing store is
// fault.NotFound, one in use fault.Unavailable. Progress, which may be nil, is told the sealed bytes compared so far.
func Verify(ctx context.Context, dir string, progress seal.Progress) (Report, error) {
	if _, err := os.Stat(dir); err != nil {
		return Report{}, fault.Wrap(fault.NotFound, err, "verify the store")
	}
	lock, err := pebble.LockDirectory(dir, vfs.Default)
	if err != nil {
		return Report{}, fault.Wrap(fault.Unavailable, err, "the store %s is in use", dir)
	}
	report, err := verify(ctx, dir, lock, progress)
	return report, errors.Join(err, lock.Close())
}

func verify(ctx context.Context, dir string, lock *pebble.Lock, progress seal.Progress) (Report, error) {
	var report Report
	sealed, err := seal.Check(dir, progress)
	report.Sealed = sealed.Sealed
	if err != nil {
		return report, err
	}
	if !report.Sealed {
		report.Note = "the store was not closed cleanly: checked by the engine's checksums; damage to the last record of its log would read like a crash"
	}
	if err := checkLogs(vfs.Default, dir); err != nil {
		return report, damaged(err)
	}
	infos, err := Files(dir)
	if err != nil {
		return report, damaged(err)
	}
	report.Files = len(infos)
	for _, f := range infos {
		report.Bytes += f.Used
	}
	return report, verifyContent(ctx, dir, lock, &report)
}

// verifyContent opens the store for reading only, which replays its log, and reads every block and every key.
func verifyContent(ctx context.Context, dir string, lock *pebble.Lock, report *Report) (err error) {
	defer func() {
		// The engine trusts what passed its checksums; a file made wrong on purpose may break that trust.
		if p := recover(); p != nil {
			err = fault.New(fault.Corrupt, "the engine cannot read the store: %v", p)
		}
	}()
	g := newGuard(nil)
	opts := engineOptions(vfs.Default, g)
	opts.ReadOnly, opts.ErrorIfNotExists, opts.Lock = true, true, lock
	db, err := pebble.Open(dir, opts)
	if err != nil {
		return damaged(wrap(err, "open the store"))
	}
	err = errors.Join(
		checkTables(ctx, db, dir, opts.MakeReaderOptions(), report),
		damaged(wrap(db.CheckLevels(nil), "check the order of tables")),
		countKeys(ctx, &Store{db: db, guard: g}, report),
	)
	return errors.Join(err, g.Err(), wrap(db.Close(), "close the store"))
}

// checkTables checks every block of every live table, indexes and filters included.
func checkTables(ctx context.Context, db *pebble.DB, dir string, o sstable.ReaderOptions, report *Report) error {
	levels, err := db.SSTables()
	if err != nil {
		return damaged(wrap(err, "list tables"))
	}
	for _, level := range levels {
		for _, table := range level {
			if err := ctx.Err(); err != nil {
				return err
			}
			path := filepath.Join(dir, fmt.Sprintf("%06d.sst", uint64(table.BackingSSTNum)))
			if err := checkTable(ctx, path, o); err != nil {
				return damaged(wrap(err, "table %s", path))
			}
			report.Tables++
		}
	}
	return nil
}

func checkTable(ctx context.Context, path string, o sstable.ReaderOptions) error {
	f, err := vfs.Default.Open(path)
	if err != nil {
		return err
	}
	readable, err := sstable.NewSimpleReadable(f)
	if err != nil {
		return errors.Join(err, f.Close())
	}
	r, err := sstable.NewReader(ctx, readable, o)
	if err != nil {
		return err // NewReader closed the file
	}
	return errors.Join(r.ValidateBlockChecksums(), r.Close())
}

func countKeys(ctx context.Context, s *Store, report *Report) error {
	it, err := s.Iter(store.Range{})
	if err != nil {
		return damaged(err)
	}
	for it.Next() && ctx.Err() == nil {
		_ = it.Value() // reads the block, and so checks it
		report.Keys++
	}
	return errors.Join(damaged(it.Err()), it.Close(), ctx.Err())
}

// damaged makes any fault met while reading a closed store count as damage: nothing else writes to it.
func damaged(err error) error {
	if err == nil || fault.Is(err, fault.Corrupt) {
		return err
	}
	return fault.Wrap(fault.Corrupt, err, "the store is damaged")
}
