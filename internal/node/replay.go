// SPDX-License-Identifier: Apache-2.0

package node

import (
	"context"
	"errors"
	"time"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/commit"
	"github.com/aurigraph/aurigraph/internal/exec"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/lane"
	"github.com/aurigraph/aurigraph/internal/order/raft"
	"github.com/aurigraph/aurigraph/internal/pages"
	"github.com/aurigraph/aurigraph/internal/seglog"
	"github.com/aurigraph/aurigraph/internal/store"
)

// payloadWait is how long a payload is waited for that is not here: others may still stream it.
const payloadWait = 5 * time.Second

// replayed is a state that was brought to the end of its epoch, with the next membership.
type replayed struct {
	to     *target
	blocks []commit.Sealed // above the published height
	header []byte          // of the last block
	at     lane.Position
	state  *pages.Snapshot // nil until the end is reached
	root   chain.Hash
}

// replay executes what the ordering log holds up to a target, decided or not: that the last header is the target's says that
// it was right. It uses the node's state up. Conflict: the history cannot become the target's.
func (n *Node) replay(ctx context.Context, to *target) (_ *replayed, err error) {
	r := &replayed{to: to, at: n.state.Lane}
	defer func() {
		if err != nil && r.state != nil {
			r.state.Release()
		}
	}()
	if err := n.eachProposal(ctx, to.Last.Height, func(p *chain.Proposal) error { return n.replayBlock(ctx, r, p) }); err != nil {
		return nil, err
	}
	for _, p := range append(to.Through[:len(to.Through):len(to.Through)], to.Last) {
		raw, err := n.replayedHeader(r, p.Height)
		if err != nil {
			return nil, err
		}
		if codec.Sum(raw) != p.Header {
			return nil, fault.Reasoned(fault.Conflict, "other_history", "header %d is %s here, not %s", p.Height, codec.Sum(raw), p.Header)
		}
		r.header = raw
	}
	if to.changes() {
		if r.state == nil {
			return nil, fault.Reasoned(fault.Conflict, "not_here", "the ordering log of this node does not lead to the change of the membership at height %d", to.Last.Height)
		}
		return r, nil
	}
	if err := n.state.Ledger.ApplySeal(to.Next, to.Verdict); err != nil {
		return nil, err
	}
	r.state = n.state.Space.Snapshot()
	r.root = n.state.Tree.Update(r.state)
	return r, nil
}

// eachProposal gives the proposals above the state's height up to another one, in order.
func (n *Node) eachProposal(ctx context.Context, upTo chain.Height, fn func(*chain.Proposal) error) error {
	base, err := n.orderBase()
	if err != nil {
		return err
	}
	log, err := raft.ReadHistory(ctx, n.orderLog, base, raft.Start{Height: n.state.Height, Fetched: n.adopted})
	if err != nil {
		return err
	}
	return log.Each(ctx, func(_ seglog.Pos, p *chain.Proposal) error {
		if p.Height <= n.state.Height || p.Height > upTo {
			return nil
		}
		return fn(p)
	})
}

func (n *Node) replayBlock(ctx context.Context, r *replayed, p *chain.Proposal) error {
	entries, payloads, err := n.payloadsOf(ctx, p)
	if err != nil {
		return err
	}
	ex, err := n.state.Machine.Run(p, payloads)
	if err != nil {
		return err
	}
	if ex.Ends {
		if err := n.replayEnd(r, ex); err != nil {
			return err
		}
	}
	b := commit.Sealed{Proposal: p, Executed: ex}
	for i := range ex.Batches {
		b.Followed = append(b.Followed, entries[ex.Batches[i].Place])
	}
	r.at = n.lane.Executed(b.Followed)
	for _, s := range entries {
		n.lane.Forget(s.Digest)
	}
	if p.Height > n.loop.Height() {
		r.blocks = append(r.blocks, b)
	}
	if ex.RootDue {
		sn := n.state.Space.Snapshot()
		n.state.Machine.SetRoot(p.Height, n.state.Tree.Update(sn))
		sn.Release()
	}
	return nil
}

// replayEnd completes the last block of an epoch: its header carries the root of its own state, and must be the certified one.
func (n *Node) replayEnd(r *replayed, ex *exec.Executed) error {
	h := ex.Header.Height
	if !r.to.changes() || h != r.to.Last.Height {
		return fault.Reasoned(fault.Conflict, "epoch_ended", "height %d ends the epoch by a change of the membership", h)
	}
	r.state = n.state.Space.Snapshot()
	r.root = n.state.Tree.Update(r.state)
	n.state.Machine.End(ex, r.root)
	if ex.Hash != r.to.Last.Header {
		return fault.Reasoned(fault.Conflict, "other_history", "executed again, header %d is %s, not %s", h, ex.Hash, r.to.Last.Header)
	}
	return nil
}

func (n *Node) payloadsOf(ctx context.Context, p *chain.Proposal) ([]*lane.Stored, []exec.Payload, error) {
	ctx, cancel := context.WithTimeout(ctx, payloadWait)
	defer cancel()
	n.lane.Want(p.Entries)
	var entries []*lane.Stored
	var payloads []exec.Payload
	for _, digest := range p.Entries {
		s, err := n.lane.Fetch(ctx, digest)
		if errors.Is(err, context.DeadlineExceeded) {
			return nil, nil, fault.Reasoned(fault.Conflict, "no_payload", "the payload of an entry of height %d is not here, and nobody gives it", p.Height)
		}
		if err != nil {
			return nil, nil, err
		}
		entries = append(entries, s)
		payloads = append(payloads, exec.Payload{Entry: s.Entry, Digest: s.Digest, Bytes: s.Payload(), Executed: s.Executed})
	}
	return entries, payloads, nil
}

// replayedHeader is a header of the history that a replay made.
func (n *Node) replayedHeader(r *replayed, h chain.Height) ([]byte, error) {
	if published := max(n.loop.Height(), n.state.Height); h > published {
		if i := int(h - published - 1); i < len(r.blocks) {
			return r.blocks[i].Executed.HeaderBytes, nil
		}
		return nil, fault.Reasoned(fault.Conflict, "not_here", "the ordering log of this node ends before height %d", h)
	}
	return store.ReadHeader(n.store, h)
}
