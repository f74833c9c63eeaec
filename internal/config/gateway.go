// SPDX-License-Identifier: Apache-2.0

package config

import (
	"errors"
	"os"
	"path/filepath"

	"github.com/aurigraph/aurigraph/internal/fault"
)

// Gateway is the settings of one gateway. Paths that are not absolute lie in the gateway's folder.
type Gateway struct {
	Name     string `yaml:"name"`      // in logs
	Genesis  string `yaml:"genesis"`   // path of the genesis file: by it the chain is proved
	GRPC     string `yaml:"grpc"`      // listen address of the native API; port 0 = a free one
	Metrics  string `yaml:"metrics"`   // listen address of /metrics, /healthz, /readyz; empty = none
	LogLevel string `yaml:"log_level"` // debug, info, warn, error
	TLS      TLS    `yaml:"tls"`       // the gateway's own certificate, and the authority that vouches for the validators' APIs
	// Validators are the API addresses of the validators, host:port. The file is read again when it changes, for these alone.
	Validators []string      `yaml:"validators"`
	Memory     GatewayMemory `yaml:"memory"`
	Index      Index         `yaml:"index"`
	Rest       GatewayRest   `yaml:"rest"`

	// Dir is the gateway's folder. It is not in the file: it is where the file lies.
	Dir string `yaml:"-"`
	// Version is the program's. It is not in the file either.
	Version string `yaml:"-"`
}

// GatewayMemory bounds what the gateway holds.
type GatewayMemory struct {
	LimitBytes int64 `yaml:"limit_bytes"` // soft limit of the Go heap
	GCPercent  int   `yaml:"gc_percent"`  // garbage that may pile up before a collection, in per cent of what lives
}

// GatewayValidatorsMax bounds the validators that a gateway stands before.
const GatewayValidatorsMax = 64

// GatewayFileName is the name of a gateway's settings in its folder.
const GatewayFileName = "gateway.yaml"

// DefaultGateway is the settings of a gateway, all but the validators.
func DefaultGateway() Gateway {
	return Gateway{
		Name: "gateway", Genesis: "genesis.json", GRPC: "127.0.0.1:7440", Metrics: "127.0.0.1:7441", LogLevel: "info",
		TLS:        TLS{CA: "tls/ca.pem", Cert: "tls/node.pem", Key: "tls/node.key"},
		Validators: []string{},
		Memory:     GatewayMemory{LimitBytes: 128 << 20, GCPercent: 50},
		Index:      Index{Enabled: true, URL: IndexSQLite, RowsPerSecondMax: IndexRowsSQLite},
		Rest:       defaultGatewayRest(),
	}
}

// LoadGateway reads and checks the settings in a gateway's folder.
func LoadGateway(dir string) (Gateway, error) {
	path := filepath.Join(dir, GatewayFileName)
	text, err := readFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return Gateway{}, fault.New(fault.NotFound, "%s does not exist: `aurigraph up` makes a network's gateway in its folder", path)
	}
	if err != nil {
		return Gateway{}, err
	}
	g, err := ParseGateway(text)
	if err != nil {
		return Gateway{}, fault.Wrap(fault.Invalid, err, "%s", path)
	}
	g.Dir = dir
	return g, nil
}

// ParseGateway reads settings over the defaults and checks them.
func ParseGateway(text []byte) (Gateway, error) {
	g := DefaultGateway()
	if err := decode(text, &g); err != nil {
		return Gateway{}, err
	}
	if err := g.Validate(); err != nil {
		return Gateway{}, err
	}
	return g, nil
}

// ReplaceGateway writes settings into a gateway's folder, over those that are there, whole or not at all.
func ReplaceGateway(dir string, g Gateway) error {
	if err := g.Validate(); err != nil {
		return err
	}
	return replaceFile(filepath.Join(dir, GatewayFileName), g)
}

// Validate checks each field and names the first that is wrong.
func (g Gateway) Validate() error {
	bad := func(field, format string, args ...any) error {
		return fault.New(fault.Invalid, field+": "+format, args...)
	}
	switch {
	case g.Name == "":
		return bad("name", "must not be empty")
	case !addressOK(g.GRPC):
		return bad("grpc", "%q is not host:port", g.GRPC)
	case g.Metrics != "" && !addressOK(g.Metrics):
		return bad("metrics", "%q is not host:port", g.Metrics)
	case g.Genesis == "":
		return bad("genesis", "must not be empty")
	case !levelOK(g.LogLevel):
		return bad("log_level", "%q is none of debug, info, warn, error", g.LogLevel)
	case g.TLS.CA == "" || g.TLS.Cert == "" || g.TLS.Key == "":
		return bad("tls", "ca, cert and key must be given: the API has no plaintext form")
	case len(g.Validators) == 0 || len(g.Validators) > GatewayValidatorsMax:
		return bad("validators", "%d addresses, must be 1 to %d", len(g.Validators), GatewayValidatorsMax)
	case g.Memory.LimitBytes < 64<<20:
		return bad("memory.limit_bytes", "%d, must be at least 64 MiB", g.Memory.LimitBytes)
	case g.Memory.GCPercent < 10 || g.Memory.GCPercent > 1000:
		return bad("memory.gc_percent", "%d, must be 10 to 1000", g.Memory.GCPercent)
	}
	if err := g.Rest.validate(bad); err != nil {
		return err
	}
	if err := g.Index.validate(bad); err != nil {
		return err
	}
	seen := map[string]bool{}
	for i, a := range g.Validators {
		if !addressOK(a) {
			return bad("validators", "address %d, %q, is not host:port", i, a)
		}
		if seen[a] {
			return bad("validators", "address %d, %q, is there twice", i, a)
		}
		seen[a] = true
	}
	return nil
}

// Path resolves a path of the settings.
func (g Gateway) Path(p string) string {
	if p == "" || filepath.IsAbs(p) {
		return p
	}
	return filepath.Join(g.Dir, p)
}

// Data is the path of one of the gateway's data folders.
func (g Gateway) Data(name string) string { return filepath.Join(g.Dir, "data", name) }
