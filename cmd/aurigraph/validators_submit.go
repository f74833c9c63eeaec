// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/config"
	"github.com/aurigraph/aurigraph/internal/epoch"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/network"
	"github.com/aurigraph/aurigraph/internal/node"
)

func newValidatorsApprove(a *app) *cobra.Command {
	var dir string
	c := &cobra.Command{
		Use:   "approve FILE",
		Short: "Approve a proposed change of the validators with a validator's key",
		Long: `Signs the change in FILE with the key of the validator whose folder --dir names, and writes the approval into FILE. It says what
is signed: that is the change itself, as this program reads it, whatever the file's own words for it are. An approval counts in
the epoch that the proposal names, and there once.

The node may run meanwhile. Nothing is sent anywhere.`,
		Example: `  aurigraph validators approve change.json --dir /srv/aurigraph/node0
  aurigraph validators approve change.json --dir .aurigraph/node1 --json`,
		Args: args("FILE"),
		RunE: func(cmd *cobra.Command, got []string) error {
			dir, err := nodeFolder(cmd, "dir", dir)
			if err != nil {
				return err
			}
			return a.approve(got[0], dir)
		},
	}
	c.Flags().StringVar(&dir, "dir", "", "folder of the validator's node, in which config.yaml lies (required)")
	return c
}

func (a *app) approve(file, dir string) error {
	p, err := network.ReadProposal(file)
	if err != nil {
		return err
	}
	cfg, err := config.Load(dir)
	if err != nil {
		return err
	}
	g, err := node.ReadGenesis(cfg.Path(cfg.Genesis))
	if err != nil {
		return err
	}
	if g.Chain != p.Chain {
		return fault.New(fault.Conflict, "the proposal is for chain %d, the node in %s is of chain %d: it is not approved", p.Chain, dir, g.Chain)
	}
	signer, err := network.ValidatorKey(dir)
	if err != nil {
		return err
	}
	m, err := p.Approve(signer)
	if err != nil {
		return err
	}
	a.tell("validator %d (%s) signs for chain %d: %s", m.Number, m.Name, p.Chain, p.Summary)
	if len(p.Ed25519) > 0 {
		a.tell("its keys: Ed25519 %x, ML-DSA-65 %.16x…", []byte(p.Ed25519), []byte(p.MLDSA65))
	}
	if err := p.Write(file); err != nil {
		return err
	}
	return a.printProposal(file, p)
}

func newValidatorsSubmit(a *app) *cobra.Command {
	var key, handovers string
	c := &cobra.Command{
		Use:   "submit FILE",
		Short: "Submit an approved change of the validators as governance, and wait for the next epoch",
		Long: `Submits the change in FILE, with its approvals, as a transaction of governance, and waits until the next membership epoch has
begun. A change that was made already is recognised: it may be run again.

--handovers writes what proves all changes since the genesis: put it as data/handovers into the folder of a validator that was
admitted, or has new keys and an empty disk, before its first start. Before that every operator writes the newcomer's address
into config.yaml (validators.addresses, by number): see docs/runbooks/membership.md.

Exit codes: 0 the next epoch has begun; 1 something is out of reach; 2 refused; 3 it is not known whether the change was made:
run it again.`,
		Example: `  aurigraph validators submit change.json --handovers handovers
  aurigraph validators submit change.json --key governance.key --endpoint a.example:7450 --trust genesis.json --ca ca.pem`,
		Args: args("FILE"),
		RunE: func(cmd *cobra.Command, got []string) error {
			return a.submitProposal(cmd.Context(), got[0], key, handovers)
		},
	}
	c.Flags().StringVar(&key, "key", "", "key file of governance, if it is not in the network's folder")
	c.Flags().StringVar(&a.passphrase, "passphrase-file", "", "file with the passphrase of an encrypted --key")
	c.Flags().StringVar(&handovers, "handovers", "", "write the handovers since the genesis into this file")
	return c
}

