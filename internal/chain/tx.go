// SPDX-License-Identifier: Apache-2.0

package chain

// TxKind says what a single transaction does; it selects the body.
type TxKind uint8

// The kinds of transaction. Append only.
const (
	TxTransfer            TxKind = 1
	TxHold                TxKind = 2
	TxPost                TxKind = 3
	TxVoid                TxKind = 4
	TxIssue               TxKind = 5
	TxRedeem              TxKind = 6
	TxCreateAsset         TxKind = 7
	TxOpenAccount         TxKind = 8
	TxOpenAccounts        TxKind = 9
	TxFreeze              TxKind = 10
	TxRegisterInstitution TxKind = 11
	TxAddKey              TxKind = 12
	TxRevokeKey           TxKind = 13
	TxChangeValidator     TxKind = 14
	TxAddDelegate         TxKind = 15
	TxOpenInbox           TxKind = 16
	TxSkipSync            TxKind = 17
	TxFreezeSlot          TxKind = 18
	TxSetMover            TxKind = 19
	TxMoveSlots           TxKind = 20
	TxAbortMove           TxKind = 21
	TxCloseMigration      TxKind = 22
)

var txKindNames = map[TxKind]string{
	TxTransfer: "transfer", TxHold: "hold", TxPost: "post", TxVoid: "void", TxIssue: "issue", TxRedeem: "redeem",
	TxCreateAsset: "create_asset", TxOpenAccount: "open_account", TxOpenAccounts: "open_accounts", TxFreeze: "freeze",
	TxRegisterInstitution: "register_institution", TxAddKey: "add_key", TxRevokeKey: "revoke_key",
	TxChangeValidator: "change_validator", TxAddDelegate: "add_delegate",
	TxOpenInbox: "open_inbox", TxSkipSync: "skip_sync", TxFreezeSlot: "freeze_slot",
	TxSetMover: "set_mover", TxMoveSlots: "move_slots", TxAbortMove: "abort_move",
	TxCloseMigration: "close_migration",
}

// String returns the kind's stable name.
func (k TxKind) String() string {
	if n, ok := txKindNames[k]; ok {
		return n
	}
	return "unknown"
}

// Bounds of transactions.
const (
	TxBytesMax        = 8 << 10 // a signed transaction; ML-DSA-65 key and signature fit
	TxsPerBatchMax    = 4096    // single transactions cut into one lane batch
	NameBytesMax      = 64      // names of institutions and assets, UTF-8
	CodeBytesMax      = 16      // asset codes, [A-Z0-9.-]
	AliasBytesMax     = 256     // V10 account strings, opaque bytes
	OpenAccountsMax   = 8192    // accounts opened by one transaction
	ValidityBlocksMax = 100_000 // how far ahead ValidUntil may lie
	SequenceJumpMax   = 1 << 20 // how far a channel's sequence or an account's nonce may jump ahead
	NonceWindow       = 256     // nonces behind the highest that are still accepted once
	HoldBlocksMax     = 1<<24 - 1
	ChannelsMax       = 256
	SlotsMax          = 10_000 // hash slots of V10 accounts; 10,000 and above are customer cohorts
	SlotNone          = 0xFFFF // an account native to V11
	PublicKeyBytesMax = 1953   // scheme byte and an ML-DSA-65 key
	SignatureBytesMax = 3309
)

// Tx is one individually signed transaction. Its id is the BLAKE3 of its encoding without the signature.
type Tx struct {
	Chain      ChainID
	Sender     AccountNo // on whose behalf; Key must be its own key or one of its custodian's
	Key        KeyNo
	Nonce      uint64 // each value at most once per sender, within NonceWindow of the highest
	ValidUntil Height
	Body       Body
}

// SignedTx is a transaction with its signature over (domain, chain id, id).
type SignedTx struct {
	Tx
	Signature []byte
}

// Body is one of the structs below, or a ChangeValidator.
type Body interface{ Kind() TxKind }

// Transfer moves Amount of Asset from the sender to To.
type Transfer struct {
	To        AccountNo
	Asset     AssetNo
	Amount    Amount
	Reference [32]byte
}

// Hold reserves Amount for To until Blocks blocks have passed; its id is the transaction's id.
type Hold struct {
	To        AccountNo
	Asset     AssetNo
	Amount    Amount
	Blocks    uint32
	Reference [32]byte
}

// Post pays a hold out: Amount of it (0 = all) to its payee, the rest back. The payer may sign it, or its custodian.
type Post struct {
	Hold   Hash
	Amount Amount
}

// Void gives a hold back to its payer. The payee may sign it, or its custodian.
type Void struct{ Hold Hash }

