// SPDX-License-Identifier: Apache-2.0

//go:build rocksdb

package legacy

import (
	"log/slog"

	"github.com/aurigraph/aurigraph/legacy/store"
	"github.com/aurigraph/aurigraph/legacy/store/rocks"
)

// HasRocksDB says whether the program was built with RocksDB.
const HasRocksDB = true

func openRocks(dir string, logBytes int64, log *slog.Logger) (store.Store, error) {
	s, err := rocks.Open(dir, rocks.Options{Log: log, LogBytes: logBytes})
	if err != nil {
		return nil, err
	}
	return s, nil
}

func openRocksReader(dir string, cache int64) (store.Store, error) {
	s, err := rocks.Open(dir, rocks.Options{Cache: cache})
	if err != nil {
		return nil, err
	}
	return s, nil
}
