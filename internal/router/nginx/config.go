// SPDX-License-Identifier: Apache-2.0

package nginx

import (
	"net"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/aurigraph/aurigraph/internal/fault"
)

// Bounds of settings.
const (
	ServersMax = 64
	listenMax  = 16
	workersMax = 256

	shadowBPDefault = 100
	wholeBP         = 10_000
)

// modulesDefault is where Debian puts nginx's modules.
const modulesDefault = "/usr/lib/nginx/modules"

// Config says what nginx serves. Paths are absolute, or relative to Dir.
type Config struct {
	Dir     string   // of settings, state, logs and temporary files: nginx is given it with -p
	Listen  []string // host:port; :port is all addresses of IPv4, [::]:port those of IPv6
	V10     Upstream // the guard
	V11     Upstream // nodes or gateways
	Admin   string   // where the driver comes: host:port of a loopback address, or unix:/path of a socket in a folder that only it may enter
	User    string   // of the workers, who must be able to write the folders state and tmp; empty: whoever starts nginx
	Workers int      // processes; 0: one a core
	Modules string   // folder of nginx's modules; default Debian's

	// Certificate and Key are PEM files. Without them clients come in the clear, which is for loopback and tests.
	Certificate string
	Key         string

	// Shadow is where reads are named, after they were answered, to whoever compares them with the other side's answers: host:port of a loopback address, or
	// unix:/path, since the clients' credentials go there. Empty: nowhere. ShadowBP is the share of the reads, in basis points; default 100, which is 1 %.
	Shadow   string
	ShadowBP int
}

// Upstream is one side's servers, which mean the same.
type Upstream struct {
	Servers []string // host:port
	// CA is a PEM file with who vouches for the servers, Name what their certificate must be for. Without CA they are spoken to in the clear.
	CA   string
	Name string
}

func (c *Config) setDefaults() {
	if c.Modules == "" {
		c.Modules = modulesDefault
	}
	if c.Shadow != "" && c.ShadowBP == 0 {
		c.ShadowBP = shadowBPDefault
	}
}

func bad(format string, args ...any) error {
	return fault.New(fault.Invalid, "router: "+format, args...)
}

func (c *Config) validate() error {
	switch {
	case !filepath.IsAbs(c.Dir):
		return bad("the folder %q is not an absolute path", c.Dir)
	case len(c.Listen) == 0 || len(c.Listen) > listenMax:
		return bad("%d addresses to listen on, must be 1 to %d", len(c.Listen), listenMax)
	case c.Workers < 0 || c.Workers > workersMax:
		return bad("%d workers, at most %d", c.Workers, workersMax)
	case (c.Certificate == "") != (c.Key == ""):
		return bad("a certificate needs its key, and a key its certificate")
	}
	for _, text := range []string{c.Dir, c.User, c.Modules, c.Certificate, c.Key, c.V10.CA, c.V10.Name, c.V11.CA, c.V11.Name} {
		if !plain(text) {
			return bad("%q holds a character that nginx's settings give a meaning to", text)
		}
	}
	for _, a := range c.Listen {
		if !isAddress(a, true) {
			return bad("%q is not host:port", a)
		}
	}
	if err := checkLocal("the admin address", c.Admin); err != nil {
		return err
	}
	if c.Shadow != "" {
		if err := checkLocal("the shadow's address", c.Shadow); err != nil {
			return err
		}
	}
	if c.ShadowBP < 0 || c.ShadowBP > wholeBP {
		return bad("a share of %d basis points for the shadow, at most %d", c.ShadowBP, wholeBP)
	}
	if err := c.V10.validate("V10"); err != nil {
		return err
	}
	return c.V11.validate("V11")
}

func (u *Upstream) validate(side string) error {
	if len(u.Servers) == 0 || len(u.Servers) > ServersMax {
		return bad("%d servers of %s, must be 1 to %d", len(u.Servers), side, ServersMax)
	}
	for _, a := range u.Servers {
		if !isAddress(a, false) {
			return bad("server %q of %s is not host:port", a, side)
		}
	}
	if (u.CA == "") != (u.Name == "") {
		return bad("%s: who vouches for the servers and what their certificate is for belong together", side)
	}
	return nil
}

// plain reports whether nginx takes a text as it stands.
func plain(text string) bool {
	for _, b := range []byte(text) {
		if b <= ' ' || b >= 0x7f || strings.IndexByte("{};\"'\\$#", b) >= 0 {
			return false
		}
	}
	return true
}

func isAddress(text string, every bool) bool {
	host, port, err := net.SplitHostPort(text)
	n, wrong := strconv.Atoi(port)
	return err == nil && wrong == nil && n >= 1 && n <= 65_535 && (host != "" || every) && plain(text)
}

const socketPrefix = "unix:"

// checkLocal: whoever reaches the admin address may change where payments go first, and credentials go to the shadow's.
func checkLocal(what, address string) error {
	if path, socket := strings.CutPrefix(address, socketPrefix); socket {
		if !filepath.IsAbs(path) || len(path) > 100 || !plain(path) || strings.Contains(path, ":") {
			return bad("%s %q is no socket: write unix: and an absolute path of at most 100 bytes", what, address)
		}
		return nil
	}
	host, _, _ := net.SplitHostPort(address)
	if ip := net.ParseIP(host); !isAddress(address, false) || ip == nil || !ip.IsLoopback() {
		return bad("%s %q is neither unix:/path nor a loopback address and a port", what, address)
	}
	return nil
}
