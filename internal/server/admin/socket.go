// SPDX-License-Identifier: Apache-2.0

package admin

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/net/netutil"
	"golang.org/x/sys/unix"

	"github.com/aurigraph/aurigraph/internal/fault"
)

// SocketName is the socket's name in a node's folder.
const SocketName = "admin.sock"

// SocketPath is where the socket of a node's folder is.
func SocketPath(folder string) string { return filepath.Join(folder, SocketName) }

const (
	socketMode = 0o600
	// connectionsMax bounds open connections. At the bound new ones wait in the kernel's queue.
	connectionsMax = 16
	// staleAfter is how long a socket that was left behind is knocked at.
	staleAfter = time.Second
)

// Listen opens the socket in a node's folder. Conflict: somebody listens there. The caller owns the folder, so two of them do
// not race.
func Listen(folder string) (net.Listener, error) { return ListenAt(SocketPath(folder)) }

// ListenAt opens a socket at a path, as Listen does.
func ListenAt(socket string) (net.Listener, error) {
	path, release, err := shortPath(socket)
	if err != nil {
		return nil, err
	}
	defer release() // the socket stays, whatever it was called by
	if err := removeStale(path, socket); err != nil {
		return nil, err
	}
	config := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		var err error
		// Before it has a name: the kernel gives the file the rights of the socket.
		return errors.Join(c.Control(func(fd uintptr) { err = unix.Fchmod(int(fd), socketMode) }), err)
	}}
	l, err := config.Listen(context.Background(), "unix", path) //lint:context it does not wait
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "listen on %s", socket)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false) // by the name that is given back
	if err := os.Chmod(path, socketMode); err != nil {
		return nil, errors.Join(fault.Wrap(fault.Unavailable, err, "close %s to others", socket), l.Close())
	}
	return &listener{netutil.LimitListener(l, connectionsMax), socket}, nil
}

// listener removes its socket when it closes.
type listener struct {
	net.Listener
	path string
}

// Close stops listening.
func (l *listener) Close() error {
	err := l.Listener.Close()
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	if removeErr := os.Remove(l.path); !errors.Is(removeErr, os.ErrNotExist) {
		err = errors.Join(err, removeErr)
	}
	return err
}

// removeStale makes room where a process left its socket. Another kind of file is left alone.
func removeStale(path, socket string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil
	case err != nil:
		return fault.Wrap(fault.Unavailable, err, "look at %s", socket)
	case info.Mode().Type() != os.ModeSocket:
		return fault.New(fault.Conflict, "%s is there and is no socket: move it away", socket)
	}
	c, err := net.DialTimeout("unix", path, staleAfter)
	if err == nil {
		return errors.Join(fault.New(fault.Conflict, "another process listens on %s: stop it first", socket), c.Close())
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return fault.Wrap(fault.Conflict, err, "%s is there: is another process listening on it", socket)
	}
	return fault.Wrap(fault.Unavailable, os.Remove(path), "remove %s, which nobody listens on", socket)
}

// pathBytesMax is what an address has room for on every system that we run on.
const pathBytesMax = 100

// shortPath names a socket in few bytes, until release.
func shortPath(path string) (short string, release func(), err error) {
	if len(path) <= pathBytesMax {
		return path, func() {}, nil
	}
	folder, err := os.Open(filepath.Dir(path))
	if err != nil {
		return "", nil, fault.Wrap(fault.Unavailable, err, "open the folder of a socket")
	}
	short = fmt.Sprintf("/proc/self/fd/%d/%s", folder.Fd(), filepath.Base(path))
	if _, err := os.Stat(filepath.Dir(short)); err != nil || len(short) > pathBytesMax {
		folder.Close()
		return "", nil, fault.New(fault.Invalid, "%s has %d bytes, a socket's path has at most %d here: use a folder with a shorter path", path, len(path), pathBytesMax)
	}
	return short, func() { folder.Close() }, nil
}
