// SPDX-License-Identifier: Apache-2.0

package guard

import (
	"cmp"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/aurigraph/aurigraph/internal/access"
	"github.com/aurigraph/aurigraph/internal/hop"
	v10 "github.com/aurigraph/aurigraph/internal/v10"
)

// Bounds of what is known of callers.
const (
	CallersMax   = 10_000
	classOther   = "other" // what is no endpoint of V10's
	callerOthers = "others"
)

// Callers is what GET /callers answers: who called V10 by this guard since it began, while V10 owned no slot.
type Callers struct {
	SinceMs uint64       `json:"since_ms"`
	Callers []CallerSeen `json:"callers"` // by name
}

// CallerSeen is what is known of a caller. The name is access.Headers.Label, or the address of who shows nothing; "others" are all for whom there
// was no room.
type CallerSeen struct {
	Caller     string            `json:"caller"`
	Requests   uint64            `json:"requests"`
	LastSeenMs uint64            `json:"last_seen_ms"`
	Classes    map[string]uint64 `json:"classes"` // requests by method and path, as V10's endpoints are written
}

// callers counts requests by caller. What V11, a router's comparison or another guard sends on has been counted where it came in; who only asks
// whether V10 lives is a probe, and no customer.
type callers struct {
	since time.Time
	max   int

	mu   sync.Mutex
	seen map[string]*callerCount
}

type callerCount struct {
	last    time.Time
	classes map[string]uint64
}

func newCallers(now time.Time) *callers {
	return &callers{since: now, max: CallersMax, seen: map[string]*callerCount{}}
}

// note counts a request of a client.
func (c *callers) note(r *http.Request, row *v10.Endpoint, now time.Time) {
	if len(r.Header[hop.Header]) > 0 || row != nil && row.Group == v10.GroupPlatform && !row.Writes() {
		return
	}
	name, class := callerOf(r), classOther
	if row != nil {
		class = row.Method + " " + row.Path
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	one := c.seen[name]
	if one == nil {
		if len(c.seen) >= c.max {
			name = callerOthers
			one = c.seen[name]
		}
		if one == nil {
			one = &callerCount{classes: map[string]uint64{}}
			c.seen[name] = one
		}
	}
	one.last = now
	one.classes[class]++
}

func callerOf(r *http.Request) string {
	h := access.Headers{APIKey: r.Header["X-Api-Key"], Authorization: r.Header["Authorization"]}
	if label := h.Label(); label != "" {
		return label
	}
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = r.RemoteAddr
	}
	return "address/" + host
}

// list is what was counted.
func (c *callers) list() Callers {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := Callers{SinceMs: uint64(c.since.UnixMilli()), Callers: []CallerSeen{}}
	for name, one := range c.seen {
		s := CallerSeen{Caller: name, LastSeenMs: uint64(one.last.UnixMilli()), Classes: map[string]uint64{}}
		for class, n := range one.classes {
			s.Classes[class] = n
			s.Requests += n
		}
		all.Callers = append(all.Callers, s)
	}
	slices.SortFunc(all.Callers, func(a, b CallerSeen) int { return cmp.Compare(a.Caller, b.Caller) })
	return all
}
