// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/pgdb"
)

// schemaVersion is the version of the tables. Those of another version are refused.
const schemaVersion = 1

// lockOfTables is the advisory lock of who makes the tables: two who make a schema at once would fail.
const lockOfTables = 0x6175_7269_6d69_6772

const schema = `
CREATE SCHEMA IF NOT EXISTS aurigraph_migration;
CREATE TABLE IF NOT EXISTS aurigraph_migration.meta (id smallint PRIMARY KEY CHECK (id = 1), version smallint NOT NULL);
CREATE TABLE IF NOT EXISTS aurigraph_migration.entries (seq bigint PRIMARY KEY CHECK (seq > 0), text text NOT NULL);
CREATE TABLE IF NOT EXISTS aurigraph_migration.lease (
	id       smallint PRIMARY KEY CHECK (id = 1),
	term     bigint   NOT NULL,
	holder   text     NOT NULL,
	until_ms bigint   NOT NULL -- by this database's clock
);
CREATE TABLE IF NOT EXISTS aurigraph_migration.snapshot (id smallint PRIMARY KEY CHECK (id = 1), text bytea NOT NULL);
CREATE TABLE IF NOT EXISTS aurigraph_migration.windows (at_ms bigint PRIMARY KEY, text text NOT NULL);
INSERT INTO aurigraph_migration.lease (id, term, holder, until_ms) VALUES (1, 0, '', 0) ON CONFLICT (id) DO NOTHING`

const (
	insertMeta    = `INSERT INTO aurigraph_migration.meta (id, version) VALUES (1, $1) ON CONFLICT (id) DO NOTHING`
	selectMeta    = `SELECT version FROM aurigraph_migration.meta WHERE id = 1`
	selectEntries = `SELECT seq, text FROM aurigraph_migration.entries WHERE seq > $1 ORDER BY seq`
	selectLast    = `SELECT coalesce(max(seq), 0) FROM aurigraph_migration.entries`
	insertEntry   = `INSERT INTO aurigraph_migration.entries (seq, text) VALUES ($1, $2)`
	// The row's lock comes first and its values by a statement of their own: the clock of one that waited would be that of before the wait.
	lockLease   = `SELECT 1 FROM aurigraph_migration.lease WHERE id = 1 FOR UPDATE`
	selectLease = `SELECT term, holder, until_ms, (extract(epoch FROM clock_timestamp()) * 1000)::bigint FROM aurigraph_migration.lease WHERE id = 1`
	updateLease = `UPDATE aurigraph_migration.lease SET term = $1, holder = $2, until_ms = $3 WHERE id = 1`
	endLease    = `UPDATE aurigraph_migration.lease SET until_ms = 0 WHERE id = 1 AND term = $1`

	selectSnapshot = `SELECT text FROM aurigraph_migration.snapshot WHERE id = 1`
	upsertSnapshot = `INSERT INTO aurigraph_migration.snapshot (id, text) VALUES (1, $1) ON CONFLICT (id) DO UPDATE SET text = excluded.text`
	upsertWindow   = `INSERT INTO aurigraph_migration.windows (at_ms, text) VALUES ($1, $2) ON CONFLICT (at_ms) DO UPDATE SET text = excluded.text`
	selectWindows  = `SELECT text FROM aurigraph_migration.windows ORDER BY at_ms`
	countWindows   = `SELECT count(*) FROM aurigraph_migration.windows`
	thinWindows    = `DELETE FROM aurigraph_migration.windows WHERE at_ms IN (
		SELECT at_ms FROM (SELECT at_ms, row_number() OVER (ORDER BY at_ms) AS n FROM aurigraph_migration.windows) AS w WHERE n <= $1 AND n % 2 = 0)`
)

// begin makes the tables where there are none.
func (j *Journal) begin(ctx context.Context) error {
	version, err := j.version(ctx)
	if pgdb.IsCode(err, pgdb.CodeNoTable, pgdb.CodeNoSchema) || fault.Is(err, fault.NotFound) {
		if err = j.create(ctx); err == nil {
			version, err = j.version(ctx)
		}
	}
	if err == nil && version != schemaVersion {
		err = fault.New(fault.Conflict, "the journal has version %d, this program writes %d: use the program that wrote it", version, schemaVersion)
	}
	return err
}

func (j *Journal) version(ctx context.Context) (version int16, err error) {
	return version, j.with(ctx, func(ctx context.Context, c *pgxpool.Conn) error {
		return noRows(c.QueryRow(ctx, selectMeta).Scan(&version), fault.New(fault.NotFound, "the journal has no version"))
	})
}

func (j *Journal) create(ctx context.Context) error {
	return j.transaction(ctx, func(ctx context.Context, tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock($1)`, int64(lockOfTables)); err != nil {
			return err
		}
		if _, err := tx.Conn().PgConn().Exec(ctx, schema).ReadAll(); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, insertMeta, int16(schemaVersion))
		return err
	})
}
