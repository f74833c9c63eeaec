// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"context"
	"os"
	"path/filepath"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/store/seal"
)

// checkIndexBytes compares the query index with the seal of the last clean stop. A node may run without an index, and
// one that was killed leaves no seal.
func (a *audit) checkIndexBytes(ctx context.Context) (sound bool, err error) {
	dir := a.cfg.Data("index")
	if _, err := os.Stat(dir); os.IsNotExist(err) {
		return true, nil
	}
	if err := a.listFiles(dir); err != nil {
		a.problem(dir, "", "%v", err)
		return false, nil
	}
	r, err := seal.Check(dir, func(done, total int64) { a.progress(StageIndex, done, total) })
	if err != nil {
		a.problem(dir, "", "%v", err)
		return false, ctx.Err()
	}
	a.indexSealed = r.Sealed
	return true, ctx.Err()
}

// indexFiles are what the query index keeps in its folder.
var indexFiles = map[string]bool{"index.db": true, "index.db-wal": true, "index.db-shm": true, "SEAL": true}

// checkIndexFolder looks for files that are not the index's, and says how far the check of the index reaches: the seal
// proves that no byte changed since the last clean stop. Rows are not compared with the chain; they can be made again from
// it by removing the folder.
func (a *audit) checkIndexFolder() error {
	dir := a.cfg.Data("index")
	entries, err := os.ReadDir(dir)
	if os.IsNotExist(err) {
		return nil
	}
	if err != nil {
		return fault.Wrap(fault.Unavailable, err, "list the query index")
	}
	for _, e := range entries {
		if !indexFiles[e.Name()] {
			a.problem(filepath.Join(dir, e.Name()), "", "no part of the node knows this file")
		}
	}
	if len(entries) > 0 && !a.indexSealed {
		a.note("data/index: the query index was not closed cleanly, so nothing vouches for it; it can be rebuilt by removing the folder")
	}
	return nil
}
