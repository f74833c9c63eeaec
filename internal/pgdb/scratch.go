// SPDX-License-Identifier: Apache-2.0

package pgdb

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"net/url"

	"github.com/jackc/pgx/v5"

	"github.com/aurigraph/aurigraph/internal/fault"
)

const scratchProgram = "aurigraph-scratch"

// Scratch makes a new, empty database on the server that a URL names, and returns its URL: what is measured there meets nothing of others, and
// leaves nothing. Drop removes it, with whoever is still in it. Errors: Invalid (the URL), Denied (the user may not make databases), Unavailable.
func Scratch(ctx context.Context, text string) (scratch string, drop func(context.Context) error, err error) {
	u, err := url.Parse(text)
	if err != nil {
		return "", nil, CheckURL(text)
	}
	var id [6]byte
	if _, err := rand.Read(id[:]); err != nil {
		return "", nil, fault.Wrap(fault.Internal, err, "draw a database's name")
	}
	name := "aurigraph_scratch_" + hex.EncodeToString(id[:])
	if err := administer(ctx, text, "CREATE DATABASE "+name); err != nil {
		return "", nil, err
	}
	u.Path = "/" + name
	return u.String(), func(ctx context.Context) error { return administer(ctx, text, "DROP DATABASE "+name+" WITH (FORCE)") }, nil
}

// administer executes one statement that no transaction may hold.
func administer(ctx context.Context, text, statement string) (err error) {
	const what = "a database for this run alone"
	cc, err := Connection(text, scratchProgram)
	if err != nil {
		return err
	}
	c, err := pgx.ConnectConfig(ctx, cc)
	if err != nil {
		return WrapConnect(ctx, err, what)
	}
	defer func() { err = errors.Join(err, c.Close(ctx)) }()
	_, err = c.Exec(ctx, statement)
	if IsCode(err, codePrivilege) {
		return fault.Wrap(fault.Denied, err, "%s: the user of --index must have CREATEDB", what)
	}
	return Wrap(ctx, err, what, "look at the server's log")
}
