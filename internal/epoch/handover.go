// SPDX-License-Identifier: Apache-2.0

package epoch

import (
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/keys"
)

// VerifyHandover checks that a handover ends the set's epoch: that it is of this chain and epoch and its next membership can
// follow, that its header is the one that it names, and that a quorum of the set signed it. Errors are Invalid, by reason.
func (s *Set) VerifyHandover(p *chain.ProvedHandover) error {
	begin := s.begin
	switch {
	case p.Chain != s.chain:
		return refused(ReasonOtherChain, "the handover is of chain %d, not %d", p.Chain, s.chain)
	case p.Next.Epoch != s.Epoch()+1:
		return refused(ReasonOtherEpoch, "the handover begins epoch %d, after epoch %d", p.Next.Epoch, s.Epoch())
	case p.Height == 0 || begin != nil && p.Height < begin.Height:
		return refused(ReasonHandover, "epoch %d cannot end at height %d, which is not of it", s.Epoch(), p.Height)
	}
	if err := s.membership.CheckNext(&p.Next); err != nil {
		return err
	}
	h, err := codec.DecodeHeader(p.HeaderBytes)
	if err != nil {
		return refused(ReasonHandover, "the last header of epoch %d: %v", s.Epoch(), err)
	}
	if hash := codec.Sum(p.HeaderBytes); hash != p.Header || h.Height != p.Height || h.Chain != s.chain {
		return refused(ReasonHandover, "header %s of height %d on chain %d is not the one that the handover names for height %d", hash, h.Height, h.Chain, p.Height)
	}
	switch {
	case begin != nil && p.Height == begin.Height:
		return s.verifyStillborn(p)
	case h.Epoch != s.Epoch():
		return refused(ReasonHandover, "header %d is of epoch %d, not %d", h.Height, h.Epoch, s.Epoch())
	case p.Verdict == chain.VerdictNone:
		return s.verifyChange(p, h)
	case !h.Next.IsZero():
		return refused(ReasonHandover, "header %d ends its epoch itself: there is nothing to seal", h.Height)
	case p.Certificate != nil:
		if err := s.VerifyCertificate(h, p.Header, p.Certificate); err != nil {
			return err
		}
	}
	return s.verifySeal(p)
}

// verifyChange checks a handover by a governance transaction: the certified header says it all.
func (s *Set) verifyChange(p *chain.ProvedHandover, h *chain.ExecutedHeader) error {
	switch {
	case len(p.Seal) > 0:
		return refused(ReasonHandover, "a handover without a verdict has no seal")
	case p.Certificate == nil:
		return refused(ReasonNoQuorum, "the last header of epoch %d has no certificate", s.Epoch())
	case h.Next != codec.MembershipHash(&p.Next):
		return refused(ReasonHandover, "header %d names another next membership", h.Height)
	case h.RootAt != h.Height || h.StateRoot != p.Root:
		return refused(ReasonHandover, "header %d carries state root %s of height %d, the handover says %s", h.Height, h.StateRoot, h.RootAt, p.Root)
	}
	return s.VerifyCertificate(h, p.Header, p.Certificate)
}

// verifyStillborn checks a seal of an epoch that never certified a block: it ends where it began, behind the same header. That
// header's certificate is of the epoch before, whose handover has it.
func (s *Set) verifyStillborn(p *chain.ProvedHandover) error {
	begin := s.begin
	if p.Header != begin.Header || p.Certificate != nil {
		return refused(ReasonHandover, "epoch %d began behind header %s of height %d and cannot end there behind another", s.Epoch(), begin.Header, begin.Height)
	}
	return s.verifySeal(p)
}

// verifySeal checks a statement of the members. The header under it needs no certificate: the seal's quorum stands for it.
func (s *Set) verifySeal(p *chain.ProvedHandover) error {
	if !p.Verdict.Seals() {
		return refused(ReasonHandover, "verdict %d is unknown to this version", p.Verdict)
	}
	return s.VerifyApprovals(keys.SealMessage(s.chain, codec.HandoverHash(&p.Handover)), p.Seal)
}
