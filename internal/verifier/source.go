// SPDX-License-Identifier: Apache-2.0

package verifier

import (
	"context"

	"github.com/aurigraph/aurigraph/internal/chain"
)

// State is V11's executed state at one height. All that it hands out is of that height, read by streaming. One goroutine uses it.
//
// What is handed to a callback is valid until it returns. An error of a callback ends the walk and is returned as it is.
type State interface {
	// Height is that of the last block in it.
	Height() chain.Height
	// TimeUs is the time of that block, in microseconds since 1970.
	TimeUs() uint64
	// Inbox is how far V10's changes are applied in it.
	Inbox() StateInbox
	// Accounts walks all accounts, by ascending number, without Escrow.
	Accounts(ctx context.Context, each func(*StateAccount) error) error
	// Assets walks all assets, by ascending number.
	Assets(ctx context.Context, each func(*StateAsset) error) error
	// Balances walks all holdings that are not 0, each account and asset once, in any order. What Escrow holds is account 0.
	Balances(ctx context.Context, each func(StateBalance) error) error
	// Close releases it.
	Close() error
}

// StateAccount is an account of V11.
type StateAccount struct {
	Number    chain.AccountNo
	Address   chain.Address
	Alias     chain.Hash          // tag of its V10 name; zero: it has none
	Custodian chain.InstitutionNo // 0: none
	Slot      uint16              // chain.SlotNone: native to V11
	Portable  bool                // only V10 or V11 debits it, by its slot
}

// StateAsset is an asset of V11.
type StateAsset struct {
	Number chain.AssetNo
	Code   string
	Name   string
	Scale  uint8
	Flags  chain.AssetFlags // chain.AssetPortable: V10 has it too
	Issuer chain.AccountNo
	Supply chain.Amount
}

// StateBalance is what an account holds of an asset.
type StateBalance struct {
	Account chain.AccountNo // 0: Escrow
	Asset   chain.AssetNo
	Amount  chain.Amount
}

// StateInbox is how far V10's changes are applied. Life 0: the inbox was never opened.
type StateInbox struct {
	Ledger      chain.Hash
	Incarnation [16]byte
	Life        uint32
	Position    chain.SyncPosition
	Tag         chain.Hash
	Applied     uint64 // changes
	Skipped     uint64
	Barrier     uint64 // the newest
	Round       uint64 // the newest
}
