// SPDX-License-Identifier: Apache-2.0

package commit

import (
	"context"
	"encoding/binary"
	"errors"
	"io/fs"
	"syscall"
	"time"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/checkpoint"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/lane"
	"github.com/aurigraph/aurigraph/internal/seglog"
)

// lastCheckpointMax is how long a clean stop may take to write the newest state.
const lastCheckpointMax = time.Second

// checkpointer is the state of runCheckpointer.
type checkpointer struct {
	*Loop
	pause *time.Timer  // the interval since the last checkpoint
	look  *time.Timer  // during the pause: is there traffic?
	seen  chain.Height // executed at the last look
	due   bool         // the pause is over
	next  *stateRoot   // came during the pause: nil, or ours to release
}

// runCheckpointer writes certified states to disk, at most one per CheckpointInterval, and lets go of what retention and
// the oldest anchor allow. Under load it takes a state only when it can write one, because the store must be flushed up to
// it. When traffic stops, it takes the last one and writes it after the interval, or at a clean stop.
func (l *Loop) runCheckpointer(ctx context.Context) error {
	c := &checkpointer{Loop: l, pause: time.NewTimer(0), look: time.NewTimer(l.cfg.SettleDelay / 2)}
	defer c.end()
	for {
		var err error
		select {
		case <-c.pause.C:
			c.due = true
			err = c.write(ctx)
		case r := <-l.durable:
			c.replace(r)
			err = c.write(ctx)
		case r := <-l.last:
			return c.writeEpochsEnd(ctx, r)
		case <-c.look.C:
			c.lookForIdleness()
		case <-ctx.Done():
			c.writeLast(ctx)
			return nil
		}
		if err != nil {
			return endOr(ctx, err)
		}
	}
}

// settleBlocksMax is more than the empty blocks in which the last root of an idle network appears.
const settleBlocksMax = 2 * chain.RootDelay

// lookForIdleness lets the persister flush and hand over states once nothing was executed between two looks, until there are
// more blocks again than those that settle the last root.
func (c *checkpointer) lookForIdleness() {
	if c.due {
		return
	}
	at := c.ExecutedHeight()
	switch {
	case at == c.seen:
		c.checkpointerFree.Store(true)
	case at-c.seen > settleBlocksMax:
		c.checkpointerFree.Store(false)
	}
	c.seen = at
	c.look.Reset(c.cfg.SettleDelay / 2)
}

func (c *checkpointer) replace(r *stateRoot) {
	if c.next != nil {
		c.next.release()
	}
	c.next = r
}

// write writes what was handed over, if the pause is over, and begins the next pause. With nothing to write it waits for
// the next state.
func (c *checkpointer) write(ctx context.Context) error {
	if !c.due {
		return nil
	}
	c.checkpointerFree.Store(c.next == nil)
	c.checkpointDue.Store(c.next == nil)
	if c.next == nil {
		return nil
	}
	_, err := c.checkpoint(ctx, c.next)
	c.replace(nil)
	c.due = false
	c.pause.Reset(c.cfg.CheckpointInterval)
	c.look.Reset(c.cfg.SettleDelay / 2)
	return err
}

// writeLast writes the state that waits for the end of the pause. After a fault nothing is written any more. A write that
// fails or takes too long leaves the last checkpoint as it is: the next start executes a little more.
func (c *checkpointer) writeLast(ctx context.Context) {
	c.takeOffered()
	var failed *fault.Error
	if c.next == nil || errors.As(context.Cause(ctx), &failed) {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastCheckpointMax)
	defer cancel()
	_, _ = c.checkpoint(ctx, c.next)
}

// takeOffered takes a state that the persister left and nobody looked at yet.
func (c *checkpointer) takeOffered() {
	select {
	case r := <-c.durable:
		c.replace(r)
	default:
	}
}

func (c *checkpointer) end() {
	c.takeOffered()
	c.pause.Stop()
	c.look.Stop()
	c.replace(nil)
}

