// SPDX-License-Identifier: Apache-2.0

package reverse

import "time"

// How the rate is measured.
const (
	// BehindFrom is how old the oldest leg that is owed is when V10 counts as behind: less is the time that records travel.
	BehindFrom = time.Second
	// SilenceMax is what a time without progress counts at most, unless what was applied then takes longer at half of the rate: V10 tells
	// whole blocks, and a large one is no silence.
	SilenceMax = 5 * time.Second
	slowest    = 2
	// measured is over how much time behind the rate is.
	measured   = 10 * time.Second
	samplesMax = 256
)

// sample is what V10 applied in a time through which it was behind.
type sample struct {
	legs uint64
	took time.Duration
}

// rate is how fast V10 was seen to apply. What it was last seen to do holds until it is seen again.
type rate struct {
	perSecond float64
	behind    bool
	since     time.Duration // newest progress, or since it is behind
	samples   []sample
}

// idle says that nothing is measured until V10 is seen behind anew.
func (r *rate) idle() { r.behind = false }

// look takes in what V10 applied since the look before, and whether it is behind still.
func (r *rate) look(applied uint64, behind bool, now time.Duration) {
	due := time.Duration(slowest * float64(applied) / r.perSecond * float64(time.Second))
	was, took := r.behind, min(now-r.since, max(SilenceMax, due))
	r.behind = behind
	switch {
	case !was:
		r.since = now
	case applied > 0 && took > 0:
		r.since = now
		// One that caught up meanwhile had nothing to do for a part of that time: it is at least as fast.
		if s := (sample{applied, took}); behind || s.perSecond() > r.perSecond {
			r.add(s)
		}
	}
}

func (s *sample) perSecond() float64 { return float64(s.legs) / s.took.Seconds() }

// add measures by the newest samples that make up the time.
func (r *rate) add(s sample) {
	r.samples = append(r.samples, s)
	var all sample
	first := len(r.samples)
	for first > 0 && all.took < measured && len(r.samples)-first < samplesMax {
		first--
		all.legs, all.took = all.legs+r.samples[first].legs, all.took+r.samples[first].took
	}
	r.samples = append(r.samples[:0], r.samples[first:]...)
	r.perSecond = all.perSecond()
}
