// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/aurigraph/aurigraph/client"
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/keys"
	"github.com/aurigraph/aurigraph/internal/network"
	"github.com/aurigraph/aurigraph/internal/sync/envelope"
	"github.com/aurigraph/aurigraph/internal/sync/v10port"
)

// copyBegins is where the inbox is opened for a V10 of which nothing is here yet: the initial copy's changes come behind it.
var copyBegins = chain.SyncPosition{Minor: 1}

// inboxTriesMax bounds the looks at an inbox that somebody else opens at the same time.
const inboxTriesMax = 3

func newSyncStart(a *app) *cobra.Command {
	return online(a, &cobra.Command{
		Use:   "start",
		Short: "Let V10's changes into a V11, as governance",
		Long: `Opens the inbox of the network in --network for the V10 that its description names: from then on its validators take V10's
changes, first those of the initial copy. "aurigraph up" does it by itself. V10 says who it is where it serves its change log, so
that must run. Again it changes nothing.

An inbox that is open for another V10, or for an earlier life of this one, is left as it is: a V10 that was restored from a backup
is let in only by somebody who compared both ledgers (docs/runbooks/divergence.md).

Exit codes: 0 it is open; 1 V10 or the network does not answer; 2 refused; 3 it is not known whether it was opened: run it again.`,
		Example: `  aurigraph sync start
  aurigraph sync start --network /srv/trial --json`,
		Args: args(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			n, err := a.syncedNetwork()
			if err != nil {
				return err
			}
			port := v10port.NewClient("http://"+n.Sync.Changes, nil)
			defer port.Close()
			life, _, err := port.Head(cmd.Context())
			if err != nil {
				return err
			}
			if err := a.openInbox(cmd.Context(), n, life); err != nil {
				return err
			}
			j := startedJSON{Open: true, Ledger: n.Sync.Ledger, Incarnation: life.String(), Life: firstLife}
			return a.print(j, func(row func(...any)) {
				row("inbox", fmt.Sprintf("open for V10 %s, life %d (%s)", j.Ledger, j.Life, j.Incarnation))
			})
		},
	})
}

// startedJSON says for whom the inbox is open.
type startedJSON struct {
	Open        bool   `json:"open"`
	Ledger      string `json:"ledger"`
	Incarnation string `json:"incarnation"`
	Life        uint32 `json:"life"`
}

// syncedNetwork opens the network of --network, which must be one that is kept in step with a V10.
func (a *app) syncedNetwork() (*network.Network, error) {
	if a.endpoint != "" {
		return nil, &usageError{errors.New("this needs the network's folder, --network: V10's addresses and the keys are there")}
	}
	n, err := network.Open(a.network)
	if err != nil {
		return nil, err
	}
	if n.Sync == nil {
		return nil, fault.New(fault.NotFound, "the network in %s is kept in step with no V10: make one that is with `aurigraph up --with-v10`", n.Dir)
	}
	return n, nil
}

// firstLife is the life of a V10 that nobody restored.
const firstLife = 1

// openInbox has governance open a network's inbox for its V10, which lives as incarnation. One that is open for it is left as it is.
func (a *app) openInbox(ctx context.Context, n *network.Network, incarnation envelope.Incarnation) error {
	s := &session{app: a, network: n}
	var err error
	if s.trust, err = n.Trust(); err != nil {
		return err
	}
	if s.Client, err = client.Dial(ctx, client.Config{Endpoints: n.Validators(), CAFile: n.Path(n.CA), Trust: s.trust}); err != nil {
		return err
	}
	defer s.Close()
	want := chain.OpenInbox{
		Ledger: chain.Hash(envelope.V10Ledger(n.Sync.Ledger)), Incarnation: incarnation, Life: firstLife,
		Institution: chain.InstitutionNo(n.Institution.ID), Position: copyBegins,
	}
	if want.Key, err = s.delegatedKey(ctx, want.Institution, n.Path(n.Sync.Signer)); err != nil {
		return err
	}
	for range inboxTriesMax {
		in, err := s.Inbox(ctx)
		if err != nil {
			return err
		}
		if in.Life != 0 {
			return openFor(in, &want)
		}
		err = s.asGovernance(ctx, "", &want)
		// Somebody was quicker, or the answer was lost: the inbox says.
		if err != nil && fault.ReasonOf(err) != chain.InboxElsewhere.String() && !fault.Is(err, fault.Timeout) {
			return err
		}
	}
	return fault.New(fault.Timeout, "it is not known whether the inbox was opened: run `aurigraph sync start` again")
}

// openFor says why an inbox is not open as wanted, or nil.
func openFor(in *client.Inbox, want *chain.OpenInbox) error {
	switch {
	case in.Ledger != want.Ledger:
		return fault.Reasoned(fault.Conflict, envelope.ReasonForeignLedger, "the inbox is open for another V10, %s", in.Ledger)
	case in.Life != want.Life || in.Incarnation != want.Incarnation:
		return fault.Reasoned(fault.Conflict, envelope.ReasonOtherIncarnation,
			"the inbox is open for life %d of V10 (%x), and V10 lives as %x: it was restored from a copy; compare both ledgers first (docs/runbooks/divergence.md)",
			in.Life, in.Incarnation, want.Incarnation)
	case in.Institution != want.Institution || in.Key != want.Key:
		return fault.New(fault.Conflict, "the inbox is open for key %d of institution %d, and the network's folder has key %d", in.Key, in.Institution, want.Key)
	}
	return nil
}

// delegatedKey finds the number under which the ledger knows a key of an institution.
func (s *session) delegatedKey(ctx context.Context, institution chain.InstitutionNo, file string) (chain.KeyNo, error) {
	public, _, err := keys.Inspect(file)
	if err != nil {
		return 0, err
	}
	in, err := s.Institution(ctx, institution, 0)
	if err != nil {
		return 0, err
	}
	for _, k := range in.Keys {
		if k.Active && string(k.Public) == string(public.Bytes()) {
			return k.Number, nil
		}
	}
	return 0, fault.New(fault.NotFound, "the key in %s is no active one of institution %d: have the institution delegate to it", file, institution)
}
