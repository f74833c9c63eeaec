// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5"

	"github.com/aurigraph/aurigraph/bench/peer"
	"github.com/aurigraph/aurigraph/bench/process"
)

// cluster is a primary and its standbys.
type cluster struct {
	bin       string
	template  string // data folder with the ledger in it
	user      *process.User
	processes []*process.Process
	commands  []string
	port      int
}

// runAs is the user postgres where this is root, whom PostgreSQL refuses.
func runAs() (*process.User, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		return nil, fmt.Errorf("PostgreSQL does not run as root, and there is no user postgres: %w", err)
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		return nil, err
	}
	return &process.User{UID: uint32(uid), GID: uint32(gid)}, nil
}

// start makes a database with the ledger in it, and its standbys from a copy of it.
func (c *cluster) start(ctx context.Context, dir string, v Variant) error {
	ports, err := process.FreePorts(1 + v.Standbys)
	if err != nil {
		return err
	}
	c.port = ports[0]
	// As whoever this is: the copy belongs to the owner of the template, whom the servers run as.
	if _, err := process.Run(nil, dir, "cp", "-a", c.template, filepath.Join(dir, "primary")); err != nil {
		return err
	}
	if err := c.serve(ctx, dir, "primary", c.port, v.Settings); err != nil {
		return err
	}
	return c.follow(ctx, dir, ports[1:], v.Settings)
}

// follow copies the primary into standbys, then makes commits wait for one of them.
func (c *cluster) follow(ctx context.Context, dir string, ports []int, settings []string) error {
	if len(ports) == 0 {
		return nil
	}
	var names []string
	for i, port := range ports {
		name := fmt.Sprintf("standby%d", i+1)
		names = append(names, name)
		data, err := peer.Folder(filepath.Join(dir, name), c.user)
		if err != nil {
			return err
		}
		from := fmt.Sprintf("host=127.0.0.1 port=%d user=bench application_name=%s", c.port, name)
		if err := c.run(data, "pg_basebackup", "-D", data, "-d", from, "-X", "stream", "-R", "-c", "fast"); err != nil {
			return err
		}
		if err := c.serve(ctx, dir, name, port, settings); err != nil {
			return err
		}
	}
	wait := fmt.Sprintf("ALTER SYSTEM SET synchronous_standby_names = 'ANY 1 (%s)'", strings.Join(names, ", "))
	return c.exec(ctx, wait, "SELECT pg_reload_conf()")
}

// serve starts a server on a data folder and waits for it.
func (c *cluster) serve(ctx context.Context, dir, name string, port int, settings []string) error {
	argv := []string{
		filepath.Join(c.bin, "postgres"), "-D", filepath.Join(dir, name), "-p", strconv.Itoa(port),
		"-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=",
	}
	for _, s := range settings {
		argv = append(argv, "-c", s)
	}
	// SIGINT is PostgreSQL's fast stop: it does not wait for clients to leave.
	p, err := process.Start(process.Spec{Argv: argv, Dir: filepath.Join(dir, name), LogFile: filepath.Join(dir, name+".log"), User: c.user, Signal: syscall.SIGINT})
	if err != nil {
		return err
	}
	c.processes = append(c.processes, p)
	c.commands = append(c.commands, p.Line())
	return peer.Until(ctx, p, func() error { return ping(ctx, c.url(port)) })
}

func ping(ctx context.Context, url string) error {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	return conn.Close(ctx)
}

func (c *cluster) url(port int) string {
	return fmt.Sprintf("postgres://bench@127.0.0.1:%d/postgres?sslmode=disable", port)
}

// run runs one of PostgreSQL's programs to its end.
func (c *cluster) run(dir, program string, args ...string) error {
	argv := append([]string{filepath.Join(c.bin, program)}, args...)
	c.commands = append(c.commands, strings.Join(argv, " "))
	_, err := process.Run(c.user, dir, argv...)
	return err
}

// exec runs statements on the primary. Each is one message, so that VACUUM is in no transaction.
func (c *cluster) exec(ctx context.Context, statements ...string) error {
	conn, err := pgx.Connect(ctx, c.url(c.port))
	if err != nil {
		return err
	}
	for _, s := range statements {
		if _, err := conn.Exec(ctx, s); err != nil {
			return errors.Join(fmt.Errorf("%.60s: %w", s, err), conn.Close(ctx))
		}
	}
	return conn.Close(ctx)
}
