// SPDX-License-Identifier: Apache-2.0

package legacy

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/legacy/store"
	"github.com/aurigraph/aurigraph/legacy/store/pebble"
)

// The engines.
const (
	EnginePebble  = "pebble"
	EngineRocksDB = "rocksdb"
)

// engineFile says which engine a folder belongs to: both write files of the same names, and would destroy each other's.
const engineFile = "ENGINE"

// engineFormat is what the file holds behind the engine's name: the version of the rows, FORMAT.md.
const engineFormat = " 1\n"

// OpenStore opens the store in dir with an engine, making it if there is none. Conflict: the folder belongs to the other
// engine. Refused: this program was built without RocksDB.
func OpenStore(engine, dir string, logBytes int64, log *slog.Logger) (store.Store, error) {
	if engine != EnginePebble && engine != EngineRocksDB {
		return nil, fault.New(fault.Invalid, "there is no store %q: write %s or %s", engine, EnginePebble, EngineRocksDB)
	}
	if engine == EngineRocksDB && !HasRocksDB {
		return nil, fault.Reasoned(fault.Refused, "no_rocksdb",
			"this program was built without RocksDB: `make deps`, then `go build -tags rocksdb ./cmd/aurigraph`; or take the store %s", EnginePebble)
	}
	if err := claim(engine, dir); err != nil {
		return nil, err
	}
	if engine == EngineRocksDB {
		return openRocks(dir, logBytes, log)
	}
	s, err := pebble.Open(dir, pebble.Options{Log: log, LogBytes: logBytes})
	if err != nil {
		return nil, err
	}
	return s, nil
}

// claim checks whose folder it is, and writes that down in a new one.
func claim(engine, dir string) error {
	path := filepath.Join(dir, engineFile)
	text, err := os.ReadFile(path)
	switch {
	case err == nil && string(text) == engine+engineFormat:
		return nil
	case err == nil:
		return fault.Reasoned(fault.Conflict, "other_engine", "%s belongs to the store %q, not %s: take another folder", dir, strings.TrimSpace(string(text)), engine)
	case !errors.Is(err, os.ErrNotExist):
		return fault.Wrap(fault.Unavailable, err, "read %s", path)
	}
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return fault.Wrap(fault.Unavailable, err, "make the ledger's folder")
	}
	return fault.Wrap(fault.Unavailable, os.WriteFile(path, []byte(engine+engineFormat), 0o640), "write %s", path)
}
