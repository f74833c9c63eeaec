// SPDX-License-Identifier: Apache-2.0

package bus

import (
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/sync/envelope"
)

// tail is the end of a topic. Whole says that nothing lies before it.
type tail struct {
	records []*envelope.Record
	whole   bool
}

// resumption is what the ends of the topics say about where a publisher goes on.
type resumption struct {
	life   uint32
	tip    Tip              // everything up to there is in the topics
	newest *envelope.Record // at the tip; nil: it is not among the ends, or there is none
	strays map[envelope.Position]envelope.Tag
	// more says that the ends are too short to tell.
	more bool
}

// resume reads the ends of the topics for a source, whose Life is not known yet, that would begin at start.
func resume(source envelope.Source, start Tip, tails [envelope.TopicCount]tail) (resumption, error) {
	out := resumption{strays: map[envelope.Position]envelope.Tag{}}
	life, fresh, err := lifeOf(source, tails)
	if err != nil {
		return out, err
	}
	out.life, out.tip = life, start
	if fresh {
		return out, nil
	}
	anchored, whole := false, true
	follows := map[envelope.Position]*envelope.Record{}
	for _, t := range tails {
		whole = whole && t.whole
		for _, r := range t.records {
			switch {
			case r.Life != life:
			case !r.IsHeartbeat():
				if other, there := follows[r.Previous]; there && other.Tag != r.Tag {
					return out, forked(r.Position)
				}
				follows[r.Previous] = r
			case !anchored || out.tip.Position.Before(r.Position):
				anchored, out.tip = true, tipOf(r)
			}
		}
	}
	out.more = !anchored && !whole
	for r := follows[out.tip.Position]; r != nil; r = follows[out.tip.Position] {
		if r.PreviousTag != out.tip.Tag {
			return out, forked(r.Position)
		}
		out.tip = tipOf(r)
	}
	for _, r := range follows {
		if r.Position == out.tip.Position && r.Tag == out.tip.Tag {
			out.newest = r
		}
		if out.tip.Position.Before(r.Position) {
			out.strays[r.Position] = r.Tag
		}
	}
	return out, nil
}

// lifeOf finds which life of the ledger the source is; fresh: none of its records is there yet.
func lifeOf(source envelope.Source, tails [envelope.TopicCount]tail) (life uint32, fresh bool, err error) {
	var newest uint32
	var newestIs envelope.Incarnation
	for _, t := range tails {
		for _, r := range t.records {
			switch {
			case r.Origin != source.Origin:
				return 0, false, fault.Reasoned(fault.Conflict, envelope.ReasonOtherOrigin, "the topics hold records of %s", r.Source)
			case r.Ledger != source.Ledger:
				return 0, false, fault.Reasoned(fault.Conflict, envelope.ReasonForeignLedger, "the topics hold records of %s: one set of topics serves one network", r.Source)
			case r.Life > newest:
				newest, newestIs = r.Life, r.Incarnation
			case r.Life == newest && r.Incarnation != newestIs:
				return 0, false, fault.Reasoned(fault.Conflict, envelope.ReasonOtherIncarnation, "the topics hold records of two incarnations that both began as life %d", r.Life)
			}
			if r.Incarnation == source.Incarnation {
				life = r.Life
			}
		}
	}
	if life != 0 && life != newest {
		return 0, false, fault.Reasoned(fault.Conflict, envelope.ReasonOtherIncarnation,
			"life %d of the ledger, which this is, ended: the topics hold life %d. Two copies of one ledger run; stop one", life, newest)
	}
	if life == 0 {
		return newest + 1, true, nil
	}
	return life, false, nil
}

func forked(p envelope.Position) error {
	return fault.Reasoned(fault.Conflict, envelope.ReasonFork,
		"the topics hold another record at %s than this ledger makes: two programs, or two versions of one, wrote there. Compare before anything is published", p)
}
