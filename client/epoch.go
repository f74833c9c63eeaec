// SPDX-License-Identifier: Apache-2.0

package client

import (
	"context"

	ledgerv1 "github.com/aurigraph/aurigraph/gen/aurigraph/ledger/v1"
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/epoch"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// ReasonUnknownEpoch is the reason of an error about a header of a membership epoch that the Verifier was not told of.
const ReasonUnknownEpoch = "unknown_epoch"

// Extend checks a handover and takes the validators of the epoch that it begins. Handovers come in order; one that was taken
// before is checked again. One that does not prove what it says is Corrupt, and changes nothing.
func (v *Verifier) Extend(p *ProvedHandover) error {
	err := v.history.Extend(p)
	if !fault.Is(err, fault.Conflict) {
		return notProved(err)
	}
	before := v.history.At(p.Next.Epoch - 1)
	if before == nil {
		return unproved(epoch.ReasonOtherEpoch, "no handover begins epoch %d", p.Next.Epoch)
	}
	if end, _ := v.history.End(p.Next.Epoch - 1); codec.HandoverHash(&end) != codec.HandoverHash(&p.Handover) {
		return unproved(epoch.ReasonHandover, "epoch %d ended otherwise, at height %d", p.Next.Epoch-1, end.Height)
	}
	return notProved(before.VerifyHandover(p))
}

// Epoch is the newest membership epoch that the Verifier knows.
func (v *Verifier) Epoch() Epoch { return v.history.Current().Epoch() }

// Members are who validates in that epoch. It is shared: do not change it.
func (v *Verifier) Members() *Membership { return v.history.Current().Membership() }

// Handovers lists what a node has of the handovers by which the membership epochs from one on began, in order: all, if from is
// at most 2. With Trust they are verified, and the Client goes on with them; what does not verify is Corrupt.
func (c *Client) Handovers(ctx context.Context, from Epoch) ([]*ProvedHandover, error) {
	if c.verifier != nil && from > c.verifier.Epoch()+1 {
		if _, err := c.handovers(ctx, c.verifier.Epoch()+1); err != nil {
			return nil, err
		}
	}
	return c.handovers(ctx, max(from, chain.FirstHandover))
}

// handovers asks until a node has no more. Every answer but the last takes the list on, and with Trust there is nothing on it
// that was not proved, so that a node cannot go on for ever.
func (c *Client) handovers(ctx context.Context, from Epoch) (list []*ProvedHandover, err error) {
	for {
		a, err := read(ctx, c, c.ledger.ListHandovers, &ledgerv1.ListHandoversRequest{FromEpoch: uint64(from)})
		if err != nil || len(a.Handovers) == 0 {
			return list, err
		}
		for _, raw := range a.Handovers {
			p, err := codec.DecodeProvedHandover(raw)
			if err != nil {
				return nil, fault.Wrap(fault.Corrupt, err, "a handover")
			}
			if p.Next.Epoch != from {
				return nil, unproved("broken_chain", "the node answered with the handover to epoch %d for %d", p.Next.Epoch, from)
			}
			if c.verifier != nil {
				if err := c.verifier.Extend(p); err != nil {
					return nil, err
				}
			}
			list, from = append(list, p), from+1
		}
	}
}

// prove runs a check, and if it fails for an epoch that is not known, learns of that epoch and runs the check again. Any node
// may be asked, and may be behind the one that answered, or lie; so several are.
func (c *Client) prove(ctx context.Context, check func(*Verifier) error) error {
	known := c.verifier.Epoch()
	err := check(c.verifier)
	for tries := 0; ReasonOf(err) == ReasonUnknownEpoch; tries++ {
		learnErr := c.learn(ctx, known)
		known = c.verifier.Epoch()
		if err = check(c.verifier); ReasonOf(err) != ReasonUnknownEpoch {
			break
		}
		if tries >= c.cfg.RetriesMax || pause(ctx, tries) != nil {
			if learnErr != nil {
				return learnErr
			}
			break
		}
	}
	return err
}

// learn follows the handovers behind an epoch as far as a node has them. One goroutine does so at a time.
func (c *Client) learn(ctx context.Context, known Epoch) error {
	select {
	case c.following <- struct{}{}:
		defer func() { <-c.following }()
	case <-ctx.Done():
		return fault.Wrap(fault.Timeout, ctx.Err(), "wait for the validators of a new epoch")
	}
	if c.verifier.Epoch() > known {
		return nil // another goroutine did
	}
	_, err := c.handovers(ctx, known+1)
	return err
}
