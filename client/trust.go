// SPDX-License-Identifier: Apache-2.0

package client

import (
	"encoding/json"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// Trust is what a client takes as given: which network, and whose signatures certified when it began. Who validates now
// follows from that: each membership epoch names the next one's validators. Get it from the operator by a way that you trust,
// not from the node that you ask.
type Trust struct {
	ChainID     ChainID
	GenesisHash Hash
	Validators  []Validator // of the genesis, in its order
}

// Validator is a validator of the genesis. Keys are without scheme byte.
type Validator struct {
	Number  uint16 // its place in the genesis
	Name    string
	Ed25519 []byte // 32 bytes: signs headers
	MLDSA65 []byte // 1,952 bytes: signs state roots
}

// TrustGenesis takes the validators that a genesis names.
func TrustGenesis(g *Genesis) *Trust {
	t := &Trust{ChainID: g.Chain, GenesisHash: codec.GenesisHash(g)}
	for i, v := range g.Validators {
		t.Validators = append(t.Validators, Validator{Number: uint16(i), Name: v.Name, Ed25519: v.Ed25519, MLDSA65: v.MLDSA65})
	}
	return t
}

// ReadTrust reads a genesis document (JSON) and takes its validators. What does not validate is Invalid.
func ReadTrust(genesisJSON []byte) (*Trust, error) {
	var g chain.Genesis
	if err := json.Unmarshal(genesisJSON, &g); err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "read the genesis")
	}
	if err := g.Validate(); err != nil {
		return nil, err
	}
	return TrustGenesis(&g), nil
}
