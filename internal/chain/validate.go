// SPDX-License-Identifier: Apache-2.0

package chain

import (
	"unicode/utf8"

	"github.com/aurigraph/aurigraph/internal/fault"
)

// Validate checks t against the bounds that hold in every state of the ledger: sizes, character sets and ranges. The error
// is Invalid and names the field. A transaction that passes can be encoded; one that was decoded may still fail, because
// decoders bound lengths only. Amounts, numbers and rights are the ledger's word.
func (t *Tx) Validate() error {
	if t.Body == nil {
		return badTx("body", "is missing")
	}
	switch b := t.Body.(type) {
	case *Transfer, *Post, *Void, *Issue, *Redeem, *RevokeKey:
		return nil
	case *Hold:
		return within("blocks", b.Blocks, HoldBlocksMax)
	case *OpenAccounts:
		return within("count", b.Count, OpenAccountsMax)
	case *CreateAsset:
		return b.validate()
	case *OpenAccount:
		return b.validate()
	case *Freeze:
		if (b.Account == 0) == (b.Asset == 0) {
			return badTx("account, asset", "exactly one must be named")
		}
		return nil
	case *RegisterInstitution:
		if !validName(b.Name) {
			return badTx("name", "must be 1 to %d bytes of UTF-8", NameBytesMax)
		}
		return requireKey(b.PublicKey)
	case *AddKey:
		return requireKey(b.PublicKey)
	case *AddDelegate:
		return requireKey(b.PublicKey)
	case *ChangeValidator:
		return b.validate()
	case *OpenInbox:
		if b.Life == 0 || b.Ledger.IsZero() {
			return badTx("life, ledger", "must not be 0")
		}
		return nil
	case *SkipSync:
		if b.Life == 0 {
			return badTx("life", "must not be 0")
		}
		return nil
	case *SetMover:
		return nil
	case *MoveSlots:
		return b.validate()
	case *AbortMove:
		return b.validate()
	case *CloseMigration:
		return b.validate()
	case *FreezeSlot:
		if b.Slot == SlotNone {
			return badTx("slot", "%d is none", uint16(SlotNone))
		}
		return nil
	}
	return badTx("body", "is of no known kind")
}

// Validate is Tx.Validate, and checks that there is a signature of at most SignatureBytesMax bytes.
func (t *SignedTx) Validate() error {
	if len(t.Signature) == 0 || len(t.Signature) > SignatureBytesMax {
		return badTx("signature", "has %d bytes, must have 1 to %d", len(t.Signature), SignatureBytesMax)
	}
	return t.Tx.Validate()
}

func (b *CreateAsset) validate() error {
	switch {
	case !validCode(b.Code):
		return badTx("code", "must be 1 to %d of A-Z 0-9 . -", CodeBytesMax)
	case !validName(b.Name):
		return badTx("name", "must be 1 to %d bytes of UTF-8", NameBytesMax)
	case b.Scale > ScaleMax:
		return badTx("scale", "is %d, at most %d", b.Scale, ScaleMax)
	case !b.Flags.Known():
		return badTx("flags", "%#x has unknown ones", uint16(b.Flags))
	}
	return nil
}

func (b *OpenAccount) validate() error {
	if len(b.PublicKey) > 0 {
		if err := requireKey(b.PublicKey); err != nil {
			return err
		}
	}
	native := b.AliasTag.IsZero() && b.Address.IsZero() && b.Slot == SlotNone
	portable := !b.AliasTag.IsZero() && !b.Address.IsZero() && b.Slot != SlotNone
	if !native && !portable {
		return badTx("alias_tag, address, slot", "a V10 account has all three, any other none (slot %d)", uint16(SlotNone))
	}
	return nil
}

func (b *ChangeValidator) validate() error {
	switch {
	case b.Epoch == 0:
		return badTx("epoch", "must be the present one, not 0")
	case b.Removes():
		if b.Name != "" {
			return badTx("name", "stands without keys: a removal has none of them")
		}
	case !validName(b.Name):
		return badTx("name", "must be 1 to %d bytes of UTF-8", NameBytesMax)
	case len(b.Ed25519) != Ed25519KeyBytes || len(b.MLDSA65) != MLDSA65KeyBytes:
		return badTx("ed25519, ml_dsa_65", "have %d and %d bytes, must have %d and %d, or both none for a removal",
			len(b.Ed25519), len(b.MLDSA65), Ed25519KeyBytes, MLDSA65KeyBytes)
	}
	if len(b.Approvals) > ApprovalsMax {
		return badTx("approvals", "are %d, a quorum is never more than %d", len(b.Approvals), ApprovalsMax)
	}
	return validApprovals(b.Approvals)
}

// validApprovals checks what the form of a list of approvals can express: members' numbers that ascend, whole signatures.
func validApprovals(list []Approval) error {
	for i, a := range list {
		switch {
		case a.Validator >= ValidatorsMax || i > 0 && a.Validator <= list[i-1].Validator:
			return badTx("approvals", "of validator %d is out of place: they ascend by number, each once", a.Validator)
		case len(a.Signature) != Ed25519SignatureBytes:
			return badTx("approvals", "of validator %d has a signature of %d bytes, must have %d", a.Validator, len(a.Signature), Ed25519SignatureBytes)
		}
	}
	return nil
}

func requireKey(key []byte) error {
	if !validKey(key) {
		return badTx("public_key", "has %d bytes, must have 2 to %d (scheme byte, key)", len(key), PublicKeyBytesMax)
	}
	return nil
}

func within(field string, n, most uint32) error {
	if n == 0 || n > most {
		return badTx(field, "is %d, must be 1 to %d", n, most)
	}
	return nil
}

func badTx(field, format string, args ...any) error {
	return fault.Reasoned(fault.Invalid, "tx_field", "transaction: "+field+": "+format, args...)
}

func validName(s string) bool {
	return s != "" && len(s) <= NameBytesMax && utf8.ValidString(s)
}

func validCode(s string) bool {
	for i := range len(s) {
		c := s[i]
		if (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '.' && c != '-' {
			return false
		}
	}
	return s != "" && len(s) <= CodeBytesMax
}

// validKey checks a public key's length only: the schemes belong to package keys.
func validKey(key []byte) bool { return len(key) >= 2 && len(key) <= PublicKeyBytesMax }
