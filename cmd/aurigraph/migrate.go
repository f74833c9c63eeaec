// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/aurigraph/aurigraph/client"
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/migrate"
	"github.com/aurigraph/aurigraph/internal/network"
	"github.com/aurigraph/aurigraph/internal/router"
)

func newMigrate(a *app) *cobra.Command {
	c := group("migrate", "Take the clients of a running V10 to V11, step by step, and back",
		newMigrateInit(a), newMigratePlan(a), newMigrateStart(a), newMigrateStatus(a), newMigrateExplain(a), newMigrateReport(a), newMigratePromote(a), newMigratePause(a), newMigrateResume(a), newMigrateApprove(a),
		newMigrateRollback(a), newMigrateDrill(a), newMigrateVerify(a), newMigrateCutover(a), newMigrateClose(a), newMigrateArchive(a), newMigrateNotify(a), newMigrateStop(a), newMigrateCleanup(a),
		newMigrateFailback(a), newMigrateRun(a), newMigrateMove(a), newMigrateAbort(a),
	)
	c.Long = `Each account of V10's has a slot, and each slot one home: the ledger that may debit it. A move gives slots the other home,
while clients go on: payments of a slot that moves wait for a moment, and are made once. What the ledgers did on either side
comes along by the sync. "aurigraph up --with-v10" runs all that this needs; docs/life-of-a-move.md says how it works.

A migration is a plan and a journal: "init" writes the plan, "start" begins, and the controller goes on by itself, step by
step, until a gate wants a person. It goes back by itself where its judge or an alarm says so. "move" and "abort" are what it
does one by one, for a network without a plan.`
	c.Example = `  aurigraph migrate init --plan plan.yaml
  aurigraph migrate start
  aurigraph migrate status -w
  aurigraph migrate explain
  aurigraph migrate rollback --why "complaints from branch 12"`
	return c
}

// mover makes a mover of the network's folder. The caller closes it.
func (a *app) mover(ctx context.Context, n *network.Network, note func(migrate.Action)) (m *migrate.Mover, c *client.Client, err error) {
	s := n.Sync
	if s == nil || s.Move == nil {
		return nil, nil, fault.New(fault.Invalid, "the network in %s has no V10 whose accounts could move: make one with `aurigraph up --with-v10 --network NEW`", n.Dir)
	}
	trust, err := n.Trust()
	if err != nil {
		return nil, nil, err
	}
	signer, err := client.ReadKeyFile(n.Path(s.Move.Mover), nil)
	if err != nil {
		return nil, nil, err
	}
	if c, err = client.Dial(ctx, client.Config{Endpoints: n.Validators(), CAFile: n.Path(n.CA), Trust: trust}); err != nil {
		return nil, nil, err
	}
	ledger, err := migrate.NewChain(ctx, c, n.Chain, chain.InstitutionNo(n.Institution.ID), signer)
	if err != nil {
		c.Close()
		return nil, nil, err
	}
	return migrate.New(ledger, migrate.NewControl("http://"+s.Move.Control), migrate.Config{Note: note}), c, nil
}

// parseSlots reads ranges as people write them: 0-99,250.
func parseSlots(text string) (s router.Slots, err error) {
	bad := func() (router.Slots, error) {
		return s, fault.New(fault.Invalid, "%.60q are no slots: write them like 0-99,250, up to %d", text, chain.SlotNone-1)
	}
	for _, one := range strings.Split(text, ",") {
		first, last, ranged := strings.Cut(one, "-")
		if !ranged {
			last = first
		}
		from, err := strconv.ParseUint(first, 10, 16)
		if err != nil {
			return bad()
		}
		to, err := strconv.ParseUint(last, 10, 16)
		if err != nil {
			return bad()
		}
		if err := s.Set(chain.SlotRange{From: uint16(from), To: uint16(to)}); err != nil {
			return bad()
		}
	}
	return s, nil
}