// Issue makes Amount of new units in To's holding. The sender is the asset's issuer.
type Issue struct {
	To        AccountNo
	Asset     AssetNo
	Amount    Amount
	Reference [32]byte
}

// Redeem takes Amount out of circulation from the sender's own holding. The sender is the asset's issuer.
type Redeem struct {
	Asset     AssetNo
	Amount    Amount
	Reference [32]byte
}

// AssetFlags are fixed when the asset is made.
type AssetFlags uint16

// The asset flags.
const (
	AssetPortable  AssetFlags = 1 << 0 // can live on V10 while a migration runs
	AssetVersioned AssetFlags = 1 << 1 // holdings are kept by height
	AssetDense     AssetFlags = 1 << 2 // hot: an array by account number instead of the sparse table
	assetFlagsAll             = AssetPortable | AssetVersioned | AssetDense
)

// Known reports whether f has only flags that this version knows.
func (f AssetFlags) Known() bool { return f&^assetFlagsAll == 0 }

// CreateAsset makes an asset whose issuer is the sender.
type CreateAsset struct {
	Code  string
	Name  string
	Scale uint8
	Flags AssetFlags
}

// OpenAccount opens one account. PublicKey (scheme byte, key) makes it self-owned; empty makes the sender's
// institution its custodian. A V10 account also carries AliasTag (the keyed hash of its V10 string: the ledger never sees
// the string, so that it can be erased), the Address derived from that string, and its Slot; else all three are zero or
// SlotNone, and the address follows from the key, or from the account's number.
type OpenAccount struct {
	PublicKey []byte
	AliasTag  Hash
	Address   Address
	Slot      uint16
}

// OpenAccounts opens Count accounts in a row under the sender's institution as custodian; the result is the first number.
type OpenAccounts struct{ Count uint32 }

// Freeze sets or lifts the freeze of an account (by its custodian or governance) or of an asset (by its issuer or
// governance); exactly one of the two is named. A freeze stops debits, never credits.
type Freeze struct {
	Account AccountNo
	Asset   AssetNo
	Frozen  bool
}

// RegisterInstitution admits an institution with its first key and opens its house account. Governance only; the result is
// the institution's number.
type RegisterInstitution struct {
	Name      string
	PublicKey []byte
}

// AddKey adds a key to the sender's institution (Account 0), or gives a custodial account of it its own key.
type AddKey struct {
	Account   AccountNo
	PublicKey []byte
}

// AddDelegate adds a delegated key to the sender's institution: one for a server that acts for the institution's customers. It
// may sign transfer legs of client batches, OpenAccount, OpenAccounts, CreateAsset, Issue and Redeem, and nothing else: neither
// other keys nor freezes, holds and governance. The result is the key's number. A key with full rights adds it and revokes it.
type AddDelegate struct{ PublicKey []byte }

// RevokeKey ends a key of the sender's institution. Its last key with full rights cannot be revoked.
type RevokeKey struct{ Key KeyNo }

// Kind returns TxTransfer.
func (*Transfer) Kind() TxKind { return TxTransfer }

// Kind returns TxHold.
func (*Hold) Kind() TxKind { return TxHold }

// Kind returns TxPost.
func (*Post) Kind() TxKind { return TxPost }

// Kind returns TxVoid.
func (*Void) Kind() TxKind { return TxVoid }

// Kind returns TxIssue.
func (*Issue) Kind() TxKind { return TxIssue }

// Kind returns TxRedeem.
func (*Redeem) Kind() TxKind { return TxRedeem }

// Kind returns TxCreateAsset.
func (*CreateAsset) Kind() TxKind { return TxCreateAsset }

// Kind returns TxOpenAccount.
func (*OpenAccount) Kind() TxKind { return TxOpenAccount }

// Kind returns TxOpenAccounts.
func (*OpenAccounts) Kind() TxKind { return TxOpenAccounts }

// Kind returns TxFreeze.
func (*Freeze) Kind() TxKind { return TxFreeze }

// Kind returns TxRegisterInstitution.
func (*RegisterInstitution) Kind() TxKind { return TxRegisterInstitution }

// Kind returns TxAddKey.
func (*AddKey) Kind() TxKind { return TxAddKey }

// Kind returns TxAddDelegate.
func (*AddDelegate) Kind() TxKind { return TxAddDelegate }

// Kind returns TxRevokeKey.
func (*RevokeKey) Kind() TxKind { return TxRevokeKey }

// Kind returns TxChangeValidator.
func (*ChangeValidator) Kind() TxKind { return TxChangeValidator }
