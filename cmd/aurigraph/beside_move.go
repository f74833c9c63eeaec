// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"time"

	"github.com/aurigraph/aurigraph/client"
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/keys"
	"github.com/aurigraph/aurigraph/internal/network"
	"github.com/aurigraph/aurigraph/internal/obs"
	"github.com/aurigraph/aurigraph/internal/router"
	"github.com/aurigraph/aurigraph/internal/router/embedded"
)

// besideGuard is the name under which V10's guard is kept running.
const besideGuard = "v10-guard"

// guardHold is longer than any move takes where all the processes share a few cores.
const guardHold = 10 * time.Second

// Bounds of what follows the homes for the router.
const (
	routesPoll = 50 * time.Millisecond
	routesCall = 3 * time.Second
)

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
	b.keep(besideGuard, first, args)
	return nil
}

func (b *beside) guardArgs() []string {
	n, s := b.network, b.network.Sync
	args := []string{
		"v10", "guard", "--json", "--listen", s.Move.Rest, "--control", s.Move.Control, "--v10", "http://" + s.V10, "--changes", s.ChangesURL(),
		"--hold", guardHold.String(), "--dir", n.Path(s.Move.Dir), "--key", n.Path(s.Move.Key), "--trust", n.GenesisPath(), "--ca", n.Path(n.CA), "--v11-rest", n.REST()[0],
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

// startRouter serves the edge, which clients use, and keeps its map that of the ledger's home table.
func (b *beside) startRouter(ctx context.Context) error {
	n := b.network
	m := n.Sync.Move
	if m == nil {
		return nil
	}
	dir := n.Path(m.Routes)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fault.Wrap(fault.Unavailable, err, "make the router's folder")
	}
	p, err := embedded.New(embedded.Config{Dir: dir, V10: n.Sync.V10URL(), V11: n.REST()[:1], Log: obs.NewLogger(b.logs("router"), slog.LevelWarn)})
	if err != nil {
		return err
	}
	trust, err := n.Trust()
	if err != nil {
		return err
	}
	c, err := client.Dial(ctx, client.Config{Endpoints: n.Validators(), CAFile: n.Path(n.CA), Trust: trust})
	if err != nil {
		return err
	}
	if err := routeOnce(ctx, c, p); err != nil {
		return errors.Join(err, c.Close())
	}
	l, err := net.Listen("tcp", m.Edge)
	if err != nil {
		return errors.Join(fault.Wrap(fault.Unavailable, err, "listen on %s for the edge", m.Edge), c.Close())
	}
	b.kept.Go(func() { b.note(p.Serve(b.running, l)) })
	b.kept.Go(func() {
		defer func() { b.note(c.Close()) }()
		b.keepRouted(c, p)
	})
	return nil
}

// keepRouted follows the homes until all is to stop. A router whose map is old costs a hop, nothing else.
func (b *beside) keepRouted(c *client.Client, d router.Driver) {
	quiet := true
	for b.running.Err() == nil {
		await(b.running, routesPoll)
		err := routeOnce(b.running, c, d)
		if err != nil && quiet && b.running.Err() == nil {
			b.say("the router does not follow the homes for a moment: %v", err)
		}
		quiet = err == nil
	}
}

// routeOnce gives a router the map that the ledger's home table makes.
func routeOnce(ctx context.Context, c *client.Client, d router.Driver) error {
	ctx, cancel := context.WithTimeout(ctx, routesCall)
	defer cancel()
	h, err := c.Homes(ctx)
	if err != nil {
		return err
	}
	present, err := d.Get(ctx)
	if err != nil || present.Version >= h.Version { // a node that is behind tells an older table
		return err
	}
	m := router.Map{Version: h.Version, Cohorts: present.Cohorts}
	if err := m.V11.Set(chain.SlotRange{From: 0, To: chain.SlotsMax - 1}); err != nil {
		return err
	}
	if err := m.V11.Clear(h.V10...); err != nil {
		return err
	}
	return router.Apply(ctx, d, m)
}
