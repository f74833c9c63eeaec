// SPDX-License-Identifier: Apache-2.0

package nginx

import (
	"bytes"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/nginx"
	"github.com/aurigraph/aurigraph/internal/testkit"
)

// full is settings with everything in them.
func full() Config {
	return Config{
		Dir: "/etc/aurigraph/router", Listen: []string{":443", "[::1]:8443"}, Admin: "unix:/run/aurigraph/router.sock", User: "www-data", Workers: 4,
		V10:         Upstream{Servers: []string{"127.0.0.1:9003"}},
		V11:         Upstream{Servers: []string{"10.0.0.1:9001", "gateway-2:9001"}, CA: "tls/ca.pem", Name: "v11.example.com"},
		Certificate: "tls/router.pem", Key: "tls/router.key", Shadow: "[::1]:9190", ShadowBP: 250,
	}
}

// TestGolden: the settings are a function of what is configured.
func TestGolden(t *testing.T) {
	for name, c := range map[string]Config{
		"full.conf": full(),
		"plain.conf": {
			Dir: "/x", Listen: []string{"127.0.0.1:80"}, Admin: "127.0.0.1:81",
			V10: Upstream{Servers: []string{"127.0.0.1:82"}}, V11: Upstream{Servers: []string{"127.0.0.1:83"}},
		},
	} {
		text, err := Conf(c)
		must(t, err)
		again, err := Conf(c)
		must(t, err)
		if !bytes.Equal(text, again) {
			t.Error("the same settings have two texts")
		}
		testkit.Golden(t, name, text)
	}
}

// TestNginxTakesIt: nginx itself reads what is written.
func TestNginxTakesIt(t *testing.T) {
	binary := need(t)
	c := full()
	c.Dir, c.User = t.TempDir(), nginx.Workers()
	c.Admin = "unix:" + filepath.Join(c.Dir, "router.sock")
	c.V11.Servers = []string{"127.0.0.1:9001", "[::1]:9001"}
	server := secureServer(t, nil)
	c.Certificate, c.Key = writePair(t, c.Dir, server)
	c.V11.CA = c.Certificate
	must(t, Write(c))
	if said, err := exec.Command(binary, "-t", "-p", c.Dir, "-c", ConfFile, "-e", "error.log").CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, said)
	}
}

func TestValidate(t *testing.T) {
	must(t, func() error { _, err := Conf(full()); return err }())
	for _, c := range []struct {
		change func(*Config)
		says   string
	}{
		{func(c *Config) { c.Dir = "here" }, "absolute"},
		{func(c *Config) { c.Dir = "/a b" }, "meaning"},
		{func(c *Config) { c.User = "x; include /etc/passwd" }, "meaning"},
		{func(c *Config) { c.Modules = "/a$b" }, "meaning"},
		{func(c *Config) { c.Listen = nil }, "listen"},
		{func(c *Config) { c.Listen = []string{"443"} }, "host:port"},
		{func(c *Config) { c.Listen = []string{":443;"} }, "host:port"},
		{func(c *Config) { c.Workers = -1 }, "workers"},
		{func(c *Config) { c.Key = "" }, "key"},
		{func(c *Config) { c.V10.Servers = nil }, "V10"},
		{func(c *Config) { c.V11.Servers = make([]string, ServersMax+1) }, "V11"},
		{func(c *Config) { c.V11.Servers = []string{":80"} }, "host:port"},
		{func(c *Config) { c.V11.Servers = []string{"a:0"} }, "host:port"},
		{func(c *Config) { c.V11.Name = "" }, "belong together"},
		{func(c *Config) { c.V10.Name = "a" }, "belong together"},
		{func(c *Config) { c.Admin = "" }, "loopback"},
		{func(c *Config) { c.Admin = "0.0.0.0:81" }, "loopback"},
		{func(c *Config) { c.Admin = "10.0.0.1:81" }, "loopback"},
		{func(c *Config) { c.Admin = "localhost:81" }, "loopback"},
		{func(c *Config) { c.Admin = "unix:run/x" }, "socket"},
		{func(c *Config) { c.Admin = "unix:/run/x:y" }, "socket"},
		{func(c *Config) { c.Shadow = "10.0.0.1:81" }, "loopback"},
		{func(c *Config) { c.Shadow = "unix:run/x" }, "socket"},
		{func(c *Config) { c.ShadowBP = wholeBP + 1 }, "share"},
	} {
		cfg := full()
		c.change(&cfg)
		if _, err := Conf(cfg); !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%v, must say %q", err, c.says)
		}
	}
}
