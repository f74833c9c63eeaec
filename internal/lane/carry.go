// SPDX-License-Identifier: Apache-2.0

package lane

import (
	"cmp"
	"context"
	"slices"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/seglog"
)

// carriedMax bounds the entries that one Carry writes again.
const carriedMax = 256

// place is an entry's in the lanes.
type place struct {
	lane     chain.ValidatorNo
	sequence uint64
}

// Carry does nothing: a lane alone waits for nobody.
func (l *Lane) Carry(context.Context, uint64) error { return nil }

// Carry writes the others' entries that lie in segments before a number, and that nobody has executed, once more at the log's
// end, the same bytes: the entry of a validator that died before a quorum had it would else keep all that lies behind it for
// ever. Own entries stay where they are, because the log's order is the own lane's; they wait for peers that are there, or
// this node is the one that is cut off. What finds no memory or no room is carried another time.
func (r *Relay) Carry(ctx context.Context, before uint64) error {
	for _, s := range r.stale(before) {
		rec, err := r.log.Read(s.Pos)
		if err != nil {
			r.damaged(err)
			continue
		}
		buf, err := r.cfg.Pool.TryGet(len(rec.Payload))
		if err != nil {
			return nil
		}
		copy(buf.Payload(), rec.Payload)
		err = buf.SetMeta(rec.Kind, rec.Meta)
		if err == nil {
			buf.Seal()
			err = r.log.Append(ctx, buf, func(pos seglog.Pos, err error) { r.carried(s, pos, err) })
		}
		if err != nil {
			buf.Release()
			if fault.Is(err, fault.TryLater) {
				return nil
			}
			return err
		}
	}
	return nil
}

// stale lists entries to be carried on, in the log's order. Of a lane that forked all entries of one place go together: the
// one stored later stays the one that counts.
func (l *Lane) stale(before uint64) []*Stored {
	l.heldMu.Lock()
	defer l.heldMu.Unlock()
	at := map[place][]*Stored{}
	old := map[place]bool{}
	for _, s := range l.held {
		if s.Entry.Validator == l.cfg.Validator {
			continue
		}
		p := place{s.Entry.Validator, s.Entry.Sequence}
		at[p] = append(at[p], s)
		if s.durable && s.Pos.Segment < before {
			old[p] = true
		}
	}
	var whole [][]*Stored
	for p := range old {
		if !slices.ContainsFunc(at[p], func(s *Stored) bool { return !s.durable || s.pinned }) {
			whole = append(whole, at[p])
		}
	}
	oldest := func(list []*Stored) uint64 {
		return slices.MinFunc(list, bySeq).Pos.Seq
	}
	slices.SortFunc(whole, func(a, b []*Stored) int { return cmp.Compare(oldest(a), oldest(b)) })
	var list []*Stored
	for _, entries := range whole {
		if len(list)+len(entries) > carriedMax {
			break
		}
		list = append(list, entries...)
	}
	slices.SortFunc(list, bySeq)
	return list
}

func bySeq(a, b *Stored) int { return cmp.Compare(a.Pos.Seq, b.Pos.Seq) }

// carried runs on the log's writer goroutine. Whoever reads the old record keeps it: it is executed from there, or was.
func (r *Relay) carried(s *Stored, pos seglog.Pos, err error) {
	if err != nil {
		return // the log died, and says so to whoever asks
	}
	r.metrics.carried.Inc()
	r.heldMu.Lock()
	defer r.heldMu.Unlock()
	moved := *s
	moved.Pos = pos
	r.reach.note(&moved)
	if r.held[s.Digest] == s && !s.pinned {
		r.held[s.Digest] = &moved
		r.reach.moved(s.Pos.Seq)
	}
}
