// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/aurigraph/aurigraph/client"
	"github.com/aurigraph/aurigraph/internal/chain"
)

type validatorsJSON struct {
	Chain     chain.ChainID      `json:"chain_id"`
	Network   string             `json:"network"`
	Engine    string             `json:"engine"`
	Leader    string             `json:"leader"`
	Term      uint64             `json:"term"`
	Epoch     chain.Epoch        `json:"membership_epoch"`
	Height    chain.Height       `json:"height"`
	Certified chain.Height       `json:"certified"`
	Decided   chain.Height       `json:"decided_height"`
	Quorum    int                `json:"quorum"`
	Answered  int                `json:"answered"`
	List      []validatorDetails `json:"validators"`
}

// validatorDetails is all that is known of a validator, and what it knows of the others.
type validatorDetails struct {
	validatorJSON
	Role         string         `json:"role"`
	Logged       chain.Height   `json:"logged_height"`
	Signatures   uint32         `json:"signatures"`    // in the newest certificates of another validator
	Certificates uint32         `json:"certificates"`  // of so many
	SignedHeight chain.Height   `json:"signed_height"` // the newest of them
	Peers        []peerJSON     `json:"peers"`
	Evidence     []evidenceJSON `json:"evidence"`
	LeftOut      uint32         `json:"evidence_left_out"`
}

// peerJSON is another validator as the one above is connected to it.
type peerJSON struct {
	ID          string        `json:"id"`
	Address     string        `json:"address"`
	Connected   bool          `json:"connected"`
	RoundTripMs float64       `json:"round_trip_ms"`
	Height      *chain.Height `json:"height"`      // of its ordering log, known to the leader
	Lag         *uint64       `json:"lag_heights"` // the same
	NeedsState  bool          `json:"needs_state"`
	LastError   string        `json:"last_error"`
	Classes     []classJSON   `json:"classes"`
}

type classJSON struct {
	Class       string   `json:"class"`
	Sending     bool     `json:"sending"`
	Receiving   bool     `json:"receiving"`
	RoundTripMs float64  `json:"round_trip_ms"`
	QueueFrames uint32   `json:"queue_frames"`
	QueueBytes  uint64   `json:"queue_bytes"`
	Dropped     uint64   `json:"dropped_frames"`
	Reconnects  uint64   `json:"reconnects"`
	SilentMs    *float64 `json:"silent_ms"` // null: never heard of
	LastError   string   `json:"last_error"`
}

type evidenceJSON struct {
	Kind      string       `json:"kind"`
	Validator string       `json:"validator"`
	From      string       `json:"from"`
	Height    chain.Height `json:"height,omitempty"`
	Sequence  uint64       `json:"sequence,omitempty"`
	First     string       `json:"first"` // empty: no longer known
	Second    string       `json:"second"`
}

func newValidators(a *app) *cobra.Command {
	var watch bool
	c := online(a, &cobra.Command{
		Use:   "validators",
		Short: "Show the validators, how they are connected, and evidence against them",
		Long: `Asks every validator of the network on this machine at once, as "aurigraph status" does, and shows all they say of ordering and of
each other. With --endpoint one of them is asked.

SIGNED is in how many of the newest certificates, as another validator gathered them, a validator's signature is. A certificate
takes the first quorum that signed: who is in few is slow, who is in none while others gain is not heard.

A link is what one validator sends to another: whether votes travel both ways, the round trip of the last ping, what waits in the
queue of each priority class, frames that were dropped since the start, and why a connection is missing.

Evidence is what an honest validator does not do: two_headers (it signed two headers of one height), fork and parent (its lane
contradicts itself), ack and ahead (somebody acknowledged what is not so), decided (ordering decided another entry than the one
that a quorum holds). It is kept by who found it, on its disk.

DIVERGED names what a validator that halted computed otherwise than a quorum: the fields of the header, then, section by section,
the first page of its state that differs. See docs/runbooks/diverged-validator.md.

Exit codes: 0 at least one validator answers; 1 none does.`,
		Example: `  aurigraph validators
  aurigraph validators --watch
  aurigraph validators --json`,
		Args: args(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.onceOrWatch(cmd.Context(), watch, func(a *app) error {
				r, err := a.callRoll(cmd.Context())
				if err != nil {
					return err
				}
				return a.print(r.validators(), r.validatorsTable)
			})
		},
	})
	c.AddCommand(changesOfValidators(a)...)
	watchFlag(c, &watch)
	c.AddCommand(newValidatorsSeal(a))
	return c
}

func (r *rollCall) validators() validatorsJSON {
	j := validatorsJSON{
		Chain: r.best.ChainID, Network: r.best.Network, Engine: r.best.Engine, Leader: r.leaderID(), Term: r.term, Epoch: r.best.Epoch,
		Height: r.certified(), Certified: r.certified(), Decided: r.decided(), Quorum: chain.Quorum(r.members()), Answered: r.answered(),
	}
	for i := range r.rows {
		if r.rows[i].vacant() {
			continue
		}
		j.List = append(j.List, r.details(i))
	}
	return j
}

