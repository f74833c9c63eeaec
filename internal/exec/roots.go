// SPDX-License-Identifier: Apache-2.0

package exec

import (
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// Due says whether a state root is due at a block, given the last height at which one was, both proposer times, and whether
// any block since, this one included, executed an entry. Blocks that only let an older root appear owe none themselves, so an
// idle network comes to rest.
func Due(height, last chain.Height, timeUs, lastUs uint64, worked bool) bool {
	return height-last >= chain.RootBlocksMax || worked && timeUs-lastUs >= chain.RootMicros
}

// rootSchedule knows which heights owe a state root, and which roots are there. At most chain.RootDelay are open.
type rootSchedule struct {
	last   chain.Height // newest height at which a root was due
	lastUs uint64
	worked bool      // a block since executed an entry
	due    []dueRoot // ascending
}

type dueRoot struct {
	at   chain.Height
	root chain.Hash
	set  bool
}

// next is told of an executed block and says whether its state's root is due.
func (s *rootSchedule) next(height chain.Height, timeUs uint64, executed bool) bool {
	s.worked = s.worked || executed
	if !Due(height, s.last, timeUs, s.lastUs, s.worked) {
		return false
	}
	s.last, s.lastUs, s.worked = height, timeUs, false
	s.due = append(s.due, dueRoot{at: height})
	return true
}

// owed is the height whose root the header of height carries, if it is due.
func owed(height chain.Height) (chain.Height, bool) {
	return height - chain.RootDelay, height > chain.RootDelay
}

func (s *rootSchedule) find(height chain.Height) *dueRoot {
	at, ok := owed(height)
	if !ok {
		return nil
	}
	for i := range s.due {
		if s.due[i].at == at {
			return &s.due[i]
		}
	}
	return nil
}

func (s *rootSchedule) missing(height chain.Height) (chain.Height, bool) {
	d := s.find(height)
	if d == nil || d.set {
		return 0, false
	}
	return d.at, true
}

func (s *rootSchedule) set(at chain.Height, root chain.Hash) {
	for i := range s.due {
		if s.due[i].at == at {
			s.due[i].root, s.due[i].set = root, true
		}
	}
}

// take gives the root for the header of height and closes it.
func (s *rootSchedule) take(height chain.Height) (chain.Height, chain.Hash, error) {
	d := s.find(height)
	if d == nil {
		return 0, chain.Hash{}, nil
	}
	if !d.set {
		return 0, chain.Hash{}, fault.New(fault.Internal, "header %d needs the state root of height %d first", height, d.at)
	}
	at, root := d.at, d.root
	s.due = s.due[1:]
	return at, root, nil
}

// Restore reopens a root that was due at height at, whose block had time timeUs: recovery calls it in ascending order for
// the last chain.RootDelay heights up to the checkpoint, with the roots that later headers carry.
func (m *Machine) Restore(at chain.Height, root chain.Hash) {
	m.roots.due = append(m.roots.due, dueRoot{at: at, root: root, set: true})
}
