// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"fmt"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/lane"
)

// link is the rule that the entries of a node's own lane follow each other, in the log as in the lane. With new keys the lane
// begins anew, in a later epoch.
type link struct {
	anchor   lane.Position // how far the state is that execution begins with
	joined   chain.Epoch   // of the lane in it
	whole    bool          // the lane is there from its first entry
	adopted  bool          // and is a peer's
	any      bool
	epoch    chain.Epoch
	sequence uint64
	tip      chain.Hash
}

func newLink(s start, self chain.ValidatorNo) link {
	l := link{anchor: s.state.Lane, whole: s.whole}
	l.joined, l.anchor.Sequence, l.anchor.Tip = s.state.Ledger.Lane(self) // a checkpoint at an epoch's end names the lane before
	return l
}

// follow takes the next entry, and says why it cannot be the next one, or nothing.
func (l *link) follow(e *entry) string {
	first := !l.any
	epoch, sequence, tip := l.epoch, l.sequence, l.tip
	l.any, l.epoch, l.sequence, l.tip = true, e.Entry.JoinEpoch, e.Entry.Sequence, e.Digest
	switch {
	case first && !l.whole && e.Entry.JoinEpoch == l.joined:
		if e.Entry.Sequence > l.anchor.Sequence+1 {
			return fmt.Sprintf("it is the oldest on the lane, but execution begins behind entry %d", l.anchor.Sequence)
		}
	case first && !l.whole && e.Entry.JoinEpoch < l.joined: // of a lane that is no more
	case e.Entry.JoinEpoch > epoch && e.Entry.Sequence == 1 && e.Entry.Parent.IsZero(): // the first one of a lane
	case e.Entry.JoinEpoch != epoch && !first:
		return fmt.Sprintf("it is of the lane that began in epoch %d, behind entry %d of the one that began in epoch %d", e.Entry.JoinEpoch, sequence, epoch)
	case l.adopted && sequence < l.anchor.Sequence && e.Entry.Sequence == l.anchor.Sequence+1 && e.Entry.Parent == l.anchor.Tip:
		// the state has more of the lane than the log
	case e.Entry.Sequence != sequence+1 || e.Entry.Parent != tip:
		return fmt.Sprintf("it does not follow entry %d, %s", sequence, tip)
	}
	if e.Entry.JoinEpoch == l.joined && e.Entry.Sequence == l.anchor.Sequence && e.Digest != l.anchor.Tip {
		return fmt.Sprintf("it is %s, the state that execution begins with names %s", e.Digest, l.anchor.Tip)
	}
	return ""
}
