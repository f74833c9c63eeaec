// SPDX-License-Identifier: Apache-2.0

package commit

import (
	"context"
	"time"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/store"
)

// ErrEpochEnded is what Run returns when the last block of the membership epoch is published and a checkpoint of its state is
// durable: the host goes on from there with the next members.
var ErrEpochEnded = fault.Reasoned(fault.Unavailable, "epoch_ended", "the membership epoch has ended: open the folder again to go on with the next members")

// ending is what the last block of an epoch leaves to the next one. It holds a reference of the state.
type ending struct {
	next  *chain.Membership
	state *stateRoot
}

// endEpoch completes the last block of the epoch: its header carries the root of its own state, so execution waits for it.
func (x *executor) endEpoch(ctx context.Context, b *block) error {
	job := newStateRoot(b.proposal.Height, x.at, x.Space.Snapshot())
	b.ending = &ending{next: x.Ledger.Membership(), state: job}
	job.retain()
	jobs := x.rootJobs
	for hashed := false; !hashed; {
		select {
		case jobs <- job:
			jobs = nil
		case r := <-x.rooted:
			hashed = r == job
			if !hashed {
				x.hashed(r)
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	x.Machine.End(b.executed, job.root)
	x.ended = true
	return nil
}

// record adds the handover to what the block leaves behind in the store.
func (e *ending) record(changes *store.Changes, pub *Published, cert *chain.Certificate) {
	h := pub.Header
	p := chain.ProvedHandover{
		Handover:    chain.Handover{Chain: h.Chain, Height: h.Height, Header: pub.Hash, Root: h.StateRoot, Next: *e.next},
		HeaderBytes: pub.HeaderBytes, Certificate: cert,
	}
	store.WriteHandover(changes, e.next.Epoch, codec.AppendProvedHandover(nil, &p))
}

// leave hands the last state of the epoch to the checkpointer, once its block is published. Nothing follows.
func (l *Loop) leave(ctx context.Context, b *block) error {
	if b.ending == nil {
		return nil
	}
	select {
	case l.last <- b.ending.state:
	case <-ctx.Done():
	}
	<-ctx.Done() // the checkpointer ends the loop
	return ctx.Err()
}

// noRoomPause is the time between two tries to write the checkpoint that an epoch ends with.
const noRoomPause = time.Second

// writeEpochsEnd writes the state that the next epoch begins with: nothing else could bring it back, for the next epoch's
// ordering log begins behind it.
func (c *checkpointer) writeEpochsEnd(ctx context.Context, r *stateRoot) error {
	defer r.release()
	for {
		written, err := c.checkpoint(ctx, r)
		if err != nil {
			return endOr(ctx, err)
		}
		if written {
			return ErrEpochEnded
		}
		select {
		case <-time.After(noRoomPause):
		case <-ctx.Done():
			return nil
		}
	}
}
