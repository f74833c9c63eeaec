// SPDX-License-Identifier: Apache-2.0

package remote

import (
	"context"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"

	"github.com/aurigraph/aurigraph/internal/custody"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/upstream"
)

// Bounds that are no settings.
const (
	PaymentsMax       = custody.PaymentsMax // of one call
	BytesMax          = 2 << 20             // of one call
	WaitingMaxDefault = 65_536
	CallsDefault      = 10
	CallsMax          = 256
	PayMaxDefault     = 12 * time.Second // longer than a validator's desk takes, so that its word comes first
	FreshMax          = 2 * time.Second  // that a height is believed which no validator reaches
	numbersCachedMax  = 262_144          // accounts: at most 100 MiB with names of the greatest length, usually 10
	assetsCachedMax   = 4096
)

// Config sets a remote ledger up. A field that is 0 takes its default.
type Config struct {
	// Key is the gateway's own API key at the validators; empty where these are open.
	Key string
	// Calls is how many calls with payments may be under way; beyond it payments wait and share the next one. Default 10.
	Calls int
	// WaitingMax bounds the payments that wait. More are told to try later. Default 65,536.
	WaitingMax int
	// PayMax bounds a call with payments, and a payment whose context never ends. Default 12 s.
	PayMax time.Duration
}

// Validators are the validators behind pooled connections, as *upstream.Pool has them.
type Validators interface {
	Do(ctx context.Context, c upstream.Call, do func(ctx context.Context, conn grpc.ClientConnInterface) error) error
	Stream(ctx context.Context, c upstream.Call) (conn grpc.ClientConnInterface, done func(error), err error)
}

// Parts is what a remote ledger works with. Validators is needed.
type Parts struct {
	Validators Validators
	Lists      Lists                 // nil: all lists come from validators
	Log        *slog.Logger          // nil: none
	Metrics    prometheus.Registerer // nil: none
}

func (c *Config) setDefaults() {
	if c.Calls == 0 {
		c.Calls = CallsDefault
	}
	if c.WaitingMax == 0 {
		c.WaitingMax = WaitingMaxDefault
	}
	if c.PayMax == 0 {
		c.PayMax = PayMaxDefault
	}
}

func (c *Config) validate(p *Parts) error {
	bad := func(format string, args ...any) error { return fault.New(fault.Invalid, "remote: "+format, args...) }
	switch {
	case p.Validators == nil:
		return bad("validators are needed")
	case c.Calls < 1 || c.Calls > CallsMax:
		return bad("calls: %d, must be 1 to %d", c.Calls, CallsMax)
	case c.WaitingMax < 1 || c.PayMax < 0:
		return bad("waiting_max %d, pay_max %v: at least 1, and no negative time", c.WaitingMax, c.PayMax)
	}
	return nil
}
