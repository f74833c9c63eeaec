// SPDX-License-Identifier: Apache-2.0

package loadgen

import (
	"time"

	"github.com/aurigraph/aurigraph/internal/config"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// Ways to authorize transfers.
const (
	AuthBatchMLDSA   = "batch-mldsa65"
	AuthBatchEd25519 = "batch-ed25519"
	AuthSingle       = "single-ed25519"
)

// Shapes of load.
const (
	LoadUniform = "uniform" // payer and payee at random
	LoadZipf    = "zipf"    // both by Zipf's law, exponent 1.1
	LoadHot     = "hot"     // one account pays or is paid in every leg
)

// Config is one bench run.
type Config struct {
	Nodes    int
	Engine   string
	Accounts int
	Assets   int
	Auth     string
	Load     string
	Rate     int           // transfers a second; 0 = search for the highest
	Duration time.Duration // of the measurement
	Dir      string        // network folder; kept
	Index    string        // the query index's URL (config.Index); empty = a file
}

// Limits of a run.
const (
	nodesMax       = 16
	accountsMin    = 1024
	accountsMax    = 8 << 20
	assetsMax      = 4096
	searchSteps    = 6
	desperateSteps = 12 // as long as no rate was kept
	stepTime       = 3 * time.Second
	p99Max         = 100 * time.Millisecond // the finality that a rate must keep
)

// Validate checks the run's settings.
func (c Config) Validate() error {
	bad := func(format string, args ...any) error { return fault.New(fault.Invalid, format, args...) }
	switch {
	case c.Nodes < 1 || c.Nodes > nodesMax:
		return bad("--nodes %d, must be 1 to %d", c.Nodes, nodesMax)
	case c.Engine != config.EngineSolo && c.Engine != config.EngineRaft:
		return bad("--engine %q, must be %s or %s", c.Engine, config.EngineSolo, config.EngineRaft)
	case c.Engine == config.EngineSolo && c.Nodes > 1:
		return bad("--engine %s orders for one node, not for %d: use %s", config.EngineSolo, c.Nodes, config.EngineRaft)
	case c.Accounts < accountsMin || c.Accounts > accountsMax:
		return bad("--accounts %d, must be %d to %d", c.Accounts, accountsMin, accountsMax)
	case c.Assets < 1 || c.Assets > assetsMax || c.Assets > c.Accounts/16:
		return bad("--assets %d, must be 1 to %d and at most a sixteenth of the accounts", c.Assets, assetsMax)
	case c.Auth != AuthBatchMLDSA && c.Auth != AuthBatchEd25519 && c.Auth != AuthSingle:
		return bad("--auth %q, must be %s, %s or %s", c.Auth, AuthBatchMLDSA, AuthBatchEd25519, AuthSingle)
	case c.Load != LoadUniform && c.Load != LoadZipf && c.Load != LoadHot:
		return bad("--load %q, must be %s, %s or %s", c.Load, LoadUniform, LoadZipf, LoadHot)
	case c.Rate < 0 || c.Duration < time.Second || c.Duration > 24*time.Hour:
		return bad("--rate must not be negative, --duration must be 1s to 24h")
	}
	return nil
}
