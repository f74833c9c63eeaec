// SPDX-License-Identifier: Apache-2.0

package pgdb

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/aurigraph/aurigraph/internal/fault"
)

// PoolConfig says which sessions a pool has.
type PoolConfig struct {
	URL         string
	Program     string // what the server shows of a session, if the URL does not say
	What        string // whose database it is, in errors
	Connections int32
	Defaults    map[string]string // of the server's settings, if the URL does not say
}

// OpenPool makes a pool, whose sessions are opened when they are needed. The passfile is read again for each. Invalid: the URL is none, or has a password in it.
func OpenPool(ctx context.Context, c PoolConfig) (*pgxpool.Pool, error) {
	cc, err := Connection(c.URL, c.Program)
	if err != nil {
		return nil, err
	}
	pc, err := pgxpool.ParseConfig(c.URL)
	if err != nil {
		return nil, fault.New(fault.Invalid, "the URL of %s cannot be read: look at its pool_ parameters", c.What)
	}
	pc.ConnConfig, pc.MaxConns, pc.MinConns = cc, c.Connections, 0
	for name, value := range c.Defaults {
		SetDefault(cc, name, value)
	}
	pc.BeforeConnect = func(_ context.Context, cc *pgx.ConnConfig) error {
		now, err := Connection(c.URL, c.Program)
		if err == nil {
			cc.Password = now.Password
		}
		return err
	}
	pool, err := pgxpool.NewWithConfig(ctx, pc)
	return pool, WrapConnect(ctx, err, "reach "+c.What)
}

// Stale says whether a call failed because its session had ended, so that another one may do it.
func Stale(err error) bool {
	var own *fault.Error
	var connect *pgconn.ConnectError
	if errors.As(err, &own) || errors.As(err, &connect) || errors.Is(err, pgx.ErrNoRows) || IsCode(err, CodeCanceled) {
		return false
	}
	reason, passes := Passing(err)
	return passes && reason != ReasonConflict
}
