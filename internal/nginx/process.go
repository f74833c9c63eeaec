// SPDX-License-Identifier: Apache-2.0

package nginx

import (
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/aurigraph/aurigraph/internal/fault"
)

// Waits, and how many ports are tried.
const (
	startMax   = 10 * time.Second
	startEvery = 10 * time.Millisecond
	stopMax    = 10 * time.Second
	portTries  = 5
	logTailMax = 2048 // bytes of nginx's log in an error
)

// Names in the folder.
const (
	confName = "nginx.conf"
	logName  = "error.log"
	tmpName  = "tmp"
)

// places are where Debian puts nginx; /usr/sbin is not on everybody's path.
var places = []string{"/usr/sbin/nginx", "/usr/local/sbin/nginx", "/usr/local/nginx/sbin/nginx"}

// Find finds nginx on this machine. NotFound: there is none, and how to get it.
func Find() (string, error) {
	if path, err := exec.LookPath("nginx"); err == nil {
		return path, nil
	}
	for _, path := range places {
		if info, err := os.Stat(path); err == nil && info.Mode()&0o111 != 0 {
			return path, nil
		}
	}
	return "", fault.New(fault.NotFound, "nginx is not installed: make deps installs it")
}

// Nginx is a running nginx.
type Nginx struct {
	dir     string
	address string
	cmd     *exec.Cmd
	ended   chan struct{}
	err     error // after ended
}

// Start starts nginx and waits until it serves.
func Start(ctx context.Context, c Config) (*Nginx, error) {
	c.setDefaults()
	if err := c.validate(); err != nil {
		return nil, err
	}
	binary, err := Find()
	if err != nil {
		return nil, err
	}
	if c.Dir, err = filepath.Abs(c.Dir); err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "nginx's folder")
	}
	if err := os.MkdirAll(filepath.Join(c.Dir, tmpName), 0o755); err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "make nginx's folder")
	}
	for try := 1; ; try++ {
		n, err := start(ctx, binary, c)
		if err == nil || try == portTries || !taken(err) {
			return n, err
		}
	}
}

// taken reports that somebody else took the port meanwhile.
func taken(err error) bool { return strings.Contains(err.Error(), "Address already in use") }

func start(ctx context.Context, binary string, c Config) (*Nginx, error) {
	port, err := FreePort()
	if err != nil {
		return nil, err
	}
	text, err := conf(c, Workers(), port)
	if err != nil {
		return nil, err
	}
	return run(ctx, binary, c.Dir, text, address(port))
}

// Run starts an nginx with settings of the caller's own, in a folder that exists, and waits until it takes connections at serves, host:port,
// which the settings name. They are written to the folder, which relative paths in them start from.
func Run(ctx context.Context, dir string, settings []byte, serves string) (*Nginx, error) {
	binary, err := Find()
	if err != nil {
		return nil, err
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "nginx's folder")
	}
	return run(ctx, binary, dir, settings, serves)
}

func run(ctx context.Context, binary, dir string, settings []byte, serves string) (*Nginx, error) {
	if err := os.WriteFile(filepath.Join(dir, confName), settings, 0o644); err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "write nginx's settings")
	}
	log, err := os.Create(filepath.Join(dir, logName))
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "make nginx's log")
	}
	defer log.Close()
	n := &Nginx{dir: dir, address: serves, ended: make(chan struct{})}
	n.cmd = exec.Command(binary, "-p", dir, "-c", confName, "-e", logName, "-g", "daemon off;")
	n.cmd.Stdout, n.cmd.Stderr = log, log
	n.cmd.Env = []string{} // NGINX would be taken for sockets to inherit
	n.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM, Setpgid: true}
	if err := n.cmd.Start(); err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "start %s", binary)
	}
	go func() {
		n.err = n.cmd.Wait()
		close(n.ended)
	}()
	if err := n.await(ctx); err != nil {
		return nil, errors.Join(err, n.Stop())
	}
	return n, nil
}

// Workers is the user that nginx's workers run as: who started it, where nginx would take another one; empty where it cannot.
func Workers() string {
	if os.Geteuid() != 0 {
		return ""
	}
	if u, err := user.LookupId("0"); err == nil {
		return u.Username
	}
	return ""
}

// FreePort is a port of the loopback address that nobody has now.
func FreePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fault.Wrap(fault.Unavailable, err, "find a free port")
	}
	port := l.Addr().(*net.TCPAddr).Port
	return port, fault.Wrap(fault.Unavailable, l.Close(), "free a port")
}

// await waits until nginx takes connections.
func (n *Nginx) await(ctx context.Context) error {
	deadline := time.NewTimer(startMax)
	defer deadline.Stop()
	for {
		c, err := net.DialTimeout("tcp", n.address, time.Second)
		if err == nil {
			_ = c.Close() // it was only looked at
			select {
			case <-n.ended: // somebody else answers on that port
			default:
				return nil
			}
		}
		select {
		case <-time.After(startEvery):
		case <-n.ended:
			return fault.New(fault.Unavailable, "nginx did not start: %v%s", n.err, n.lastWords())
		case <-deadline.C:
			return fault.New(fault.Timeout, "nginx does not serve after %s%s", startMax, n.lastWords())
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// lastWords is the end of nginx's log, behind a colon.
func (n *Nginx) lastWords() string {
	text, err := os.ReadFile(filepath.Join(n.dir, logName))
	if err != nil || len(text) == 0 {
		return ""
	}
	return ": " + strings.TrimSpace(string(text[max(0, len(text)-logTailMax):]))
}

// Address is where it serves, host:port.
func (n *Nginx) Address() string { return n.address }

// PID is that of the master.
func (n *Nginx) PID() int { return n.cmd.Process.Pid }

// Ended is closed when the master has ended. Its workers may go on: Kill ends them too.
func (n *Nginx) Ended() <-chan struct{} { return n.ended }

// Kill kills nginx and its workers, which would go on serving without it, and waits until nobody takes connections at its address.
func (n *Nginx) Kill() {
	_ = syscall.Kill(-n.PID(), syscall.SIGKILL) // the group is its own; it may have ended already
	<-n.ended
	for deadline := time.Now().Add(stopMax); time.Now().Before(deadline); {
		c, err := net.DialTimeout("tcp", n.address, time.Second)
		if err != nil {
			return
		}
		_ = c.Close() // it was only looked at
		<-time.After(startEvery)
	}
}

// Stop ends nginx and waits for it. Requests under way are cut off. It may be called again.
func (n *Nginx) Stop() error {
	_ = n.cmd.Process.Signal(syscall.SIGTERM) // it may have ended already
	select {
	case <-n.ended:
		return nil
	case <-time.After(stopMax):
	}
	n.Kill()
	return fault.New(fault.Timeout, "nginx did not stop within %s and was killed%s", stopMax, n.lastWords())
}
