// SPDX-License-Identifier: Apache-2.0

package legacy

import (
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/legacy/store"
	"github.com/aurigraph/aurigraph/legacy/store/pebble"
)

// OpenReader opens a checkpoint that a ledger with this engine wrote into dir, for who reads it once from end to end: it keeps no more
// than so many bytes of it in memory.
func OpenReader(engine, dir string, cache int64) (store.Reader, func() error, error) {
	var s store.Store
	var err error
	switch {
	case engine == EnginePebble:
		s, err = openPebble(dir, cache)
	case engine == EngineRocksDB && HasRocksDB:
		s, err = openRocksReader(dir, cache)
	default:
		err = fault.New(fault.Invalid, "there is no store %q in this program", engine)
	}
	if err != nil {
		return nil, nil, err
	}
	return s, s.Close, nil
}

func openPebble(dir string, cache int64) (store.Store, error) {
	s, err := pebble.Open(dir, pebble.Options{Cache: cache, Once: true})
	if err != nil {
		return nil, err
	}
	return s, nil
}
