// SPDX-License-Identifier: Apache-2.0

package commit

import "github.com/aurigraph/aurigraph/internal/chain"

// anchorsPerRetention is how many anchors lie within RetainBytes: what is kept is between RetainBytes and
// RetainBytes * (1 + 1/anchorsPerRetention).
const anchorsPerRetention = 4

// anchor is a full checkpoint from which all that is retained can be executed again. The state contains the own lane up
// to some record of segment.
type anchor struct {
	height  chain.Height
	segment uint64
}

// retentionPlan says what to do after a checkpoint.
type retentionPlan struct {
	anchor       bool     // make the present state an anchor
	drop         []anchor // no longer needed
	keep         anchor   // the oldest that stays
	recycleBelow uint64   // segment number; 0 = nothing
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
		if bytesFrom(segments, anchors[i].segment) < retainBytes {
			continue
		}
		plan.keep, plan.drop = anchors[i], anchors[:i]
		if len(segments) > 0 && segments[0].Number < anchors[i].segment {
			plan.recycleBelow = anchors[i].segment
		}
		break
	}
	return plan
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
