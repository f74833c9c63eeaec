// SPDX-License-Identifier: Apache-2.0

package embedded

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"net/http"
	"strconv"
	"time"

	"github.com/aurigraph/aurigraph/internal/router"
)

// passage is one request on its way. Only the goroutine that serves the request touches it.
type passage struct {
	id           string
	way          router.Way
	version      uint64 // of the map
	server       string // who was asked last; empty: nobody
	serverStatus int    // 0: no answer
	status       int    // that the client got
}

type passageKey struct{}

// passageOf is the passage of a request that is being served.
func passageOf(ctx context.Context) *passage { return ctx.Value(passageKey{}).(*passage) }

func newPassage(t *router.Table, account string) *passage {
	var id [16]byte
	_, _ = rand.Read(id[:]) // it never fails
	return &passage{id: hex.EncodeToString(id[:]), way: t.Way(account), version: t.Version()}
}

// passed counts a request that has ended, and tells of it.
func (p *Proxy) passed(x *passage, r *http.Request, rule *router.Rule, began time.Time) {
	side, by, now := x.way.Side.String(), x.way.By.String(), time.Now()
	p.metrics.requests.WithLabelValues(side, by).Inc()
	if !rule.Stream {
		p.metrics.seconds.WithLabelValues(side).Observe(now.Sub(began).Seconds())
	}
	if p.cfg.Shadow != nil && !rule.Stream && (r.Method == http.MethodGet || r.Method == http.MethodHead) {
		r.Header.Set(router.RequestIDHeader, x.id) // whatever the client wrote there
		p.cfg.Shadow(r.Method, r.RequestURI, r.Header, x.way)
	}
	if p.cfg.Told == nil {
		return
	}
	o := router.Outcome{
		At: float64(now.UnixMicro()) / 1e6, ID: x.id, Method: r.Method, Path: router.PublicPath(r.URL.Path), Side: side, By: by, Slot: x.way.Slot, Map: x.version,
		Status: x.status, Seconds: now.Sub(began).Seconds(), Server: x.server,
	}
	if x.serverStatus != 0 {
		o.ServerStatus = strconv.Itoa(x.serverStatus)
	}
	p.cfg.Told(&o)
}
