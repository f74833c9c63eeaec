// SPDX-License-Identifier: Apache-2.0

package network

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"

	"github.com/aurigraph/aurigraph/client"
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// FileName is the name of a network's description in its folder.
const FileName = "network.json"

const (
	genesisName  = "genesis.json"
	caName       = "ca.pem"
	fileVersion  = 1
	fileBytesMax = 64 << 20
)

// Network describes a network's folder. Paths are relative to it.
type Network struct {
	Version     int               `json:"version"`
	Chain       chain.ChainID     `json:"chain_id"`
	Name        string            `json:"name"`
	GenesisHash string            `json:"genesis_hash"`
	CA          string            `json:"ca"`
	Nodes       []Node            `json:"nodes"`
	Gateway     *Gateway          `json:"gateway,omitempty"`  // nil: there is none
	Accounts    []string          `json:"accounts,omitempty"` // addresses
	Keys        map[string]string `json:"keys,omitempty"`     // key file by address
	Governance  Institution       `json:"governance"`
	Institution Institution       `json:"institution"`
	Asset       string            `json:"asset,omitempty"`   // code
	V10         *V10              `json:"v10,omitempty"`     // nil: V10's clients are not served
	Sync        *Sync             `json:"sync,omitempty"`    // nil: it is in step with no V10
	Retired     *Retired          `json:"retired,omitempty"` // nil: none is gone

	// Dir is the folder. It is not in the file.
	Dir string `json:"-"`
}

// Node is one node of the network. Its place in the list is its validator's number. One that left keeps its place, without
// addresses, until a newcomer takes the number.
type Node struct {
	ID        string      `json:"id"`
	Dir       string      `json:"dir"`
	GRPC      string      `json:"grpc"`
	Metrics   string      `json:"metrics"`
	REST      string      `json:"rest,omitempty"`       // where it serves the V10 dialect; empty if it does not
	Validator string      `json:"validator,omitempty"`  // where it takes its peers' connections; empty without peers
	JoinEpoch chain.Epoch `json:"join_epoch,omitempty"` // in which it joined under its present keys; 0: with the genesis
	LeftEpoch chain.Epoch `json:"left_epoch,omitempty"` // the first one of which it is no member; 0: it is one
	Held      bool        `json:"held,omitempty"`       // it must not run now: its folder is being changed
}

// Left reports whether the node's validator left the network.
func (n Node) Left() bool { return n.LeftEpoch != 0 }

// Institution is an institution whose keys lie in the network's folder.
type Institution struct {
	ID             uint32 `json:"id"`
	Name           string `json:"name"`
	KeyFile        string `json:"key_file"` // ML-DSA-65
	Ed25519KeyFile string `json:"ed25519_key_file"`
}

// Open reads a network's description.
func Open(dir string) (*Network, error) {
	path := filepath.Join(dir, FileName)
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, fault.New(fault.NotFound, "%s does not exist: start a network there with `aurigraph up --network %s`, or name one with --network", path, dir)
	}
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "open the network's description")
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, fileBytesMax))
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "read the network's description")
	}
	n := &Network{}
	if err := json.Unmarshal(text, n); err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "%s", path)
	}
	if n.Version != fileVersion || len(n.Nodes) == 0 {
		return nil, fault.New(fault.Invalid, "%s: version %d with %d nodes, this program knows version %d", path, n.Version, len(n.Nodes), fileVersion)
	}
	n.Dir = dir
	return n, nil
}

// Save writes the description, whole or not at all.
func (n *Network) Save() error {
	text, err := json.MarshalIndent(n, "", "  ")
	if err != nil {
		return fault.Wrap(fault.Internal, err, "encode the network's description")
	}
	return fault.Wrap(fault.Unavailable, replaceFile(filepath.Join(n.Dir, FileName), append(text, '\n')), "write the network's description")
}

// Path resolves a path of the description.
func (n *Network) Path(p string) string {
	if p == "" || filepath.IsAbs(p) {
		return p
	}
	return filepath.Join(n.Dir, p)
}

// GenesisPath is where the genesis file is.
func (n *Network) GenesisPath() string { return n.Path(genesisName) }

// Members counts the nodes that validate.
func (n *Network) Members() (count int) {
	for _, node := range n.Nodes {
		if !node.Left() {
			count++
		}
	}
	return count
}

// Endpoints are the addresses at which clients find the network: the gateway's, if there is one, and then those of all nodes that
// validate, so that a client goes on without any one of them.
func (n *Network) Endpoints() []string {
	if n.Gateway == nil {
		return n.Validators()
	}
	return append([]string{n.Gateway.GRPC}, n.Validators()...)
}

// Validators are the API addresses of the nodes that validate.
func (n *Network) Validators() []string {
	out := make([]string, 0, len(n.Nodes))
	for _, node := range n.Nodes {
		if !node.Left() {
			out = append(out, node.GRPC)
		}
	}
	return out
}

// Trust is what clients of this network believe: the validators of its genesis.
func (n *Network) Trust() (*client.Trust, error) {
	text, err := os.ReadFile(n.Path(genesisName))
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "read the network's genesis")
	}
	return client.ReadTrust(text)
}
