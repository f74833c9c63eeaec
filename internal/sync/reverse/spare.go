// SPDX-License-Identifier: Apache-2.0

package reverse

import "time"

// spareShare is which part of the measured rate is let in while the window is full: so little that V10 catches up all the same, as soon as
// it goes on.
const spareShare = 2

// spare lets in at a rate, and saves up at most a second of it. What takes more than there is leaves a debt.
type spare struct {
	left float64
	at   time.Duration
}

func (s *spare) take(legs, perSecond float64, now time.Duration) bool {
	s.left, s.at = min(s.left+perSecond*(now-s.at).Seconds(), perSecond), now
	if s.left <= 0 {
		return false
	}
	s.left -= legs
	return true
}
