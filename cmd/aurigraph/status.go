// SPDX-License-Identifier: Apache-2.0

package main

import (
	"strings"

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
	return online(a, &cobra.Command{
		Use:   "status",
		Short: "Show how the network is",
		Long: `Shows what one node says of itself: the certified height, the newest state root, how much there is, how far its query index is
behind, and whether its writer had to stop. A halted writer serves reads; start that node again.`,
		Example: `  aurigraph status
  aurigraph status --json
  aurigraph status --endpoint ledger.example:7450 --trust genesis.json --ca ca.pem`,
		Args: args(),
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
				row(strings.TrimSpace("writer halted\t" + yesNo(j.Halted) + " " + j.HaltedReason))
			})
		},
	})
}
