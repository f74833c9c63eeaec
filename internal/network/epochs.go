// SPDX-License-Identifier: Apache-2.0

package network

import (
	"encoding/json"
	"os"
	"path/filepath"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/epoch"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// handoversName is the file in a node's data folder from which a newcomer learns who validates now.
const handoversName = "handovers"

// History is who validated when, proved from the network's own genesis.
func (n *Network) History(handovers []*chain.ProvedHandover) (*epoch.History, error) {
	text, err := os.ReadFile(n.Path(genesisName))
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "read the network's genesis")
	}
	return HistoryOf(text, handovers)
}

// HistoryOf is History for a genesis document.
func HistoryOf(genesisJSON []byte, handovers []*chain.ProvedHandover) (*epoch.History, error) {
	var g chain.Genesis
	if err := json.Unmarshal(genesisJSON, &g); err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "read the genesis")
	}
	if err := g.Validate(); err != nil {
		return nil, err
	}
	h, err := epoch.NewHistory(&g)
	if err != nil {
		return nil, err
	}
	for _, p := range handovers {
		if err := h.Extend(p); err != nil {
			return nil, err
		}
	}
	return h, nil
}

// WriteHandovers writes the handovers since the genesis for a node that was never told of them, or lost them.
func WriteHandovers(path string, handovers []*chain.ProvedHandover) error {
	var out []byte
	for _, p := range handovers {
		out = codec.AppendHandovers(out, codec.AppendProvedHandover(nil, p))
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fault.Wrap(fault.Unavailable, err, "make the folder of the handovers")
	}
	return fault.Wrap(fault.Unavailable, replaceFile(path, out), "write the handovers")
}
