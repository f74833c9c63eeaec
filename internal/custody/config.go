// SPDX-License-Identifier: Apache-2.0

package custody

import (
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/keys"
)

// Bounds of a desk.
const (
	CarriersMax       = 64
	WaitingMaxDefault = 65_536
	// ValidityDefault is how many blocks a signed batch may still execute: 20 s at 200 blocks a second. Until then its fate may be
	// open, and its payers' next payments wait.
	ValidityDefault = 4096
	carriersDefault = 4
	validityMin     = 100
)

// Config sets a desk up. Chain, Institution, Signer and AliasKey are needed.
type Config struct {
	Chain       chain.ChainID
	Institution chain.InstitutionNo // the custodian
	Key         chain.KeyNo         // of the institution; Signer has it. 0: UseKey says so later
	Signer      keys.Signer
	AliasKey    *keys.AliasKey // of the network

	// Opener sends the transactions that open accounts. It must be in the institution's custody, and desks that open many accounts
	// at the same time do best with one each: they share its nonces. 0 = the institution's house account.
	Opener chain.AccountNo
	// Channels are those of the institution's 256 that this desk may lease, both ends included. Desks on different machines need
	// different ones. Default: all.
	ChannelFirst, ChannelLast uint8
	// LockDir is a folder in which the desks of one machine keep each other off their channels, by lock files. Empty: there is no
	// other desk.
	LockDir string

	// Carriers is how many batches may be under way at once, 1 to CarriersMax. At the bound payments wait and share the next batch.
	// Default 4.
	Carriers int
	// WaitingMax bounds the payments that wait for a carrier. More are told to try later. Default 65,536.
	WaitingMax int
	// LegsMax bounds the payments of one batch. Default 8,192, the most there can be.
	LegsMax int
	// ValidityBlocks is how long signed bytes live, 100 to chain.ValidityBlocksMax. Default 4,096.
	ValidityBlocks chain.Height
	// PayMax bounds a call whose context ends later, or never. Default 10 s.
	PayMax time.Duration
	// AttemptMax bounds one attempt to submit. Then the same bytes are sent again. Default 5 s.
	AttemptMax time.Duration
	// DrainMax is how long batches that are under way may go on after the end of Run's context. Default 2 s.
	DrainMax time.Duration

	// Home is the address of V10, where accounts are served that V10 owns, for those who are told so. Empty: it is not named.
	Home string

	// Caps by asset code. One without a cap has the one of "", if there is that.
	Caps map[string]Cap
}

// Cap bounds what the desk pays, in smallest units of an asset. A zero bound is none.
type Cap struct {
	Payment chain.Amount // of one payment
	Day     chain.Amount // of all payments of one payer in one day (UTC) through this process
}

// Parts is what a desk works with. Chain and Metrics are needed.
type Parts struct {
	Chain   Chain
	Vault   Vault        // nil: names are shown only while they are cached
	Log     *slog.Logger // nil: none
	Metrics prometheus.Registerer
}

func (c *Config) setDefaults() {
	if c.ChannelFirst == 0 && c.ChannelLast == 0 {
		c.ChannelLast = chain.ChannelsMax - 1
	}
	orInt(&c.Carriers, carriersDefault)
	orInt(&c.WaitingMax, WaitingMaxDefault)
	orInt(&c.LegsMax, chain.BatchLegsMax)
	if c.ValidityBlocks == 0 {
		c.ValidityBlocks = ValidityDefault
	}
	orDuration(&c.PayMax, 10*time.Second)
	orDuration(&c.AttemptMax, 5*time.Second)
	orDuration(&c.DrainMax, 2*time.Second)
}

func orInt(n *int, otherwise int) {
	if *n == 0 {
		*n = otherwise
	}
}

func orDuration(d *time.Duration, otherwise time.Duration) {
	if *d == 0 {
		*d = otherwise
	}
}

func (c *Config) validate() error {
	bad := func(format string, args ...any) error { return fault.New(fault.Invalid, "custody: "+format, args...) }
	channels := int(c.ChannelLast) - int(c.ChannelFirst) + 1
	switch {
	case c.Signer == nil || c.AliasKey == nil:
		return bad("the custodian's key and the network's alias key are needed")
	case c.Institution == 0:
		return bad("the custodian's institution must be named")
	case c.Carriers < 1 || c.Carriers > CarriersMax:
		return bad("carriers: %d, must be 1 to %d", c.Carriers, CarriersMax)
	case channels < c.Carriers:
		return bad("channels %d to %d: each of %d carriers needs one", c.ChannelFirst, c.ChannelLast, c.Carriers)
	case c.WaitingMax < 1 || c.LegsMax < 1 || c.LegsMax > chain.BatchLegsMax:
		return bad("waiting_max %d, legs_max %d: at least 1, and at most %d legs", c.WaitingMax, c.LegsMax, chain.BatchLegsMax)
	case c.ValidityBlocks < validityMin || c.ValidityBlocks > chain.ValidityBlocksMax:
		return bad("validity_blocks: %d, must be %d to %d", c.ValidityBlocks, validityMin, chain.ValidityBlocksMax)
	case c.PayMax < 0 || c.AttemptMax < 0 || c.DrainMax < 0:
		return bad("a time is negative")
	}
	return nil
}
