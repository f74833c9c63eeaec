// SPDX-License-Identifier: Apache-2.0

package client

import (
	"crypto/rand"
	"testing"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/epoch"
	"github.com/aurigraph/aurigraph/internal/keys"

	"github.com/aurigraph/aurigraph/internal/codec"
)

// What operators approve by the SDK is what the ledger takes: a quorum's word for one change of one chain and epoch.
func TestApproveChange(t *testing.T) {
	m := &chain.Membership{Epoch: 3}
	var signers []Signer
	for no := range chain.ValidatorNo(4) {
		s, err := keys.Generate(keys.Ed25519, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		signers = append(signers, s)
		m.Members = append(m.Members, chain.Member{No: no, JoinEpoch: 1, Name: "v", Ed25519: s.Public().Bytes()[1:]})
	}
	change := &ChangeValidator{Epoch: 3, Validator: 2}
	for no, s := range signers[:3] {
		a, err := ApproveChange(s, 7, uint16(no), change)
		if err != nil {
			t.Fatal(err)
		}
		change.Approvals = append(change.Approvals, a) // of which the next approval says nothing
	}
	for _, x := range []struct {
		id    ChainID
		epoch Epoch
		want  bool
	}{{7, 3, true}, {8, 3, false}, {7, 4, false}} {
		of := *change
		of.Epoch = x.epoch
		err := epoch.VerifyApprovals(m, keys.ChangeMessage(x.id, codec.ChangeHash(&of)), change.Approvals)
		if (err == nil) != x.want {
			t.Errorf("chain %d, epoch %d: %v", x.id, x.epoch, err)
		}
	}
	root, err := keys.Generate(keys.MLDSA65, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ApproveChange(root, 7, 0, change); KindOf(err) != Denied {
		t.Error(err)
	}
}
