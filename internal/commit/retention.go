// SPDX-License-Identifier: Apache-2.0

package commit

import (
	"context"

	"github.com/aurigraph/aurigraph/internal/chain"
)

// anchorsPerRetention is how many anchors lie within RetainBytes: what is kept is between RetainBytes and
// RetainBytes * (1 + 1/anchorsPerRetention).
const anchorsPerRetention = 4

// anchor is a full checkpoint from which all that is retained can be executed again. The state contains the own lane up
// to some record of segment.
type anchor struct {
	height  chain.Height
	segment uint64
}

// Floor is the anchor from which everything is retained, durable in each checkpoint. What lies before it may be there or
// not: it is being let go. The zero value is the genesis.
type Floor struct {
	Height  chain.Height
	Segment uint64 // of the lane; the anchor's state reaches into it
}

// retentionPlan says what to do with a checkpoint.
type retentionPlan struct {
	anchor bool   // make the present state an anchor
	keep   anchor // the oldest that stays; zero: all do
	carry  uint64 // what nobody has executed is to be written once more if it lies in a segment before; 0: nothing is
}

// planRetention decides from the segments (ascending), the anchors (ascending) and the segment that the present state
// reaches. Verification starts from the oldest anchor, or from genesis while there is none, so a segment may go only when
// an anchor lies at or after its end and retainBytes of payload lie behind that anchor.
func planRetention(segments []Segment, anchors []anchor, now uint64, retainBytes int64) retentionPlan {
	var plan retentionPlan
	lastAnchor := uint64(0)
	if len(anchors) > 0 {
		lastAnchor = anchors[len(anchors)-1].segment
	}
	plan.anchor = bytesFrom(segments, lastAnchor)-bytesFrom(segments, now) >= retainBytes/anchorsPerRetention
	for i := len(anchors) - 1; i >= 0; i-- {
		if bytesFrom(segments, anchors[i].segment) >= retainBytes {
			plan.keep = anchors[i]
			break
		}
	}
	plan.carry = carryBefore(segments, now, retainBytes)
	return plan
}

// carryBefore is the first segment that has less than retainBytes behind its beginning, if the present state does not reach
// it: a record that is not executed holds the state's reach, and with it every anchor that could be the floor.
func carryBefore(segments []Segment, now uint64, retainBytes int64) uint64 {
	for _, s := range segments {
		if bytesFrom(segments, s.Number) < retainBytes {
			if now < s.Number {
				return s.Number
			}
			return 0
		}
	}
	return 0
}

// nextFloor is the floor that the next checkpoint names. It never goes back, also when more is to be retained than before.
// If no checkpoint tells the floor any more, it is the oldest anchor from which all that is left can be executed.
func nextFloor(now Floor, segments []Segment, anchors []anchor, plan retentionPlan) Floor {
	if plan.keep.height > now.Height {
		return Floor{plan.keep.height, plan.keep.segment}
	}
	if now.Height == 0 && len(segments) > 0 && segments[0].Number > 1 {
		for _, a := range anchors {
			if a.segment >= segments[0].Number {
				return Floor{a.height, a.segment}
			}
		}
	}
	return now
}

// carry does what a plan says about what nobody has executed.
func (l *Loop) carry(ctx context.Context, plan retentionPlan) error {
	if plan.carry == 0 {
		return nil
	}
	return l.Lane.Carry(ctx, plan.carry)
}

// bytesFrom is how many bytes of segments lie at or after number.
func bytesFrom(segments []Segment, number uint64) int64 {
	total := int64(0)
	for _, s := range segments {
		if s.Number >= number {
			total += s.Bytes
		}
	}
	return total
}
