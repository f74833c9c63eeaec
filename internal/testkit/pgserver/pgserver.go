// SPDX-License-Identifier: Apache-2.0

package pgserver

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// The superuser of every server.
const (
	User     = "aurigraph"
	Password = "not-to-be-seen-9f3a"
)

// How long a server may take to begin, recovery included, and to stop.
const (
	startMax = 60 * time.Second
	stopMax  = 30 * time.Second
	pollWait = 50 * time.Millisecond
)

// Options are what a test wants of its server.
type Options struct {
	Settings []string // "name=value", beside those of every server
	TLS      bool     // it speaks TLS, with a certificate of its own authority for 127.0.0.1
}

// Server is a PostgreSQL that runs.
type Server struct {
	t        testing.TB
	bin      string
	dir      string
	data     string
	port     int
	as       *syscall.Credential
	settings []string

	mu      sync.Mutex
	process *os.Process
	ended   chan struct{}
	log     lockedBuffer
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// Start makes a cluster and runs it until the test ends.
func Start(t testing.TB, o Options) *Server {
	t.Helper()
	bin, ok := find()
	if !ok {
		t.Skip("SKIPPED, NOTHING WAS TESTED: there is no postgres binary in PATH or below /usr/lib/postgresql")
	}
	s := &Server{t: t, bin: bin, settings: append([]string{
		"listen_addresses=127.0.0.1", "unix_socket_directories=", "fsync=on", "shared_buffers=256MB", "max_wal_size=4GB", "wal_compression=lz4",
		"log_statement=ddl", "max_connections=40",
	}, o.Settings...)}
	s.dir = t.TempDir()
	s.unprivileged()
	s.data = filepath.Join(s.dir, "cluster")
	s.init()
	if o.TLS {
		s.certify()
	}
	s.port = freePort(t)
	s.Restart()
	t.Cleanup(s.Stop)
	return s
}

// find looks for the folder with postgres and initdb.
func find() (string, bool) {
	if p, err := exec.LookPath("postgres"); err == nil {
		if real, err := filepath.EvalSymlinks(p); err == nil {
			return filepath.Dir(real), true
		}
	}
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/postgres")
	if err != nil || len(found) == 0 {
		return "", false
	}
	return filepath.Dir(found[len(found)-1]), true
}

// unprivileged lets the server run as somebody else, if this is root, and gives him the folder.
func (s *Server) unprivileged() {
	s.t.Helper()
	if os.Geteuid() != 0 {
		return
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
		gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
		if err1 != nil || err2 != nil {
			continue
		}
		s.as = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid), NoSetGroups: false}
		s.must(os.Chmod(filepath.Dir(s.dir), 0o711)) // testing makes it for root alone
		s.own(s.dir)
		return
	}
	s.t.Skip("SKIPPED, NOTHING WAS TESTED: PostgreSQL does not run as root, and there is no user postgres or nobody")
}

func (s *Server) own(path string) {
	s.t.Helper()
	if s.as != nil {
		s.must(os.Chown(path, int(s.as.Uid), int(s.as.Gid)))
	}
}

func (s *Server) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *Server) init() {
	s.t.Helper()
	password := filepath.Join(s.dir, "password")
	s.must(os.WriteFile(password, []byte(Password), 0o600))
	s.own(password)
	c := exec.CommandContext(s.t.Context(), filepath.Join(s.bin, "initdb"), "-D", s.data, "-U", User, "--auth=scram-sha-256", "--pwfile="+password,
		"--encoding=UTF8", "--locale=C", "--no-sync")
	c.SysProcAttr, c.Dir = &syscall.SysProcAttr{Credential: s.as}, s.dir
	if out, err := c.CombinedOutput(); err != nil {
		s.t.Fatalf("initdb: %v\n%s", err, out)
	}
	pass := fmt.Sprintf("127.0.0.1:*:*:%s:%s\n", User, Password)
	s.must(os.WriteFile(s.Passfile(), []byte(pass), 0o600))
}

