// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"fmt"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/lane"
)

// link is the rule that the entries of a node's own lane follow each other, in the log as in the lane.
type link struct {
	anchor   lane.Position // how far the state is that execution begins with
	whole    bool          // the lane is there from its first entry
	adopted  bool          // and is a peer's
	any      bool
	sequence uint64
	tip      chain.Hash
}

func newLink(s start) link {
	return link{anchor: s.state.Lane, whole: s.whole}
}

// follow takes the next entry, and says why it cannot be the next one, or nothing.
func (l *link) follow(e *entry) string {
	first := !l.any
	sequence, tip := l.sequence, l.tip
	l.any, l.sequence, l.tip = true, e.Entry.Sequence, e.Digest
	switch {
	case first && !l.whole:
		if e.Entry.Sequence > l.anchor.Sequence+1 {
			return fmt.Sprintf("it is the oldest on the lane, but execution begins behind entry %d", l.anchor.Sequence)
		}
	case l.adopted && sequence < l.anchor.Sequence && e.Entry.Sequence == l.anchor.Sequence+1 && e.Entry.Parent == l.anchor.Tip:
		// the state has more of the lane than the log
	case e.Entry.Sequence != sequence+1 || e.Entry.Parent != tip:
		return fmt.Sprintf("it does not follow entry %d, %s", sequence, tip)
	}
	if e.Entry.Sequence == l.anchor.Sequence && e.Digest != l.anchor.Tip {
		return fmt.Sprintf("it is %s, the state that execution begins with names %s", e.Digest, l.anchor.Tip)
	}
	return ""
}
