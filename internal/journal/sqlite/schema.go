// SPDX-License-Identifier: Apache-2.0

package sqlite

import (
	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/aurigraph/aurigraph/internal/fault"
)

// schemaVersion is the version of the tables. A file of another version is refused.
const schemaVersion = 1

const schema = `
CREATE TABLE meta (id INTEGER PRIMARY KEY CHECK (id = 1), version INTEGER NOT NULL);
CREATE TABLE entries (seq INTEGER PRIMARY KEY CHECK (seq > 0), text TEXT NOT NULL);
CREATE TABLE lease (id INTEGER PRIMARY KEY CHECK (id = 1), term INTEGER NOT NULL, holder TEXT NOT NULL, until_ms INTEGER NOT NULL);
CREATE TABLE snapshot (id INTEGER PRIMARY KEY CHECK (id = 1), text BLOB NOT NULL);
CREATE TABLE windows (at_ms INTEGER PRIMARY KEY, text TEXT NOT NULL);
`

const (
	insertMeta     = `INSERT INTO meta (id, version) VALUES (1, ?)`
	selectMeta     = `SELECT version FROM meta`
	selectEntries  = `SELECT seq, text FROM entries WHERE seq > ? ORDER BY seq`
	selectLast     = `SELECT coalesce(max(seq), 0) FROM entries`
	insertEntry    = `INSERT INTO entries (seq, text) VALUES (?, ?)`
	selectLease    = `SELECT term, holder, until_ms FROM lease`
	upsertLease    = `INSERT INTO lease (id, term, holder, until_ms) VALUES (1, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET term = excluded.term, holder = excluded.holder, until_ms = excluded.until_ms`
	endLease       = `UPDATE lease SET until_ms = 0 WHERE term = ?`
	selectSnapshot = `SELECT text FROM snapshot`
	upsertSnapshot = `INSERT INTO snapshot (id, text) VALUES (1, ?) ON CONFLICT (id) DO UPDATE SET text = excluded.text`
	insertWindow   = `INSERT INTO windows (at_ms, text) VALUES (?, ?) ON CONFLICT (at_ms) DO UPDATE SET text = excluded.text`
	selectWindows  = `SELECT text FROM windows ORDER BY at_ms`
	countWindows   = `SELECT count(*) FROM windows`
	thinWindows    = `DELETE FROM windows WHERE at_ms IN (SELECT at_ms FROM (SELECT at_ms, row_number() OVER (ORDER BY at_ms) AS n FROM windows) WHERE n <= ? AND n % 2 = 0)`
)

// begin makes the tables where there are none. Two processes may do it at once.
func begin(c *sqlite.Conn) error {
	tables, err := number(c, `SELECT count(*) FROM sqlite_master`)
	if err != nil {
		return err
	}
	if tables == 0 {
		if err := sqlitex.ExecuteScript(c, schema, nil); err != nil {
			return err
		}
		return sqlitex.Execute(c, insertMeta, &sqlitex.ExecOptions{Args: []any{schemaVersion}})
	}
	version, err := number(c, selectMeta)
	if err == nil && version != schemaVersion {
		err = fault.New(fault.Conflict, "the journal has version %d, this program writes %d: use the program that wrote it", version, schemaVersion)
	}
	return err
}
