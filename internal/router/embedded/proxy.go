// SPDX-License-Identifier: Apache-2.0

package embedded

import (
	"context"
	"net/http"
	"net/http/httputil"
	"sync"
	"sync/atomic"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/obs"
	"github.com/aurigraph/aurigraph/internal/router"
)

// Proxy is a router and its driver. Make it with New; it is safe for concurrent use.
type Proxy struct {
	cfg      Config
	metrics  *metrics
	sides    [2]*side // by router.Side
	forward  httputil.ReverseProxy
	table    atomic.Pointer[router.Table]
	underWay atomic.Int64
	bodies   atomic.Int64 // bytes gathered

	setting sync.Mutex // one Set at a time
}

// New makes a router with the map that was in force before it ended. Invalid: the settings
// name no servers, or the registry has a router already. Its metrics go when Serve
// returns.
func New(cfg Config) (*Proxy, error) {
	v10, v11, err := cfg.complete()
	if err != nil {
		return nil, err
	}
	p := &Proxy{cfg: cfg, sides: [2]*side{router.V10: newSide(v10), router.V11: newSide(v11)}}
	m, err := readMap(cfg.Dir)
	if err != nil {
		cfg.Log.Warn("the router's map is lost: all goes to V10 until it is set again", obs.KeyErr, err)
	}
	p.table.Store(router.Compile(&m))
	if p.metrics, err = newMetrics(cfg.Metrics, p); err != nil {
		return nil, err
	}
	p.forward = httputil.ReverseProxy{
		Rewrite:      p.rewrite,
		Transport:    roundTripper(p.send),
		ErrorHandler: p.failed,
		BufferPool:   &buffers{},
		ErrorLog:     newErrorLog(cfg.Log),
	}
	return p, nil
}

// Set puts a map in force: see router.Driver.
func (p *Proxy) Set(_ context.Context, m router.Map) error {
	err := p.set(&m)
	if err != nil {
		p.metrics.refused.WithLabelValues(fault.ReasonOf(err)).Inc()
	}
	return err
}

func (p *Proxy) set(m *router.Map) error {
	if err := m.Check(); err != nil {
		return err
	}
	p.setting.Lock()
	defer p.setting.Unlock()
	present := p.table.Load().Map()
	change, err := m.Follows(&present)
	if err != nil || !change {
		return err
	}
	if err := writeMap(p.cfg.Dir, m); err != nil {
		return err
	}
	p.table.Store(router.Compile(m))
	return nil
}

// Get reads back the map: see router.Driver.
func (p *Proxy) Get(context.Context) (router.Map, error) { return p.table.Load().Map(), nil }

// ServeHTTP routes one request.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if p.underWay.Add(1) > int64(p.cfg.UnderWayMax) {
		p.underWay.Add(-1)
		p.answer(w, fault.Reasoned(fault.TryLater, reasonFull, "The router is busy: nothing was done, send it again in a moment"))
		return
	}
	defer p.underWay.Add(-1)
	p.serve(w, r)
}
