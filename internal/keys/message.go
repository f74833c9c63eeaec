// SPDX-License-Identifier: Apache-2.0

package keys

import (
	"encoding/binary"

	"github.com/aurigraph/aurigraph/internal/chain"
)

// Domains of signed messages. One purpose each; append only. A domain is neither 1-4 nor 25 bytes long, so that a
// message never begins like an Ethereum typed transaction (01-04) or signed message (19): a secp256k1 key that is also
// used on Ethereum cannot be tricked into signing for both.
const (
	DomainBatch          = "aurigraph/batch/v1"
	DomainTx             = "aurigraph/tx/v1"
	DomainExecutedHeader = "aurigraph/executed-header/v1"
	DomainStateRoot      = "aurigraph/state-root/v1"
	DomainChange         = "aurigraph/validator-change/v1"
	DomainSeal           = "aurigraph/epoch-seal/v1"
	DomainSealReveal     = "aurigraph/seal-reveal/v1"
	DomainSealClaim      = "aurigraph/seal-claim/v1"
	DomainFence          = "aurigraph/fence/v1"
)

// domainKeyFile binds a key file's header to its encrypted secret. It is never signed.
const domainKeyFile = "aurigraph/key-file/v1"

// Message returns the bytes to sign: domain and parts, each behind its length as u64 little-endian. The form is
// injective: other parts, or the same bytes cut elsewhere, or another domain, are another message. The chain id is a
// part that the caller gives, where a signature must hold on one chain only.
func Message(domain string, parts ...[]byte) []byte {
	n := 8 + len(domain)
	for _, p := range parts {
		n += 8 + len(p)
	}
	return AppendMessage(make([]byte, 0, n), domain, parts...)
}

// AppendMessage appends Message(domain, parts...) to dst, for callers who reuse a buffer.
func AppendMessage(dst []byte, domain string, parts ...[]byte) []byte {
	dst = binary.LittleEndian.AppendUint64(dst, uint64(len(domain)))
	dst = append(dst, domain...)
	for _, p := range parts {
		dst = binary.LittleEndian.AppendUint64(dst, uint64(len(p)))
		dst = append(dst, p...)
	}
	return dst
}

// BatchMessage is what an institution signs for a batch.
func BatchMessage(id chain.ChainID, batch chain.Hash) []byte {
	return Message(DomainBatch, u64(uint64(id)), batch[:])
}

// TxMessage is what a sender signs for a single transaction.
func TxMessage(id chain.ChainID, tx chain.Hash) []byte { return AppendTxMessage(nil, id, tx) }

// AppendTxMessage appends TxMessage(id, tx) to dst.
func AppendTxMessage(dst []byte, id chain.ChainID, tx chain.Hash) []byte {
	var chainID [8]byte
	binary.LittleEndian.PutUint64(chainID[:], uint64(id))
	return AppendMessage(dst, DomainTx, chainID[:], tx[:])
}

// HeaderMessage is what a validator signs with Ed25519 for an executed header.
func HeaderMessage(id chain.ChainID, header chain.Hash) []byte {
	return Message(DomainExecutedHeader, u64(uint64(id)), header[:])
}

// RootMessage is what a validator signs with ML-DSA-65 for the state root of height at.
func RootMessage(id chain.ChainID, epoch chain.Epoch, at chain.Height, root chain.Hash) []byte {
	return Message(DomainStateRoot, u64(uint64(id)), u64(uint64(epoch)), u64(uint64(at)), root[:])
}

// ChangeMessage is what a member signs with Ed25519 to approve a change of the membership (codec.ChangeHash). The change
// names the epoch in which it can be made.
func ChangeMessage(id chain.ChainID, change chain.Hash) []byte {
	return Message(DomainChange, u64(uint64(id)), change[:])
}

// SealMessage is what a member of an epoch signs with Ed25519 to end it by a handover (codec.HandoverHash).
func SealMessage(id chain.ChainID, handover chain.Hash) []byte {
	return Message(DomainSeal, u64(uint64(id)), handover[:])
}

// SealRevealMessage is what a validator signs with Ed25519 for what it reveals before a seal: the reveal names its chain.
func SealRevealMessage(reveal []byte) []byte { return Message(DomainSealReveal, reveal) }

// SealClaimMessage is what it signs for the state that it claims to have reached for a seal: the claim names its chain.
func SealClaimMessage(claim []byte) []byte { return Message(DomainSealClaim, claim) }

func u64(v uint64) []byte { return binary.LittleEndian.AppendUint64(nil, v) }

// FenceMessage is what the guard of V10 signs when it has closed slots.
func FenceMessage(id chain.ChainID, fence chain.Hash) []byte {
	return Message(DomainFence, u64(uint64(id)), fence[:])
}
