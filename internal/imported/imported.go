// SPDX-License-Identifier: Apache-2.0

package imported

import (
	"context"

	"github.com/aurigraph/aurigraph/internal/chain"
)

// Kind is what a row did, as it is stored. The first seven are those of the query index.
type Kind uint8

// The kinds that V10 has.
const (
	Transfer    Kind = 0
	Issue       Kind = 4
	Redeem      Kind = 5
	OpenAccount Kind = 7
	CreateAsset Kind = 8
)

// Row is a transaction that V10 executed or refused. Round and Place are its place in V10, and with Ms its id there.
type Row struct {
	Seq          uint64 // from 1, in V10's order
	Ms           uint64 // since 1970
	Round        uint64
	Place        uint32
	Kind         Kind
	Payer, Payee chain.AccountNo // 0: none
	Asset        chain.AssetNo   // 0: none
	Amount       chain.Amount
	Outcome      chain.Outcome
}

// Round is one of V10's consensus rounds.
type Round struct {
	Number, Ms     uint64
	Leader         string
	Votes          []string
	Hash, Previous [32]byte
	Transactions   uint32
}

// Identity says whose history is kept, and up to where in V10's log.
type Identity struct {
	Chain    chain.ChainID
	Genesis  chain.Hash
	Sequence uint64 // of the checkpoint that was copied
}

// Writer is the writing side of an engine. One goroutine uses it.
type Writer interface {
	// Next is the number of the next row, and that of the round after the newest (0: there is none yet).
	Next(ctx context.Context) (seq, round uint64, err error)
	// Rows adds rows, whose numbers follow each other.
	Rows(ctx context.Context, rows []Row) error
	// Rounds adds rounds, ascending.
	Rounds(ctx context.Context, rounds []Round) error
	// Finish makes the indexes. Again it does nothing.
	Finish(ctx context.Context) error
	Close() error
}

// Reader is the reading side. It is safe for concurrent use, and answers NotFound before Finish.
type Reader interface {
	// ByID finds a transaction by V10's id.
	ByID(ctx context.Context, round uint64, place uint32) (Row, error)
	// List lists up to limit rows, newest first, of an account and an asset (0: any), with a number below before (0: from the newest on).
	// next is the before of the next page, 0 at the end.
	List(ctx context.Context, account chain.AccountNo, asset chain.AssetNo, before uint64, limit int) (rows []Row, next uint64, err error)
	// Round reads a round, or NotFound.
	Round(ctx context.Context, number uint64) (Round, error)
	Close() error
}
