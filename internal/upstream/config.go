// SPDX-License-Identifier: Apache-2.0

package upstream

import (
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
)

// Group is calls that share their fate: each has a breaker, a bulkhead and a retry budget of its own.
type Group string

// The groups.
const (
	GroupPay    Group = "pay"    // changes the ledger
	GroupRead   Group = "read"   // one account, block or status
	GroupList   Group = "list"   // pages of many
	GroupManage Group = "manage" // accounts, assets and keys
	GroupChain  Group = "chain"  // the chain as an index reads it
)

// Groups lists them.
func Groups() []Group { return []Group{GroupPay, GroupRead, GroupList, GroupManage, GroupChain} }

// Retry says when a call may be sent again.
type Retry uint8

// From the most careful on.
const (
	RetryNever  Retry = iota // it is sent once
	RetryUnsent              // again only if it certainly did nothing: no connection, or refused in the validator's own words
	RetrySafe                // a read, or a write under a key: twice is once
)

// Call is what the pool must know of a call.
type Call struct {
	Group Group
	Retry Retry
	// Key keeps calls together: the same key falls on the same validator, and the same connection to it, while that is well.
	Key uint32
	// Attempt bounds one attempt that another may follow. 0: a third of the time that is left, at most the group's, at least AttemptMin.
	Attempt time.Duration
	// Attempts bounds how often it is sent. 0: AttemptsMax.
	Attempts int
}

// Config is the settings of a pool. A field that is 0 takes its default.
type Config struct {
	ConnectionsPerValidator int              // 10
	Limits                  map[Group]Limits // of groups that differ from DefaultLimits
	Budget                  BudgetConfig
	Breaker                 BreakerConfig
	Ejection                EjectionConfig
}

// Limits are the bounds of one group.
type Limits struct {
	InFlightMax int           // calls of Do under way
	WaitMax     time.Duration // that a call waits for a place among them; negative: not at all
	Total       time.Duration // of a call whose caller brought no deadline
	AttemptMax  time.Duration // of an attempt that another may follow
}

// BudgetConfig bounds retries by the calls of the last WindowLength.
type BudgetConfig struct {
	Share float64 // 0.1: a retry for ten calls
	// Floor is retries that are always allowed in a window, so that what a validator had in hand when it died is sent again at a small
	// load too. 0: 100, ten a second; negative: none.
	Floor int
}

// BreakerConfig says when a group is not called at all for a while.
type BreakerConfig struct {
	SamplesMin int           // 50 attempts in the window, below which it stays closed
	ShareMax   float64       // 0.2 of them faults, above which it opens
	OpenMin    time.Duration // 1 s; doubled each time that it opens again
	OpenMax    time.Duration // 30 s
	ProbesMax  int           // 3 attempts in flight while it is half-open; so many successes in a row close it
}

// EjectionConfig says when a validator is left out by a group for a while.
type EjectionConfig struct {
	FailuresMax int           // 3 faults in a row
	SamplesMin  int           // 20 attempts in the window, below which shares are not compared
	ShareMin    float64       // 0.2 of them faults, and OutlierFactor times the share of its peers
	PauseMin    time.Duration // 2 s; doubled each time that it is left out again
	PauseMax    time.Duration // 60 s
}

// Parts are what a pool works with.
type Parts struct {
	Credentials credentials.TransportCredentials
	DialOptions []grpc.DialOption
	Log         *slog.Logger
	Metrics     prometheus.Registerer
	Changed     func()           // told when it may have changed how many validators are up; nil: nobody
	Now         func() time.Time // nil: time.Now
}

// Bounds that are no settings.
const (
	AttemptsMax   = 4 // the first one, and retries after up to 100, 200 and 400 ms
	AttemptMin    = 500 * time.Millisecond
	WindowLength  = 10 * time.Second
	OutlierFactor = 3
)
