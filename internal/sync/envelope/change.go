// SPDX-License-Identifier: Apache-2.0

package envelope

import (
	"github.com/aurigraph/aurigraph/internal/chain"
	v10 "github.com/aurigraph/aurigraph/internal/v10"
)

// Bounds of what a change holds; names, codes and keys have those of V10's dialect. With them no record comes near RecordBytesMax: a
// large transaction is many changes, never a large one.
const (
	VotesMax       = 256 // names or numbers of those who voted for a round or signed a block
	CallerBytesMax = 255
	IDBytesMax     = 128 // of a request id
	ReasonBytesMax = 64
)

// Change is one change of a ledger: one of the types below, as a pointer.
type Change interface {
	// Topic is where the change travels. A heart-beat travels in all.
	Topic() Topic
	check() error
}

// Request is under what an order was asked for, so that the other side answers a retry with the first answer.
type Request struct {
	Key    chain.IdempotencyKey // of caller, key and item: custody's Desk.Key, which both sides compute; never the key in clear
	Body   [16]byte             // of what was asked for: custody's Desk.Body
	Caller string               // who asked, if the ledger knows; at most CallerBytesMax bytes of UTF-8
	ID     string               // the request's id, if it had one; at most IDBytesMax bytes of UTF-8
}

// Deed is what every executed order tells. ID and Outcome are the answer that its client got.
type Deed struct {
	ID      v10.TxID // time, round or height, and place
	Outcome chain.Outcome
	Request *Request // nil: the order had no idempotency key
}

// Transfer is a payment, refused ones included.
type Transfer struct {
	Deed
	From, To  string // V10 names
	Asset     string // code
	Amount    chain.Amount
	Fee       chain.Amount // taken from From on top; 0 in V10's reference ledger and V11
	Reference [32]byte     // memo's hash or reference; all zero is none
}

// AccountOpened is a new account, or the refusal of one.
type AccountOpened struct {
	Deed
	Alias string
}

// AssetCreated is a new asset, or the refusal of one.
type AssetCreated struct {
	Deed
	Code   string
	Name   string
	Scale  uint8
	Issuer string
}

// Issued is new units of an asset.
type Issued struct {
	Deed
	Asset, Issuer, To string
	Amount            chain.Amount
	Reference         [32]byte
}

// Redeemed is units taken out of an issuer's balance.
type Redeemed struct {
	Deed
	Asset, Issuer string
	Amount        chain.Amount
	Reference     [32]byte
}

// Refusal is a final answer under a key that left no transaction.
type Refusal struct {
	TimeMs  uint64
	Request Request
	Outcome chain.Outcome // never OK
	Reason  string        // the reason word that the client was told; may be empty
}

// Round is a consensus round of V10, which is its block. Its transactions are the changes before it at the same major.
type Round struct {
	Number         uint64
	TimeMs         uint64
	Leader         string
	Votes          []string
	Hash, Previous [32]byte
	Transactions   uint32
}

// Block is a block of V11. Its transactions are the changes before it at the same major.
type Block struct {
	Height         chain.Height
	TimeMs         uint64
	Hash, Previous chain.Hash
	Transactions   uint32
	Signers        []chain.ValidatorNo // of its certificate, ascending
}

// Barrier is what a guard of V10 writes through V10: all that earlier generations let through lies before it.
type Barrier struct {
	Generation uint64
	TimeMs     uint64
}

// Heartbeat says that every record up to the position it carries is in all three topics. It is no change: it has the position, the
// tag and the end of the newest record as its own position, previous tag and end.
type Heartbeat struct{ TimeMs uint64 }

// Topic implements Change.
func (*Transfer) Topic() Topic { return Transactions }

// Topic implements Change.
func (*AccountOpened) Topic() Topic { return Transactions }

// Topic implements Change.
func (*Refusal) Topic() Topic { return Transactions }

// Topic implements Change.
func (*AssetCreated) Topic() Topic { return Assets }

// Topic implements Change.
func (*Issued) Topic() Topic { return Assets }

// Topic implements Change.
func (*Redeemed) Topic() Topic { return Assets }

// Topic implements Change.
func (*Round) Topic() Topic { return Consensus }

// Topic implements Change.
func (*Block) Topic() Topic { return Consensus }

// Topic implements Change.
func (*Barrier) Topic() Topic { return Consensus }

// Topic implements Change; a heart-beat travels in the other topics too.
func (*Heartbeat) Topic() Topic { return Consensus }
