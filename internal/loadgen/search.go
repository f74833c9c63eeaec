// SPDX-License-Identifier: Apache-2.0

package loadgen

// Constants of the search.
const (
	belowPeak = 0.9  // of the peak is tried first
	backOff   = 0.8  // of a rate that was not kept is tried next, while none was
	goOn      = 1.1  // times a rate that was kept is tried next, while none was not
	closeBy   = 1.04 // between a rate kept and one not kept ends the search
	holdTries = 6    // measurements at most: a rate that is not kept is measured again, lower
	holdAgain = 0.93 // times the rate
	desperate = 0.5  // of the lowest rate tried is measured when none was kept: the measurement shows what it is worth
)

// rateSearch closes in on the highest rate that is kept for a moment, from both sides. The measurement begins there and goes
// down as far as a longer run makes it: that meets checkpoints, recycled segments, a slow disk.
type rateSearch struct {
	low, high float64 // highest rate kept, lowest not kept; 0: none yet
	rate      float64 // to try next
}

func newRateSearch(peak float64) *rateSearch { return &rateSearch{rate: belowPeak * peak} }

// next takes the result at rate and sets the next one.
func (s *rateSearch) next(kept bool) {
	if kept {
		s.low = s.rate
	} else {
		s.high = s.rate
	}
	switch {
	case s.low == 0:
		s.rate = backOff * s.high
	case s.high == 0:
		s.rate = goOn * s.low
	default:
		s.rate = (s.low + s.high) / 2
	}
}

// goesOn reports whether the n-th step is worth its time: longer while nothing was kept, for that is no answer.
func (s *rateSearch) goesOn(n int) bool {
	if s.low == 0 {
		return n < desperateSteps
	}
	return n < searchSteps && !s.found()
}

func (s *rateSearch) found() bool { return s.low > 0 && s.high > 0 && s.high < closeBy*s.low }

// measure is the rate that is measured first.
func (s *rateSearch) measure() float64 {
	if s.low == 0 {
		return desperate * s.high
	}
	return s.low
}
