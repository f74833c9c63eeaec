// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/aurigraph/aurigraph/internal/chain"
)

type statusJSON struct {
	Chain         chain.ChainID   `json:"chain_id"`
	Network       string          `json:"network"`
	Genesis       string          `json:"genesis_hash"`
	Node          string          `json:"node"`
	Version       string          `json:"version"`
	Engine        string          `json:"engine"`
	Leader        string          `json:"leader"`
	Term          uint64          `json:"term"`
	Epoch         chain.Epoch     `json:"membership_epoch"`
	Height        chain.Height    `json:"height"`
	Certified     chain.Height    `json:"certified"`
	Executed      chain.Height    `json:"executed_height"`
	Decided       chain.Height    `json:"decided_height"`
	RootHeight    chain.Height    `json:"root_height"`
	StateRoot     string          `json:"state_root"`
	Accounts      uint64          `json:"accounts"`
	Assets        uint64          `json:"assets"`
	Legs          uint64          `json:"transfers"`
	IndexHeight   chain.Height    `json:"index_height"`
	IndexLagRows  uint64          `json:"index_lag_rows"`
	OldestPayload chain.Height    `json:"oldest_payload_height"`
	Validators    []validatorJSON `json:"validators"`
	Edge          *edgeJSON       `json:"edge,omitempty"` // the gateway
	Halted        bool            `json:"halted"`
	HaltedReason  string          `json:"halted_reason,omitempty"`
}

// validatorJSON is a validator at a glance.
type validatorJSON struct {
	ID           string       `json:"id"`
	Number       int          `json:"number"`
	PID          int          `json:"pid"`
	State        string       `json:"state"`
	Height       chain.Height `json:"height"` // certified
	Executed     chain.Height `json:"executed_height"`
	Decided      chain.Height `json:"decided_height"`
	Lag          *uint64      `json:"lag_heights"` // of its ordering log behind the leader's, which alone knows it
	Term         uint64       `json:"term"`
	Leader       string       `json:"leader"` // as it says
	GRPC         string       `json:"grpc"`
	Error        string       `json:"error,omitempty"`
	HaltedReason string       `json:"halted_reason,omitempty"`
	// Divergence is the last one, also one of an earlier life.
	Divergence *divergenceJSON `json:"divergence,omitempty"`
}

func newStatus(a *app) *cobra.Command {
	var watch bool
	c := online(a, &cobra.Command{
		Use:   "status",
		Short: "Show how the network is",
		Long: `Asks every validator of the network on this machine at once and shows what they say: who leads in which term, the certified
height, the newest state root, how much there is, how far the query index is behind, and how each validator and the gateway, the
network's edge, is. It answers
within a second, also when some of them do not. With --endpoint one node is asked, and speaks for itself.

A validator is leader or follower; candidate while it looks for a leader; catching_up when it is more than 64 heights behind,
as it knows itself (it has not executed what was decided) or its leader does (its ordering log ends before); starting before
it lets clients in; halted when its writer had to stop, with the reason, and with what it computed otherwise than a quorum if that
was why; down when it does not answer; unknown if it was not asked. The leader is the one of the newest term that anybody names;
one named by validators that were not told yet may be down.

Exit codes: 0 at least one validator answers; 1 none does.`,
		Example: `  aurigraph status
  aurigraph status --json
  aurigraph status --endpoint ledger.example:7450 --trust genesis.json --ca ca.pem`,
		Args: args(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.onceOrWatch(cmd.Context(), watch, func(a *app) error {
				r, err := a.callRoll(cmd.Context())
				if err != nil {
					return err
				}
				return a.print(r.status(), r.statusTable)
			})
		},
	})
	watchFlag(c, &watch)
	return c
}

func (r *rollCall) status() statusJSON {
	st := r.best
	j := statusJSON{
		Chain: st.ChainID, Network: st.Network, Genesis: st.GenesisHash.String(), Node: st.Node, Version: st.Version, Engine: st.Engine,
		Leader: r.leaderID(), Term: r.term, Epoch: st.Epoch, Height: r.certified(), Certified: r.certified(), Executed: st.Executed, Decided: r.decided(),
		RootHeight: st.RootHeight, StateRoot: st.StateRoot.String(), Accounts: st.Accounts, Assets: st.Assets, Legs: st.Legs,
		OldestPayload: st.OldestPayload,
	}
	for i := range r.rows {
		if r.rows[i].vacant() {
			continue
		}
		j.Validators = append(j.Validators, r.validator(i))
		s := r.rows[i].said
		if s == nil {
			continue
		}
		if s.IndexHeight >= j.IndexHeight { // it is alone, or from before there were gateways
			j.IndexHeight, j.IndexLagRows = s.IndexHeight, s.IndexLagRows
		}
		if s.Halted && !j.Halted {
			j.Halted, j.HaltedReason = true, s.HaltedReason
		}
	}
	if j.Edge = r.edge.json(); j.Edge != nil && r.edge.said != nil {
		j.IndexHeight, j.IndexLagRows = j.Edge.IndexHeight, j.Edge.IndexLagRows
	}
	return j
}

func (r *rollCall) validator(i int) validatorJSON {
	row := &r.rows[i]
	j := validatorJSON{ID: row.id, Number: i, PID: row.pid, State: row.state(), Lag: row.lag, GRPC: row.address}
	if row.err != nil {
		j.Error = row.note()
	}
	if s := row.said; s != nil {
		j.Height, j.Executed, j.Decided, j.Term, j.HaltedReason = s.Height, s.Executed, s.Decided, s.Term, s.HaltedReason
		j.Divergence = divergenceOf(s.Divergence)
		if s.HasLeader {
			j.Leader = r.id(s.Leader)
		}
	}
	return j
}

func (r *rollCall) statusTable(row func(...any)) {
	j := r.status()
	row("network", fmt.Sprintf("%s, chain %d, membership epoch %d", j.Network, j.Chain, j.Epoch))
	row("node", j.Node+", version "+j.Version)
	row("leader", fmt.Sprintf("%s, term %d", orNobody(j.Leader), j.Term))
	row("height", fmt.Sprintf("%d certified", j.Height))
	row("state root", fmt.Sprintf("%s of height %d", j.StateRoot, j.RootHeight))
	row("accounts", j.Accounts)
	row("assets", j.Assets)
	row("transfers", j.Legs)
	row("index", fmt.Sprintf("height %d, %d rows behind", j.IndexHeight, j.IndexLagRows))
	if j.Edge != nil {
		row("edge", j.Edge.text())
	}
	row("writer halted", strings.TrimSpace(yesNo(j.Halted)+" "+j.HaltedReason))
	row()
	row("VALIDATOR", "STATE", "HEIGHT", "BEHIND", "PID", "ADDRESS", "")
	for _, v := range j.Validators {
		x := &r.rows[v.Number]
		row(v.ID, v.State, orDash(v.Height, x.said != nil), lagText(v.Lag), orDash(v.PID, v.PID != 0), orDash(v.GRPC, v.GRPC != ""), x.note())
	}
	for _, v := range j.Validators {
		if d := v.Divergence; d != nil {
			row()
			row(v.ID+" diverged", d.past(v.Height)+d.Summary)
		}
	}
}

func orNobody(id string) string {
	if id == "" {
		return "nobody"
	}
	return id
}

// orDash writes a value that is known.
func orDash(v any, known bool) string {
	if !known {
		return "-"
	}
	return fmt.Sprint(v)
}

func lagText(lag *uint64) string {
	if lag == nil {
		return "-"
	}
	return fmt.Sprint(*lag)
}
