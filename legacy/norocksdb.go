// SPDX-License-Identifier: Apache-2.0

//go:build !rocksdb

package legacy

import (
	"log/slog"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/legacy/store"
)

// HasRocksDB says whether the program was built with RocksDB.
const HasRocksDB = false

func openRocks(string, int64, *slog.Logger) (store.Store, error) {
	return nil, fault.New(fault.Internal, "RocksDB was asked for though it is not there")
}

func openRocksReader(string, int64) (store.Store, error) { return openRocks("", 0, nil) }
