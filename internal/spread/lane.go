// SPDX-License-Identifier: Apache-2.0

package spread

import (
	"slices"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
)

// held is a remembered entry.
type held struct {
	entry  chain.LaneEntry
	digest chain.Hash
	sum    uint64 // bytes of the lane through it, counted from where the core began
	stored bool
}

func newHeld(e chain.LaneEntry) held { return held{entry: e, digest: codec.EntryDigest(e)} }

// lane is what this node knows of a validator's lane: base ≤ executed, offered, stored ≤ tip.
type lane struct {
	no      chain.ValidatorNo
	epoch   chain.Epoch
	base    held   // the newest entry forgotten; its place, digest and sum are meant
	entries []held // behind base, each the parent of the next
	early   []held // decided, fetched, and without their parent yet
	faulted bool   // it forked: the owner's entries are refused

	executed  uint64
	stored    uint64 // durable here without gaps
	available uint64 // q validators hold it
	offered   uint64

	acked  []uint64 // by validator: durable there, as told and as compared with the entries here
	claims []claims // by validator: told, and not compared

	gap    bool // an entry was refused that is needed later: ask the owner
	asked  ask  // the last time
	ackDue bool
	doubt  bool // a claim differs, and was not reported
}

// ask is when, and in which state, a lane's owner was asked.
type ask struct{ tick, tip, executed uint64 }

// claims are acknowledgements that did not meet their entry yet. Two suffice for progress however far ahead an acker
// is: when the tip reaches near, far becomes near.
type claims struct {
	near, far Position
	odd       Position // differs from the entry here
}

func newLane(no chain.ValidatorNo, n int, s LaneState) *lane {
	l := &lane{no: no, epoch: s.Epoch, faulted: s.Faulted, acked: make([]uint64, n), claims: make([]claims, n)}
	l.leap(s.Executed, s.Digest)
	return l
}

// leap forgets all and continues behind an executed entry.
func (l *lane) leap(sequence uint64, digest chain.Hash) {
	l.base = held{entry: chain.LaneEntry{Sequence: sequence}, digest: digest, sum: l.sum(l.tip())}
	l.entries = nil
	l.executed, l.stored, l.available, l.offered = sequence, sequence, sequence, sequence
	for v := range l.acked {
		l.acked[v] = min(l.acked[v], sequence)
	}
	l.early = slices.DeleteFunc(l.early, func(h held) bool { return h.entry.Sequence <= sequence })
}

func (l *lane) first() uint64         { return l.base.entry.Sequence }
func (l *lane) tip() uint64           { return l.first() + uint64(len(l.entries)) }
func (l *lane) tipDigest() chain.Hash { return l.at(l.tip()).digest }
func (l *lane) sum(s uint64) uint64   { return l.at(s).sum }
func (l *lane) waiting() uint64       { return l.sum(l.tip()) - l.sum(l.executed) }

// at returns a remembered entry or the base: sequence is from first to tip.
func (l *lane) at(sequence uint64) *held {
	if sequence == l.first() {
		return &l.base
	}
	return &l.entries[sequence-l.first()-1]
}

func (l *lane) remembers(sequence uint64) bool { return sequence >= l.first() && sequence <= l.tip() }

// full reports whether so many bytes more are too much. One entry always fits.
func (l *lane) full(bytes uint64, b *Bounds) bool {
	return l.tip() > l.executed && (l.waiting()+bytes > b.LaneBytesMax || l.tip()-l.executed >= b.LaneEntriesMax)
}

// roomy reports whether a lane that was full is worth asking for.
func (l *lane) roomy(b *Bounds) bool {
	return l.tip() == l.executed || l.waiting() <= b.LaneBytesMax/4*3 && l.tip()-l.executed <= b.LaneEntriesMax/4*3
}

// position is what this node acknowledges.
func (l *lane) position() Position {
	return Position{Lane: l.no, Epoch: l.epoch, Sequence: l.stored, Digest: l.at(l.stored).digest}
}
