// SPDX-License-Identifier: Apache-2.0

package epoch

import (
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
)

// ReasonNotEnded is the reason of an error about a header for which a seal is said to stand, of an epoch whose end is not known.
const ReasonNotEnded = "not_ended"

// VerifySealed checks a header that has no certificate of its own: the headers above it, each the next one of the one before,
// lead to the one that the seal of its epoch names. A quorum signed that one, and with it all that it stands on.
func (hs *History) VerifySealed(h *chain.ExecutedHeader, hash chain.Hash, above [][]byte) error {
	end, ended := hs.End(h.Epoch)
	switch {
	case !ended:
		return refused(ReasonNotEnded, "header %d has no certificate, and no handover is known that ends epoch %d", h.Height, h.Epoch)
	case end.Verdict == chain.VerdictNone:
		return refused(ReasonHandover, "header %d has no certificate, and epoch %d was ended without a seal", h.Height, h.Epoch)
	case hs.EpochOf(h.Height) != h.Epoch || end.Height != h.Height+chain.Height(len(above)):
		return refused(ReasonHandover, "header %d and %d above it do not end epoch %d, which ends at height %d", h.Height, len(above), h.Epoch, end.Height)
	}
	for i, raw := range above {
		next, err := codec.DecodeHeader(raw)
		if err != nil || next.Previous != hash || next.Height != h.Height+chain.Height(i)+1 {
			return refused(ReasonHandover, "the header above %d does not follow it (%v)", h.Height+chain.Height(i), err)
		}
		hash = codec.Sum(raw)
	}
	if hash != end.Header {
		return refused(ReasonHandover, "header %d is not in the history that the seal of epoch %d stands for", h.Height, h.Epoch)
	}
	return nil
}
