// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"time"

	"github.com/aurigraph/aurigraph/client"
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/keys"
	"github.com/aurigraph/aurigraph/internal/network"
)

// besideGuard is the name under which V10's guard is kept running.
const besideGuard = "v10-guard"

// guardHold is longer than any move takes where all the processes share a few cores.
const guardHold = 10 * time.Second

// besideController is the name under which the migration's controller is kept running.
const besideController = "migration"

// startGuard has governance name who moves slots, and starts the guard, which is V10's door from then on.
func (b *beside) startGuard(ctx context.Context) error {
	m := b.network.Sync.Move
	if m == nil {
		return nil
	}
	if err := b.app.nameMover(ctx, b.network); err != nil {
		return err
	}
	args := b.guardArgs()
	first, err := b.launch(besideGuard, args...)
	if err == nil {
		err = first.AwaitReady(ctx)
	}
	if err != nil {
		return err
	}
	b.keepV10(besideGuard, first, args)
	return nil
}

func (b *beside) guardArgs() []string {
	n, s := b.network, b.network.Sync
	args := []string{
		"v10", "guard", "--json", "--listen", s.Move.Rest, "--control", s.Move.Control, "--v10", "http://" + s.V10, "--changes", s.ChangesURL(),
		"--hold", guardHold.String(), "--dir", n.Path(s.Move.Dir), "--key", n.Path(s.Move.Key), "--alias-key", n.Path(n.V10.AliasKey), "--trust", n.GenesisPath(), "--ca", n.Path(n.CA), "--v11-rest", n.REST()[0],
	}
	for _, address := range n.Validators() {
		args = append(args, "--v11", address)
	}
	return args
}

// nameMover has the ledger know the key that moves slots and the guard's, if it does not.
func (a *app) nameMover(ctx context.Context, n *network.Network) error {
	s := &session{app: a, network: n}
	var err error
	if s.trust, err = n.Trust(); err != nil {
		return err
	}
	if s.Client, err = client.Dial(ctx, client.Config{Endpoints: n.Validators(), CAFile: n.Path(n.CA), Trust: s.trust}); err != nil {
		return err
	}
	defer s.Close()
	public, _, err := keys.Inspect(n.Path(n.Sync.Move.Key))
	if err != nil {
		return err
	}
	want := chain.SetMover{Guard: [chain.Ed25519KeyBytes]byte(public.Bytes()[1:])}
	if want.Mover, err = s.delegatedKey(ctx, chain.InstitutionNo(n.Institution.ID), n.Path(n.Sync.Move.Mover)); err != nil {
		return err
	}
	for range inboxTriesMax {
		h, err := s.Homes(ctx)
		if err != nil || h.Mover == want.Mover && h.Guard == want.Guard {
			return err
		}
		if err := s.asGovernance(ctx, "", &want); err != nil && !fault.Is(err, fault.Timeout) { // whether it was done, the table says
			return err
		}
	}
	return fault.New(fault.Timeout, "it is not known whether the ledger knows who moves slots: run `aurigraph up` again")
}

// startController starts what drives the migration. Without a plan it waits for one.
func (b *beside) startController() error {
	if b.network.Sync.Move == nil {
		return nil
	}
	args := []string{"migrate", "run", "--json", "--network", b.network.Dir, "--metrics", b.network.Sync.Move.Metrics}
	if err := b.network.WriteScrapes(); err != nil {
		return err
	}
	first, err := b.launch(besideController, args...)
	if err == nil {
		b.keep(besideController, first, args)
	}
	return err
}
