// SPDX-License-Identifier: Apache-2.0

package node

import (
	"context"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/history"
	"github.com/aurigraph/aurigraph/internal/intake"
	"github.com/aurigraph/aurigraph/internal/query"
	"github.com/aurigraph/aurigraph/internal/subscribe"
	"github.com/aurigraph/aurigraph/internal/sync/applier"
	"github.com/aurigraph/aurigraph/internal/sync/chainlog"
)

// syncChain is this node's ledger as both halves of the sync with V10 see it: the applier, which brings V10's changes in, and the
// capture, which tells V10 of ours.
type syncChain struct {
	query   *query.Query
	intake  *intake.Intake
	history *history.History
	hub     *subscribe.Hub
}

var (
	_ applier.Chain  = (*syncChain)(nil)
	_ chainlog.Chain = (*syncChain)(nil)
)

// newSyncChain makes one, once the node has caught up.
func (n *Node) newSyncChain() *syncChain {
	return &syncChain{query: n.services.query, intake: n.intake, history: n.history, hub: n.services.hub}
}

// Height is the newest certified height.
func (c *syncChain) Height(context.Context) (chain.Height, error) { return c.query.Height(), nil }

// Inbox is how far V10's changes are applied.
func (c *syncChain) Inbox(ctx context.Context) (*applier.Inbox, error) {
	in, err := c.query.Inbox(ctx)
	if err != nil {
		return nil, err
	}
	return &applier.Inbox{
		Life: in.Life, Ledger: in.Ledger, Incarnation: in.Incarnation, Institution: in.Institution, Key: in.Key, Position: in.Position, Tag: in.Tag,
		Applied: in.Applied, Skipped: in.Skipped, HomeVersion: in.HomeVersion, Closed: in.Closed,
	}, nil
}

// Channel is the last sequence of a channel, and the institution's house account.
func (c *syncChain) Channel(ctx context.Context, no chain.InstitutionNo, channel uint8) (uint64, chain.AccountNo, error) {
	in, err := c.query.Institution(ctx, no, channel)
	if err != nil {
		return 0, 0, err
	}
	return in.ChannelSequence, in.House, nil
}

// Accounts finds accounts by tags.
func (c *syncChain) Accounts(ctx context.Context, tags []chain.Hash) ([]applier.Account, error) {
	found, err := c.query.AccountsByTag(ctx, tags)
	if err != nil {
		return nil, err
	}
	out := make([]applier.Account, len(found))
	for i, a := range found {
		out[i] = applier.Account(a)
	}
	return out, nil
}

// Nonce is the highest that an account used.
func (c *syncChain) Nonce(ctx context.Context, no chain.AccountNo) (uint64, error) {
	a, err := c.query.Account(ctx, query.AccountName{Number: no}, noAsset)
	if err != nil {
		return 0, err
	}
	return a.Nonce, nil
}

// Assets finds assets by codes.
func (c *syncChain) Assets(ctx context.Context, codes []string) ([]applier.Asset, error) {
	out := make([]applier.Asset, len(codes))
	for i, code := range codes {
		a, err := c.query.AssetByCode(ctx, code)
		if fault.Is(err, fault.NotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		out[i].Number = a.Number
	}
	return out, nil
}

// SubmitTxs submits transactions and waits for their certificates.
func (c *syncChain) SubmitTxs(ctx context.Context, signed [][]byte) []applier.TxAnswer {
	out := make([]applier.TxAnswer, len(signed))
	for i, a := range (deskChain{c.query, c.intake}).SubmitTxs(ctx, signed) {
		out[i] = applier.TxAnswer{Outcome: a.Outcome, Result: a.Result, Err: a.Err}
	}
	return out
}

// SubmitBatch has a batch admitted, behind those that were before.
func (c *syncChain) SubmitBatch(ctx context.Context, raw, signature []byte) (func(context.Context) ([]chain.Outcome, error), error) {
	buf, err := c.intake.Buffer(ctx, len(raw))
	if err != nil {
		return nil, err
	}
	copy(buf.Payload(), raw)
	t, err := c.intake.SubmitBatch(ctx, buf, signature)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) ([]chain.Outcome, error) {
		if err := awaitTicket(ctx, t.Done()); err != nil {
			return nil, err
		}
		r, _, err := t.Receipt()
		if err != nil {
			return nil, err
		}
		fate, err := batchFate(&r)
		if err != nil {
			return nil, err
		}
		return fate.Outcomes, nil
	}, nil
}

// Follow follows the certified chain from a height on.
func (c *syncChain) Follow(ctx context.Context, from chain.Height, each func(chain.Height) error) error {
	return c.hub.Follow(ctx, from, each)
}

// Block reads a block with all that it was made of.
func (c *syncChain) Block(ctx context.Context, h chain.Height) (*chainlog.Block, error) {
	header, hash, err := c.history.Header(h)
	if err != nil {
		return nil, err
	}
	home, err := c.query.HomeVersionBefore(ctx, h)
	if err != nil {
		return nil, err
	}
	b := &chainlog.Block{Header: header, Hash: hash, HomeVersion: home}
	for i := range header.Batches {
		payload, outcomes, err := c.history.Contents(h, uint32(i))
		if err != nil {
			return nil, err
		}
		b.Batches = append(b.Batches, chainlog.Contents{Payload: payload, Outcomes: outcomes})
	}
	return b, nil
}

// Closed is the height at which the migration was closed.
func (c *syncChain) Closed(ctx context.Context) (chain.Height, error) { return c.query.Closed(ctx) }

// Parties says which accounts are portable, and what assets are.
func (c *syncChain) Parties(ctx context.Context, accounts []chain.AccountNo, assets []chain.AssetNo) (map[chain.AccountNo]bool, map[chain.AssetNo]chainlog.Asset, error) {
	p, err := c.query.Parties(ctx, accounts, assets)
	if err != nil {
		return nil, nil, err
	}
	portable, known := make(map[chain.AccountNo]bool, len(p.Slots)), make(map[chain.AssetNo]chainlog.Asset, len(p.Assets))
	for no, slot := range p.Slots {
		portable[no] = slot != chain.SlotNone
	}
	for no, a := range p.Assets {
		known[no] = chainlog.Asset{Code: a.Code, Portable: a.Flags&chain.AssetPortable != 0, Issuer: a.Issuer}
	}
	return portable, known, nil
}

// Signs reports whether a key is an institution's.
func (c *syncChain) Signs(ctx context.Context, institution chain.InstitutionNo, key chain.KeyNo) (bool, error) {
	in, err := c.query.Institution(ctx, institution, 0)
	if err != nil {
		return false, err
	}
	for _, k := range in.Keys {
		if k.Number == key {
			return true, nil
		}
	}
	return false, nil
}
