// SPDX-License-Identifier: Apache-2.0

package raft

import (
	"sort"

	pb "go.etcd.io/raft/v3/raftpb"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// mark says of an entry what the next one must follow. An entry without a proposal has the height and time before it.
type mark struct {
	term   uint64
	height chain.Height
	timeUs uint64
	// proposal is kept until it is decided, and is nil for an entry that has none.
	proposal *chain.Proposal
}

// follows reports whether p may come after m.
func (m mark) follows(p *chain.Proposal) bool {
	return p.Height == m.height+1 && p.TimeUs > m.timeUs
}

// trail holds the mark of each entry of the log as it stands in memory, written or not: marks[0] is the base's.
type trail struct {
	base  uint64 // index of marks[0]
	marks []mark
}

func newTrail(b *base) trail {
	return trail{base: b.index, marks: []mark{{term: b.term, height: b.height, timeUs: b.timeUs}}}
}

// last is the index of the newest entry.
func (t *trail) last() uint64 { return t.base + uint64(len(t.marks)) - 1 }

// tail is the mark of the newest entry.
func (t *trail) tail() mark { return t.marks[len(t.marks)-1] }

// at is the mark of an entry, and false outside the log.
func (t *trail) at(index uint64) (mark, bool) {
	if index < t.base || index > t.last() {
		return mark{}, false
	}
	return t.marks[index-t.base], true
}

// append adds an entry, after dropping those that it overwrites, which it returns. An entry that does not follow is an
// error and changes nothing.
func (t *trail) append(e *pb.Entry) (dropped []mark, err error) {
	before, ok := t.at(e.Index - 1)
	if !ok {
		return nil, fault.New(fault.Corrupt, "ordering log: entry %d does not join entries %d to %d", e.Index, t.base, t.last())
	}
	m := mark{term: e.Term, height: before.height, timeUs: before.timeUs}
	if len(e.Data) > 0 {
		p, err := codec.DecodeProposal(e.Data)
		if err != nil {
			return nil, fault.Wrap(fault.Corrupt, err, "ordering log: entry %d", e.Index)
		}
		if !before.follows(p) {
			return nil, fault.New(fault.Corrupt, "ordering log: height %d at time %d follows height %d at time %d", p.Height, p.TimeUs, before.height, before.timeUs)
		}
		m.height, m.timeUs, m.proposal = p.Height, p.TimeUs, p
	}
	keep := e.Index - t.base
	dropped = append([]mark(nil), t.marks[keep:]...)
	t.marks = append(t.marks[:keep], m)
	return dropped, nil
}

// indexOf is the index of the proposal of a height, or of the base for the base's height.
func (t *trail) indexOf(h chain.Height) (uint64, bool) {
	i := sort.Search(len(t.marks), func(i int) bool { return t.marks[i].height >= h })
	if i == len(t.marks) || t.marks[i].height != h {
		return 0, false
	}
	return t.base + uint64(i), true
}

// cut makes an index the base.
func (t *trail) cut(index uint64) {
	if index <= t.base || index > t.last() {
		return
	}
	t.marks = append([]mark(nil), t.marks[index-t.base:]...)
	t.marks[0].proposal = nil
	t.base = index
}
