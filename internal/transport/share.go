// SPDX-License-Identifier: Apache-2.0

package transport

import (
	"sync"
	"time"
)

const (
	syncFloorParts = 20 // Sync gets at least this part of the link
	shareWindow    = 10 * time.Millisecond
	// linkBytesLeast keeps a Sync frame of the greatest size under a second.
	linkBytesLeast = syncFloorParts * SyncBytesMax
)

// share divides this node's link: Sync may use what the other classes left in the last window, and at least its floor. It
// is a token bucket whose rate follows the others.
type share struct {
	mu     sync.Mutex
	link   float64   // bytes per second
	rate   float64   // guarded by mu; bytes per second for Sync
	tokens float64   // guarded by mu; below zero when promised ahead
	last   time.Time // guarded by mu; of the tokens
	window time.Time // guarded by mu; begin of the window
	urgent float64   // guarded by mu; bytes of the other classes in the window
}

func newShare(linkBytesPerSecond int64, now time.Time) *share {
	link := float64(linkBytesPerSecond)
	return &share{link: link, rate: link, tokens: SyncBytesMax, last: now, window: now}
}

// used counts bytes of the other classes.
func (s *share) used(n int64) {
	s.mu.Lock()
	s.urgent += float64(n)
	s.mu.Unlock()
}

// reserve promises n bytes to Sync and says how long to wait before they are written. Promises add up: those who ask at
// once are served one after the other.
func (s *share) reserve(n int64, now time.Time) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	if span := now.Sub(s.window); span >= shareWindow {
		s.rate = max(s.link/syncFloorParts, s.link-s.urgent/span.Seconds())
		s.urgent, s.window = 0, now
	}
	s.tokens = min(SyncBytesMax, s.tokens+s.rate*now.Sub(s.last).Seconds())
	s.last = now
	s.tokens -= float64(n)
	if s.tokens >= 0 {
		return 0
	}
	return time.Duration(-s.tokens / s.rate * float64(time.Second))
}