// submittedJSON is what came of a proposal.
type submittedJSON struct {
	Summary   string            `json:"summary"`
	Validator chain.ValidatorNo `json:"validator"`
	Already   bool              `json:"already"`
	Epoch     chain.Epoch       `json:"epoch"`
	Height    chain.Height      `json:"height"` // the last one of the epoch before
	Members   int               `json:"validators"`
	Quorum    int               `json:"quorum"`
	Handovers string            `json:"handovers,omitempty"`
}

func (a *app) submitProposal(ctx context.Context, file, key, handovers string) error {
	p, err := network.ReadProposal(file)
	if err != nil {
		return err
	}
	s, err := a.dial(ctx)
	if err != nil {
		return err
	}
	defer s.Close()
	if s.trust.ChainID != p.Chain {
		return fault.New(fault.Conflict, "the proposal is for chain %d, this network is chain %d", p.Chain, s.trust.ChainID)
	}
	g := &governed{session: s, key: key}
	if err := g.changeable(ctx); err != nil {
		return err
	}
	before, _, err := g.history(ctx)
	if err != nil {
		return err
	}
	already := before.At(p.Epoch+1) != nil && network.Made(before.At(p.Epoch+1).Membership(), p.Change())
	if !already {
		if err := g.submitApproved(ctx, before, p); err != nil {
			return err
		}
	}
	return g.printSubmitted(ctx, p, already, handovers)
}

// submitApproved submits a proposal of the present epoch that has its approvals.
func (g *governed) submitApproved(ctx context.Context, h *epoch.History, p *network.Proposal) error {
	switch present := h.Current().Epoch(); {
	case p.Epoch != present:
		return fault.Reasoned(fault.Refused, chain.WrongEpoch.String(), "the proposal is for epoch %d, and epoch %d is present: propose the change anew, and have it approved again", p.Epoch, present)
	case p.Missing() > 0:
		return fault.Reasoned(fault.Refused, chain.NotApproved.String(), "%d approvals are missing, a quorum is %d: have them given by `aurigraph validators approve`", p.Missing(), p.Quorum)
	}
	g.app.tell("%s", p.Summary)
	err := g.Change(ctx, p.Change())
	if fault.Is(err, fault.Timeout) {
		g.app.tell("the answer was lost; the next epoch says whether the change was made")
		return nil
	}
	return err
}

// Bounds of the wait for an epoch.
const (
	epochWaitMax = time.Minute
	epochLook    = 200 * time.Millisecond
)

func (g *governed) printSubmitted(ctx context.Context, p *network.Proposal, already bool, handovers string) error {
	waiting, cancel := context.WithTimeout(ctx, epochWaitMax)
	defer cancel()
	h, list, err := g.history(waiting)
	for (err != nil || h.At(p.Epoch+1) == nil) && waiting.Err() == nil {
		await(waiting, epochLook)
		h, list, err = g.history(waiting)
	}
	if err != nil || h.At(p.Epoch+1) == nil {
		return fault.New(fault.Timeout, "epoch %d has not begun within %s, and may yet: run the same command again (%v)", p.Epoch+1, epochWaitMax, err)
	}
	m, end := h.At(p.Epoch+1).Membership(), list[p.Epoch-1]
	if !network.Made(m, p.Change()) {
		return fault.Reasoned(fault.Refused, chain.WrongEpoch.String(), "epoch %d ended by another change: propose this one anew, and have it approved again", p.Epoch)
	}
	if handovers != "" {
		if err := network.WriteHandovers(handovers, list); err != nil {
			return err
		}
	}
	j := submittedJSON{p.Summary, p.Validator, already, m.Epoch, end.Height, len(m.Members), m.Quorum(), handovers}
	return g.app.print(j, func(row func(...any)) {
		row("done", j.Summary)
		row("epoch", fmt.Sprintf("%d, after height %d", j.Epoch, j.Height))
		row("validators", fmt.Sprintf("%d, quorum %d, %d may fail", j.Members, j.Quorum, j.Members-j.Quorum))
		if handovers != "" {
			row("handovers", handovers)
		}
	})
}
