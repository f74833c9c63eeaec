// SPDX-License-Identifier: Apache-2.0

package access

import (
	"sync"
	"time"

	"github.com/aurigraph/aurigraph/internal/fault"
)

// sessionsMax bounds the sessions that are remembered: 8 MiB. At the bound no further one is refreshed, because forgetting one would
// make tokens good again that were replaced.
const sessionsMax = 65_536

// sessions says which token of a session is the good one. A session that was never refreshed is not here: its first one is.
// Only this server signs, so a token that is newer than the one known here was given out by a server that shares the key.
//
// It is memory: after a restart, and at a server that has not seen the newer one, a replaced token is good for what is left of its own life.
type sessions struct {
	mu sync.Mutex // guards all below
	by map[string]session
}

type session struct {
	generation uint32
	over       bool
	until      time.Time // when no token of it can be good any more
}

func newSessions() *sessions { return &sessions{by: map[string]session{}} }

// current reports whether a token is the newest of its session.
func (s *sessions) current(c *claims) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := s.by[c.Session]
	return !at.over && c.Generation >= at.generation
}

// renew replaces the newest token of a session by the next one. Whoever shows one that was replaced has a copy, or the other one has: the
// session is over for both. TryLater: too many sessions are remembered.
func (s *sessions) renew(c *claims, until time.Time) (next uint32, why refusal, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	at, known := s.by[c.Session]
	switch {
	case at.over:
		return 0, refusedSession, nil
	case c.Generation < at.generation:
		at.over = true
		s.by[c.Session] = at
		return 0, refusedReuse, nil
	}
	if !known && !s.room() {
		return 0, "", fault.Reasoned(fault.TryLater, "sessions_full", "Too many sessions: log in again")
	}
	s.by[c.Session] = session{generation: c.Generation + 1, until: until}
	return c.Generation + 1, "", nil
}

// room forgets what is past, if it must, and says whether one more can be remembered.
func (s *sessions) room() bool {
	if len(s.by) < sessionsMax {
		return true
	}
	now := time.Now()
	for id, at := range s.by {
		if now.After(at.until) {
			delete(s.by, id)
		}
	}
	return len(s.by) < sessionsMax
}

func (s *sessions) size() float64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return float64(len(s.by))
}
