// SPDX-License-Identifier: Apache-2.0

package access

import (
	"hash/maphash"
	"sync"
	"time"
)

const (
	// backoffSlots is how many slots wrong passwords are counted in: 512 KiB, whoever tries whatever names. Names that share one wait together.
	backoffSlots = 65_536
	// backoffFree is how many wrong passwords cost no wait.
	backoffFree = 5
	// backoffMax is the longest wait. It never becomes for ever: else anybody could lock a user out.
	backoffMax = 15 * time.Minute
	// backoffForget is after which time without a wrong password a slot begins anew.
	backoffForget = time.Hour
)

// backoff makes who gave wrong passwords wait before the next one is looked at.
type backoff struct {
	seed maphash.Seed

	mu    sync.Mutex // guards slots
	slots []failures
}

type failures struct {
	count uint32
	last  uint32 // s since backoffEpoch
}

func newBackoff() *backoff {
	return &backoff{seed: maphash.MakeSeed(), slots: make([]failures, backoffSlots)}
}

// backoffEpoch makes a time fit 32 bits, until 2159.
var backoffEpoch = time.Unix(1_700_000_000, 0)

func (b *backoff) slot(name string) *failures {
	return &b.slots[maphash.String(b.seed, name)%backoffSlots]
}

// try takes a turn for a name, or says how long it must wait. The turn counts as wrong until right is called, so that many tries
// at once are not many free ones.
func (b *backoff) try(name string, now time.Time) (wait time.Duration, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.slot(name)
	at := uint32(now.Sub(backoffEpoch) / time.Second)
	since := time.Duration(at-s.last) * time.Second
	if s.count > 0 && since >= backoffForget {
		s.count = 0
	}
	if due := waitAfter(s.count); since < due && s.count > 0 {
		return due - since, false
	}
	s.count, s.last = s.count+1, at
	return 0, true
}

// waitAfter is how long so many wrong passwords make one wait: 1 s after the fifth, then twice as long each time.
func waitAfter(count uint32) time.Duration {
	if count < backoffFree {
		return 0
	}
	return min(backoffMax, time.Second<<min(count-backoffFree, 20))
}

func (b *backoff) right(name string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	*b.slot(name) = failures{}
}
