// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"bytes"
	"encoding/binary"

	"github.com/aurigraph/aurigraph/internal/certify"
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/keys"
)

// macs stand for signatures: a hash over a secret that its owner alone uses, at a signature's length. A simulated liar
// can forge no other's, as it could no real one; and a run costs no lattice arithmetic, which would be most of it.
//
// What a seal or the end of an epoch is proved by has real signatures in place of valid macs (proofs).
type macs struct{ seed uint64 }

// Who signs besides validators, who do by their Ed25519 keys.
var (
	bank     = []byte("bank")
	governor = []byte("governance")
)

func (k macs) sign(owner, message []byte, size int) []byte {
	secret := binary.LittleEndian.AppendUint64(nil, k.seed)
	secret = append(secret, owner...)
	sum := codec.Sum(append(secret, message...))
	signature := make([]byte, size)
	copy(signature, sum[:])
	return signature
}

func (k macs) verify(owner, message, signature []byte) bool {
	return bytes.Equal(k.sign(owner, message, len(signature)), signature) && len(signature) >= len(chain.Hash{})
}

func (k macs) signBatch(id chain.Hash) []byte {
	return k.sign(bank, keys.BatchMessage(simChain, id), keys.Ed25519.SignatureBytes())
}

func (k macs) verifyBatch(id chain.Hash, signature []byte) bool {
	return k.verify(bank, keys.BatchMessage(simChain, id), signature)
}

func (k macs) signTx(id chain.Hash) []byte {
	return k.sign(governor, keys.TxMessage(simChain, id), keys.Ed25519.SignatureBytes())
}

func (k macs) verifyTx(id chain.Hash, signature []byte) bool {
	return k.verify(governor, keys.TxMessage(simChain, id), signature)
}

// vote is what a validator signs for an executed header, with the key that it has.
func (k macs) vote(v chain.ValidatorNo, key []byte, h *chain.ExecutedHeader, hash chain.Hash) certify.Vote {
	vote := certify.Vote{Epoch: h.Epoch, Height: h.Height, Validator: v, Hash: hash, RootAt: h.RootAt, StateRoot: h.StateRoot}
	vote.Signature = k.sign(key, keys.HeaderMessage(h.Chain, hash), keys.Ed25519.SignatureBytes())
	if h.RootAt != 0 {
		vote.RootSig = k.sign(key, keys.RootMessage(h.Chain, h.Epoch, h.RootAt, h.StateRoot), keys.MLDSA65.SignatureBytes())
	}
	return vote
}

// verifyVote reports whether a vote is that of the member with its number.
func (k macs) verifyVote(members *chain.Membership, v *certify.Vote) bool {
	m := members.Find(v.Validator)
	if m == nil || !k.verify(m.Ed25519, keys.HeaderMessage(simChain, v.Hash), v.Signature) {
		return false
	}
	if v.RootAt == 0 {
		return len(v.RootSig) == 0
	}
	return k.verify(m.Ed25519, keys.RootMessage(simChain, v.Epoch, v.RootAt, v.StateRoot), v.RootSig)
}

// verifySignatures reports whether all signatures of a certificate are members', over its header and, if h is that header, over
// the state root in it. It does not count them.
func (k macs) verifySignatures(members *chain.Membership, c *chain.Certificate, h *chain.ExecutedHeader) bool {
	for _, s := range c.Signatures {
		v := certify.Vote{Epoch: c.Epoch, Height: c.Height, Validator: s.Validator, Hash: c.Header, Signature: s.Header}
		if h != nil {
			v.RootAt, v.StateRoot, v.RootSig = h.RootAt, h.StateRoot, s.Root
		}
		if !k.verifyVote(members, &v) {
			return false
		}
	}
	return true
}
