// SPDX-License-Identifier: Apache-2.0

package chain

// Outcome is the result code of one leg or transaction: one byte, certified with the block. The meanings are in
// docs/outcomes.md; codes are appended, never changed.
type Outcome uint8

// The outcomes. A transaction or leg with any outcome but OK changed no balance.
const (
	OK                 Outcome = iota // done
	BadKind                           // the leg or transaction asks for something this version does not know
	BadField                          // a field is out of its range (zero amount, same account twice, lifetime 0)
	UnknownAccount                    // From, To or a named account does not exist
	UnknownAsset                      // the asset does not exist
	UnknownInstitution                // the institution does not exist
	UnknownKey                        // the key does not exist or was revoked
	NotAuthorized                     // the signer may not act for this account or asset
	InsufficientFunds                 // the holding is smaller than the amount
	FrozenAccount                     // the debited account is frozen
	FrozenAsset                       // the asset is frozen
	NotHome                           // the account's slot is owned by the other ledger: send it there
	NotPortable                       // a portable asset only lives in portable accounts until the migration closes
	Overflow                          // the result would pass 128 bits
	HoldUnknown                       // no pending hold of this id
	HoldAmount                        // a post asks for more than the hold has
	BatchAborted                      // another leg of this atomic batch failed; this one would have been fine
	Stale                             // the batch's sequence was jumped over: sign again with a higher one
	FutureSequence                    // the sequence or nonce is too far ahead of the last one
	Expired                           // the height passed ValidUntil: sign again
	NonceUsed                         // the account used this nonce already
	AliasTaken                        // another account has this alias
	AddressTaken                      // another account has this address
	CodeTaken                         // another asset has this code
	LimitReached                      // a bound of the ledger is reached (accounts, assets, holds, keys)
	WrongEpoch                        // the change is made for another membership epoch than the present one
	NotApproved                       // fewer than a quorum of the members approved the change
	UnknownValidator                  // the change names a number that no member has, or one beyond the next free
	ValidatorKeyTaken                 // a member has this key already
	ValidatorLimit                    // the membership has no room for another number
	LastValidator                     // the membership's only member cannot be removed
	EpochEnding                       // another change ends the epoch with this block: ask again in the next
	Duplicate                         // the key of this keyed leg was used before: ask what became of that one
	InboxClosed                       // no inbox is open for this signer and this life of the other ledger, or the migration is over
	InboxElsewhere                    // the inbox is not where this sync batch begins: read its position and go on from there
	InboxHeld                         // a change before this one could not be applied, and is looked at first
	BadOrigin                         // the change's origin is none, lies before what was applied, or has an outcome that it cannot have
	Diverged                          // what the other ledger says of an account, asset or key is not what is here
	FrozenSlot                        // the account's slot is frozen until a person has looked at it
	HomesMoved                        // the home table is at another version than the move is made for: read it again
	BadFence                          // the guard's signature does not fit the fence, or no guard was named
	SyncBehind                        // the inbox has not applied the changes up to the position that is asked for yet: wait for them
	outcomeCount
)

var outcomeNames = [outcomeCount]string{
	"ok", "bad_kind", "bad_field", "unknown_account", "unknown_asset", "unknown_institution", "unknown_key", "not_authorized",
	"insufficient_funds", "frozen_account", "frozen_asset", "not_home", "not_portable_until_closed", "overflow",
	"hold_unknown", "hold_amount", "batch_aborted", "stale", "future_sequence", "expired", "nonce_used", "alias_taken",
	"address_taken", "code_taken", "limit_reached", "wrong_epoch", "not_approved", "unknown_validator", "validator_key_taken",
	"validator_limit", "last_validator", "epoch_ending", "duplicate",
	"inbox_closed", "inbox_elsewhere", "inbox_held", "bad_origin", "diverged", "frozen_slot",
	"homes_moved", "bad_fence", "sync_behind",
}

// String returns the outcome's stable name, as in JSON and metrics.
func (o Outcome) String() string {
	if !o.Known() {
		return "unknown"
	}
	return outcomeNames[o]
}

// Known reports whether this version has the outcome.
func (o Outcome) Known() bool { return o < outcomeCount }

// Outcomes lists every outcome, for tables that must be complete.
func Outcomes() []Outcome {
	all := make([]Outcome, outcomeCount)
	for i := range all {
		all[i] = Outcome(i)
	}
	return all
}
