// SPDX-License-Identifier: Apache-2.0

package network

import (
	"slices"

	"github.com/aurigraph/aurigraph/internal/config"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// useIndex puts the network's query index at a URL: the gateway's, or that of a node that is alone. Empty: it stays where it is.
func (n *Network) useIndex(url string) error {
	if url == "" {
		return nil
	}
	if err := config.CheckIndexURL(url); err != nil {
		return fault.Wrap(fault.Invalid, err, "where the query index is")
	}
	if n.Gateway != nil {
		cfg, err := config.LoadGateway(n.Path(n.Gateway.Dir))
		if err != nil || cfg.Index.URL == url {
			return err
		}
		cfg.Index = cfg.Index.At(url)
		return config.ReplaceGateway(cfg.Dir, cfg)
	}
	alone := slices.IndexFunc(n.Nodes, func(node Node) bool { return !node.Left() })
	if alone < 0 {
		return fault.New(fault.Conflict, "the network in %s has no validator to keep the query index", n.Dir)
	}
	cfg, err := config.Load(n.Path(n.Nodes[alone].Dir))
	if err != nil || cfg.Index.URL == url {
		return err
	}
	cfg.Index = cfg.Index.At(url)
	return config.Replace(cfg.Dir, cfg)
}
