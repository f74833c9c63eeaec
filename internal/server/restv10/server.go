// SPDX-License-Identifier: Apache-2.0

package restv10

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/server"
	v10 "github.com/aurigraph/aurigraph/internal/v10"
)

// Server serves the dialect. Make it with New; Serve runs it. It is safe for concurrent use.
type Server struct {
	cfg      Config
	parts    Parts
	began    time.Time
	metrics  *metrics
	meter    *meter
	vizor    *vizor
	signer   *signer
	sockets  *sockets
	handlers map[*v10.Endpoint]handler
	streams  map[*v10.Endpoint]stream

	refusals atomic.Uint64
	inFlight atomic.Int64
	bodies   atomic.Int64 // bytes of bodies in memory
	streamed atomic.Int64
	draining atomic.Bool
	drained  chan struct{} // closed when draining begins
	gone     chan struct{} // closed by Hurry
}

// hurriedGrace is what requests under way have to be answered when nothing is behind the server any more.
const hurriedGrace = 250 * time.Millisecond

// New makes a server. Invalid: a part is missing or a bound is out of range.
func New(cfg Config, p Parts) (*Server, error) {
	cfg.setDefaults()
	if err := cfg.validate(&p); err != nil {
		return nil, err
	}
	p.setDefaults()
	s := &Server{cfg: cfg, parts: p, began: p.Now(), vizor: newVizor(), drained: make(chan struct{}), gone: make(chan struct{})}
	s.metrics = newMetrics(p.Metrics, s)
	s.meter = newMeter(p.Reader.Counters())
	s.sockets = newSockets(s)
	var err error
	if s.signer, err = newSigner(); err != nil {
		return nil, err
	}
	s.route()
	return s, nil
}

// Serve serves on l until ctx ends, then drains: for Config.DrainNotice it goes on, unhealthy and closing each connection with its
// answer; then what is under way has Config.DrainGrace. It closes l, and is called once.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	web := &http.Server{
		Handler:           s,
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    headerBytesMax,
		ConnContext:       withEdge,
		ErrorLog:          slog.NewLogLogger(s.parts.Log.Handler(), slog.LevelWarn),
	}
	inner, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var beside sync.WaitGroup
	beside.Go(func() { s.sample(inner) })
	beside.Go(func() { s.sockets.run(inner) })
	defer beside.Wait()
	defer cancel()
	served := make(chan error, 1)
	go func() { served <- web.Serve(edge{server.Limit(l, s.cfg.ConnectionsMax), s}) }()
	select {
	case err := <-served:
		return fault.Wrap(fault.Unavailable, err, "serve V10 on %s", l.Addr())
	case <-ctx.Done():
	}
	return s.drain(context.WithoutCancel(ctx), web, served)
}

// Hurry tells the server that what it answers from has ended, once: it drains at once, as whoever waits for it can do nothing else
// meanwhile.
func (s *Server) Hurry() { close(s.gone) }

// drain stops a server that has served.
func (s *Server) drain(ctx context.Context, web *http.Server, served <-chan error) error {
	s.draining.Store(true)
	close(s.drained)
	most := s.cfg.DrainGrace
	select {
	case <-time.After(s.cfg.DrainNotice):
	case <-s.gone:
		most = min(most, hurriedGrace)
	case err := <-served:
		return fault.Wrap(fault.Unavailable, err, "serve V10")
	}
	grace, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	if err := web.Shutdown(grace); err != nil {
		_ = web.Close() // what did not end in time is cut
	}
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		return fault.Wrap(fault.Unavailable, err, "serve V10")
	}
	return nil
}

// serves reports whether the server may be sent requests.
func (s *Server) serves() bool { return !s.draining.Load() && s.parts.Ready() }

// now is the time as answers give it.
func (s *Server) now() v10.Time { return v10.Time(max(0, s.parts.Now().UnixMilli())) }

// uptime is how long the server has lived.
func (s *Server) uptime() time.Duration { return s.parts.Now().Sub(s.began) }
