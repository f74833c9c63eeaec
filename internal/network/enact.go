// SPDX-License-Identifier: Apache-2.0

package network

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/config"
	"github.com/aurigraph/aurigraph/internal/epoch"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/keys"
)

func (c *Changer) history(ctx context.Context) (*epoch.History, error) {
	list, err := c.ledger.Handovers(ctx)
	if err != nil {
		return nil, err
	}
	return c.network.History(list)
}

// changeOf is the change that gives a node its number under the keys in its folder, whose names end in suffix.
func (n *Network) changeOf(i int, name, suffix string) (*chain.ChangeValidator, error) {
	cfg, err := config.Load(n.Path(n.Nodes[i].Dir))
	if err != nil {
		return nil, err
	}
	return ChangeOf(chain.ValidatorNo(i), name, cfg.Path(cfg.Keys.Validator)+suffix, cfg.Path(cfg.Keys.Root)+suffix)
}

// ChangeOf is the change that gives a validator its number under the public keys of two key files. No secret is read.
func ChangeOf(no chain.ValidatorNo, name, validatorFile, rootFile string) (*chain.ChangeValidator, error) {
	change := &chain.ChangeValidator{Validator: no, Name: name}
	for _, k := range []struct {
		path   string
		scheme keys.Scheme
		into   *chain.HexBytes
	}{{validatorFile, keys.Ed25519, &change.Ed25519}, {rootFile, keys.MLDSA65, &change.MLDSA65}} {
		public, _, err := keys.Inspect(k.path)
		if err != nil {
			return nil, err
		}
		if public.Scheme() != k.scheme {
			return nil, fault.New(fault.Invalid, "%s is a key of %s, must be one of %s", k.path, public.Scheme(), k.scheme)
		}
		*k.into = public.Bytes()[1:]
	}
	return change, nil
}

// enact has a change made by the ledger, or finds that it was made.
func (c *Changer) enact(ctx context.Context, p *pending, change *chain.ChangeValidator) (*Changed, error) {
	for range changeTriesMax {
		h, err := c.history(ctx)
		if err != nil {
			return nil, err
		}
		m := h.Current().Membership()
		if Made(m, change) {
			done := c.changed(p, m, h)
			c.say("epoch %d begins after height %d: %d validators, quorum %d", done.Epoch, done.Height, done.Members, done.Quorum)
			return done, nil
		}
		if err := c.ask(ctx, m, change); err != nil {
			// For good: the same change again would be refused again. A validator that is held for it is not forgotten.
			if fault.Is(err, fault.Refused) && !p.DataMoved {
				err = errors.Join(err, c.network.removePending())
			}
			return nil, err
		}
		if err := c.awaitEpoch(ctx, m.Epoch+1); err != nil {
			return nil, err
		}
	}
	return nil, fault.New(fault.Conflict, "others changed the membership %d times meanwhile: run the command again", changeTriesMax)
}

// Made reports whether a membership is as a change makes it.
func Made(m *chain.Membership, change *chain.ChangeValidator) bool {
	member := m.Find(change.Validator)
	if change.Removes() {
		return member == nil
	}
	return member != nil && slices.Equal(member.Ed25519, change.Ed25519) && slices.Equal(member.MLDSA65, change.MLDSA65)
}

// ask proposes a change, has it approved and submits it. That another change came first is no error.
func (c *Changer) ask(ctx context.Context, m *chain.Membership, change *chain.ChangeValidator) error {
	proposal, err := NewProposal(c.network.Chain, m, change)
	if err != nil {
		return err
	}
	c.say("%s", proposal.Summary)
	if err := c.approve(proposal); err != nil {
		return err
	}
	c.say("%d of %d validators approve; governance submits the change", len(proposal.Approvals), len(m.Members))
	err = c.ledger.Change(ctx, proposal.Change())
	switch reason := fault.ReasonOf(err); {
	case reason == chain.WrongEpoch.String() || reason == chain.EpochEnding.String():
		return nil
	case fault.Is(err, fault.Timeout):
		c.say("the answer was lost; the next epoch says whether the change was made")
		return nil
	}
	return err
}

// approve gathers a quorum's approvals, that of the validator in question last: its key may be gone.
func (c *Changer) approve(p *Proposal) error {
	var missing []error
	others := slices.DeleteFunc(slices.Clone(p.Members), func(m ProposalMember) bool { return m.Number == p.Validator })
	all := others
	if len(others) < len(p.Members) {
		all = append(all, ProposalMember{Number: p.Validator})
	}
	for _, m := range all {
		if p.Missing() == 0 {
			return nil
		}
		signer, err := c.network.validatorKey(int(m.Number))
		if err == nil {
			_, err = p.Approve(signer)
		}
		if err != nil {
			missing = append(missing, fmt.Errorf("validator %d: %w", m.Number, err))
		}
	}
	if p.Missing() == 0 {
		return nil
	}
	return fault.Wrap(fault.Denied, errors.Join(missing...), "%d of %d approvals cannot be given here: use `aurigraph validators propose`, and have each operator approve", p.Missing(), p.Quorum)
}

// validatorKey reads the key with which a validator approves.
func (n *Network) validatorKey(i int) (keys.Signer, error) {
	if i >= len(n.Nodes) {
		return nil, fault.New(fault.NotFound, "it has no folder in %s", n.Dir)
	}
	return ValidatorKey(n.Path(n.Nodes[i].Dir))
}
