// SPDX-License-Identifier: Apache-2.0

package applier

import (
	"context"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/keys"
)

// Bounds of an applier.
const (
	WindowMax    = chain.SyncRecordsMax // records read at a time, and most of a batch
	FlightsMax   = 4                    // batches under way
	LookMax      = 8192                 // names in one call to the ledger or the vault
	OpensMax     = 1024                 // accounts opened in one submission
	CacheMax     = 262_144              // names remembered, at most 100 MiB of the longest
	HoldTriesMax = 3                    // tries of a change that cannot be made, before it waits for a person

	// needStepsMax bounds the steps of one window from looking up to making: a few are needed, more if others make the same.
	needStepsMax = 64
	// validityBlocks is how long a signed batch may wait: 20 s at 200 blocks a second.
	validityBlocks = 4096
	// nonceStepMax is a random step ahead, which lets others act for the same account.
	nonceStepMax = 16

	// sendEvery is the least time from one batch to the next. Every validator receives, flushes and acknowledges each batch by itself, and a
	// block holds many changes as well as one: what comes meanwhile shares a batch.
	sendEvery = 20 * time.Millisecond

	pauseMin = 20 * time.Millisecond
	pauseMax = 5 * time.Second
	// copyPoll is how often the inbox is looked at while the initial copy is under way.
	copyPoll = time.Second
	// closePoll is how often it is looked whether the migration was closed.
	closePoll = time.Second
	// settleAfter is how long a session goes on before the trouble of the one before it is over: what cannot be read ends it sooner, and
	// status must not say in between that all is well.
	settleAfter = 2 * time.Second
	// beatPoll is how often it is looked for a heart-beat: so exact are the lag's figures.
	beatPoll = 20 * time.Millisecond
)

// Config sets an applier up. All but Channel and BatchMax are needed.
type Config struct {
	Chain  chain.ChainID
	Ledger chain.Hash // V10's name of itself, as OpenInbox has it
	Signer keys.Signer
	// AliasKey is the network's: under it the ledger knows V10's names.
	AliasKey *keys.AliasKey
	// Channel of the custodian institution. No desk may lease it; appliers may share it.
	Channel uint8
	// BatchMax bounds the changes of a batch, 1 to WindowMax. 0: WindowMax.
	BatchMax int
}

// Parts is what an applier works with. Chain, Open and Vault are needed.
type Parts struct {
	Chain Chain
	Open  Opener
	Vault Vault
	// Park puts a change that waits for a person among the dead letters. It may be called again for the same one. Nil: there are none.
	Park    func(ctx context.Context, h *Held) error
	Log     *slog.Logger          // nil: none
	Metrics prometheus.Registerer // nil: none
}

func (c *Config) check(p *Parts) error {
	bad := func(text string) error { return fault.New(fault.Invalid, "applier: %s", text) }
	switch {
	case c.Signer == nil || c.AliasKey == nil || c.Ledger.IsZero():
		return bad("the key, the network's alias key and V10's ledger id are needed")
	case c.BatchMax < 0 || c.BatchMax > WindowMax:
		return bad("a batch has 1 to 4,096 changes")
	case p.Chain == nil || p.Open == nil || p.Vault == nil:
		return bad("the chain, a reader and the vault are needed")
	}
	return nil
}
