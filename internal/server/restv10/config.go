// SPDX-License-Identifier: Apache-2.0

package restv10

import (
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/hop"
	v10 "github.com/aurigraph/aurigraph/internal/v10"
)

// Config sets a server up. Zero bounds mean the defaults.
type Config struct {
	Node        string   // this server's name
	Network     string   // the network's
	Version     string   // of the program
	Genesis     v10.Time // when the network began
	GenesisHash string   // 0x and 64 hex digits
	Environment string   // for /api/v10/info. Default "production"
	Region      string   // likewise. Default "local"
	Port        int      // where it listens, for /api/node/status
	Example     string   // V10 name of an account that examples may name; empty: the first account's address

	// InFlightMax bounds the requests under way; more are 503. Default 2,048.
	InFlightMax int
	// ConnectionsMax bounds open connections; more wait in the kernel's queue. Default 16,384.
	ConnectionsMax int
	// StreamsMax bounds server-sent events and NDJSON streams; more are 503. Default 1,024.
	StreamsMax int
	// SocketsMax bounds WebSockets; more are 503. Default 12,000.
	SocketsMax int
	// DrainNotice is how long a server that was told to stop says so before it stops. Default 1 s.
	DrainNotice time.Duration
	// DrainGrace is how long requests under way may go on after that. Default 5 s.
	DrainGrace time.Duration
}

// Parts is what a server works with. Desk, Reader and Access are needed.
type Parts struct {
	Desk    Desk
	Reader  Reader
	Access  Access
	Home    *hop.Client           // V10, which serves the accounts that it owns; nil: requests that debit those are refused
	Trail   Trail                 // nil: nobody writes down what is done
	Log     *slog.Logger          // nil: none
	Metrics prometheus.Registerer // nil: none
	Ready   func() bool           // whether the node lets clients in; nil: always
	Now     func() time.Time      // nil: time.Now
}

func (c *Config) setDefaults() {
	orInt(&c.InFlightMax, 2048)
	orInt(&c.ConnectionsMax, 16_384)
	orInt(&c.StreamsMax, 1024)
	orInt(&c.SocketsMax, 12_000)
	if c.DrainNotice == 0 {
		c.DrainNotice = time.Second
	}
	if c.DrainGrace == 0 {
		c.DrainGrace = 5 * time.Second
	}
	if c.Environment == "" {
		c.Environment = "production"
	}
	if c.Region == "" {
		c.Region = "local"
	}
}

func orInt(n *int, otherwise int) {
	if *n == 0 {
		*n = otherwise
	}
}

func (c *Config) validate(p *Parts) error {
	bad := func(format string, args ...any) error { return fault.New(fault.Invalid, "rest: "+format, args...) }
	switch {
	case p.Desk == nil || p.Reader == nil || p.Access == nil:
		return bad("a desk, a reader and an access are needed")
	case c.InFlightMax < 1 || c.ConnectionsMax < 1 || c.StreamsMax < 1 || c.SocketsMax < 1:
		return bad("a bound is below 1")
	case c.DrainNotice < 0 || c.DrainGrace < 0:
		return bad("a time is negative")
	}
	return nil
}

func (p *Parts) setDefaults() {
	if p.Log == nil {
		p.Log = slog.New(slog.DiscardHandler)
	}
	if p.Metrics == nil {
		p.Metrics = prometheus.NewRegistry()
	}
	if p.Ready == nil {
		p.Ready = func() bool { return true }
	}
	if p.Now == nil {
		p.Now = time.Now
	}
}
