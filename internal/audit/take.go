// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"fmt"

	"github.com/aurigraph/aurigraph/internal/chain"
)

// decided is for a proposal that was decided and not published when the node ended: it will be executed when it starts,
// so its entries must be there.
func (r *replayer) decided(p *chain.Proposal) error {
	entries, err := r.take(p)
	for _, e := range entries {
		r.sign(e, p.Height)
		e.buffer.Release()
	}
	return err
}

// take takes the entries that p names off the lane. A lane that does not hold them stops the execution.
func (r *replayer) take(p *chain.Proposal) ([]*entry, error) {
	entries := make([]*entry, 0, len(p.Entries))
	for i, digest := range p.Entries {
		e, err := r.next()
		if err != nil {
			return entries, err
		}
		if e == nil {
			r.stop(p.Height, "entry %d of the block, %s, is not on the lane", i, digest)
			return entries, nil
		}
		entries = append(entries, e)
		if e.Digest != digest {
			r.stop(p.Height, "entry %d of the block is %s, the lane has %s (entry %d) next", i, digest, e.Digest, e.Entry.Sequence)
			return entries, nil
		}
	}
	return entries, nil
}

// next is the next entry of the lane behind the state that execution began with; nil at the end.
func (r *replayer) next() (*entry, error) {
	for {
		select {
		case e, ok := <-r.entries:
			if !ok {
				return nil, nil
			}
			r.see(e)
			if e.Entry.Sequence > r.state.Lane.Sequence {
				return e, nil
			}
			r.sign(e, r.base+1)
			e.buffer.Release()
		case <-r.ctx.Done():
			return nil, r.ctx.Err()
		}
	}
}

// see checks an entry for itself and against the one before.
func (r *replayer) see(e *entry) {
	<-e.hashed
	if e.badHash != "" {
		r.problemAt(e, "%s", e.badHash)
	}
	if text := r.link.follow(e); text != "" {
		r.problemAt(e, "%s", text)
	}
}

func (a *audit) problemAt(e *entry, format string, args ...any) {
	where := fmt.Sprintf("segment %d, byte %d (entry %d)", e.Pos.Segment, e.Pos.Offset, e.Entry.Sequence)
	a.problem(a.cfg.Data("lane"), where, format, args...)
}

// sign lets a worker check the signatures of an entry that executes at height h.
func (r *replayer) sign(e *entry, h chain.Height) {
	if e.badHash != "" {
		return
	}
	e.buffer.Retain()
	r.jobs <- func(w *worker) {
		defer e.buffer.Release()
		if text := w.signatures.check(r.keys, e, h, h > r.head); text != "" {
			r.problemAt(e, "height %d: %s", h, text)
		}
	}
}
