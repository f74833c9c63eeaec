// SPDX-License-Identifier: Apache-2.0

package intake

import (
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/keys"
)

// CheckEntry checks the payload of another validator's lane as an honest door did that took it: its id, its framing, its
// signatures. What changes with time (validity, sequences, a key that was revoked) is not looked at: the entry was good when
// it was taken, and execution decides. TryLater: it names a key that this node does not know yet.
func (in *Intake) CheckEntry(e *chain.LaneEntry, key chain.KeyNo, signature, payload []byte) error {
	if codec.Sum(payload) != e.Payload {
		return fault.Reasoned(fault.Invalid, "wrong_payload", "the payload is not the one that entry %d of lane %d names", e.Sequence, e.Validator)
	}
	switch e.Kind {
	case chain.PayloadBatch:
		return in.checkPeerBatch(e.Payload, key, signature, payload)
	case chain.PayloadTxs:
		return in.checkPeerTxs(payload)
	}
	return fault.Reasoned(fault.Invalid, "bad_field", "payload kind %d", e.Kind)
}

func (in *Intake) checkPeerBatch(id chain.Hash, no chain.KeyNo, signature, payload []byte) error {
	b, err := chain.ParseBatch(payload)
	if err != nil {
		return err
	}
	h := b.Header()
	if h.Chain != in.Chain || h.Key != no {
		return fault.Reasoned(fault.Invalid, "wrong_chain", "signed for chain %d with key %d, this is chain %d and key %d", h.Chain, h.Key, in.Chain, no)
	}
	key, owner, err := in.Keys.known(no)
	if err != nil {
		return err
	}
	if owner == 0 || owner != h.Institution {
		return fault.Reasoned(fault.Denied, "unknown_key", "key %d is not one of institution %d", no, h.Institution)
	}
	if !key.Verify(keys.BatchMessage(h.Chain, id), signature) {
		return fault.Reasoned(fault.Denied, "bad_signature", "the signature of batch %s does not verify with key %d", id, no)
	}
	return nil
}

func (in *Intake) checkPeerTxs(payload []byte) error {
	signed, err := codec.SplitTxBatch(payload)
	if err != nil {
		return err
	}
	v := in.verifiers.take()
	defer in.verifiers.put(v)
	for _, raw := range signed {
		tx, id, err := codec.DecodeSignedTx(raw)
		if err != nil {
			return err
		}
		if err := tx.Validate(); err != nil {
			return err
		}
		if tx.Chain != in.Chain {
			return fault.Reasoned(fault.Invalid, "wrong_chain", "signed for chain %d, this is chain %d", tx.Chain, in.Chain)
		}
		key, _, err := in.Keys.known(tx.Key)
		if err != nil {
			return err
		}
		v.add(key, tx.Chain, id, tx.Signature)
	}
	for _, valid := range v.batch.Verify() {
		if !valid {
			return fault.Reasoned(fault.Denied, "bad_signature", "the signature of a transaction does not verify")
		}
	}
	return nil
}
