// SPDX-License-Identifier: Apache-2.0

package loadgen

import (
	"time"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/loadgen/subscribers"
)

// GatewayConfig is a run that measures how V10's clients are served.
type GatewayConfig struct {
	Dir           string // network folder; kept
	Nodes         int
	Duration      time.Duration // of all measurements together
	Rate          int           // single payments a second, of the pairs
	BatchRate     int           // payments a second to offer in batches
	BatchPayments int           // in one body
	RestartRate   int           // single payments a second while gateways are restarted
	Subscribers   int           // WebSockets that follow heads
	Stalled       int           // beside them, that never read
	Seed          uint64        // of arrivals, payees and the order of slices
}

// Limits of such a run.
const (
	gatewayDurationMin = 10 * time.Second
	gatewayDurationMax = 24 * time.Hour
	gatewayRateMin     = 50 // fewer are no p99 of a slice
	gatewayRateMax     = 20_000
	batchRateMax       = 10_000_000
	gatewayNodesMin    = 2 // one alone has no gateway
)

// DefaultGatewayConfig is the run that the figures in the docs are of.
func DefaultGatewayConfig() GatewayConfig {
	return GatewayConfig{
		Nodes: 4, Duration: 5 * time.Minute, Rate: 200, BatchRate: 104_000, BatchPayments: 2048, RestartRate: 2000, Subscribers: 10_000,
		Stalled: 3, Seed: 1,
	}
}

// Validate checks the run's settings.
func (c GatewayConfig) Validate() error {
	bad := func(format string, args ...any) error { return fault.New(fault.Invalid, format, args...) }
	switch {
	case c.Nodes < gatewayNodesMin || c.Nodes > nodesMax:
		return bad("--nodes %d, must be %d to %d", c.Nodes, gatewayNodesMin, nodesMax)
	case c.Duration < gatewayDurationMin || c.Duration > gatewayDurationMax:
		return bad("--duration %s, must be %s to %s", c.Duration, gatewayDurationMin, gatewayDurationMax)
	case c.Rate < gatewayRateMin || c.Rate > gatewayRateMax:
		return bad("--rate %d, must be %d to %d payments a second", c.Rate, gatewayRateMin, gatewayRateMax)
	case c.RestartRate < gatewayRateMin || c.RestartRate > gatewayRateMax:
		return bad("--restart-rate %d, must be %d to %d payments a second", c.RestartRate, gatewayRateMin, gatewayRateMax)
	case c.BatchPayments < 1 || c.BatchPayments > chain.BatchLegsMax:
		return bad("--batch-payments %d, must be 1 to %d", c.BatchPayments, chain.BatchLegsMax)
	case c.BatchRate < c.BatchPayments || c.BatchRate > batchRateMax || c.BatchRate/c.BatchPayments > gatewayRateMax:
		return bad("--batch-rate %d, must be --batch-payments to %d, and at most %d bodies a second", c.BatchRate, batchRateMax, gatewayRateMax)
	case c.Subscribers < 1 || c.Stalled < 0 || c.Subscribers+c.Stalled > subscribers.SubscribersMax:
		return bad("--subscribers %d, must be 1 to %d", c.Subscribers, subscribers.SubscribersMax-c.Stalled)
	}
	return nil
}

// Shares of a run's duration, in hundredths.
const (
	socketsShare = 10
	pairsShare   = 40
	batchShare   = 35
	restartShare = 15
)

// Bounds of a run's parts. What a short run's share is too little for takes longer than it.
const (
	pairsMin   = 20
	sliceMin   = 250 * time.Millisecond
	sliceMax   = 2 * time.Second
	restartMin = 8 * time.Second // in which each gateway is restarted
)

// gatewayScale says how much of everything there is.
type gatewayScale struct {
	accounts                 int
	sockets, batch, restarts time.Duration
	pairs                    int
	slice                    time.Duration
	socketsWarm              time.Duration // from the opening of sockets to their measurement
}

// scale divides the run's duration.
func (c GatewayConfig) scale(arms int) gatewayScale {
	share := func(hundredths time.Duration) time.Duration { return c.Duration * hundredths / 100 }
	s := gatewayScale{
		accounts: gatewayAccounts, sockets: share(socketsShare), batch: share(batchShare), restarts: max(restartMin, share(restartShare)),
		socketsWarm: socketsWarm,
	}
	d := share(pairsShare)
	s.slice = min(max(d/time.Duration(pairsMin*arms), sliceMin), sliceMax)
	s.pairs = max(pairsMin, int(d/(s.slice*time.Duration(arms))))
	return s
}
