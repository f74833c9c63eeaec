// SPDX-License-Identifier: Apache-2.0

package pebble

import (
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/legacy/store"
)

// tail reads outbox rows one by one: a lookup each, which needs nothing to be kept open.
type tail struct {
	s  *Store
	at store.Position // of the last one that was handed out
}

// Since implements store.ChangeLog.
func (s *Store) Since(p store.Position) (store.Tail, error) {
	if err := store.CheckSince(s.Head(), p); err != nil {
		return nil, err
	}
	if floor := s.floorSequence(); p.Sequence < floor {
		return nil, store.Gap(p, floor+1)
	}
	return &tail{s, p}, nil
}

// Next implements store.Tail.
func (t *tail) Next() (store.Change, bool, error) {
	if t.at.Sequence >= t.s.Head().Sequence {
		return store.Change{}, false, nil
	}
	next := store.Position{Incarnation: t.at.Incarnation, Sequence: t.at.Sequence + 1}
	row, err := t.s.get(outboxKey(next.Sequence))
	if fault.Is(err, fault.NotFound) {
		return store.Change{}, false, store.Gap(t.at, t.s.floorSequence()+1)
	}
	if err != nil {
		return store.Change{}, false, err
	}
	_, c, err := decodeOutbox(row)
	if err != nil {
		return store.Change{}, false, err
	}
	c.Position, t.at = next, next
	return c, true, nil
}

// Close implements store.Tail.
func (t *tail) Close() {}
