// SPDX-License-Identifier: Apache-2.0

package certify

import (
	"context"
	"time"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/keys"
	"github.com/aurigraph/aurigraph/internal/obs"
	"github.com/aurigraph/aurigraph/internal/seglog"
)

// fullDiskDelay is the pause before a full disk is tried again.
const fullDiskDelay = 100 * time.Millisecond

// Sign signs an executed header, and returns once the vote is on its way to the disk; from there it goes to the peers.
// Heights ascend; signing the same header again is no work. hash is h's. Halted: another header of this height was signed
// before, or the disk failed; TryLater: too far above the published height. When ctx ends while the log has no room the
// certifier stops: Unavailable.
func (c *Certifier) Sign(ctx context.Context, h *chain.ExecutedHeader, hash chain.Hash) error {
	c.signing.Lock()
	if c.refuses && !c.signed(h.Height, hash) {
		c.signing.Unlock()
		<-ctx.Done()
		return ctx.Err()
	}
	defer c.signing.Unlock()
	vote, err := c.vote(h, hash)
	if err != nil {
		return err
	}
	out, err := c.step(Executed{Vote: *vote})
	if err != nil {
		return err
	}
	for i := range out.Persist {
		if err := c.append(ctx, &out.Persist[i]); err != nil {
			c.fail(err)
			return err
		}
	}
	return nil
}

// vote is what the node signed for a height before, or else a new vote.
func (c *Certifier) vote(h *chain.ExecutedHeader, hash chain.Hash) (*Vote, error) {
	if h.Chain != c.cfg.Members.chain {
		return nil, c.fail(fault.New(fault.Halted, "certify: a header of chain %d on chain %d", h.Chain, c.cfg.Members.chain))
	}
	c.mu.Lock()
	own, err, failed := c.core.Own(h.Height), c.core.MaySign(h.Epoch, h.Height, hash), c.failed
	c.mu.Unlock()
	switch {
	case failed != nil:
		return nil, failed
	case fault.Is(err, fault.Halted):
		if own != nil && own.Hash != hash && c.cfg.OnContradicted != nil {
			c.cfg.OnContradicted(Contradicted{Own: *own, Header: h, Hash: hash})
		}
		return nil, c.fail(err)
	case err != nil:
		return nil, err
	case own != nil:
		return own, nil
	}
	return c.newVote(h, hash)
}

func (c *Certifier) newVote(h *chain.ExecutedHeader, hash chain.Hash) (*Vote, error) {
	v := &Vote{Epoch: h.Epoch, Height: h.Height, Validator: c.cfg.Self, Hash: hash, Decided: h.Proposal}
	var err error
	if v.Signature, err = c.cfg.Header.Sign(keys.HeaderMessage(h.Chain, hash)); err != nil {
		return nil, err
	}
	if h.RootAt != 0 {
		v.RootAt, v.StateRoot = h.RootAt, h.StateRoot
		if v.RootSig, err = c.cfg.Root.Sign(keys.RootMessage(h.Chain, h.Epoch, h.RootAt, h.StateRoot)); err != nil {
			return nil, err
		}
	}
	return v, nil
}

// append hands a vote to the log, waiting while it has no room.
func (c *Certifier) append(ctx context.Context, v *Vote) error {
	buf, err := c.pool.Get(ctx, 0)
	if err != nil {
		return fault.Wrap(fault.Unavailable, err, "certify: the vote of height %d did not reach the log", v.Height)
	}
	if err := buf.SetMeta(recordDecided, appendRecord(nil, v)); err != nil {
		buf.Release()
		return fault.Halt(err, "vote log")
	}
	epoch, height := v.Epoch, v.Height
	done := func(at seglog.Pos, err error) { c.onLogged(epoch, height, at, err) }
	for {
		err := c.log.Append(ctx, buf, done)
		if err == nil {
			return nil
		}
		if !fault.Is(err, fault.TryLater) {
			buf.Release()
			return fault.Halt(err, "vote log")
		}
		select {
		case <-c.broken:
			buf.Release()
			return c.failure()
		case <-ctx.Done():
			buf.Release()
			return fault.Wrap(fault.Unavailable, err, "certify: the vote of height %d did not reach the log", height)
		case <-time.After(fullDiskDelay):
		}
	}
}

// onLogged runs on the log's writer goroutine.
func (c *Certifier) onLogged(epoch chain.Epoch, h chain.Height, at seglog.Pos, err error) {
	if err != nil {
		_ = c.fail(fault.Halt(err, "vote log"))
		return
	}
	c.spans.note(at.Segment, epoch, h)
	_, _ = c.step(Signed{h}) // an error closes broken
}

// step runs the core over what happened and does what it says, but for Persist and Serve. Frames leave under the lock:
// Peers.Send does not block.
func (c *Certifier) step(in Input) (out Output, err error) {
	c.mu.Lock()
	if c.failed != nil {
		defer c.mu.Unlock()
		return Output{}, c.failed
	}
	out, err = c.core.Step(in)
	if err == nil {
		c.announce(&out)
	}
	c.mu.Unlock()
	c.report(&out)
	if err != nil {
		return out, c.fail(err)
	}
	return out, nil
}

// announce does what the lock must cover. The caller holds mu.
func (c *Certifier) announce(out *Output) {
	for _, s := range out.Send {
		c.cfg.Peers.Send(s.To, s.Frame)
	}
	if len(out.Certified) > 0 {
		close(c.changed)
		c.changed = make(chan struct{})
	}
}

// report counts and tells the host.
func (c *Certifier) report(out *Output) {
	c.metrics.certified.Add(float64(len(out.Certified)))
	c.metrics.resent.Add(float64(out.Resent))
	for _, word := range out.Refused {
		c.metrics.refused.WithLabelValues(word).Inc()
	}
	for _, e := range out.Evidence {
		c.metrics.evidence.Inc()
		c.cfg.Logger.Error("a validator signed two headers of one height", obs.KeyPeer, e.First.Validator, obs.KeyHeight, uint64(e.First.Height))
		if c.cfg.OnEvidence != nil {
			c.cfg.OnEvidence(e)
		}
	}
	for _, h := range out.Stuck {
		c.metrics.stuck.Inc()
		c.cfg.Logger.Error("no header of this height can get a quorum any more", obs.KeyHeight, uint64(h))
		if c.cfg.OnStuck != nil {
			c.cfg.OnStuck(h)
		}
	}
	if out.Diverged != nil && c.cfg.OnDiverged != nil {
		c.cfg.OnDiverged(*out.Diverged)
	}
}

func (c *Certifier) failure() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.failed
}

// fail stops the certifier for good and returns what stopped it first.
func (c *Certifier) fail(err error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.failed == nil {
		c.failed = err
		close(c.broken)
	}
	return c.failed
}
