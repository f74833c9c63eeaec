// SPDX-License-Identifier: Apache-2.0

package network

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"reflect"

	"github.com/aurigraph/aurigraph/internal/config"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/server"
	"github.com/aurigraph/aurigraph/internal/transport"
)

// gatewayName names the gateway and its folder.
const gatewayName = "gateway"

// Gateway is the network's gateway. A network of one validator has none: that one keeps the query index itself.
type Gateway struct {
	Dir     string `json:"dir"`
	GRPC    string `json:"grpc"`
	Metrics string `json:"metrics"`
	REST    string `json:"rest,omitempty"` // where it serves the V10 dialect; empty if it does not
}

// URL is where it serves the V10 dialect; empty if it does not.
func (g *Gateway) URL() string {
	if g.REST == "" {
		return ""
	}
	return "http://" + g.REST
}

// restMemory is the soft limit of the heap, and the garbage that may pile up, of a gateway that serves the V10 dialect.
var restMemory = config.GatewayMemory{LimitBytes: 512 << 20, GCPercent: 200}

// makeGateway makes the gateway's folder: certificate, genesis and settings. What an unfinished attempt left is overwritten.
func (n *Network) makeGateway() error {
	authority, err := n.authority()
	if err != nil {
		return err
	}
	if n.Gateway == nil {
		n.Gateway = n.newGateway(gatewayName)
	}
	return n.fillGateway(n.Gateway, authority)
}

// newGateway is a gateway of which nothing is chosen but its folder.
func (n *Network) newGateway(dir string) *Gateway {
	g := &Gateway{Dir: dir, GRPC: anyAddress, Metrics: anyAddress}
	if n.V10 != nil {
		g.REST = anyAddress
	}
	return g
}

// AddGateway makes a further gateway's folder, with addresses that are free now. It is nobody's but the caller's: network.json does not
// name it, and its list of validators stays as it is.
func (n *Network) AddGateway(name string) (*Gateway, error) {
	authority, err := n.authority()
	if err != nil {
		return nil, err
	}
	g := n.newGateway(name)
	held := reservation{others: append(n.chosen(-1), n.Sync.chosen()...)}
	err = g.assign(&held, false)
	if err := errors.Join(err, held.release()); err != nil {
		return nil, err
	}
	return g, n.fillGateway(g, authority)
}

// fillGateway writes a gateway's folder.
func (n *Network) fillGateway(g *Gateway, authority *transport.Authority) error {
	cfg := config.DefaultGateway()
	cfg.Dir, cfg.Name = n.Path(g.Dir), g.Dir
	if _, _, err := server.IssueTLS(filepath.Dir(cfg.Path(cfg.TLS.CA)), apiHosts, authority); err != nil {
		return err
	}
	text, err := os.ReadFile(n.Path(genesisName))
	if err != nil {
		return fault.Wrap(fault.Unavailable, err, "read the network's genesis")
	}
	if err := os.WriteFile(cfg.Path(cfg.Genesis), text, 0o644); err != nil {
		return fault.Wrap(fault.Unavailable, err, "write the genesis")
	}
	return n.writeGateway(g, cfg)
}

// giveGateway gives a network of several validators a gateway that has none: one from before there were gateways, and one that
// has grown. Without the authority's key it goes on without.
func (n *Network) giveGateway() error {
	if n.Gateway != nil && n.V10 != nil && n.Gateway.REST == "" {
		n.Gateway.REST = anyAddress // it was made before gateways served V10
	}
	if n.Gateway != nil || n.Members() < 2 {
		return nil
	}
	err := n.makeGateway()
	if fault.Is(err, fault.NotFound) {
		n.Gateway = nil
		return nil
	}
	return err
}

// updateGateway writes the addresses of the validators that there are now into the gateway's settings: it follows them.
func (n *Network) updateGateway() error {
	if n.Gateway == nil {
		return nil
	}
	cfg, err := config.LoadGateway(n.Path(n.Gateway.Dir))
	if err != nil {
		return err
	}
	return n.writeGateway(n.Gateway, cfg)
}

// writeGateway writes the gateway's settings with its addresses and the validators' as they are, if they differ from those in
// its folder.
func (n *Network) writeGateway(g *Gateway, cfg config.Gateway) error {
	cfg.GRPC, cfg.Metrics, cfg.Validators = g.GRPC, g.Metrics, n.Validators()
	n.serveV10(g, &cfg)
	for i, a := range cfg.Validators {
		cfg.Validators[i] = reachable(a)
	}
	if before, err := config.LoadGateway(cfg.Dir); err == nil && reflect.DeepEqual(before, cfg) {
		return nil
	}
	return config.ReplaceGateway(cfg.Dir, cfg)
}

// serveV10 gives a gateway's settings the V10 dialect: open, as its validators have it, since only this machine reaches it.
func (n *Network) serveV10(g *Gateway, cfg *config.Gateway) {
	if n.V10 == nil || g.REST == "" || cfg.Rest.Listen == g.REST {
		return
	}
	if cfg.Rest.Listen == "" {
		const up = ".." // from the gateway's folder
		cfg.Memory = restMemory
		cfg.Rest.Auth, cfg.Rest.Access, cfg.Rest.AuditKey = config.AuthOpen, filepath.Join(up, accessFolder), filepath.Join(up, n.V10.AliasKey)
		if len(n.V10.Accounts) > 0 {
			cfg.Rest.Example = n.V10.Accounts[0]
		}
	}
	cfg.Rest.Listen = g.REST
}

// LaunchGateway starts the network's gateway as a child process of binary. Its log goes to logs. The child ends with this process.
func (n *Network) LaunchGateway(binary string, logs io.Writer) (*Process, error) {
	if n.Gateway == nil {
		return nil, fault.New(fault.NotFound, "the network in %s has no gateway", n.Dir)
	}
	return n.LaunchGatewayOf(n.Gateway, binary, logs)
}

// LaunchGatewayOf is LaunchGateway for one that AddGateway made.
func (n *Network) LaunchGatewayOf(g *Gateway, binary string, logs io.Writer) (*Process, error) {
	what := "the gateway"
	if g.Dir != gatewayName {
		what = "gateway " + g.Dir
	}
	p := &Process{Node: Node{ID: g.Dir, Dir: g.Dir}, what: what}
	return p, p.launch(binary, logs, "gateway", "--dir", n.Path(g.Dir), "--json")
}
