// SPDX-License-Identifier: Apache-2.0

package client

import (
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/keys"
)

// The ledger's words, as the node itself uses them.
type (
	Hash          = chain.Hash
	Address       = chain.Address
	Height        = chain.Height
	ChainID       = chain.ChainID
	AccountNo     = chain.AccountNo
	AssetNo       = chain.AssetNo
	InstitutionNo = chain.InstitutionNo
	KeyNo         = chain.KeyNo
	Amount        = chain.Amount
	Outcome       = chain.Outcome
	Outcomes      = codec.Outcomes
	Header        = chain.ExecutedHeader
	Genesis       = chain.Genesis

	Epoch          = chain.Epoch
	Membership     = chain.Membership
	ProvedHandover = chain.ProvedHandover

	BatchHeader = chain.BatchHeader
	Leg         = chain.Leg
	LegID       = chain.LegID

	Tx       = chain.Tx
	SignedTx = chain.SignedTx
	Body     = chain.Body
)

// The bodies of a Tx.
type (
	Transfer            = chain.Transfer
	Hold                = chain.Hold
	Post                = chain.Post
	Void                = chain.Void
	Issue               = chain.Issue
	Redeem              = chain.Redeem
	CreateAsset         = chain.CreateAsset
	OpenAccount         = chain.OpenAccount
	OpenAccounts        = chain.OpenAccounts
	Freeze              = chain.Freeze
	RegisterInstitution = chain.RegisterInstitution
	AddKey              = chain.AddKey
	AddDelegate         = chain.AddDelegate
	RevokeKey           = chain.RevokeKey
	ChangeValidator     = chain.ChangeValidator
	OpenInbox           = chain.OpenInbox
	SkipSync            = chain.SkipSync
	FreezeSlot          = chain.FreezeSlot
	SetMover            = chain.SetMover
	MoveSlots           = chain.MoveSlots
	AbortMove           = chain.AbortMove
	CloseMigration      = chain.CloseMigration
	SlotRange           = chain.SlotRange
	Fence               = chain.Fence
)

// Signer signs with one key; ReadKeyFile and the interface's own implementations (a device, a service) make one.
type Signer = keys.Signer

// Units makes an amount of n smallest units.
func Units(n uint64) Amount { return chain.Units(n) }

// ParseAmount reads a decimal in an asset's scale. It never rounds.
func ParseAmount(s string, scale uint8) (Amount, error) { return chain.ParseAmount(s, scale) }

// Kind says what sort of fault an error is; docs/errors.md has the table.
type Kind = fault.Kind

// The kinds.
const (
	Internal    = fault.Internal
	Invalid     = fault.Invalid
	Denied      = fault.Denied
	NotFound    = fault.NotFound
	Conflict    = fault.Conflict
	Refused     = fault.Refused
	TryLater    = fault.TryLater
	Unavailable = fault.Unavailable
	Timeout     = fault.Timeout
	Pruned      = fault.Pruned
	Corrupt     = fault.Corrupt
	Halted      = fault.Halted
)

// KindOf returns an error's kind.
func KindOf(err error) Kind { return fault.KindOf(err) }

// ReasonOf returns an error's stable reason word.
func ReasonOf(err error) string { return fault.ReasonOf(err) }
