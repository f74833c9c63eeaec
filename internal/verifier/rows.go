// SPDX-License-Identifier: Apache-2.0

package verifier

import (
	"context"

	"github.com/aurigraph/aurigraph/internal/chain"
)

// Family is one of V10's key spaces.
type Family uint8

// V10's families, by their numbers in its formats.
const (
	Accounts Family = iota
	Transactions
	Assets
	Consensus
	Meta
)

// KV is V10's rows at one moment, as they are. It is safe for several goroutines.
type KV interface {
	// Get returns a row, or NotFound.
	Get(f Family, key []byte) ([]byte, error)
	// Iter walks the keys k with low <= k < high, ascending; a nil high is none.
	Iter(f Family, low, high []byte) (Walk, error)
	Close() error
}

// Walk is at one row after another. Key and Value are valid until the next call.
type Walk interface {
	Next() bool
	Key() []byte
	Value() []byte
	Err() error
	Close() error
}

// Rows is what V11 keeps for queries: the index of its own chain and the history that was copied from V10, as their tables have it.
// Rows of a table are read in pieces, ascending, so that no read lasts long. It is safe for several goroutines, each of which reads
// another table.
type Rows interface {
	Meta(ctx context.Context) (RowsMeta, error)
	// Transfers reads rows of a number above after into a slice, and how many; 0 at the end.
	Transfers(ctx context.Context, after uint64, into []TransferRow) (int, error)
	// Blocks reads those above a height.
	Blocks(ctx context.Context, after uint64, into []BlockRow) (int, error)
	// Listed reads the rows of the index by account behind one. An engine that has no such table reads none.
	Listed(ctx context.Context, after ListedRow, into []ListedRow) (int, error)
	// Imported reads rows of V10's history of a number above after.
	Imported(ctx context.Context, after uint64, into []ImportedRow) (int, error)
	// ImportedRounds reads rounds from a number on.
	ImportedRounds(ctx context.Context, from uint64, into []RoundRow) (int, error)
	Close() error
}

// RowsMeta is what the tables say of themselves.
type RowsMeta struct {
	Height     chain.Height // the newest that is there as a whole
	Seq        uint64       // of the next transfer
	Gaps       uint64       // ranges that were recycled before they were indexed
	First      uint64       // number of the oldest transfer
	HasListed  bool         // there is a table of the index by account
	Copied     bool         // there is a history of V10
	Finished   bool         // and all of it
	Sequence   uint64       // of V10 that it is of
	CopiedRows uint64       // it says that it has so many rows
	Rounds     uint64       // and rounds
	LastRound  uint64       // number of the last of them
}

// The kinds of a row, by their numbers in the tables.
const (
	kindTransfer    = 0
	kindHold        = 1
	kindPost        = 2
	kindVoid        = 3
	kindIssue       = 4
	kindRedeem      = 5
	kindUnknown     = 6
	kindOpenAccount = 7
	kindCreateAsset = 8
)

// TransferRow is a row of the index.
type TransferRow struct {
	Seq          uint64
	Height       uint64
	TimeUs       uint64
	Batch, Item  uint32
	Payer, Payee uint32
	Asset        uint32
	Kind         uint8
	Outcome      uint8
	FromV10      bool // it came by the sync; what follows is V10's id of it
	Place        uint32
	Ms, Round    uint64
	Amount       chain.Amount
	Reference    [32]byte
	Damaged      string // what of it could not be read; empty: nothing
}

// ImportedRow is a row of the copied history.
type ImportedRow struct {
	Seq, Ms, Round uint64
	Place          uint32
	Payer, Payee   uint32
	Asset          uint32
	Kind           uint8
	Outcome        uint8
	Amount         chain.Amount
	Damaged        string
}

// BlockRow is a block of the index.
type BlockRow struct {
	Height, TimeUs, Items uint64
	Hash                  [32]byte
}

// ListedRow is a row of the index by account.
type ListedRow struct {
	Chunk   uint64
	Account uint32
	Seq     uint64
}

// RoundRow is a round as either side has it.
type RoundRow struct {
	Number, Ms     uint64
	Leader         string
	Votes          []string
	Hash, Previous [32]byte
	Transactions   uint32
	Damaged        string
}
