// SPDX-License-Identifier: Apache-2.0

package commit

import (
	"context"
	"encoding/binary"
	"time"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/checkpoint"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/lane"
	"github.com/aurigraph/aurigraph/internal/seglog"
)

// runCheckpointer writes certified states to disk, at most one per CheckpointInterval, and lets go of what retention and
// the oldest anchor allow.
func (l *Loop) runCheckpointer(ctx context.Context) error {
	free := time.NewTimer(0)
	defer free.Stop()
	for {
		select {
		case <-free.C:
		case <-ctx.Done():
			return nil
		}
		l.checkpointerFree.Store(true)
		select {
		case r := <-l.durable:
			l.checkpointerFree.Store(false)
			err := l.checkpoint(ctx, r)
			r.release()
			if err != nil {
				return endOr(ctx, err)
			}
		case <-ctx.Done():
			return nil
		}
		free.Reset(l.cfg.CheckpointInterval)
	}
}

func (l *Loop) checkpoint(ctx context.Context, r *stateRoot) error {
	begin := time.Now()
	meta := checkpoint.Meta{Chain: l.Chain, Height: r.at, Root: r.root, Blob: AppendPosition(nil, r.lane)}
	written, err := l.Checkpoints.Write(ctx, r.snapshot, meta)
	if err != nil {
		return err
	}
	l.Metrics.checkpoint(r.at, written, time.Since(begin))
	return l.retain(ctx, r, meta)
}

// retain makes r an anchor when enough has been written since the last one, and recycles what lies before the oldest
// anchor that is still needed.
func (l *Loop) retain(ctx context.Context, r *stateRoot, meta checkpoint.Meta) error {
	anchors, err := l.anchors()
	if err != nil {
		return err
	}
	plan := planRetention(l.Segments.Retained(), anchors, r.lane.Pos.Segment, l.cfg.RetainBytes)
	if plan.anchor {
		if err := l.Checkpoints.WriteAnchor(ctx, r.snapshot, meta); err != nil {
			return err
		}
	}
	if plan.recycleBelow == 0 {
		return nil
	}
	for _, a := range plan.drop {
		if err := l.Checkpoints.RemoveAnchor(a.height); err != nil {
			return err
		}
	}
	if err := l.TrimOrder(plan.keep.height + 1); err != nil {
		return err
	}
	return l.Segments.Recycle(plan.recycleBelow)
}

func (l *Loop) anchors() ([]anchor, error) {
	metas, err := l.Checkpoints.AnchorMetas()
	if err != nil {
		return nil, err
	}
	anchors := make([]anchor, 0, len(metas))
	for _, m := range metas {
		pos, err := ParsePosition(m.Blob)
		if err != nil {
			return nil, err
		}
		anchors = append(anchors, anchor{m.Height, pos.Pos.Segment})
	}
	return anchors, nil
}

// positionBytes is the length of a checkpoint's blob: the own lane's position in the state.
const positionBytes = 8 + 32 + 8 + 4 + 4 + 8

// AppendPosition appends the blob that a checkpoint carries.
func AppendPosition(dst []byte, p lane.Position) []byte {
	le := binary.LittleEndian
	dst = le.AppendUint64(dst, p.Sequence)
	dst = append(dst, p.Tip[:]...)
	dst = le.AppendUint64(dst, p.Pos.Segment)
	dst = le.AppendUint32(dst, p.Pos.Offset)
	dst = le.AppendUint32(dst, p.Pos.Bytes)
	return le.AppendUint64(dst, p.Pos.Seq)
}

// ParsePosition reads a checkpoint's blob.
func ParsePosition(b []byte) (lane.Position, error) {
	if len(b) != positionBytes {
		return lane.Position{}, fault.New(fault.Corrupt, "a checkpoint's blob has %d bytes, not %d", len(b), positionBytes)
	}
	le := binary.LittleEndian
	return lane.Position{
		Sequence: le.Uint64(b),
		Tip:      chain.Hash(b[8:40]),
		Pos:      seglog.Pos{Segment: le.Uint64(b[40:]), Offset: le.Uint32(b[48:]), Bytes: le.Uint32(b[52:]), Seq: le.Uint64(b[56:])},
	}, nil
}
