// SPDX-License-Identifier: Apache-2.0

package network

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"

	"github.com/aurigraph/aurigraph/internal/config"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/keys"
)

// Sizes of networks.
const (
	NodesDefault = 4  // the fewest that go on when any one of them fails or lies
	NodesMax     = 16 // on one machine
)

// Options say what network to make. For one that is there already only Nodes, Index and Port matter.
type Options struct {
	Name     string
	Nodes    int          // validators; 0 = NodesDefault, or as many as there are
	Engine   string       // that orders, of config; empty = solo for one validator, raft for several
	Demo     bool         // with a demo asset and funded accounts
	Accounts int          // funded demo accounts
	V10      bool         // with Demo: V10's clients are served, and have funded accounts
	Index    string       // the query index's URL (config.Index); empty = as it is, in a file at first
	Port     int          // of node 0's API, the network's other ports follow it; 0 = free ones
	Sync     *SyncOptions // with V10: a V10 runs beside the network and is kept in step with it; nil = as it is, none at first
}

// complete fills in the defaults of a new network.
func (o Options) complete() (Options, error) {
	if o.Nodes == 0 {
		o.Nodes = NodesDefault
	}
	if o.Nodes < 1 || o.Nodes > NodesMax {
		return o, fault.New(fault.Invalid, "%d validators: a network on one machine has 1 to %d", o.Nodes, NodesMax)
	}
	if o.Engine == "" {
		o.Engine = config.DefaultEngine(o.Nodes)
	}
	if _, err := keys.NameAll(o.Sync.named()); err != nil {
		return o, err
	}
	if o.Engine == config.EngineSolo && o.Nodes > 1 {
		return o, fault.New(fault.Invalid, "the engine solo orders for one validator, not for %d: use raft", o.Nodes)
	}
	return o, nil
}

// Create makes a network in dir, or opens the one that is there. A folder that holds anything else is refused, and so is
// a network of another size: its validators are named in its genesis.
func Create(dir string, o Options) (*Network, error) {
	if _, err := os.Stat(filepath.Join(dir, FileName)); err == nil {
		return open(dir, o)
	}
	if entries, err := os.ReadDir(dir); err == nil && len(entries) > 0 {
		return nil, fault.New(fault.Conflict, "%s is not empty and holds no network: name another folder with --network", dir)
	}
	o, err := o.complete()
	if err != nil {
		return nil, err
	}
	b := newBuilder(dir, o)
	if err := b.build(); err != nil {
		return nil, err
	}
	return b.network, nil
}

func open(dir string, o Options) (*Network, error) {
	n, err := Open(dir)
	if err != nil {
		return nil, err
	}
	if members := n.Members(); o.Nodes != 0 && o.Nodes != members {
		return nil, fault.New(fault.Conflict, "the network in %s has %d validators, not %d: leave the number out to run it, change it with `aurigraph validators`, or name another folder with --network", dir, members, o.Nodes)
	}
	if err := n.giveGateway(); err != nil {
		return nil, err
	}
	if err := n.useIndex(o.Index); err != nil {
		return nil, err
	}
	if err := n.moveTo(o.Port); err != nil {
		return nil, err
	}
	if err := n.useSync(o.Sync); err != nil {
		return nil, err
	}
	return n, n.Save()
}

// moveTo gives all nodes addresses that are free now, and each the list of all. A power cut between two of the files leaves
// lists that differ; they are made equal here, at the next start.
func (n *Network) moveTo(port int) error {
	configs, err := n.settings()
	if err != nil {
		return err
	}
	before := slices.Clone(configs)
	if err := n.assign(configs, port); err != nil {
		return err
	}
	if n.Gateway != nil {
		for i := range configs {
			configs[i].Index.Enabled = false
		}
	}
	if err := n.replace(configs, before); err != nil {
		return err
	}
	return n.updateGateway()
}

// settings reads each node's, by number. Those of nodes that left are empty.
func (n *Network) settings() ([]config.Node, error) {
	configs := make([]config.Node, len(n.Nodes))
	for i, node := range n.Nodes {
		if node.Left() {
			continue
		}
		var err error
		if configs[i], err = config.Load(n.Path(node.Dir)); err != nil {
			return nil, err
		}
	}
	return configs, nil
}

// replace writes the settings that differ from those before.
func (n *Network) replace(configs, before []config.Node) error {
	for i := range configs {
		if n.Nodes[i].Left() || reflect.DeepEqual(configs[i], before[i]) {
			continue
		}
		if err := config.Replace(configs[i].Dir, configs[i]); err != nil {
			return err
		}
	}
	return nil
}
