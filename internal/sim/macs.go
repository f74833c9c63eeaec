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
// Package seal verifies what validators signed. What is shown to it stands with real signatures in place of valid macs (signed).
type macs struct{ seed uint64 }

// Who signs: validators by their number, and the clients' institution.
const clientSigner = 1 << 16

func (k macs) sign(who int, message []byte, size int) []byte {
	secret := binary.LittleEndian.AppendUint64(nil, k.seed)
	secret = binary.LittleEndian.AppendUint64(secret, uint64(who))
	sum := codec.Sum(append(secret, message...))
	signature := make([]byte, size)
	copy(signature, sum[:])
	return signature
}

func (k macs) verify(who int, message, signature []byte) bool {
	return bytes.Equal(k.sign(who, message, len(signature)), signature) && len(signature) >= len(chain.Hash{})
}

func (k macs) signBatch(id chain.Hash) []byte {
	return k.sign(clientSigner, keys.BatchMessage(simChain, id), keys.Ed25519.SignatureBytes())
}

func (k macs) verifyBatch(id chain.Hash, signature []byte) bool {
	return k.verify(clientSigner, keys.BatchMessage(simChain, id), signature)
}

// vote is what a validator signs for an executed header.
func (k macs) vote(v chain.ValidatorNo, h *chain.ExecutedHeader, hash chain.Hash) certify.Vote {
	vote := certify.Vote{Epoch: h.Epoch, Height: h.Height, Validator: v, Hash: hash, RootAt: h.RootAt, StateRoot: h.StateRoot}
	vote.Signature = k.sign(int(v), keys.HeaderMessage(h.Chain, hash), keys.Ed25519.SignatureBytes())
	if h.RootAt != 0 {
		vote.RootSig = k.sign(int(v), keys.RootMessage(h.Chain, h.Epoch, h.RootAt, h.StateRoot), keys.MLDSA65.SignatureBytes())
	}
	return vote
}

func (k macs) verifyVote(v *certify.Vote) bool {
	if !k.verify(int(v.Validator), keys.HeaderMessage(simChain, v.Hash), v.Signature) {
		return false
	}
	if v.RootAt == 0 {
		return len(v.RootSig) == 0
	}
	return k.verify(int(v.Validator), keys.RootMessage(simChain, v.Epoch, v.RootAt, v.StateRoot), v.RootSig)
}

// verifySignatures reports whether all signatures of a certificate are over its header and, if h is that header, over the
// state root in it. It does not count them.
func (k macs) verifySignatures(c *chain.Certificate, h *chain.ExecutedHeader) bool {
	for _, s := range c.Signatures {
		v := certify.Vote{Epoch: c.Epoch, Height: c.Height, Validator: s.Validator, Hash: c.Header, Signature: s.Header}
		if h != nil {
			v.RootAt, v.StateRoot, v.RootSig = h.RootAt, h.StateRoot, s.Root
		}
		if !k.verifyVote(&v) {
			return false
		}
	}
	return true
}
