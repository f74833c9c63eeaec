// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"strings"
	"time"

	"github.com/aurigraph/aurigraph/internal/pgdb"
)

// databaseMax bounds the removal of a bench's database.
const databaseMax = 30 * time.Second

// benchDatabase makes *index a new database on the server that it names, and returns what removes it: a bench's chain is its own, and an
// index holds one chain. An index in a file, and that of a network that is kept in a folder, are left as they are.
func benchDatabase(ctx context.Context, folder string, index *string) (remove func() error, err error) {
	if folder != "" || !strings.HasPrefix(*index, "postgres") {
		return func() error { return nil }, nil
	}
	scratch, drop, err := pgdb.Scratch(ctx, *index)
	if err != nil {
		return nil, err
	}
	*index = scratch
	return func() error {
		ctx, cancel := context.WithTimeout(context.Background(), databaseMax) //lint:context the run's may have ended, and the database must go
		defer cancel()
		return drop(ctx)
	}, nil
}
