// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"context"
	"embed"
	"io/fs"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/database"

	"github.com/aurigraph/aurigraph/internal/fault"
)

//go:embed migrations/*.sql
var migrations embed.FS

// versionTable is where goose notes what it has done.
const versionTable = "aurigraph.schema_version"

// current says whether the tables are of this program's version: then a reconnection needs no look at each migration.
func current(ctx context.Context, c rowQuerier) (bool, error) {
	files, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil {
		return false, fault.Wrap(fault.Internal, err, "find the migrations")
	}
	have := 0
	err = c.QueryRow(ctx, `SELECT coalesce(max(version_id), 0) FROM `+versionTable).Scan(&have)
	if isCode(err, codeNoTable, codeNoSchema) {
		return false, nil
	}
	return err == nil && have == len(files), err
}

// migrate makes the tables, or brings them up to date. Only the holder of the writer's lock comes here.
func migrate(ctx context.Context, cc *pgx.ConnConfig) error {
	ctx, cancel := context.WithTimeout(ctx, migrateMax)
	defer cancel()
	db := stdlib.OpenDB(*cc)
	defer db.Close()
	if _, err := db.ExecContext(ctx, `CREATE SCHEMA IF NOT EXISTS aurigraph`); err != nil {
		return translate(ctx, err, "make the schema aurigraph")
	}
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return fault.Wrap(fault.Internal, err, "find the migrations")
	}
	store, err := database.NewStore(database.DialectPostgres, versionTable)
	if err != nil {
		return fault.Wrap(fault.Internal, err, "find the dialect of the migrations")
	}
	p, err := goose.NewProvider("", db, files, goose.WithStore(store), goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return fault.Wrap(fault.Internal, err, "read the migrations")
	}
	have, want, err := p.GetVersions(ctx)
	if err != nil {
		return translate(ctx, err, "read the version of the index's tables")
	}
	if have > want {
		return fault.New(fault.Conflict, "the index's tables have version %d, this program writes %d: run the newer program, or drop the schema aurigraph", have, want)
	}
	_, err = p.Up(ctx)
	return translate(ctx, err, "make the tables of the index")
}
