// SPDX-License-Identifier: Apache-2.0

package pgdb

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/aurigraph/aurigraph/internal/fault"
)

// Why something is tried again: words for counters.
const (
	ReasonConflict   = "serialization" // another transaction was first
	ReasonConnection = "connection"    // lost, or not to be had
	ReasonServer     = "server"        // it restarts, fails over, or lacks something
)

// SQLSTATE codes that have a meaning here. PostgreSQL's documentation, appendix A.
const (
	codeSerialization = "40001"
	codeDeadlock      = "40P01"
	codeLockTimeout   = "55P03"
	codeReadOnly      = "25006" // this is a standby now
	codePrivilege     = "42501"

	CodeCanceled = "57014"
	CodeNoTable  = "42P01"
	CodeNoSchema = "3F000"
)

// Passing says whether an error may pass by itself, and by what word it is counted. Who is not a server's answer is a connection's.
func Passing(err error) (reason string, ok bool) {
	var own *fault.Error
	if errors.As(err, &own) {
		return fault.ReasonOf(err), own.Kind == fault.Unavailable || own.Kind == fault.TryLater
	}
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		return ReasonConnection, true
	}
	switch pg.Code {
	case codeSerialization, codeDeadlock, codeLockTimeout:
		return ReasonConflict, true
	case CodeCanceled, codeReadOnly, codePrivilege:
		return ReasonServer, true
	}
	switch pg.Code[:min(2, len(pg.Code))] {
	case "08", "25":
		return ReasonConnection, true // lost, or its transaction was ended
	case "53", "57", "58", "28", "3D", "XX":
		return ReasonServer, true // resources, operators, its system, who may come in, internal
	}
	return "statement", false
}

// Broken says whether the connection must be made anew.
func Broken(c *pgx.Conn, err error) bool {
	reason, _ := Passing(err)
	return c == nil || c.IsClosed() || c.PgConn().IsBusy() || reason != ReasonConflict
}

// Wrap gives an error its kind, if it has none. Every statement is right for the program's tables, so one that is refused for good has
// met other tables, or rows that are there already; ifCorrupt is what to do then.
func Wrap(ctx context.Context, err error, what, ifCorrupt string) error {
	var own *fault.Error
	if err == nil || errors.As(err, &own) {
		return err
	}
	if ctx.Err() != nil { // the caller's patience; a bound of the program's that is over passes
		return fault.Wrap(fault.Timeout, err, "%s", what)
	}
	if reason, ok := Passing(err); ok {
		return &fault.Error{Kind: fault.Unavailable, Reason: reason, Text: what, Cause: err}
	}
	return fault.Wrap(fault.Corrupt, err, "%s (%s)", what, ifCorrupt)
}

// WrapConnect gives the error of a connection that was not to be had its kind. The driver's text names the host, not the password.
func WrapConnect(ctx context.Context, err error, what string) error {
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return fault.Wrap(fault.Timeout, err, "%s", what)
	}
	return &fault.Error{Kind: fault.Unavailable, Reason: ReasonConnection, Text: what, Cause: err}
}

// IsCode reports whether an error is the server's, with one of the codes.
func IsCode(err error, codes ...string) bool {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		return false
	}
	for _, c := range codes {
		if pg.Code == c {
			return true
		}
	}
	return false
}
