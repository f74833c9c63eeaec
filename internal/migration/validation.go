// SPDX-License-Identifier: Apache-2.0

package migration

import (
	"fmt"

	"github.com/aurigraph/aurigraph/internal/canary"
)

// AvailabilityPlan is about the requests that clients made over a time, whichever side answered them: before the cutover, and at each check of
// the warm phase.
type AvailabilityPlan struct {
	OverSeconds int `yaml:"over_seconds"` // 0: this is no gate
	LeastPPM    int `yaml:"least_ppm"`    // of the requests, so many of a million had an answer below 500
}

// ServedFacts are the requests of that time.
type ServedFacts struct {
	KnownMs  uint64 // of the time, so much is known
	Requests uint64
	Failed   uint64 // without an answer, or with one of 500 and above
}

// Of a time, so much must be known: a controller that was away for longer did not see what clients saw.
const knownPercentMin = 95

func (s *State) availabilityGate(f *Facts) Gate {
	const name = "availability"
	want, of := s.Plan.Availability, f.Served
	switch {
	case want.OverSeconds == 0:
		return Gate{Name: name, OK: true, Why: "not asked for"}
	case of.KnownMs*100 < uint64(want.OverSeconds)*1000*knownPercentMin:
		return gate(name, fmt.Sprintf("the requests of %d s are known, of the last %d", of.KnownMs/1000, want.OverSeconds))
	case of.Requests == 0:
		return gate(name, fmt.Sprintf("nobody asked for anything in the last %d s", want.OverSeconds))
	}
	said := fmt.Sprintf("%d of the last %d requests had no good answer", of.Failed, of.Requests)
	return Gate{Name: name, OK: of.Failed*1_000_000 <= of.Requests*uint64(1_000_000-want.LeastPPM), Why: said}
}

// Usage is what a validator needs of its machine.
type Usage struct {
	Name        string
	MemoryBytes uint64
	Why         string // it is not known; empty: it is
}

// checkAgainSecondsMax is how long after a check that did not pass the next one is made, where the plan's first check comes later than that.
const checkAgainSecondsMax = 60

func (s *State) checkAgainSeconds() int {
	return min(max(s.Plan.Warm.ChecksAfterSeconds[0], 1), checkAgainSecondsMax)
}

// Validate says what a check of the warm phase finds, besides a comparison of both ledgers: nothing is under way between them, the judge of the whole
// weight has nothing to say against it, clients were served, and the validators have what they need.
func (s *State) Validate(f *Facts, usage []Usage) []Gate {
	pending := openGate(f)
	if late := blocked(always(s, f)); pending.OK && late != nil {
		pending = *late
	}
	pending.Name = "pending"
	return []Gate{pending, performanceGate(f.Verdict), s.availabilityGate(f), s.memoryGate(usage)}
}

// performanceGate is what the judge of the whole weight has to say against it. How long it has seen it, and who approved, was the cutover's.
func performanceGate(v *canary.Verdict) Gate {
	const name = "performance"
	if v == nil {
		return gate(name, "no window of requests is judged yet")
	}
	for _, g := range v.Gates {
		if !g.OK && g.Name != canary.RuleTime && g.Name != canary.RuleRequests && g.Name != canary.RuleApprovals {
			return gate(name, g.Name+": "+g.Why)
		}
	}
	return gate(name, "")
}

func (s *State) memoryGate(usage []Usage) Gate {
	const name, mib = "memory", 1 << 20
	most := s.Plan.Warm.MemoryMiBMax
	if most == 0 {
		return Gate{Name: name, OK: true, Why: "not asked for"}
	}
	if len(usage) == 0 {
		return gate(name, "no validator said what it needs")
	}
	top := usage[0]
	for _, u := range usage {
		if u.Why != "" {
			return gate(name, u.Name+": "+u.Why)
		}
		if u.MemoryBytes > top.MemoryBytes {
			top = u
		}
	}
	return Gate{Name: name, OK: top.MemoryBytes <= uint64(most)*mib, Why: fmt.Sprintf("%s needs %d MiB, of %d", top.Name, (top.MemoryBytes+mib-1)/mib, most)}
}

// passed reports whether a check found nothing against going on.
func passed(checks []Gate) bool { return blocked(checks) == nil }

// warmCheck reports whether the warm phase wants a check now. One that did not pass is made again a little later.
func (s *State) warmCheck(nowMs uint64) bool {
	v := s.Verified
	if s.Phase != Warm || !s.checkDue(nowMs) || v != nil && !v.OK {
		return false
	}
	return v == nil || passed(v.Checks) || nowMs >= v.AtMs+uint64(s.checkAgainSeconds())*1000 || nowMs < v.AtMs // its writer's clock was ahead
}

// checksGate is about the checks of the warm phase.
func (s *State) checksGate() Gate {
	want := len(s.Plan.Warm.ChecksAfterSeconds)
	if v := s.Verified; v != nil {
		if g := blocked(v.Checks); g != nil {
			return canary.Gate{Name: "checks", Why: fmt.Sprintf("%s: %s; it is checked again %d s after that", g.Name, g.Why, s.checkAgainSeconds())}
		}
	}
	return gate("checks", unless(s.WarmChecks >= want, "%d checks, of %d; the next one %d s after the cutover", s.WarmChecks, want, s.nextCheck()))
}
