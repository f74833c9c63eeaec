// SPDX-License-Identifier: Apache-2.0

package sqlite

import (
	"os"
	"testing"

	"go.uber.org/goleak"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/index/indextest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestConformance(t *testing.T) {
	indextest.Run(t, indextest.Engines{
		Open: func(dir string, id chain.ChainID, genesis chain.Hash) (indextest.Engine, error) {
			db, err := Open(dir, id, genesis)
			if err != nil {
				return nil, err
			}
			return db, nil
		},
		Crash: crashed,
	})
}

// crashed is a copy of the folder as a killed process leaves it.
func crashed(t testing.TB, dir string) string {
	t.Helper()
	to := t.TempDir()
	must(t, os.CopyFS(to, os.DirFS(dir)))
	return to
}
