// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"context"
	_ "embed"
	"errors"
	"path/filepath"

	"github.com/aurigraph/aurigraph/bench/peer"
	"github.com/aurigraph/aurigraph/bench/process"
)

//go:embed schema.sql
var schema string

// Template is a data folder with the ledger in it, made once and copied for each measurement.
type Template struct {
	bin, dir string
	user     *process.User
	data     string // "" until it is made
	commands []string
}

// NewTemplate prepares one in a folder, from a folder with PostgreSQL's programs.
func NewTemplate(bin, dir string) *Template { return &Template{bin: bin, dir: dir} }

// build makes the data folder, the first time it is called.
func (t *Template) build(ctx context.Context) (err error) {
	if t.data != "" {
		return nil
	}
	if t.user, err = runAs(); err != nil {
		return err
	}
	data, err := peer.Folder(filepath.Join(t.dir, "template"), t.user)
	if err != nil {
		return err
	}
	c := &cluster{bin: t.bin, user: t.user}
	defer func() {
		err = errors.Join(err, process.StopAll(c.processes))
		if err == nil {
			t.data, t.commands = data, c.commands
		}
	}()
	if err := c.run(data, "initdb", "--username=bench", "--auth=trust", "-D", data); err != nil {
		return err
	}
	ports, err := process.FreePorts(1)
	if err != nil {
		return err
	}
	c.port = ports[0]
	if err := c.serve(ctx, t.dir, "template", c.port, nil); err != nil {
		return err
	}
	c.commands = append(c.commands[:1], "psql --file bench/postgres/schema.sql")
	return c.exec(ctx, schema, "VACUUM ANALYZE accounts")
}

// cluster gives one that starts from a copy of the data folder.
func (t *Template) cluster() cluster {
	return cluster{bin: t.bin, user: t.user, template: t.data, commands: t.commands[:len(t.commands):len(t.commands)]}
}
