// SPDX-License-Identifier: Apache-2.0

package chain

import (
	"strings"
	"testing"

	"github.com/aurigraph/aurigraph/internal/fault"
)

type strangeBody struct{ Body }

// change is an admission of valid form, changed.
func change(by func(*ChangeValidator)) *ChangeValidator {
	c := &ChangeValidator{Epoch: 1, Validator: 4, Name: "v4", Ed25519: make([]byte, 32), MLDSA65: make([]byte, 1952)}
	if by != nil {
		by(c)
	}
	return c
}

func approvals(by ...ValidatorNo) (list []Approval) {
	for _, v := range by {
		list = append(list, Approval{Validator: v, Signature: make([]byte, 64)})
	}
	return list
}

func TestTxValidate(t *testing.T) {
	key := make([]byte, 33)
	longest := make([]byte, PublicKeyBytesMax)
	name := strings.Repeat("é", NameBytesMax/2)
	for _, c := range []struct {
		body  Body
		field string // in the error's text; empty = valid
	}{
		{&Transfer{}, ""},
		{&Post{}, ""},
		{&Void{}, ""},
		{&Issue{}, ""},
		{&Redeem{}, ""},
		{&RevokeKey{}, ""},
		{nil, "body"},
		{strangeBody{}, "body"},

		{&Hold{Blocks: 1}, ""},
		{&Hold{Blocks: HoldBlocksMax}, ""},
		{&Hold{}, "blocks"},
		{&Hold{Blocks: HoldBlocksMax + 1}, "blocks"},

		{&OpenAccounts{Count: 1}, ""},
		{&OpenAccounts{Count: OpenAccountsMax}, ""},
		{&OpenAccounts{}, "count"},
		{&OpenAccounts{Count: OpenAccountsMax + 1}, "count"},

		{&CreateAsset{Code: "EUR", Name: "Euro"}, ""},
		{&CreateAsset{Code: "US-91282.CJL6-20", Name: name, Scale: ScaleMax, Flags: assetFlagsAll}, ""},
		{&CreateAsset{Name: "Euro"}, "code"},
		{&CreateAsset{Code: "eur", Name: "Euro"}, "code"},
		{&CreateAsset{Code: "E R", Name: "Euro"}, "code"},
		{&CreateAsset{Code: "É", Name: "Euro"}, "code"},
		{&CreateAsset{Code: strings.Repeat("A", CodeBytesMax+1), Name: "Euro"}, "code"},
		{&CreateAsset{Code: "EUR"}, "name"},
		{&CreateAsset{Code: "EUR", Name: name + "x"}, "name"},
		{&CreateAsset{Code: "EUR", Name: "\xff"}, "name"},
		{&CreateAsset{Code: "EUR", Name: strings.Repeat("x", 1<<16+1)}, "name"},
		{&CreateAsset{Code: "EUR", Name: "Euro", Scale: ScaleMax + 1}, "scale"},
		{&CreateAsset{Code: "EUR", Name: "Euro", Flags: 8}, "flags"},

		{&OpenAccount{Slot: SlotNone}, ""},
		{&OpenAccount{PublicKey: longest, Slot: SlotNone}, ""},
		{&OpenAccount{PublicKey: key, AliasTag: Hash{1}, Address: Address{1}, Slot: 0}, ""},
		{&OpenAccount{PublicKey: append(longest, 0), Slot: SlotNone}, "public_key"},
		{&OpenAccount{PublicKey: []byte{1}, Slot: SlotNone}, "public_key"},
		{&OpenAccount{}, "slot"},
		{&OpenAccount{AliasTag: Hash{1}, Address: Address{1}, Slot: SlotNone}, "slot"},
		{&OpenAccount{AliasTag: Hash{1}, Slot: 1}, "address"},
		{&OpenAccount{Address: Address{1}, Slot: SlotNone}, "alias_tag"},

		{&Freeze{Account: 1}, ""},
		{&Freeze{Asset: 1, Frozen: true}, ""},
		{&Freeze{}, "exactly one"},
		{&Freeze{Account: 1, Asset: 1}, "exactly one"},

		{&RegisterInstitution{Name: "Bank", PublicKey: key}, ""},
		{&RegisterInstitution{PublicKey: key}, "name"},
		{&RegisterInstitution{Name: "Bank"}, "public_key"},
		{&AddKey{PublicKey: longest}, ""},
		{&AddKey{}, "public_key"},
		{&AddDelegate{PublicKey: longest}, ""},
		{&AddDelegate{}, "public_key"},
		{&OpenInbox{Life: 1, Ledger: Hash{1}}, ""},
		{&OpenInbox{Ledger: Hash{1}}, "life"},
		{&OpenInbox{Life: 1}, "ledger"},
		{&SkipSync{Life: 1}, ""},
		{&SkipSync{}, "life"},
		{&FreezeSlot{}, ""},
		{&FreezeSlot{Slot: SlotNone}, "slot"},
		{&SetMover{}, ""},
		{&MoveSlots{HomeVersion: 1, Slots: []SlotRange{{From: 1, To: 2}, {From: 3, To: 65534}}}, ""},
		{&MoveSlots{ToV11: true, HomeVersion: 1, Slots: []SlotRange{{}}, Position: SyncPosition{Major: 1}, Fence: make([]byte, 64)}, ""},
		{&MoveSlots{Slots: []SlotRange{{}}}, "home_version"},
		{&MoveSlots{ToV11: true, HomeVersion: 1, Slots: []SlotRange{{}}}, "fence"},
		{&MoveSlots{HomeVersion: 1, Slots: []SlotRange{{}}, Fence: make([]byte, 64)}, "fence"},
		{&MoveSlots{HomeVersion: 1, Slots: []SlotRange{{}}, Position: SyncPosition{Minor: 1}}, "position"},
		{&MoveSlots{HomeVersion: 1}, "slots"},
		{&MoveSlots{HomeVersion: 1, Slots: make([]SlotRange, MoveRangesMax+1)}, "slots"},
		{&MoveSlots{HomeVersion: 1, Slots: []SlotRange{{From: 2, To: 1}}}, "slots"},
		{&MoveSlots{HomeVersion: 1, Slots: []SlotRange{{From: 2, To: SlotNone}}}, "slots"},
		{&MoveSlots{HomeVersion: 1, Slots: []SlotRange{{From: 2, To: 4}, {From: 4, To: 5}}}, "slots"},
		{&AbortMove{HomeVersion: 1, Slots: []SlotRange{{From: 7, To: 7}}}, ""},
		{&AbortMove{Slots: []SlotRange{{}}}, "home_version"},
		{&AbortMove{HomeVersion: 1}, "slots"},
		{&CloseMigration{HomeVersion: 1, Life: 1, Position: SyncPosition{Major: 2}}, ""},
		{&CloseMigration{HomeVersion: 1}, ""},
		{&CloseMigration{Life: 1}, "home_version"},
		{&CloseMigration{HomeVersion: 1, Position: SyncPosition{Minor: 2}}, "position"},
		{&AddDelegate{PublicKey: append(longest, 0)}, "public_key"},
		{&AddKey{PublicKey: append(longest, 0)}, "public_key"},

		{change(nil), ""},
		{change(func(c *ChangeValidator) { c.Approvals = approvals(0, 3, 63) }), ""},
		{change(func(c *ChangeValidator) { c.Approvals = make([]Approval, ApprovalsMax+1) }), "approvals"},
		{change(func(c *ChangeValidator) { c.Approvals = approvals(3, 2) }), "approvals"},
		{change(func(c *ChangeValidator) { c.Approvals = approvals(3, 3) }), "approvals"},
		{change(func(c *ChangeValidator) { c.Approvals = approvals(64) }), "approvals"},
		{change(func(c *ChangeValidator) { c.Approvals = []Approval{{Signature: make([]byte, 63)}} }), "approvals"},
		{change(func(c *ChangeValidator) { c.Epoch = 0 }), "epoch"},
		{change(func(c *ChangeValidator) { c.Name = "" }), "name"},
		{change(func(c *ChangeValidator) { c.Ed25519 = nil }), "ed25519"},
		{change(func(c *ChangeValidator) { c.MLDSA65 = c.MLDSA65[1:] }), "ed25519"},
		{change(func(c *ChangeValidator) { c.Ed25519, c.MLDSA65 = nil, nil }), "name"},
		{&ChangeValidator{Epoch: 1}, ""},
	} {
		err := (&Tx{Body: c.body}).Validate()
		if c.field == "" && err != nil {
			t.Errorf("%+v: %v", c.body, err)
		}
		if c.field != "" && (!fault.Is(err, fault.Invalid) || fault.ReasonOf(err) != "tx_field" || !strings.Contains(err.Error(), c.field)) {
			t.Errorf("%+v: %v, want an error about %s", c.body, err, c.field)
		}
	}
}

func TestSignedTxValidate(t *testing.T) {
	for n, ok := range map[int]bool{0: false, 64: true, SignatureBytesMax: true, SignatureBytesMax + 1: false} {
		s := SignedTx{Tx{Body: &Void{}}, make([]byte, n)}
		if err := s.Validate(); (err == nil) != ok || (!ok && !fault.Is(err, fault.Invalid)) {
			t.Errorf("a signature of %d bytes: %v", n, err)
		}
	}
	if err := (&SignedTx{Tx{}, make([]byte, 64)}).Validate(); !fault.Is(err, fault.Invalid) {
		t.Errorf("the transaction itself must be checked too: %v", err)
	}
}
