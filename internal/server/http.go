// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"errors"
	"net"
	"net/http"
	"time"

	"github.com/aurigraph/aurigraph/internal/fault"
)

// Bounds of the plain HTTP server. A client that passes one is cut off.
const (
	httpReadTimeout    = 10 * time.Second
	httpWriteTimeout   = 30 * time.Second
	httpIdleTimeout    = 60 * time.Second
	httpHeaderBytesMax = 16 << 10
	httpBodyBytesMax   = 1 << 20
	httpShutdownGrace  = time.Second
)

// ServeHTTP serves handler on l until ctx ends: metrics and health, small answers for few readers. Requests under way
// get a second to finish. It closes l.
func ServeHTTP(ctx context.Context, l net.Listener, handler http.Handler) error {
	s := &http.Server{
		Handler:           http.MaxBytesHandler(handler, httpBodyBytesMax),
		ReadHeaderTimeout: httpReadTimeout,
		ReadTimeout:       httpReadTimeout,
		WriteTimeout:      httpWriteTimeout,
		IdleTimeout:       httpIdleTimeout,
		MaxHeaderBytes:    httpHeaderBytesMax,
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	select {
	case err := <-served:
		return fault.Wrap(fault.Unavailable, err, "serve HTTP on %s", l.Addr())
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), httpShutdownGrace)
	defer cancel()
	if err := s.Shutdown(grace); err != nil {
		s.Close() // what did not end in time is cut: a reader of metrics must not hold a node back
	}
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		return fault.Wrap(fault.Unavailable, err, "serve HTTP on %s", l.Addr())
	}
	return nil
}
