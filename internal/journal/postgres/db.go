// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/journal"
	"github.com/aurigraph/aurigraph/internal/pgdb"
)

// Bounds of an open journal.
const (
	connectionsMax = 4
	callMax        = 5 * time.Second    // for one call, with its tries and its wait for other writers
	triesMax       = connectionsMax + 1 // enough to meet all connections of before a server's restart, and a new one
	idleMax        = 10 * time.Second   // after which the server ends a transaction of which nothing is heard
	endMax         = time.Second        // to take a transaction back
)

// program is what the server shows of a session, if the URL does not say.
const program = "aurigraph-migration"

// Journal is an open journal.
type Journal struct {
	pool    *pgxpool.Pool
	windows atomic.Int64 // how many there are, as far as this handle knows; 0: it has not counted
}

var _ journal.Journal = (*Journal)(nil)

// Open opens the journal in a database, or makes its tables. Invalid: the URL is none, or has a password in it; Conflict: the tables have another version;
// Unavailable: the database cannot be reached.
func Open(ctx context.Context, url string) (*Journal, error) {
	pool, err := pgdb.OpenPool(ctx, pgdb.PoolConfig{URL: url, Program: program, What: "the journal's database", Connections: connectionsMax, Defaults: map[string]string{
		"statement_timeout": pgdb.Milliseconds(callMax), "idle_in_transaction_session_timeout": pgdb.Milliseconds(idleMax),
	}})
	if err != nil {
		return nil, err
	}
	j := &Journal{pool: pool}
	if err := j.begin(ctx); err != nil {
		return nil, errors.Join(translate(ctx, err), j.Close())
	}
	return j, nil
}

// Close ends its sessions. It waits for calls under way.
func (j *Journal) Close() error {
	j.pool.Close()
	return nil
}

// ifCorrupt is what to do about a damaged journal.
const ifCorrupt = "restore the schema aurigraph_migration from a copy: the home table in the ledger says which slots are V11's"

func translate(ctx context.Context, err error) error {
	return pgdb.Wrap(ctx, err, "use the journal", ifCorrupt)
}

// with lends a connection to do, and another one if the server had ended it.
func (j *Journal) with(ctx context.Context, do func(context.Context, *pgxpool.Conn) error) error {
	bounded, cancel := context.WithTimeout(ctx, callMax)
	defer cancel()
	var err error
	for range triesMax {
		err = j.pool.AcquireFunc(bounded, func(c *pgxpool.Conn) error { return do(bounded, c) })
		if err == nil || bounded.Err() != nil || !pgdb.Stale(err) {
			break
		}
	}
	if pgdb.IsCode(err, pgdb.CodeNoTable, pgdb.CodeNoSchema) {
		return err // Open makes them
	}
	return translate(ctx, err)
}

// transaction does something whole or not at all.
func (j *Journal) transaction(ctx context.Context, do func(context.Context, pgx.Tx) error) error {
	return j.with(ctx, func(ctx context.Context, c *pgxpool.Conn) error {
		tx, err := c.Begin(ctx)
		if err != nil {
			return err
		}
		if err := do(ctx, tx); err != nil {
			end, cancel := context.WithTimeout(context.WithoutCancel(ctx), endMax)
			defer cancel()
			_ = tx.Rollback(end) // the end of the session does it too
			return err
		}
		if err := tx.Commit(ctx); err != nil {
			return fault.Wrap(fault.Timeout, err, "whether it was written is not known: read the journal again")
		}
		return nil
	})
}

// write does something that no other writer disturbs, nor one who takes the lease.
func (j *Journal) write(ctx context.Context, do func(context.Context, pgx.Tx) error) error {
	return j.transaction(ctx, func(ctx context.Context, tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, lockLease); err != nil {
			return err
		}
		return do(ctx, tx)
	})
}

// noRows says of a row that is not there what else it means; nil: nothing.
func noRows(err, instead error) error {
	if errors.Is(err, pgx.ErrNoRows) {
		return instead
	}
	return err
}
