// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"sync"

	"github.com/aurigraph/aurigraph/client"
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/config"
	"github.com/aurigraph/aurigraph/internal/epoch"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/ledger"
	"github.com/aurigraph/aurigraph/internal/network"
)

// governed is a session that changes the membership for governance.
type governed struct {
	*session
	key   string                  // file of a key of governance; empty: the one in the network's folder
	known []*chain.ProvedHandover // since the genesis; a node that is behind may have fewer
}

// Handovers are all since the genesis, which the client has verified.
func (g *governed) Handovers(ctx context.Context) ([]*chain.ProvedHandover, error) {
	more, err := g.session.Handovers(ctx, chain.Epoch(len(g.known))+chain.FirstHandover)
	g.known = append(g.known, more...)
	return slices.Clone(g.known), err
}

// Change submits a change as governance.
func (g *governed) Change(ctx context.Context, change *chain.ChangeValidator) error {
	return g.asGovernance(ctx, g.key, change)
}

// asGovernance submits a transaction of governance, signed with the key in keyFile; empty: the one in the network's folder.
func (s *session) asGovernance(ctx context.Context, keyFile string, body chain.Body) error {
	in, err := s.Institution(ctx, ledger.Governance, 0)
	if err != nil {
		return err
	}
	house, err := s.Account(ctx, client.AccountName{Number: in.House}, 0, false)
	if err != nil {
		return err
	}
	by, err := s.actorFor(ctx, house, keyFile)
	if err != nil {
		return err
	}
	_, err = s.submit(ctx, by, body)
	return err
}

// Serving lists the validators that say that they serve in an epoch.
func (g *governed) Serving(ctx context.Context, e chain.Epoch) (list []chain.ValidatorNo) {
	n, err := network.Open(g.network.Dir) // as it is now: a newcomer has just been added
	if err != nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, askMax)
	defer cancel()
	cfg := client.Config{CAFile: n.Path(n.CA), Trust: g.trust}
	var mu sync.Mutex
	var asking sync.WaitGroup
	for _, endpoint := range n.Validators() {
		asking.Go(func() {
			s, err := client.StatusOf(ctx, cfg, endpoint)
			if err != nil || s.Epoch != e || s.State != client.StateLeader && s.State != client.StateFollower {
				return
			}
			mu.Lock()
			defer mu.Unlock()
			list = append(list, chain.ValidatorNo(s.Validator))
		})
	}
	asking.Wait()
	slices.Sort(list)
	return slices.Compact(list)
}

// changeable refuses a network of one validator that orders alone: it cannot go on with others.
func (g *governed) changeable(ctx context.Context) error {
	s, err := g.Status(ctx)
	if err != nil {
		return err
	}
	if s.Engine == config.EngineSolo {
		return fault.New(fault.Refused, "the network has one validator that orders alone (engine solo), and cannot change its membership: make one of several with `aurigraph up --validators 4`")
	}
	return nil
}

// history is who validated when, proved from the genesis.
func (g *governed) history(ctx context.Context) (*epoch.History, []*chain.ProvedHandover, error) {
	list, err := g.Handovers(ctx)
	if err != nil {
		return nil, nil, err
	}
	if g.network != nil {
		h, err := g.network.History(list)
		return h, list, err
	}
	text, err := os.ReadFile(g.app.trust)
	if err != nil {
		return nil, nil, fault.Wrap(fault.Invalid, err, "read --trust")
	}
	h, err := network.HistoryOf(text, list)
	return h, list, err
}

// tell says on standard output what is done, for people.
func (a *app) tell(format string, args ...any) {
	if !a.json {
		fmt.Fprintf(a.out, format+"\n", args...)
	}
}

// changeHere makes a change of a network whose keys lie in its folder.
func (a *app) changeHere(ctx context.Context, change func(*network.Changer) (*network.Changed, error)) error {
	if a.endpoint != "" {
		return &usageError{fmt.Errorf("this changes a network whose folder is here, --network: with --endpoint use `aurigraph validators propose`, approve and submit")}
	}
	s, err := a.dial(ctx)
	if err != nil {
		return err
	}
	defer s.Close()
	done, err := change(network.NewChanger(s.network, &governed{session: s}, a.tell))
	if err != nil {
		return err
	}
	return a.print(done, func(row func(...any)) { changedTable(done, row) })
}

func changedTable(d *network.Changed, row func(...any)) {
	words := map[string]string{"add": "joined", "remove": "left", "rekey": "has new keys"}
	row("validator", fmt.Sprintf("%d, %s, %s", d.Validator, d.ID, words[d.Change]))
	row("folder", d.Dir)
	row("epoch", fmt.Sprintf("%d, after height %d", d.Epoch, d.Height))
	row("validators", fmt.Sprintf("%d, quorum %d, %d may fail", d.Members, d.Quorum, d.Members-d.Quorum))
	for _, f := range d.OldFiles {
		row("replaced", f+" (remove it when you do not need it any more)")
	}
}
