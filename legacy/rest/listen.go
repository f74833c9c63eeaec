// SPDX-License-Identifier: Apache-2.0

package rest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"time"

	"golang.org/x/net/netutil"

	"github.com/aurigraph/aurigraph/internal/fault"
)

// Bounds of connections. Who is slower than a timeout is cut off; beyond connectionsMax new ones wait in the kernel's queue.
const (
	connectionsMax = 4096
	headerBytesMax = 16 << 10
	headerTimeout  = 5 * time.Second
	readTimeout    = 30 * time.Second
	writeTimeout   = 60 * time.Second
	idleTimeout    = 75 * time.Second
	drainGrace     = 10 * time.Second
	drainNotice    = time.Second
)

// Serve serves on l until ctx ends, then drains: for Config.DrainNotice it goes on, unhealthy and with the last answer on each
// connection saying so; then requests under way have ten seconds to end. None is under way when it returns. It closes l. Call it once.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	server := &http.Server{
		Handler:           s,
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    headerBytesMax,
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(&jsonListener{netutil.LimitListener(l, connectionsMax)}) }()
	select {
	case err := <-served:
		return fault.Wrap(fault.Unavailable, err, "serve V10 on %s", l.Addr())
	case <-ctx.Done():
	}
	s.Drain()
	select {
	case <-time.After(s.cfg.DrainNotice):
	case err := <-served:
		return fault.Wrap(fault.Unavailable, err, "serve V10 on %s", l.Addr())
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainGrace)
	defer cancel()
	if err := server.Shutdown(grace); err != nil {
		server.Close() // which ends the contexts of what is still under way
	}
	s.gate.Lock()
	s.closed = true
	s.gate.Unlock()
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		return fault.Wrap(fault.Unavailable, err, "serve V10 on %s", l.Addr())
	}
	return nil
}

// readAll reads a body whose length may be known.
func readAll(r io.Reader, length int64) ([]byte, error) {
	var buf bytes.Buffer
	if length > 0 {
		buf.Grow(int(length) + bytes.MinRead)
	}
	_, err := buf.ReadFrom(r)
	return buf.Bytes(), err
}
