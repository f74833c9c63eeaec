// SPDX-License-Identifier: Apache-2.0

package network

import (
	"io"
	"os"
	"path/filepath"
	"reflect"

	"github.com/aurigraph/aurigraph/internal/config"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/server"
)

// gatewayName names the gateway and its folder.
const gatewayName = "gateway"

// Gateway is the network's gateway. A network of one validator has none: that one keeps the query index itself.
type Gateway struct {
	Dir     string `json:"dir"`
	GRPC    string `json:"grpc"`
	Metrics string `json:"metrics"`
}

// makeGateway makes the gateway's folder: certificate, genesis and settings. What an unfinished attempt left is overwritten.
func (n *Network) makeGateway() error {
	authority, err := n.authority()
	if err != nil {
		return err
	}
	if n.Gateway == nil {
		n.Gateway = &Gateway{Dir: gatewayName, GRPC: anyAddress, Metrics: anyAddress}
	}
	cfg := config.DefaultGateway()
	cfg.Dir = n.Path(n.Gateway.Dir)
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
	return n.writeGateway(cfg)
}

// giveGateway gives a network of several validators a gateway that has none: one from before there were gateways, and one that
// has grown. Without the authority's key it goes on without.
func (n *Network) giveGateway() error {
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
	return n.writeGateway(cfg)
}

// writeGateway writes the gateway's settings with its addresses and the validators' as they are, if they differ from those in
// its folder.
func (n *Network) writeGateway(cfg config.Gateway) error {
	cfg.GRPC, cfg.Metrics, cfg.Validators = n.Gateway.GRPC, n.Gateway.Metrics, n.Validators()
	for i, a := range cfg.Validators {
		cfg.Validators[i] = reachable(a)
	}
	if before, err := config.LoadGateway(cfg.Dir); err == nil && reflect.DeepEqual(before, cfg) {
		return nil
	}
	return config.ReplaceGateway(cfg.Dir, cfg)
}

// LaunchGateway starts the network's gateway as a child process of binary. Its log goes to logs. The child ends with this process.
func (n *Network) LaunchGateway(binary string, logs io.Writer) (*Process, error) {
	if n.Gateway == nil {
		return nil, fault.New(fault.NotFound, "the network in %s has no gateway", n.Dir)
	}
	p := &Process{Node: Node{ID: gatewayName, Dir: n.Gateway.Dir}, what: "the gateway"}
	return p, p.launch(binary, logs, "gateway", "--dir", n.Path(n.Gateway.Dir), "--json")
}