func freePort(t testing.TB) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// Passfile is the file with the superuser's password, in libpq's form.
func (s *Server) Passfile() string { return filepath.Join(s.dir, "passfile") }

// Address is host:port of the server.
func (s *Server) Address() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)) }

// URL names a database of the server, without a password in it.
func (s *Server) URL(database string) string {
	mode := "disable"
	if s.tls() {
		mode = "require"
	}
	u := url.URL{Scheme: "postgres", User: url.User(User), Host: s.Address(), Path: "/" + database}
	u.RawQuery = url.Values{"sslmode": {mode}, "passfile": {s.Passfile()}}.Encode()
	return u.String()
}

var databases atomic.Uint64

// Database makes an empty database and returns its URL.
func (s *Server) Database(t testing.TB) string {
	t.Helper()
	name := fmt.Sprintf("test%d", databases.Add(1))
	s.Exec(t, "postgres", "CREATE DATABASE "+name)
	return s.URL(name)
}

// Exec runs a statement in a database.
func (s *Server) Exec(t testing.TB, database, statement string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), startMax)
	defer cancel()
	c, err := pgx.Connect(ctx, s.URL(database))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(ctx)
	if _, err := c.Exec(ctx, statement); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

// Log is what the server has said.
func (s *Server) Log() string { return s.log.String() }

// Restart runs the server, which does not run, and waits until it takes connections.
func (s *Server) Restart() {
	s.t.Helper()
	deadline := time.Now().Add(startMax)
	for {
		s.launch()
		if s.serves(deadline) {
			return
		}
		// After a kill its children may hold the shared memory for a moment: the new one ends and is started again.
		if time.Now().After(deadline) {
			s.t.Fatalf("postgres does not begin:\n%s", s.Log())
		}
		<-time.After(pollWait)
	}
}

// launch starts the process from a thread that stays until it ends: on Linux a child ends with the thread that made it.
func (s *Server) launch() {
	s.t.Helper()
	args := []string{"-D", s.data, "-p", strconv.Itoa(s.port)}
	for _, set := range s.settings {
		args = append(args, "-c", set)
	}
	c := exec.CommandContext(context.WithoutCancel(s.t.Context()), filepath.Join(s.bin, "postgres"), args...)
	c.SysProcAttr = &syscall.SysProcAttr{Credential: s.as, Pdeathsig: syscall.SIGQUIT}
	c.Dir, c.Stdout, c.Stderr = s.dir, &s.log, &s.log
	c.WaitDelay = stopMax
	started, ended := make(chan error), make(chan struct{})
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := c.Start()
		started <- err
		if err == nil {
			_ = c.Wait() // how it ended is in its log
		}
		close(ended)
	}()
	s.must(<-started)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.process, s.ended = c.Process, ended
}

// serves waits until the server takes connections; false: it has ended.
func (s *Server) serves(deadline time.Time) bool {
	for time.Now().Before(deadline) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(s.t.Context()), time.Second)
		c, err := pgx.Connect(ctx, s.URL("postgres"))
		if err == nil {
			err = c.Close(ctx)
		}
		cancel()
		if err == nil {
			return true
		}
		select {
		case <-s.ended:
			return false
		case <-time.After(pollWait):
		}
	}
	return false
}

// Kill ends the server as kill -9 does, and waits for its end.
func (s *Server) Kill() { s.end(syscall.SIGKILL) }

// Stop ends the server cleanly, with all connections, and waits for its end.
func (s *Server) Stop() { s.end(syscall.SIGINT) }

func (s *Server) end(how os.Signal) {
	s.mu.Lock()
	p, ended := s.process, s.ended
	s.process = nil
	s.mu.Unlock()
	if p == nil {
		return
	}
	_ = p.Signal(how) // it may have ended
	select {
	case <-ended:
	case <-time.After(stopMax):
		_ = p.Signal(syscall.SIGKILL)
		<-ended
	}
}
