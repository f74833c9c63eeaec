// SPDX-License-Identifier: Apache-2.0

package guard

import (
	"context"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/keys"
)

// Bounds.
const (
	HoldDefault        = 2 * time.Second
	HoldMost           = 30 * time.Second
	HeldDefault        = 1024 // requests that wait for a slot
	UnderWayDefault    = 4096 // requests and streams
	ConnectionsDefault = 4096 // of clients
	BodiesDefault      = 256 << 20
	dialMax            = 3 * time.Second
	asksMax            = 16 // fences that wait for their turn
	followEvery        = 200 * time.Millisecond
	followSoon         = 5 * time.Millisecond // while a slot is closed
	appliedEvery       = 5 * time.Millisecond // while one is coming
	backoffMin         = 50 * time.Millisecond
	backoffMax         = 2 * time.Second
)

// Source tells what V11 certified of its home table. Each move is verified by whoever implements it.
type Source interface {
	// Move is what made a version, 2 or more. NotFound: it was not made yet.
	Move(ctx context.Context, version uint64) (*Move, error)
}

// Config is what a guard is told. A bound that is 0 takes its default.
type Config struct {
	V10     string            // URL of V10's REST, which only the guard may reach
	Changes string            // URL of V10's change port
	V11     string            // URL of V11's REST
	Dir     string            // of the record, made if there is none
	Chain   chain.ChainID     // of V11
	Genesis []chain.SlotRange // slots that V11's genesis gives to V10
	Homes   Source
	Key     keys.Signer // Ed25519, which SetMover names
	Named   keys.Named  // V10 accounts that have a slot of their own: those of V11's alias key

	Hold           time.Duration // longest wait of a request whose slot takes no debits just now
	HeldMax        int
	UnderWayMax    int
	ConnectionsMax int
	BodiesMax      int64 // bytes of bodies in memory

	Log     *slog.Logger         // nil: none
	Metrics *prometheus.Registry // served on the control address too; nil: no metrics
}

func (c *Config) complete() error {
	orDefault(&c.Hold, HoldDefault)
	orDefault(&c.HeldMax, HeldDefault)
	orDefault(&c.UnderWayMax, UnderWayDefault)
	orDefault(&c.ConnectionsMax, ConnectionsDefault)
	orDefault(&c.BodiesMax, BodiesDefault)
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	switch {
	case c.Hold < 0 || c.Hold > HoldMost || c.HeldMax < 1 || c.UnderWayMax < 1 || c.ConnectionsMax < 1 || c.BodiesMax < 1:
		return fault.New(fault.Invalid, "guard: a bound is below 1, or the hold is not within 0 and %s", HoldMost)
	case c.Homes == nil || c.Key == nil || c.Key.Public().Scheme() != keys.Ed25519:
		return fault.New(fault.Invalid, "guard: it needs an Ed25519 key, and V11's homes")
	}
	return c.Named.Fit(c.Genesis)
}

func orDefault[T int | int64 | time.Duration](v *T, otherwise T) {
	if *v == 0 {
		*v = otherwise
	}
}
