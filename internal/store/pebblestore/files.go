// SPDX-License-Identifier: Apache-2.0

package pebblestore

import (
	"errors"
	"io"
	"sort"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/wal"
)

// FileInfo is a file of a store: its path and how many of its bytes, from the start, hold content. A log that the
// engine recycled is longer than that.
type FileInfo struct {
	Path string
	Used int64
}

// Files lists the files of the closed store in dir, sorted by path.
func Files(dir string) ([]FileInfo, error) { return files(vfs.Default, dir) }

func files(fs vfs.FS, dir string) ([]FileInfo, error) {
	names, err := fs.List(dir)
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "list %s", dir)
	}
	logs, err := logsUsed(fs, dir)
	if err != nil {
		return nil, err
	}
	sort.Strings(names)
	infos := make([]FileInfo, 0, len(names))
	for _, name := range names {
		path := fs.PathJoin(dir, name)
		stat, err := fs.Stat(path)
		if err != nil {
			return nil, fault.Wrap(fault.Unavailable, err, "stat %s", path)
		}
		used, isLog := logs[path]
		if !isLog {
			used = stat.Size()
		}
		infos = append(infos, FileInfo{Path: path, Used: used})
	}
	return infos, nil
}

// logsUsed reads each log to its end, or to the first record that is not whole, and gives that place by path.
func logsUsed(fs vfs.FS, dir string) (map[string]int64, error) {
	logs, err := wal.Scan(wal.Dir{FS: fs, Dirname: dir})
	if err != nil {
		return nil, wrap(err, "list the logs of %s", dir)
	}
	used := make(map[string]int64, len(logs))
	for _, l := range logs {
		_, path := l.SegmentLocation(0)
		if used[path], err = logUsed(l); err != nil {
			return nil, wrap(err, "read log %s", path)
		}
	}
	return used, nil
}

func logUsed(l wal.LogicalLog) (int64, error) {
	r := l.OpenForRead()
	for {
		rec, at, err := r.NextRecord()
		if err != nil {
			return at.PreviousFilesBytes + at.Physical, r.Close()
		}
		if _, err := io.Copy(io.Discard, rec); err != nil {
			return 0, errors.Join(err, r.Close())
		}
	}
}
