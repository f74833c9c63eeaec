// SPDX-License-Identifier: Apache-2.0

package main

import (
	"github.com/spf13/cobra"

	"github.com/aurigraph/aurigraph/internal/chain"
)

type statusJSON struct {
	Chain         chain.ChainID `json:"chain_id"`
	Network       string        `json:"network"`
	Genesis       string        `json:"genesis_hash"`
	Node          string        `json:"node"`
	Version       string        `json:"version"`
	Height        chain.Height  `json:"height"`
	Executed      chain.Height  `json:"executed_height"`
	RootHeight    chain.Height  `json:"root_height"`
	StateRoot     string        `json:"state_root"`
	Accounts      uint64        `json:"accounts"`
	Assets        uint64        `json:"assets"`
	Legs          uint64        `json:"transfers"`
	IndexHeight   chain.Height  `json:"index_height"`
	IndexLagRows  uint64        `json:"index_lag_rows"`
	OldestPayload chain.Height  `json:"oldest_payload_height"`
	Validators    []string      `json:"validators"`
	Halted        bool          `json:"halted"`
	HaltedReason  string        `json:"halted_reason,omitempty"`
}

func newStatus(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "status",
		Short:   "Show how the network is",
		Example: `  aurigraph status --json`,
		Args:    args(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := a.dial(cmd.Context())
			if err != nil {
				return err
			}
			defer s.Close()
			st, err := s.Status(cmd.Context())
			if err != nil {
				return err
			}
			j := statusJSON{st.ChainID, st.Network, st.GenesisHash.String(), st.Node, st.Version, st.Height, st.Executed, st.RootHeight, st.StateRoot.String(),
				st.Accounts, st.Assets, st.Legs, st.IndexHeight, st.IndexLagRows, st.OldestPayload, st.Validators, st.Halted, st.HaltedReason}
			return a.print(j, func(row func(...any)) {
				row("network", j.Network, "chain", j.Chain)
				row("node", j.Node, j.Version)
				row("height", j.Height, "certified")
				row("state root", j.StateRoot, "of height", j.RootHeight)
				row("accounts", j.Accounts)
				row("assets", j.Assets)
				row("transfers", j.Legs)
				row("index", "height", j.IndexHeight, "rows behind", j.IndexLagRows)
				row("writer halted", yesNo(j.Halted), j.HaltedReason)
			})
		},
	}
}
