// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/network"
	"github.com/aurigraph/aurigraph/internal/node"
	"github.com/aurigraph/aurigraph/internal/server/admin"
	"github.com/aurigraph/aurigraph/internal/sync/bus"
	"github.com/aurigraph/aurigraph/internal/sync/control"
	"github.com/aurigraph/aurigraph/internal/sync/v10port"
)

// halfAskMax bounds one round of questions to the halves of a sync.
const halfAskMax = 5 * time.Second

// syncSocket is where V10's half of a network's sync answers who operates it.
func syncSocket(n *network.Network) string { return n.Path(network.SyncSocket) }

// halfFlags say where the halves of a sync are, for who has no network's folder.
type halfFlags struct {
	sockets []string
	port    string
	bus     busFlags
}

func (f *halfFlags) addSockets(c *cobra.Command) {
	c.Flags().StringArrayVar(&f.sockets, "socket", nil, "socket of a half: a validator's admin.sock, or that of \"sync v10 --admin\"; may be repeated")
}

func (f *halfFlags) addPort(c *cobra.Command) {
	c.Flags().StringVar(&f.port, "port", "", "URL at which V10 serves its change log")
}

func (f *halfFlags) addBus(c *cobra.Command) {
	f.bus.add(c)
	c.Flags().Lookup("brokers").Usage = "some of the brokers, host:port,…"
	c.Flags().StringArrayVar(&f.bus.cfg.KeyFiles, "sync-key", nil, "file of a sync key, mode 0600; may be repeated")
}

// explicit reports whether anything was named apart from a network's folder.
func (f *halfFlags) explicit(a *app) bool {
	return a.endpoint != "" || len(f.sockets) > 0 || f.port != "" || len(f.bus.cfg.Brokers) > 0
}

// halves are the two sides of a sync, as far as they can be reached from here.
type halves struct {
	network *network.Network // nil: all was named
	list    []*halfAt
	port    *v10port.Client // nil: V10 is not asked
	bus     bus.Config      // without brokers: the letters are not read
}

// halfAt is a half behind its socket.
type halfAt struct {
	Name   string
	client *admin.Client
	said   *control.Half // nil: it does not answer, or is none; then err says why
	err    error
}

// findHalves finds the halves of a sync: as named, or those of the network in --network.
func (a *app) findHalves(f *halfFlags) (*halves, error) {
	h := &halves{bus: f.bus.cfg}
	if f.explicit(a) {
		for _, path := range f.sockets {
			h.list = append(h.list, &halfAt{Name: path, client: admin.Dial(path)})
		}
		if f.port != "" {
			h.port = v10port.NewClient(f.port, nil)
		}
		return h, nil
	}
	n, err := a.syncedNetwork()
	if err != nil {
		return nil, err
	}
	h.network = n
	for _, x := range n.Nodes {
		if !x.Left() {
			h.list = append(h.list, &halfAt{Name: x.ID, client: admin.Dial(admin.SocketPath(n.Path(x.Dir)))})
		}
	}
	h.list = append(h.list, &halfAt{Name: "sync v10", client: admin.Dial(syncSocket(n))})
	h.port = v10port.NewClient(n.Sync.ChangesURL(), nil)
	h.bus = bus.Config{Brokers: []string{n.Sync.Kafka}, Prefix: n.Sync.Prefix, KeyFiles: []string{n.Path(n.Sync.Key)}}
	return h, nil
}

func (h *halves) close() {
	if h.port != nil {
		h.port.Close()
	}
}

// ask asks all halves at once. Validators without one are left out.
func (h *halves) ask(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, halfAskMax)
	defer cancel()
	var asking sync.WaitGroup
	for _, x := range h.list {
		asking.Go(func() { x.said, x.err = x.client.SyncStatus(ctx) })
	}
	asking.Wait()
	with := h.list[:0:0]
	for _, x := range h.list {
		if x.said != nil || !fault.Is(x.err, fault.NotFound) {
			with = append(with, x)
		}
	}
	h.list = with
}

// stateRanks say which half's word counts where several apply the same direction: one that is held, or closed, is so everywhere a
// moment later.
var stateRanks = map[string]int{
	control.StateClosed: 7, control.StateHeld: 6, control.StateApplying: 5, control.StateCopying: 4, control.StateTrying: 3, control.StateTrouble: 2, control.StateStarting: 1,
}

// applier is the half that speaks for a direction, v10 or v11 by whose changes; nil: none answers.
func (h *halves) applier(direction string) (best *halfAt) {
	for _, x := range h.list {
		if x.said == nil || x.said.Apply.Direction != direction {
			continue
		}
		if best == nil || stateRanks[x.said.Apply.State] > stateRanks[best.said.Apply.State] {
			best = x
		}
	}
	return best
}

// capturer is the half that tells of a ledger's changes; nil: none answers.
func (h *halves) capturer(direction string) (best *control.Capture) {
	for _, x := range h.list {
		if x.said != nil && x.said.Capture.Direction == direction && (best == nil || stateRanks[x.said.Capture.State] > stateRanks[best.State]) {
			best = x.said.Capture
		}
	}
	return best
}

// held is the change of a direction that waits for a person, or why there is none.
func (h *halves) held(ctx context.Context, direction string) (*control.Held, error) {
	h.ask(ctx)
	x := h.applier(direction)
	switch {
	case x == nil:
		return nil, h.silent(direction)
	case x.said.Apply.State != control.StateHeld || x.said.Apply.Held == nil:
		return nil, control.NotHeld(direction)
	}
	return x.said.Apply.Held, nil
}

// silent says that nobody who applies a direction answers.
func (h *halves) silent(direction string) error {
	where := map[string]string{"v10": "a validator that syncs", "v11": "V10's half, `aurigraph sync v10`"}[direction]
	for _, x := range h.list {
		if x.err != nil && fault.ReasonOf(x.err) != node.ReasonNoSync {
			return fault.New(fault.Unavailable, "%s does not answer: %v", where, x.err)
		}
	}
	return fault.New(fault.Unavailable, "%s does not answer: start it, or name its socket with --socket", where)
}

// direction reads an argument that says whose changes are meant.
func direction(cmd *cobra.Command, text string) error {
	if text != "v10" && text != "v11" {
		return usage(cmd, "%q is no direction: v10 is of V10's changes, applied to V11; v11 of V11's, applied to V10", text)
	}
	return nil
}
