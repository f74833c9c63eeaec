// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/aurigraph/aurigraph/internal/fault"
)

// Why a group is tried again: words for counters.
const (
	reasonConflict   = "serialization" // another transaction was first
	reasonConnection = "connection"    // lost, or not to be had
	reasonServer     = "server"        // it restarts, fails over, or lacks something
)

// Reasons of faults.
const (
	ReasonTaken = "index_taken" // another process writes to the index
	ReasonMoved = "index_moved" // another process has written to it since this one looked
)

// SQLSTATE codes that have a meaning here. PostgreSQL's documentation, appendix A.
const (
	codeSerialization = "40001"
	codeDeadlock      = "40P01"
	codeLockTimeout   = "55P03"
	codeCanceled      = "57014"
	codeReadOnly      = "25006" // this is a standby now
	codeUnsupported   = "0A000"
	codeNoTable       = "42P01"
	codeShutdown      = "57P01"
	codeCrash         = "57P02"
	codeNoSchema      = "3F000"
	codeNoFunction    = "42883"
	codePrivilege     = "42501"
)

// passing says whether an error may pass by itself, and by what word it is counted. Who is not a server's answer is a connection's.
func passing(err error) (reason string, ok bool) {
	var own *fault.Error
	if errors.As(err, &own) {
		return fault.ReasonOf(err), own.Kind == fault.Unavailable || own.Kind == fault.TryLater
	}
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		return reasonConnection, true
	}
	switch pg.Code {
	case codeSerialization, codeDeadlock, codeLockTimeout:
		return reasonConflict, true
	case codeCanceled, codeReadOnly, codePrivilege:
		return reasonServer, true
	}
	switch pg.Code[:min(2, len(pg.Code))] {
	case "08", "25":
		return reasonConnection, true // lost, or its transaction was ended
	case "53", "57", "58", "28", "3D", "XX":
		return reasonServer, true // resources, operators, its system, who may come in, internal
	}
	return "statement", false
}

// broken says whether the connection must be made anew.
func broken(c *pgx.Conn, err error) bool {
	reason, _ := passing(err)
	return c == nil || c.IsClosed() || c.PgConn().IsBusy() || reason != reasonConflict
}

// stale says whether a list failed for what the next look does not meet: a connection that had ended, or a partition that was dropped
// between the snapshot and the look into it.
func stale(err error) bool {
	var pg *pgconn.PgError
	var own *fault.Error
	var connect *pgconn.ConnectError
	switch {
	case errors.As(err, &connect) || errors.As(err, &own):
		return false
	case errors.As(err, &pg):
		reason, _ := passing(err)
		return reason == reasonConnection || isCode(err, codeNoTable, codeShutdown, codeCrash)
	}
	return true
}

// translate gives an engine's error its kind; an error that has one keeps it. Every statement is right for the tables of an
// index, so one that is refused for good has met other tables, or rows that are there already.
func translate(ctx context.Context, err error, what string) error {
	var own *fault.Error
	if err == nil || errors.As(err, &own) {
		return err
	}
	if ctx.Err() != nil { // the caller's patience; a bound of this package that is over passes
		return fault.Wrap(fault.Timeout, err, "%s", what)
	}
	if reason, ok := passing(err); ok {
		return &fault.Error{Kind: fault.Unavailable, Reason: reason, Text: what, Cause: err}
	}
	return fault.Wrap(fault.Corrupt, err, "%s (to rebuild it, drop the schema aurigraph and start again)", what)
}

// translateConnect gives the error of a connection that was not to be had its kind. The driver's text names the host, not the password.
func translateConnect(ctx context.Context, err error) error {
	if err == nil || ctx.Err() != nil {
		return translate(ctx, err, "reach the index's database")
	}
	return &fault.Error{Kind: fault.Unavailable, Reason: reasonConnection, Text: "reach the index's database", Cause: err}
}

func isCode(err error, codes ...string) bool {
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
