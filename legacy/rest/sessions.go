// SPDX-License-Identifier: Apache-2.0

package rest

import (
	"sync"
	"time"

	"github.com/aurigraph/aurigraph/internal/fault"
)

// sessionsMax bounds the sessions that are remembered. At the bound no further one is refreshed: forgetting one would make a token
// good again that was traded.
const sessionsMax = 65_536

// sessions says which token of a login is the newest. One that was never refreshed is not here. It is safe for concurrent use.
type sessions struct {
	mu sync.Mutex // guards by
	by map[string]session
}

type session struct {
	generation uint32
	over       bool
	until      time.Time // when the newest token ends, and all older ones have
}

func newSessions() *sessions { return &sessions{by: map[string]session{}} }

// trade replaces a session's newest token by the next one. A token that was traded before ends the session: there is a copy of it.
func (s *sessions) trade(c *claims, now time.Time) (next uint32, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	at, known := s.by[c.Session]
	switch {
	case at.over:
		return 0, errToken
	case c.Generation < at.generation:
		at.over = true
		s.by[c.Session] = at
		return 0, errToken
	case !known && !s.room(now):
		return 0, fault.Reasoned(fault.TryLater, "sessions_full", "Too many sessions: log in again")
	}
	s.by[c.Session] = session{generation: c.Generation + 1, until: now.Add(tokenLife)}
	return c.Generation + 1, nil
}

// room forgets what is past, if it must, and says whether one more can be remembered.
func (s *sessions) room(now time.Time) bool {
	if len(s.by) < sessionsMax {
		return true
	}
	for id, at := range s.by {
		if now.After(at.until) {
			delete(s.by, id)
		}
	}
	return len(s.by) < sessionsMax
}
