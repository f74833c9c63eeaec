// SPDX-License-Identifier: Apache-2.0

package client

import (
	"context"

	ledgerv1 "github.com/aurigraph/aurigraph/gen/aurigraph/ledger/v1"
)

// Status is what a node says of itself.
type Status struct {
	ChainID       ChainID
	Network       string
	GenesisHash   Hash
	Node, Version string
	Height        Height // certified
	Executed      Height
	RootHeight    Height
	StateRoot     Hash
	TimeUs        uint64
	Accounts      uint64
	Assets        uint64
	Legs          uint64 // transfers executed with outcome ok since genesis
	IndexHeight   Height
	IndexLagRows  uint64
	OldestPayload Height
	HomeVersion   uint64
	Validators    []string // names, in order of number
	Halted        bool
	HaltedReason  string
}

// Status asks one node how it is.
func (c *Client) Status(ctx context.Context) (*Status, error) {
	a, err := read(ctx, c, c.ledger.GetStatus, &ledgerv1.GetStatusRequest{})
	if err != nil {
		return nil, err
	}
	s := &Status{
		ChainID: ChainID(a.ChainId), Network: a.Network, Node: a.Node, Version: a.Version,
		Height: Height(a.Height), Executed: Height(a.ExecutedHeight), RootHeight: Height(a.RootHeight), TimeUs: a.TimeUs,
		Accounts: a.Accounts, Assets: a.Assets, Legs: a.Legs,
		IndexHeight: Height(a.IndexHeight), IndexLagRows: a.IndexLagRows, OldestPayload: Height(a.OldestPayloadHeight),
		HomeVersion: a.HomeVersion, Halted: a.Halted, HaltedReason: a.HaltedReason,
	}
	for _, v := range a.Validators {
		s.Validators = append(s.Validators, v.Name)
	}
	if err := putHash(&s.StateRoot, a.StateRoot); err != nil {
		return nil, err
	}
	return s, putHash(&s.GenesisHash, a.GenesisHash)
}
