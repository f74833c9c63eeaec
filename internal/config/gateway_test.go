// SPDX-License-Identifier: Apache-2.0

package config

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/aurigraph/aurigraph/internal/fault"
)

func goodGateway() Gateway {
	g := DefaultGateway()
	g.Validators = []string{"127.0.0.1:7450", "10.0.0.1:7450"}
	return g
}

func TestGatewayReadsBackEqual(t *testing.T) {
	g := goodGateway()
	g.Dir, g.Name, g.Metrics, g.Index.Enabled = t.TempDir(), "edge", "", false
	g.Rest.Listen, g.Rest.Auth, g.Rest.Connections, g.Rest.ValidatorKeyFile, g.Rest.Home = "127.0.0.1:7442", AuthOpen, 20, "keys/gateway.key", "http://v10:9003"
	g.Rest.Providers = []RestProvider{{Name: "corp", Issuer: "https://id.example", Audience: "v10", KeySet: "keys.json", Roles: []string{"payer"}}}
	if err := ReplaceGateway(g.Dir, g); err != nil {
		t.Fatal(err)
	}
	if have, err := LoadGateway(g.Dir); err != nil || !reflect.DeepEqual(have, g) {
		t.Errorf("%+v, %v", have, err)
	}
	if g.Data("index") != filepath.Join(g.Dir, "data", "index") || g.Path("x") != filepath.Join(g.Dir, "x") || g.Path("/x") != "/x" {
		t.Error("paths")
	}
}

func TestGatewayRefuses(t *testing.T) {
	for _, c := range []struct {
		field string
		spoil func(*Gateway)
	}{
		{"name", func(g *Gateway) { g.Name = "" }},
		{"grpc", func(g *Gateway) { g.GRPC = "localhost" }},
		{"metrics", func(g *Gateway) { g.Metrics = "9" }},
		{"genesis", func(g *Gateway) { g.Genesis = "" }},
		{"log_level", func(g *Gateway) { g.LogLevel = "loud" }},
		{"tls", func(g *Gateway) { g.TLS.CA = "" }},
		{"validators", func(g *Gateway) { g.Validators = nil }},
		{"validators", func(g *Gateway) { g.Validators = make([]string, GatewayValidatorsMax+1) }},
		{"validators", func(g *Gateway) { g.Validators = []string{"localhost"} }},
		{"validators", func(g *Gateway) { g.Validators = []string{"a:1", "a:1"} }},
		{"memory.limit_bytes", func(g *Gateway) { g.Memory.LimitBytes = 1 }},
		{"memory.gc_percent", func(g *Gateway) { g.Memory.GCPercent = 1 }},
		{"index.rows_per_second_max", func(g *Gateway) { g.Index.RowsPerSecondMax = 0 }},
		{"rest.listen", func(g *Gateway) { g.Rest.Listen = "localhost" }},
		{"rest.auth", func(g *Gateway) { g.Rest.Listen, g.Rest.Auth = ":0", "" }},
		{"rest.access", func(g *Gateway) { g.Rest.Listen, g.Rest.Access = ":0", "" }},
		{"rest.audit_key", func(g *Gateway) { g.Rest.Listen, g.Rest.AuditKey = ":0", "" }},
		{"rest.home", func(g *Gateway) { g.Rest.Listen, g.Rest.Auth, g.Rest.Home = ":0", AuthOpen, "v10:9003" }},
		{"rest.connections", func(g *Gateway) { g.Rest.Listen, g.Rest.Connections = ":0", 0 }},
		{"rest.connections", func(g *Gateway) { g.Rest.Listen, g.Rest.Connections = ":0", GatewayConnectionsMax+1 }},
	} {
		g := goodGateway()
		c.spoil(&g)
		if err := g.Validate(); !fault.Is(err, fault.Invalid) || !strings.HasPrefix(err.Error(), c.field+":") {
			t.Errorf("%s: %v", c.field, err)
		}
		if err := ReplaceGateway(t.TempDir(), g); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s is written: %v", c.field, err)
		}
	}
}

func TestLoadGatewayRefuses(t *testing.T) {
	dir := t.TempDir()
	if _, err := LoadGateway(dir); !fault.Is(err, fault.NotFound) {
		t.Error(err)
	}
	for _, text := range []string{"unknown: 1", "validators: [a:1]\n---\n{}", "name: x"} {
		if err := os.WriteFile(filepath.Join(dir, GatewayFileName), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := LoadGateway(dir); !fault.Is(err, fault.Invalid) {
			t.Errorf("%q: %v", text, err)
		}
	}
}