// checkpoint writes a state, unless the disk has no room for it, and lets go of what lies before the floor. The floor is durable in the checkpoint before
// anything is let go, so that a crash in between leaves a folder that says how far it may have got; the next checkpoint
// finishes it.
func (l *Loop) checkpoint(ctx context.Context, r *stateRoot) (written bool, err error) {
	begin := time.Now()
	anchors, err := l.anchors()
	if err != nil {
		return false, err
	}
	segments := l.Segments.Retained()
	plan := planRetention(segments, anchors, r.lane.Pos.Segment, l.cfg.RetainBytes)
	floor := nextFloor(l.floor(), segments, anchors, plan)
	meta := checkpoint.Meta{Chain: l.Chain, Height: r.at, Root: r.root, Blob: AppendBlob(nil, r.lane, floor)}
	pages, err := l.Checkpoints.Write(ctx, r.snapshot, meta)
	if noRoom(err) {
		return false, nil // the last checkpoint stands, and the next interval brings another try
	}
	if err != nil {
		return false, err
	}
	l.Metrics.checkpoint(r.at, pages, time.Since(begin), l.cuts.upTo(r.at))
	if plan.anchor {
		if err := l.Checkpoints.WriteAnchor(ctx, r.snapshot, meta); err != nil && !noRoom(err) {
			return true, err
		}
	}
	if err := l.carry(ctx, plan); err != nil {
		return true, err
	}
	return true, l.letGo(floor, segments, anchors)
}

// noRoom reports whether a full disk refused to take bytes of a checkpoint. Nothing else depends on that file, and it was
// made invalid before, so the writer need not stop; a failed flush it does not survive, whatever the cause.
func noRoom(err error) bool {
	var p *fs.PathError
	return errors.Is(err, syscall.ENOSPC) && errors.As(err, &p) && p.Op != "sync"
}

// letGo removes the anchors before the floor and recycles what lies before it. The segments go last: while one is left, the
// next checkpoint does it all again.
func (l *Loop) letGo(floor Floor, segments []Segment, anchors []anchor) error {
	if len(segments) == 0 || segments[0].Number >= floor.Segment {
		return nil
	}
	for _, a := range anchors {
		if a.height >= floor.Height {
			break
		}
		if err := l.Checkpoints.RemoveAnchor(a.height); err != nil {
			return err
		}
	}
	if err := l.TrimOrder(floor.Height + 1); err != nil {
		return err
	}
	return l.Segments.Recycle(floor.Segment)
}

// floor is the highest floor that a checkpoint on disk names.
func (l *Loop) floor() Floor {
	var highest Floor
	candidates, _ := l.Checkpoints.Candidates() // a damaged one was reported at the start
	for _, c := range candidates {
		if f, err := ParseFloor(c.Meta.Blob); err == nil && f.Height > highest.Height {
			highest = f
		}
	}
	return highest
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

// Lengths of a checkpoint's blob: the own lane's position in the state, and the floor.
const (
	positionBytes = 8 + 32 + 8 + 4 + 4 + 8
	blobBytes     = positionBytes + 8 + 8
)

// AppendBlob appends the blob that a checkpoint carries.
func AppendBlob(dst []byte, p lane.Position, f Floor) []byte {
	le := binary.LittleEndian
	dst = le.AppendUint64(dst, p.Sequence)
	dst = append(dst, p.Tip[:]...)
	dst = le.AppendUint64(dst, p.Pos.Segment)
	dst = le.AppendUint32(dst, p.Pos.Offset)
	dst = le.AppendUint32(dst, p.Pos.Bytes)
	dst = le.AppendUint64(dst, p.Pos.Seq)
	return le.AppendUint64(le.AppendUint64(dst, uint64(f.Height)), f.Segment)
}

func checkBlob(b []byte) error {
	if len(b) != blobBytes {
		return fault.New(fault.Corrupt, "a checkpoint's blob has %d bytes, not %d", len(b), blobBytes)
	}
	return nil
}

// ParsePosition reads the own lane's position from a checkpoint's blob.
func ParsePosition(b []byte) (lane.Position, error) {
	if err := checkBlob(b); err != nil {
		return lane.Position{}, err
	}
	le := binary.LittleEndian
	return lane.Position{
		Sequence: le.Uint64(b),
		Tip:      chain.Hash(b[8:40]),
		Pos:      seglog.Pos{Segment: le.Uint64(b[40:]), Offset: le.Uint32(b[48:]), Bytes: le.Uint32(b[52:]), Seq: le.Uint64(b[56:])},
	}, nil
}

// ParseFloor reads the floor from a checkpoint's blob.
func ParseFloor(b []byte) (Floor, error) {
	if err := checkBlob(b); err != nil {
		return Floor{}, err
	}
	le := binary.LittleEndian
	return Floor{Height: chain.Height(le.Uint64(b[positionBytes:])), Segment: le.Uint64(b[positionBytes+8:])}, nil
}
