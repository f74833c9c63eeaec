// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"net"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/obs"
	"github.com/aurigraph/aurigraph/internal/server"
)

// showMetrics takes the address of --metrics, and returns what serves them there until its context ends.
func showMetrics(address string, r *prometheus.Registry) (serve func(context.Context) error, err error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "listen on %s for the metrics: does something run there already?", address)
	}
	return func(ctx context.Context) error { return server.ServeHTTP(ctx, l, obs.Handler(r, obs.NewHealth())) }, nil
}
