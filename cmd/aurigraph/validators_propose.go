// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/network"
)

// proposeFlags is what is proposed.
type proposeFlags struct {
	admit         bool
	rekey, remove string
	name, keys    string
}

func newValidatorsPropose(a *app) *cobra.Command {
	var f proposeFlags
	c := &cobra.Command{
		Use:   "propose FILE",
		Short: "Write a change of the validators into a file, for their operators to approve",
		Long: `Asks a node who validates now, and writes a change of that into FILE: to admit a validator under the next number, to give one
new keys, or to remove one. It changes nothing yet. FILE goes from operator to operator, who approve it by "aurigraph validators
approve"; with a quorum of approvals whoever has governance's key submits it. It can be made in the present epoch only.

--keys names the folder of the new keys, validator.key and validator-root.key. They are made there if they are not there yet,
unencrypted; FILE gets the public ones. They are for the operator of that validator alone: it is who should propose.`,
		Example: `  aurigraph validators propose change.json --admit --name berlin --keys /srv/aurigraph/keys
  aurigraph validators propose change.json --rekey 2 --keys new-keys --endpoint b.example:7450 --trust genesis.json --ca ca.pem
  aurigraph validators propose change.json --remove node3`,
		Args: args("FILE"),
		RunE: func(cmd *cobra.Command, got []string) error {
			if err := f.check(cmd); err != nil {
				return err
			}
			return a.propose(cmd.Context(), got[0], f)
		},
	}
	c.Flags().BoolVar(&f.admit, "admit", false, "admit a validator under the next number")
	c.Flags().StringVar(&f.rekey, "rekey", "", "give this validator, by number or name, new keys")
	c.Flags().StringVar(&f.remove, "remove", "", "remove this validator, by number or name")
	c.Flags().StringVar(&f.name, "name", "", "with --admit: its name, up to 64 bytes")
	c.Flags().StringVar(&f.keys, "keys", "", "with --admit or --rekey: folder of the new keys")
	return c
}

func (f *proposeFlags) check(cmd *cobra.Command) error {
	changed := cmd.Flags().Changed
	asked := 0
	for _, name := range []string{"admit", "rekey", "remove"} {
		if changed(name) {
			asked++
		}
	}
	switch {
	case asked != 1:
		return usage(cmd, "give one of --admit, --rekey ID and --remove ID")
	case f.admit && f.name == "":
		return usage(cmd, "--admit needs the validator's --name")
	case !f.admit && changed("name"):
		return usage(cmd, "--name goes with --admit: a validator keeps its name")
	case f.remove == "" && f.keys == "":
		return usage(cmd, "name the folder of the new keys with --keys DIR")
	case f.remove != "" && f.keys != "":
		return usage(cmd, "--keys goes with --admit or --rekey: who is removed needs none")
	}
	return nil
}

// proposalJSON is a proposal at a glance.
type proposalJSON struct {
	File      string            `json:"file"`
	Summary   string            `json:"summary"`
	Epoch     chain.Epoch       `json:"epoch"`
	Validator chain.ValidatorNo `json:"validator"`
	Hash      string            `json:"change_hash"`
	Quorum    int               `json:"quorum"`
	Approved  []string          `json:"approved"` // names
	Missing   int               `json:"missing"`
}

func (a *app) printProposal(file string, p *network.Proposal) error {
	j := proposalJSON{File: file, Summary: p.Summary, Epoch: p.Epoch, Validator: p.Validator, Hash: p.Hash, Quorum: p.Quorum, Approved: []string{}, Missing: p.Missing()}
	for _, x := range p.Approvals {
		i := slices.IndexFunc(p.Members, func(m network.ProposalMember) bool { return m.Number == x.Validator })
		j.Approved = append(j.Approved, p.Members[i].Name)
	}
	return a.print(j, func(row func(...any)) {
		row("change", j.Summary)
		row("hash", j.Hash)
		row("approved", fmt.Sprintf("by %d of %d, a quorum is %d: %s", len(j.Approved), len(p.Members), j.Quorum, orDash(strings.Join(j.Approved, ", "), len(j.Approved) > 0)))
		next := []string{a.self, "validators", "submit", file}
		if j.Missing > 0 {
			next = []string{a.self, "validators", "approve", file, "--dir", "NODE"}
		}
		row("next", shellLine(next...))
	})
}

func (a *app) propose(ctx context.Context, file string, f proposeFlags) error {
	if _, err := os.Lstat(file); !errors.Is(err, os.ErrNotExist) {
		return fault.New(fault.Conflict, "%s is there already, and may have approvals: choose another name or remove it", file)
	}
	s, err := a.dial(ctx)
	if err != nil {
		return err
	}
	defer s.Close()
	g := &governed{session: s}
	if err := g.changeable(ctx); err != nil {
		return err
	}
	h, _, err := g.history(ctx)
	if err != nil {
		return err
	}
	m := h.Current().Membership()
	change, err := f.change(m)
	if err != nil {
		return err
	}
	p, err := network.NewProposal(s.trust.ChainID, m, change)
	if err != nil {
		return err
	}
	if err := p.Write(file); err != nil {
		return err
	}
	return a.printProposal(file, p)
}

// change is what the flags ask for.
func (f *proposeFlags) change(m *chain.Membership) (*chain.ChangeValidator, error) {
	if f.remove != "" {
		x, err := memberNamed(m, f.remove)
		if err != nil {
			return nil, err
		}
		return &chain.ChangeValidator{Validator: x.No}, nil
	}
	no, name := chain.ValidatorNo(m.Size()), f.name
	if f.rekey != "" {
		x, err := memberNamed(m, f.rekey)
		if err != nil {
			return nil, err
		}
		no, name = x.No, x.Name
	} else if no >= chain.ValidatorsMax {
		no = vacantNumber(m)
	}
	if err := network.MakeValidatorKeys(f.keys); err != nil {
		return nil, err
	}
	return network.ChangeOf(no, name, filepath.Join(f.keys, network.ValidatorKeyName), filepath.Join(f.keys, network.RootKeyName))
}

// vacantNumber is the lowest number that no member has; ValidatorsMax if there is none, which the ledger would refuse.
func vacantNumber(m *chain.Membership) chain.ValidatorNo {
	v := chain.ValidatorNo(0)
	for v < chain.ValidatorsMax && m.Find(v) != nil {
		v++
	}
	return v
}

func memberNamed(m *chain.Membership, id string) (*chain.Member, error) {
	for i := range m.Members {
		if x := &m.Members[i]; x.Name == id || strconv.Itoa(int(x.No)) == id {
			return x, nil
		}
	}
	return nil, fault.New(fault.NotFound, "epoch %d has no validator %q: see `aurigraph validators`", m.Epoch, id)
}
