// SPDX-License-Identifier: Apache-2.0

package copier

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/aurigraph/aurigraph/client"
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/imported"
	"github.com/aurigraph/aurigraph/internal/keys"
	"github.com/aurigraph/aurigraph/internal/sync/v10port"
)

// Bounds of a copy.
const (
	FlightsMax   = 8                    // batches under way
	changesMax   = chain.SyncRecordsMax // of a batch
	piecesMax    = 3                    // pieces of history in memory
	readersMax   = 16                   // calls to the ledger at a time
	triesMax     = 30                   // sessions in a row that changed nothing
	validBlocks  = 50_000               // how long a signed batch may wait
	nonceStepMax = 16                   // a random step ahead, which lets others act for the same account
	// checkpointMax is how long V10 may take to write a checkpoint.
	checkpointMax = 10 * time.Minute
	// keyLifeMs is how long V10 keeps an idempotency key.
	keyLifeMs = 24 * 60 * 60 * 1000
)

// Reasons why a copy cannot be made, counted by whoever runs it.
const (
	ReasonNotOpen      = "copy_not_open"      // the inbox was not opened for a copy
	ReasonLost         = "copy_lost"          // the checkpoint that the copy is of is gone: V11 has to begin anew
	ReasonOther        = "copy_other"         // the folder belongs to the copy of another V10 or V11
	ReasonInconsistent = "copy_inconsistent"  // V10's rows contradict each other
	ReasonSums         = "copy_sums"          // an asset's sums differ
	ReasonRefused      = "copy_refused"       // the ledger refused a change for good
	ReasonNoProgress   = "copy_no_progress"   // batches were refused again and again
	ReasonRunning      = "copy_runs"          // another process copies into this folder
	ReasonUnreadable   = "copy_unreadable"    // a row of V10's does not say what its kind says
	ReasonAssetDiffers = "copy_asset_differs" // V11 has an asset of V10's code that is another
)

// Pace bounds how fast V10 is copied. The zero value bounds nothing.
type Pace struct {
	RowsPerSecond float64       // at most; 0: as fast as it goes
	LatencyMax    time.Duration // of V10's answers, above which the copy slows down; 0: it does not look
	Probe         string        // URL that V10 answers; needed for LatencyMax
}

// Config is what a copy is told. All but Pace, Keep, HTTP, Log and Progress are needed.
type Config struct {
	Changes string // URL of V10's change log
	Dir     string // an absolute path on V10's machine: the checkpoint and the copy's state lie there
	// Open opens a checkpoint that V10 wrote.
	Open func(dir string) (Rows, error)

	Client *client.Client
	Trust  *client.Trust // the network that Client was dialled with
	Signer keys.Signer   // the key for which governance opened the inbox
	// Channel of the institution: no desk may lease it, and appliers have another.
	Channel  uint8
	AliasKey *keys.AliasKey
	Shared   v10port.SharedKeys // makes the network's idempotency keys of V10's
	Vault    Vault
	// History opens where V10's history goes, once it is known of which checkpoint it is.
	History func(ctx context.Context, id imported.Identity) (imported.Writer, error)

	Pace Pace
	Keep bool // leave the checkpoint behind
	HTTP *http.Client
	Log  *slog.Logger
	// Progress is called about five times a second, by one goroutine.
	Progress func(Status)

	batchMax  int    // changes of a batch; 0: changesMax. Tests make them small
	pieceRows uint64 // rows of a piece of history; 0: chain.ChunkRowsMax. Likewise
}

// Vault keeps the names of accounts by number.
type Vault interface {
	Put(ctx context.Context, names map[chain.AccountNo]string) error
}

// Report is what was copied.
type Report struct {
	Sequence     uint64  `json:"sequence"` // of V10, that the copy is of
	Accounts     uint64  `json:"accounts"`
	Assets       uint64  `json:"assets"`
	Balances     uint64  `json:"balances"`
	Keys         uint64  `json:"keys"` // idempotency keys that lived
	Transactions uint64  `json:"transactions"`
	Rounds       uint64  `json:"rounds"`
	Foreign      uint64  `json:"foreign,omitempty"` // transactions that another V11 had made: their effects are in the balances, they are in no history
	RowsPerS     float64 `json:"rows_per_s"`        // of this run
	SumsEqual    bool    `json:"sums_equal"`
	Already      bool    `json:"already,omitempty"` // it was done before, and nothing was done now
}

func (c *Config) check() error {
	bad := func(text string) error { return fault.New(fault.Invalid, "initial copy: %s", text) }
	switch {
	case c.Changes == "" || c.Open == nil:
		return bad("the address of V10's change log and its engine are needed")
	case len(c.Dir) == 0 || c.Dir[0] != '/':
		return bad("its folder must be an absolute path, because V10 writes there")
	case c.Client == nil || c.Trust == nil || c.Signer == nil || c.AliasKey == nil || c.Shared == nil:
		return bad("a client with its trust, the inbox's key and the network's alias key are needed")
	case c.Vault == nil || c.History == nil:
		return bad("the names vault and a place for the history are needed")
	case c.Pace.LatencyMax < 0 || c.Pace.RowsPerSecond < 0 || c.Pace.LatencyMax > 0 && c.Pace.Probe == "":
		return bad("a pace is not negative, and one by V10's latency needs an address to ask")
	}
	return nil
}
