// SPDX-License-Identifier: Apache-2.0

package chain

import "testing"

func TestOutcomeNames(t *testing.T) {
	seen := map[string]bool{}
	for i, o := range Outcomes() {
		if int(o) != i || o.String() == "" || o.String() == "unknown" || seen[o.String()] {
			t.Errorf("outcome %d has no name of its own: %q", o, o)
		}
		seen[o.String()] = true
	}
	if outcomeCount.Known() || !Duplicate.Known() || outcomeCount.String() != "unknown" || Outcome(255).String() != "unknown" {
		t.Error("an outcome beyond the table must read as unknown")
	}
}

func TestTxKinds(t *testing.T) {
	bodies := []Body{
		&Transfer{}, &Hold{}, &Post{}, &Void{}, &Issue{}, &Redeem{}, &CreateAsset{}, &OpenAccount{}, &OpenAccounts{}, &Freeze{},
		&RegisterInstitution{}, &AddKey{}, &RevokeKey{}, &ChangeValidator{}, &AddDelegate{},
		&OpenInbox{}, &SkipSync{}, &FreezeSlot{}, &SetMover{}, &MoveSlots{}, &AbortMove{}, &CloseMigration{},
	}
	for i, b := range bodies {
		if b.Kind() != TxKind(i+1) {
			t.Errorf("%T is kind %d, want %d", b, b.Kind(), i+1)
		}
	}
	if len(bodies) != len(txKindNames) {
		t.Errorf("%d bodies, %d names", len(bodies), len(txKindNames))
	}
	if !AssetFlags(7).Known() || AssetFlags(8).Known() {
		t.Error("the asset flags are the lowest three bits")
	}
}
