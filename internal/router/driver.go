// SPDX-License-Identifier: Apache-2.0

package router

import (
	"context"

	"github.com/aurigraph/aurigraph/internal/fault"
)

// TextUnsent is what a client is told whose request reached no server.
const TextUnsent = "The ledger that serves the account cannot be reached: nothing was done, send it again in a moment"

// Driver is a proxy that can be told a map. Its methods may be called at once by several; its data path goes on meanwhile.
type Driver interface {
	// Set puts a map in force for every request that begins after it returns, and keeps it for a restart. The present map again is nothing.
	// Conflict, with ReasonStale or ReasonDiffers: it may not follow the present one. After any other error it may be in force or not.
	Set(ctx context.Context, m Map) error
	// Get reads back what requests are routed by.
	Get(ctx context.Context) (Map, error)
}

// Apply sets a map and compares what the data path then says. Conflict as Set, also when a later map took its place meanwhile. Unavailable,
// with ReasonNotInForce: the driver took it and uses another one. It may be called again after any error.
func Apply(ctx context.Context, d Driver, m Map) error {
	if err := m.Check(); err != nil {
		return err
	}
	if err := d.Set(ctx, m); err != nil {
		return err
	}
	present, err := d.Get(ctx)
	if err != nil {
		return err
	}
	change, err := m.Follows(&present)
	if err == nil && change {
		err = fault.Reasoned(fault.Unavailable, ReasonNotInForce,
			"the router took version %d of the map and routes by version %d: look at its log, then set it again", m.Version, present.Version)
	}
	return err
}
