// SPDX-License-Identifier: Apache-2.0

package query

import (
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/history"
)

// Transaction is one transaction or leg with its fate.
type Transaction struct {
	ID      [32]byte
	Receipt chain.Receipt
	Item    uint32
	Outcome chain.Outcome
	Result  uint32
	Leg     bool   // Bytes is a 64-byte leg record, else a signed transaction
	Bytes   []byte // empty when the payload was pruned
	Proof   *Proof // nil unless asked for
	// Origin is that of a change which V10 made and which was applied: Outcome is the ledger's own then, and Origin.Outcome V10's. nil: it
	// is no such change, or the payload was pruned.
	Origin *chain.SyncOrigin
}

// Proof ties bytes of a payload to its batch id: BLAKE3 slices of the payload's front (a client batch's header, or a
// transaction batch's table) and of the item.
type Proof struct{ Front, Item []byte }

// Legs is a range of records of one client batch under one proof.
type Legs struct {
	Receipt chain.Receipt
	Records []byte
	Proof   Proof
}

// Block is one certified block.
type Block struct {
	Header      *chain.ExecutedHeader
	Hash        chain.Hash
	HeaderBytes []byte
	CertBytes   []byte
	Batches     []BlockBatch
}

// BlockBatch is one batch of a block.
type BlockBatch struct {
	Batch  chain.Hash
	Kind   chain.PayloadKind
	Legs   uint32
	LegsOK uint32
}

// AccountName names an account by exactly one of its names.
type AccountName struct {
	Number   chain.AccountNo
	Address  chain.Address
	AliasTag chain.Hash
}

// Account is one account as of Height.
type Account struct {
	Height      chain.Height
	Number      chain.AccountNo
	Address     chain.Address
	Institution chain.InstitutionNo
	Key         chain.KeyNo
	Frozen      bool
	Slot        uint16
	Nonce       uint64
	Holdings    []Holding
}

// Holding is an account's balance of one asset.
type Holding struct {
	Asset  chain.AssetNo
	Code   string
	Scale  uint8
	Amount chain.Amount
}

// Asset is one asset as of Height.
type Asset struct {
	Height chain.Height
	Number chain.AssetNo
	Code   string
	Name   string
	Scale  uint8
	Flags  chain.AssetFlags
	Frozen bool
	Issuer chain.AccountNo
	Supply chain.Amount
}

// Institution is one institution as of Height, with the last sequence of the channel asked for.
type Institution struct {
	Height          chain.Height
	Number          chain.InstitutionNo
	Name            string
	House           chain.AccountNo
	ChannelSequence uint64
	Keys            []Key
}

// Key is a public key in the ledger: scheme byte, key.
type Key struct {
	Number    chain.KeyNo
	Public    []byte
	Active    bool
	Delegated bool // it may sign no more than chain.AddDelegate says
}

// StateProof proves records against the state root that a certified header carries. The pages are as of RootHeight.
// Account, with the holding asked for if any, is as of its own Height, which may be later.
type StateProof struct {
	HeaderBytes []byte
	CertBytes   []byte
	RootHeight  chain.Height
	Pages       []PageProof
	Account     Account
}

// PageProof proves one page: the record lies in it.
type PageProof struct {
	Section uint32
	Record  uint64
	Page    []byte
	Path    []byte
}

// Transfer is one leg or money-moving transaction, as lists and events show it.
type Transfer = history.Transfer

// Page is a list's answer: the height up to which it is complete, and where to go on ("" at the end). A page may be short, or
// empty, although there is more.
type Page[T any] struct {
	IndexHeight chain.Height
	Items       []T
	Next        string
}
