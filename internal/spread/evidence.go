// SPDX-License-Identifier: Apache-2.0

package spread

import (
	"slices"

	"github.com/aurigraph/aurigraph/internal/chain"
)

// EvidenceKind says what somebody did that an honest validator does not.
type EvidenceKind uint8

// The kinds of evidence.
const (
	EvidenceFork    EvidenceKind = iota + 1 // two entries have one place: the lane's owner forked it
	EvidenceParent                          // the owner's entry names another parent than the owner's entry before it
	EvidenceAck                             // an acknowledgement names another entry than the one here: of its owner or the acker, one lies
	EvidenceAhead                           // an acknowledgement names an own entry that this node does not have: the acker lies, or the own lane lost its end
	EvidenceDecided                         // ordering decided another entry than one that q validators hold, or than the one here
)

var evidenceNames = map[EvidenceKind]string{
	EvidenceFork: "fork", EvidenceParent: "parent", EvidenceAck: "ack", EvidenceAhead: "ahead", EvidenceDecided: "decided",
}

// String is the kind's word in logs and answers.
func (k EvidenceKind) String() string { return evidenceNames[k] }

// Evidence is what contradicts what. There is at most one of each kind and sender for a lane.
type Evidence struct {
	Kind     EvidenceKind
	Lane     chain.ValidatorNo
	Epoch    chain.Epoch
	Sequence uint64
	From     chain.ValidatorNo // who said so
	Ours     chain.LaneEntry   // what was here; of Parent: the entry before; zero if it is no longer remembered
	Theirs   chain.LaneEntry   // what arrived, zero if only its digest did
	Digest   chain.Hash        // of Theirs
}

// report keeps and says evidence of a kind and sender once.
func (c *Core) report(l *lane, e Evidence, out *Output) {
	e.Lane, e.Epoch = l.no, l.epoch
	kept := c.evidence[l.no]
	if slices.ContainsFunc(kept, func(k Evidence) bool { return k.Kind == e.Kind && k.From == e.From && k.Epoch == e.Epoch }) {
		return
	}
	if len(kept) > 0 && kept[0].Epoch != e.Epoch {
		kept = nil
	}
	c.evidence[l.no] = append(kept, e)
	out.Evidence = append(out.Evidence, e)
}

// Evidence returns what was found about the present lane of a validator since this core began.
func (c *Core) Evidence(v chain.ValidatorNo) []Evidence { return slices.Clone(c.evidence[v]) }
