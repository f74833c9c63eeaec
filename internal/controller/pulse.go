// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"fmt"
	"time"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/migration"
)

// standsMin is how long V11 may certify nothing before it is taken for standing still: a change of its leader takes less.
const standsMin = 3 * time.Second

// pulse tells a V11 that has nothing to certify from one that cannot. It has no clock.
type pulse struct {
	height  uint64    // the highest that was certified
	grewAt  time.Time // when that was seen first
	sinceAt time.Time // since when something keeps it from growing; zero: nothing does
}

// feel fills in what is known of a V11 that certifies nothing though it should.
func (p *pulse) feel(now time.Time, s *migration.State, sight *Sight) {
	v := &sight.Vitals
	if p.grewAt.IsZero() || v.Height > p.height {
		p.height, p.grewAt = max(p.height, v.Height), now
	}
	why := v.Why()
	switch {
	case why != "":
	case sight.Unknown != "":
		why = sight.Unknown
	case v.Decided > v.Height:
		why = fmt.Sprintf("height %d is decided, and none above %d is certified", v.Decided, v.Height)
	case s.Failed != nil && s.Failed.Action == migration.Weigh && sight.WeightBP > s.TargetBP: // whatever else there is, this is due
		why = "it does not give slots back: " + s.Failed.Why
	default:
		p.sinceAt = time.Time{}
		return
	}
	if p.sinceAt.IsZero() {
		p.sinceAt = now
	}
	since := p.sinceAt
	if p.grewAt.After(since) {
		since = p.grewAt
	}
	if stands := now.Sub(since); stands >= standsMin {
		sight.Stands, sight.StandsMs = why, uint64(stands.Milliseconds())
	}
}

// Why says why nothing can be certified, as far as one look shows it; empty: it can, or nobody knows.
func (v *Vitals) Why() string {
	switch {
	case v.Members == 0:
		return ""
	case v.Answer < chain.Quorum(v.Members):
		return fmt.Sprintf("%d of %d validators answer, fewer than a quorum of %d", v.Answer, v.Members, chain.Quorum(v.Members))
	case !v.Led:
		return "its validators have no leader"
	}
	return ""
}
