// SPDX-License-Identifier: Apache-2.0

package sqlite

import (
	"bytes"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// schemaVersion is the version of the tables. A file of another version is refused.
const schemaVersion = 1

const schema = `
CREATE TABLE meta (
	id INTEGER PRIMARY KEY CHECK (id = 1),
	version INTEGER NOT NULL,
	chain INTEGER NOT NULL,
	genesis BLOB NOT NULL
);
CREATE TABLE names (
	number INTEGER PRIMARY KEY,
	name BLOB NOT NULL
);
`

const (
	insertMeta = `INSERT INTO meta (id, version, chain, genesis) VALUES (1, ?, ?, ?)`
	selectMeta = `SELECT version, chain, genesis FROM meta`
	insertName = `INSERT INTO names (number, name) VALUES (?, ?) ON CONFLICT (number) DO NOTHING`
	selectName = `SELECT name FROM names WHERE number = ?`
	deleteName = `DELETE FROM names WHERE number = ?`
	countNames = `SELECT count(*) FROM names`
)

// begin makes the tables where there are none, and checks whose the vault is. Two processes may do it at once.
func begin(c *sqlite.Conn, id chain.ChainID, genesis chain.Hash) (err error) {
	end, err := sqlitex.ImmediateTransaction(c)
	if err != nil {
		return err
	}
	defer end(&err)
	fresh := false
	if err := sqlitex.ExecuteTransient(c, `SELECT count(*) FROM sqlite_master`, &sqlitex.ExecOptions{ResultFunc: func(s *sqlite.Stmt) error {
		fresh = s.ColumnInt(0) == 0
		return nil
	}}); err != nil {
		return err
	}
	if fresh {
		if err := sqlitex.ExecuteScript(c, schema, nil); err != nil {
			return err
		}
		return sqlitex.Execute(c, insertMeta, &sqlitex.ExecOptions{Args: []any{schemaVersion, int64(id), genesis[:]}})
	}
	return checkMeta(c, id, genesis)
}

func checkMeta(c *sqlite.Conn, id chain.ChainID, genesis chain.Hash) error {
	found := false
	err := sqlitex.Execute(c, selectMeta, &sqlitex.ExecOptions{ResultFunc: func(s *sqlite.Stmt) error {
		found = true
		if v := s.ColumnInt(0); v != schemaVersion {
			return fault.New(fault.Conflict, "the names vault has version %d, this program writes %d: use another folder", v, schemaVersion)
		}
		have := make([]byte, s.ColumnLen(2))
		s.ColumnBytes(2, have)
		if chain.ChainID(s.ColumnInt64(1)) != id || !bytes.Equal(have, genesis[:]) {
			return fault.New(fault.Conflict, "this names vault is of another chain: use another folder")
		}
		return nil
	}})
	if err == nil && !found {
		err = fault.New(fault.Corrupt, "the names vault does not say of which chain it is: use another folder")
	}
	return err
}
