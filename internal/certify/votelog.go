// SPDX-License-Identifier: Apache-2.0

package certify

import (
	"context"
	"iter"
	"sync"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/seglog"
)

// span is the newest vote of a segment of the vote log.
type span struct {
	segment uint64
	epoch   chain.Epoch
	last    chain.Height
}

// spans knows which votes lie in which segment, oldest first.
type spans struct {
	mu   sync.Mutex
	list []span // guarded by mu
}

// note takes a durable record in. Votes ascend, so the newest record of a segment is its highest.
func (s *spans) note(segment uint64, epoch chain.Epoch, h chain.Height) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := len(s.list); n > 0 && s.list[n-1].segment == segment {
		s.list[n-1] = span{segment, epoch, h}
		return
	}
	s.list = append(s.list, span{segment, epoch, h})
}

// below is the first segment that holds a vote of the epoch at a height or above; the newest one if none does.
func (s *spans) below(epoch chain.Epoch, h chain.Height) uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.list) > 1 && (s.list[0].epoch < epoch || s.list[0].last < h) {
		s.list = s.list[1:]
	}
	if len(s.list) == 0 {
		return 0
	}
	return s.list[0].segment
}

// scanner gives a vote log's records as a sequence, and the error that ended it.
type scanner struct {
	log   *seglog.Log
	spans *spans
	err   error
}

func (s *scanner) all(ctx context.Context) iter.Seq[Record] {
	return func(yield func(Record) bool) {
		s.err = s.log.Scan(ctx, seglog.Pos{}, func(at seglog.Pos, rec seglog.Record) error {
			if v, err := ParseRecord(rec.Kind, rec.Meta); err == nil {
				s.spans.note(at.Segment, v.Epoch, v.Height)
			}
			if !yield(Record{Seq: at.Seq, Kind: rec.Kind, Meta: rec.Meta}) {
				return errStopped
			}
			return nil
		})
		if s.err == errStopped {
			s.err = nil
		}
	}
}

var errStopped = fault.New(fault.Internal, "the records are not wanted any more")