func (r *rollCall) details(i int) validatorDetails {
	d := validatorDetails{validatorJSON: r.validator(i), Peers: []peerJSON{}, Evidence: []evidenceJSON{}}
	signed, of := r.signed(i)
	d.Signatures, d.SignedHeight, d.Certificates = signed.Signatures, signed.Height, of
	s := r.rows[i].said
	if s == nil {
		return d
	}
	d.Role, d.Logged, d.LeftOut = s.Role, s.Logged, s.EvidenceLeftOut
	for k := range s.Peers {
		d.Peers = append(d.Peers, r.peer(&s.Peers[k]))
	}
	for _, e := range s.Evidence {
		d.Evidence = append(d.Evidence, evidenceJSON{
			Kind: e.Kind, Validator: r.id(e.Validator), From: r.id(e.From), Height: e.Height, Sequence: e.Sequence,
			First: digestText(e.First), Second: digestText(e.Second),
		})
	}
	return d
}

func (r *rollCall) peer(p *client.Peer) peerJSON {
	j := peerJSON{
		ID: r.id(p.Number), Address: p.Address, Connected: p.Connected, RoundTripMs: ms(p.RoundTrip), NeedsState: p.NeedsState,
		LastError: p.LastError, Classes: []classJSON{},
	}
	if p.Log != nil {
		j.Height, j.Lag = &p.Log.Height, &p.Log.LagHeights
	}
	for _, k := range p.Classes {
		c := classJSON{
			Class: k.Class, Sending: k.Sending, Receiving: k.Receiving, RoundTripMs: ms(k.RoundTrip), QueueFrames: k.QueueFrames,
			QueueBytes: k.QueueBytes, Dropped: k.DroppedFrames, Reconnects: k.Reconnects, LastError: k.LastError,
		}
		if k.Heard {
			silent := ms(k.Silent)
			c.SilentMs = &silent
		}
		j.Classes = append(j.Classes, c)
	}
	return j
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1e3 }

func digestText(h chain.Hash) string {
	if h.IsZero() {
		return ""
	}
	return h.String()
}

func (r *rollCall) validatorsTable(row func(...any)) {
	j := r.validators()
	row("network", fmt.Sprintf("%s, chain %d, engine %s, %d of %d answer, quorum %d, membership epoch %d", j.Network, j.Chain, j.Engine, j.Answered, len(j.List), j.Quorum, j.Epoch))
	row("leader", fmt.Sprintf("%s, term %d", orNobody(j.Leader), j.Term))
	row("height", fmt.Sprintf("%d certified, %d decided", j.Certified, j.Decided))
	row()
	row("VALIDATOR", "STATE", "CERTIFIED", "EXECUTED", "DECIDED", "BEHIND", "SIGNED", "TERM", "NAMES", "PID", "")
	for _, v := range j.List {
		x := &r.rows[v.Number]
		said := x.said != nil
		row(v.ID, v.State, orDash(v.Height, said), orDash(v.Executed, said), orDash(v.Decided, said), lagText(v.Lag),
			fmt.Sprintf("%d of %d", v.Signatures, v.Certificates), orDash(v.Term, said), orDash(v.Leader, v.Leader != ""), orDash(v.PID, v.PID != 0), x.note())
	}
	linksTable(j.List, row)
	evidenceTable(j.List, row)
	divergenceTable(j.List, row)
}

func linksTable(list []validatorDetails, row func(...any)) {
	headed := false
	for _, v := range list {
		for _, p := range v.Peers {
			if !headed {
				headed = true
				cells := []any{"LINK", "UP", "ROUND TRIP"}
				for _, k := range p.Classes {
					cells = append(cells, "QUEUE "+k.Class)
				}
				row()
				row(append(cells, "DROPPED", "")...)
			}
			cells := []any{v.ID + " > " + p.ID, yesNo(p.Connected), orDash(fmt.Sprintf("%.2f ms", p.RoundTripMs), p.RoundTripMs > 0)}
			dropped := uint64(0)
			for _, k := range p.Classes {
				cells = append(cells, fmt.Sprintf("%d, %d KiB", k.QueueFrames, (k.QueueBytes+1023)/1024))
				dropped += k.Dropped
			}
			row(append(cells, dropped, p.LastError)...)
		}
	}
}

func evidenceTable(list []validatorDetails, row func(...any)) {
	headed := false
	for _, v := range list {
		for _, e := range v.Evidence {
			if !headed {
				headed = true
				row()
				row("EVIDENCE", "ABOUT", "SAID BY", "FOUND BY", "AT", "FIRST", "SECOND")
			}
			at := fmt.Sprintf("height %d", e.Height)
			if e.Height == 0 {
				at = fmt.Sprintf("sequence %d", e.Sequence)
			}
			row(e.Kind, e.Validator, e.From, v.ID, at, orDash(e.First, e.First != ""), e.Second)
		}
		if v.LeftOut > 0 {
			row(fmt.Sprintf("… and %d more pieces, found by %s", v.LeftOut, v.ID))
		}
	}
	if !headed {
		row()
		row("no evidence against anyone")
	}
}
