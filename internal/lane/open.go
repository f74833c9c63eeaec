// SPDX-License-Identifier: Apache-2.0

package lane

import (
	"context"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/seglog"
	"github.com/aurigraph/aurigraph/internal/spread"
)

// Open continues the lane kept in log. executed is how far the recovered state is: entries after it are read back and can
// be fetched; Pending lists the own ones. A log that does not hold the executed entry, that holds another one in its place,
// or whose own lane has a gap, is Corrupt.
func Open(ctx context.Context, log *seglog.Log, cfg Config, executed Position) (*Lane, error) {
	l := &Lane{cfg: cfg, log: log, sequence: executed.Sequence, tip: executed.Tip, held: map[chain.Hash]*Stored{}}
	l.reach = newReach(cfg, executed)
	if log.NextSeq() <= executed.Pos.Seq {
		return nil, fault.New(fault.Corrupt, "lane: the log ends before record %d, up to which all is executed", executed.Pos.Seq)
	}
	r := reader{lane: l, executed: executed}
	err := log.Scan(ctx, executed.Pos, r.take)
	if err != nil {
		return nil, err
	}
	return l, nil
}

// reader takes the records of a log that is opened.
type reader struct {
	lane     *Lane
	executed Position
}

func (r *reader) take(pos seglog.Pos, rec seglog.Record) error {
	s, err := parseRecord(rec.Kind, rec.Meta, pos)
	if err != nil {
		return err
	}
	s.durable = true
	l := r.lane
	own := s.Entry.Validator == l.cfg.Validator
	if !own && int(s.Entry.Validator) >= len(l.cfg.Lanes) {
		return fault.New(fault.Corrupt, "lane: segment %d offset %d holds an entry of validator %d, whom nobody knows", pos.Segment, pos.Offset, s.Entry.Validator)
	}
	if pos.Seq > r.executed.Pos.Seq {
		l.reach.note(s)
	}
	if own {
		return r.own(s)
	}
	if at := l.cfg.Lanes[s.Entry.Validator]; s.Entry.JoinEpoch == at.Epoch && s.Entry.Sequence > at.Sequence {
		if before := l.held[s.Digest]; before != nil { // it was carried on
			l.reach.moved(before.Pos.Seq)
		}
		l.held[s.Digest] = s
	}
	return nil
}

// own takes a record of the own lane, whose chain has no gap and no fork.
func (r *reader) own(s *Stored) error {
	l := r.lane
	if s.Entry.JoinEpoch != l.cfg.JoinEpoch {
		return nil // its owner began a new lane since
	}
	if s.Entry.Sequence == r.executed.Sequence && s.Digest != r.executed.Tip {
		return fault.New(fault.Corrupt, "lane: entry %d in the log is not the one that was executed", s.Entry.Sequence)
	}
	if s.Entry.Sequence <= r.executed.Sequence {
		return nil
	}
	if s.Entry.Sequence != l.sequence+1 || s.Entry.Parent != l.tip {
		return fault.New(fault.Corrupt, "lane: entry %d at segment %d offset %d does not follow entry %d", s.Entry.Sequence, s.Pos.Segment, s.Pos.Offset, l.sequence)
	}
	l.sequence, l.tip = s.Entry.Sequence, s.Digest
	l.held[s.Digest] = s
	return nil
}

// states tells the core of all lanes what the disk holds behind their executed places. Of two entries for one place the one
// stored later counts: it replaced the other.
func (l *Lane) states() []spread.LaneState {
	states := make([]spread.LaneState, len(l.cfg.Lanes))
	places := make([]map[uint64]*Stored, len(states))
	for v, at := range l.cfg.Lanes {
		states[v] = spread.LaneState{Epoch: at.Epoch, Executed: at.Sequence, Digest: at.Tip}
		places[v] = map[uint64]*Stored{}
	}
	for _, s := range l.held {
		at := places[s.Entry.Validator]
		if before := at[s.Entry.Sequence]; before == nil || before.Pos.Seq < s.Pos.Seq {
			at[s.Entry.Sequence] = s
		}
	}
	for v := range states {
		st := &states[v]
		tip := st.Digest
		for next := st.Executed + 1; ; next++ {
			s := places[v][next]
			if s == nil || s.Entry.Parent != tip {
				break
			}
			st.Stored = append(st.Stored, s.Entry)
			tip = s.Digest
		}
	}
	return states
}
