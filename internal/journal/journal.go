// SPDX-License-Identifier: Apache-2.0

package journal

import (
	"context"
	"time"

	"github.com/aurigraph/aurigraph/internal/migration"
)

// Reasons of refusals.
const (
	ReasonBehind = "journal_behind" // Conflict: others wrote first
	ReasonLease  = "journal_lease"  // Conflict: another controller has the lease
)

// Bounds.
const (
	EntryBytesMax    = 2 << 20
	SnapshotBytesMax = 1 << 20
	WindowsMax       = 100_000 // what is beyond is thinned out: every second of the older half goes
)

// NoTerm is the term of who writes as an operator.
const NoTerm = 0

// Window is what happened in a moment: a row of the report's plots.
type Window struct {
	AtMs       uint64    `json:"at_ms"` // its end
	LengthMs   uint64    `json:"length_ms"`
	WeightBP   int       `json:"weight_bp"`
	Requests   [2]uint64 `json:"requests"` // by router.Side
	Errors     [2]uint64 `json:"errors"`
	SlowestMs  float64   `json:"slowest_ms"`
	P99Ms      float64   `json:"p99_ms"`
	ToV11LagMs float64   `json:"to_v11_lag_ms"` // below 0: not known
	ToV10LagMs float64   `json:"to_v10_lag_ms"`
}

// Journal is where a migration is written down. It is safe for concurrent use, by several processes too.
type Journal interface {
	// Read returns the entries behind seq, in order.
	Read(ctx context.Context, seq uint64) ([]migration.Entry, error)
	// Append makes an entry durable behind seq, and returns it with its number. term is that of the writer's lease, or NoTerm. Conflict,
	// with ReasonBehind: there are others behind seq, read them first; with ReasonLease: the lease of that term has ended.
	Append(ctx context.Context, seq, term uint64, e migration.Entry) (migration.Entry, error)
	// Lease gives holder the right to drive the migration for a time, or renews it. The term rises when it changes hands or had run out.
	// Conflict, with ReasonLease: another has it.
	Lease(ctx context.Context, holder string, length time.Duration) (term uint64, err error)
	// Driver is who has the lease, and for how long still; empty: nobody.
	Driver(ctx context.Context) (holder string, left time.Duration, err error)
	// Release gives a lease back.
	Release(ctx context.Context, term uint64) error
	// SaveSnapshot replaces what the holder of a lease wants to know again after a restart. Conflict as in Append.
	SaveSnapshot(ctx context.Context, term uint64, text []byte) error
	// Snapshot returns it; nil: there is none.
	Snapshot(ctx context.Context) ([]byte, error)
	// AddWindow adds one. Windows returns those that are kept, in order.
	AddWindow(ctx context.Context, w Window) error
	Windows(ctx context.Context) ([]Window, error)
	Close() error
}
