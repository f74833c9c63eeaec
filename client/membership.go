// SPDX-License-Identifier: Apache-2.0

package client

import (
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/keys"
)

// Approval is a validator's word for a change of the membership.
type Approval = chain.Approval

// ApproveChange signs a change of the membership for a validator, with the key that signs its headers. A change needs the
// approvals of a quorum of the present validators, ascending by number; its sender is governance's account:
//
//	change := &client.ChangeValidator{Epoch: present, Validator: 4, Name: "v4", Ed25519: …, MLDSA65: …}
//	a, err := client.ApproveChange(validator0, chainID, 0, change) // by each operator
//	change.Approvals = append(change.Approvals, a)
//	signed, err := client.SignTx(governance, client.Tx{…, Body: change})
func ApproveChange(signer Signer, id ChainID, validator uint16, change *ChangeValidator) (Approval, error) {
	if signer.Public().Scheme() != keys.Ed25519 {
		return Approval{}, fault.New(fault.Denied, "a change is approved with a validator's Ed25519 key, not with one of %s", signer.Public().Scheme())
	}
	signature, err := signer.Sign(keys.ChangeMessage(id, codec.ChangeHash(change)))
	if err != nil {
		return Approval{}, fault.Wrap(fault.Internal, err, "approve the change as validator %d", validator)
	}
	return Approval{Validator: chain.ValidatorNo(validator), Signature: signature}, nil
}
