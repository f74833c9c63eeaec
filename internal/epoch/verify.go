// SPDX-License-Identifier: Apache-2.0

package epoch

import (
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/keys"
)

// Reasons of refusal.
const (
	ReasonOtherChain    = "other_chain"          // of another chain than the set's
	ReasonOtherEpoch    = "other_epoch"          // of another epoch than the set's, or one that does not follow
	ReasonMismatch      = "certificate_mismatch" // the certificate is of another header
	ReasonUnknownSigner = "unknown_signer"       // no member has the number
	ReasonSignedTwice   = "signed_twice"         // a member's signature stands twice
	ReasonBadSignature  = "bad_signature"        // a signature is not the member's
	ReasonNoQuorum      = "no_quorum"            // fewer signatures than a quorum
	ReasonUnusableKey   = "unusable_key"         // a member's key can verify nothing
	ReasonHandover      = "handover"             // a handover contradicts its proof, or does not follow
)

func refused(reason, format string, args ...any) error {
	return fault.Reasoned(fault.Invalid, reason, format, args...)
}

// VerifyCertificate checks that c certifies a header, whose hash the caller computed from the bytes that it has: a quorum of
// members signed, each once, each the hash with Ed25519 and, exactly if the header carries a state root, that with
// ML-DSA-65. One wrong signature spoils the certificate, also beside a quorum of right ones.
func (s *Set) VerifyCertificate(h *chain.ExecutedHeader, hash chain.Hash, c *chain.Certificate) error {
	switch {
	case h.Chain != s.chain:
		return refused(ReasonOtherChain, "the header of height %d is of chain %d, not %d", h.Height, h.Chain, s.chain)
	case h.Epoch != s.Epoch():
		return refused(ReasonOtherEpoch, "the header of height %d is of epoch %d, not %d", h.Height, h.Epoch, s.Epoch())
	case c.Header != hash || c.Height != h.Height || c.Epoch != h.Epoch:
		return refused(ReasonMismatch, "the certificate is of header %s of height %d in epoch %d, not of %s of height %d", c.Header, c.Height, c.Epoch, hash, h.Height)
	case len(c.Signatures) < s.Quorum():
		return refused(ReasonNoQuorum, "the certificate of height %d has %d signatures, a quorum is %d", h.Height, len(c.Signatures), s.Quorum())
	}
	headerMsg, rootMsg := keys.HeaderMessage(s.chain, hash), keys.RootMessage(s.chain, h.Epoch, h.RootAt, h.StateRoot)
	var signers signerSet
	for i := range c.Signatures {
		x := &c.Signatures[i]
		header := s.HeaderKey(x.Validator)
		if err := signers.add(x.Validator, header); err != nil {
			return err
		}
		if !header.Verify(headerMsg, x.Header) {
			return refused(ReasonBadSignature, "the signature of validator %d for header %d is not valid", x.Validator, h.Height)
		}
		if h.RootAt == 0 && len(x.Root) > 0 || h.RootAt != 0 && !s.RootKey(x.Validator).Verify(rootMsg, x.Root) {
			return refused(ReasonBadSignature, "the signature of validator %d for the state root of height %d is not valid", x.Validator, h.RootAt)
		}
	}
	return nil
}

// VerifyApprovals checks that a quorum of members signed msg with Ed25519, each once. Rules as of VerifyCertificate.
func (s *Set) VerifyApprovals(msg []byte, approvals []chain.Approval) error {
	return verifyApprovals(s.Quorum(), s.HeaderKey, msg, approvals)
}

// VerifyApprovals is Set.VerifyApprovals for who needs no other key of the membership: the signers' keys alone are worked out.
func VerifyApprovals(m *chain.Membership, msg []byte, approvals []chain.Approval) error {
	find := func(v chain.ValidatorNo) *keys.Verifier {
		x := m.Find(v)
		if x == nil {
			return nil
		}
		verifier, err := verifierOf(keys.Ed25519, x.Ed25519)
		if err != nil {
			return nil // an unusable key signs nothing
		}
		return verifier
	}
	return verifyApprovals(m.Quorum(), find, msg, approvals)
}

func verifyApprovals(quorum int, find func(chain.ValidatorNo) *keys.Verifier, msg []byte, approvals []chain.Approval) error {
	if len(approvals) < quorum {
		return refused(ReasonNoQuorum, "%d members approve, a quorum is %d", len(approvals), quorum)
	}
	var signers signerSet
	for _, a := range approvals {
		verifier := find(a.Validator)
		if err := signers.add(a.Validator, verifier); err != nil {
			return err
		}
		if !verifier.Verify(msg, a.Signature) {
			return refused(ReasonBadSignature, "the approval of validator %d is not valid", a.Validator)
		}
	}
	return nil
}

// signerSet has a bit for each member that signed.
type signerSet uint64

func (s *signerSet) add(v chain.ValidatorNo, key *keys.Verifier) error {
	bit := signerSet(1) << v
	switch {
	case key == nil:
		return refused(ReasonUnknownSigner, "validator %d is no member", v)
	case *s&bit != 0:
		return refused(ReasonSignedTwice, "validator %d signed twice", v)
	}
	*s |= bit
	return nil
}
